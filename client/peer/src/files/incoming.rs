//! A file on its way here from another user.

use std::net::SocketAddr;
use std::time::Instant;

use forum_common::text::Answer;
use forum_common::wire::{Key, LinkId, Request};

use super::transfer::Transfer;
use crate::Context;
use crate::digest::Digesting;
use crate::folder::{Kept, Leftover, Place, Problem};
use crate::progress::Meter;
use crate::transport::socket::PeerSocket;
use crate::transport::{self, Endpoint, Event, Failure, Offer, Reason, Receiver};
use crate::wording::{cause, stored_as};

/// A file that this user has agreed to take.
#[derive(Debug)]
pub(super) struct Incoming {
    /// How the server calls the link; without the server it has no name.
    pub(super) link: Option<LinkId>,
    from: String,
    name: String,
    size: u64,
    place: Place,
    stage: Taking,
    meter: Meter,
}

/// What is here already of a file of this name and size, and the digest of that.
type Begun = (Leftover, blake3::Hasher);

#[derive(Debug)]
enum Taking {
    /// Something is here; its digest is being made. The yes is sent after that, since the sender does not
    /// wait for ever from then on.
    Looking(Leftover, Digesting),
    /// The yes is sent; the server has still to say where the other end is.
    Agreed(Option<Begun>),
    /// It is being received, once it has been offered.
    Going(Box<Transfer<Receiver<Kept>>>, Option<Begun>),
    /// The user knows the result; the other end may not.
    Told(Box<Transfer<Receiver<Kept>>>, End),
    /// Nothing is left to be done.
    Over,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The file is here.
    Stored,
    /// It broke off; what is here may become the file one day.
    Broken,
    /// What is here is not what it should be, and goes.
    Wrong,
}

impl Incoming {
    /// This user says yes.
    pub(super) fn new(link: LinkId, from: &str, name: &str, size: u64, place: Place) -> Self {
        let stage = match place.leftover().and_then(|leftover| Some((leftover.digesting().ok()?, leftover))) {
            Some((digesting, leftover)) => Taking::Looking(leftover, digesting),
            None => Taking::Agreed(None),
        };
        let (from, name) = (from.to_owned(), name.to_owned());
        Self { link: Some(link), from, name, size, place, stage, meter: Meter::default() }
    }

    /// The file's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Says yes to the server, unless something has to be looked at first.
    pub(super) fn answer(&self, context: &mut Context<'_>) {
        if let (Taking::Agreed(_), Some(link)) = (&self.stage, self.link) {
            context.tell(&Request::AnswerQuestion { link, yes: true });
        }
    }

    /// Whether the result is still to come.
    pub(super) fn is_unfinished(&self) -> bool {
        !matches!(self.stage, Taking::Told(..) | Taking::Over)
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Taking::Over)
    }

    /// Whether the sender, if it is still there, may have to hear the result.
    pub(super) fn owes_result(&self) -> bool {
        let is_there = |transfer: &Transfer<_>| !transfer.needs_server() && !transfer.is_deserted();
        matches!(&self.stage, Taking::Told(transfer, End::Stored) if is_there(transfer))
    }

    /// The transfer, once it is under way.
    pub(super) fn transfer(&mut self) -> Option<&mut Transfer<Receiver<Kept>>> {
        match &mut self.stage {
            Taking::Going(transfer, _) | Taking::Told(transfer, _) => Some(transfer),
            _ => None,
        }
    }

    /// The other end is there, or there is no way but through the server.
    pub(super) fn introduced(
        &mut self,
        link: LinkId,
        token: Key,
        there: Option<SocketAddr>,
        context: &mut Context<'_>,
    ) {
        let Taking::Agreed(begun) = &mut self.stage else { return };
        let begun = begun.take();
        match Receiver::new(context.now, &transport::Token::new(token, link)) {
            Ok(receiver) => self.stage = Taking::Going(Box::new(Transfer::new(receiver, there)), begun),
            Err(_) => self.fail(context),
        }
    }

    /// The other end has left.
    pub(super) fn other_is_gone(&mut self, context: &mut Context<'_>) {
        match &mut self.stage {
            Taking::Going(transfer, _) => transfer.other_is_gone(context.now),
            Taking::Told(..) | Taking::Over => {}
            _ => self.fail(context),
        }
    }

    /// The connection to the server is gone.
    pub(super) fn disconnected(&mut self, context: &mut Context<'_>) {
        let needs_server = match &self.stage {
            Taking::Going(transfer, _) => transfer.needs_server(),
            Taking::Told(..) | Taking::Over => false,
            _ => true,
        };
        if needs_server {
            self.fail(context);
        }
        self.link = None;
    }

    /// This user logs out.
    pub(super) fn give_up(&mut self, context: &mut Context<'_>) {
        match std::mem::replace(&mut self.stage, Taking::Over) {
            Taking::Going(mut transfer, begun) => {
                transfer.endpoint().abort(context.now, Reason::Left);
                self.stage = Taking::Going(transfer, begun);
            }
            // There may be no later moment to remove what is not the file.
            Taking::Told(transfer, End::Wrong) => forget(*transfer, End::Wrong),
            Taking::Told(transfer, end) => self.stage = Taking::Told(transfer, end),
            Taking::Looking(..) | Taking::Agreed(_) => self.fail(context),
            Taking::Over => {}
        }
    }

    /// This user wants it no more. What is here stays, to be resumed one day.
    pub(super) fn cancel(&mut self, context: &mut Context<'_>) {
        if let Taking::Going(transfer, _) = &mut self.stage {
            transfer.endpoint().abort(context.now, Reason::Cancelled);
            while transfer.next_event().is_some() {}
        }
        context.say(format_args!("{} was cancelled", self.name));
        self.settle(End::Broken, context);
    }

    /// Does what can be done now. Returns whether there is more.
    pub(super) fn advance(&mut self, socket: Option<&mut PeerSocket>, context: &mut Context<'_>) -> bool {
        match std::mem::replace(&mut self.stage, Taking::Over) {
            Taking::Looking(leftover, mut digesting) => {
                self.stage = match digesting.advance() {
                    Ok(false) => Taking::Looking(leftover, digesting),
                    Ok(true) => Taking::Agreed(Some((leftover, digesting.into_hasher()))),
                    // What can't be read can't be resumed; the file still can be taken.
                    Err(_) => Taking::Agreed(None),
                };
                self.answer(context);
                matches!(self.stage, Taking::Looking(..))
            }
            Taking::Going(mut transfer, begun) => {
                let has_more = transfer.advance(self.link, socket, context);
                self.stage = Taking::Going(transfer, begun);
                self.take_events(context) || has_more
            }
            Taking::Told(mut transfer, end) => {
                let has_more = transfer.advance(self.link, socket, context);
                if transfer.due().is_some() {
                    self.stage = Taking::Told(transfer, end);
                } else {
                    forget(*transfer, end);
                }
                has_more
            }
            stage => {
                self.stage = stage;
                false
            }
        }
    }

    /// Returns whether something came of it that there is to send.
    fn take_events(&mut self, context: &mut Context<'_>) -> bool {
        let mut has_acted = false;
        while let Some(event) = self.transfer().and_then(Transfer::next_event) {
            has_acted = true;
            match event {
                Event::Started { .. } => {}
                Event::Offered(offer) => self.offered(&offer, context),
                Event::Done => {
                    let received = Answer::FileReceived { file: &self.name, user: &self.from };
                    context.say(received);
                    self.sink()
                        .and_then(Kept::renamed)
                        .into_iter()
                        .for_each(|name| context.say(stored_as(name)));
                    self.settle(End::Stored, context);
                }
                Event::Failed(failure) => {
                    let differs = failure == Failure::Here(Reason::DigestDiffers);
                    self.say_failed(context);
                    self.settle(if differs { End::Wrong } else { End::Broken }, context);
                }
            }
        }
        has_acted
    }

    /// The sender has been heard, and says what it has.
    fn offered(&mut self, offer: &Offer, context: &mut Context<'_>) {
        let now = context.now;
        if let Some(link) = self.link {
            context.tell(&Request::LinkReached { link });
        }
        let Taking::Going(transfer, begun) = &mut self.stage else { return };
        if offer.size != self.size {
            // That is not the file that this user has agreed to.
            return transfer.endpoint().abort(now, Reason::Declined);
        }
        match self.place.store(offer, begun.take()) {
            Ok((start, kept)) => transfer.endpoint().accept(now, start, kept),
            Err(error) => {
                context.warn(format_args!("{} can't be stored: {}", self.name, cause(&error)));
                transfer.endpoint().abort(now, Reason::NotStored);
            }
        }
    }

    /// Where it goes, while it comes.
    fn sink(&self) -> Option<&Kept> {
        match &self.stage {
            Taking::Going(transfer, _) => transfer.view().sink(),
            _ => None,
        }
    }

    /// Says that it was not received, and why, if that is this end's affair.
    fn say_failed(&self, context: &mut Context<'_>) {
        match self.sink().and_then(Kept::problem) {
            Some(problem @ Problem::Exists(_)) => context.say(problem),
            Some(problem) => context.warn(format_args!("{} can't be stored: {problem}", self.name)),
            None => {}
        }
        context.say(format_args!("{} from {} was not received", self.name, self.from));
    }

    /// It does not come to a result by itself any more. What is here stays, to be resumed one day.
    fn fail(&mut self, context: &mut Context<'_>) {
        self.say_failed(context);
        self.stage = Taking::Over;
        self.settle(End::Broken, context);
    }

    /// The user knows the result.
    fn settle(&mut self, end: End, context: &mut Context<'_>) {
        if let Some(link) = self.link {
            context.tell(&Request::EndLink { link, stopped: false });
        }
        self.stage = match std::mem::replace(&mut self.stage, Taking::Over) {
            Taking::Going(transfer, _) => Taking::Told(transfer, end),
            _ => Taking::Over,
        };
    }

    /// When there is something to do again; none while others have to do something first.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        match &self.stage {
            Taking::Looking(..) => Some(now),
            Taking::Going(transfer, _) | Taking::Told(transfer, _) => transfer.due(),
            Taking::Agreed(_) | Taking::Over => None,
        }
    }

    /// Bytes that are done: looked through, or arrived, once it is under way.
    pub(super) fn bytes_done(&self) -> Option<u64> {
        match &self.stage {
            Taking::Looking(_, digesting) => Some(digesting.done_bytes()),
            Taking::Going(transfer, _) => transfer.view().progress().map(|progress| progress.bytes),
            _ => None,
        }
    }

    /// The line above the prompt.
    pub(super) fn status(&mut self, now: Instant, columns: usize) -> Option<String> {
        let (from, name) = (&self.from, &self.name);
        match &self.stage {
            Taking::Looking(_, digesting) => {
                let what = "looking through what is here";
                Some(format!("Receiving {name} from {from}: {what}, {}%", digesting.percent()))
            }
            Taking::Agreed(_) => Some(format!("Receiving {name} from {from}: waiting")),
            Taking::Going(transfer, _) => {
                let progress = transfer.view().progress()?;
                self.meter.sample(now, progress.bytes);
                let what = format!("Receiving {name} from {from}");
                Some(self.meter.line(&what, progress.bytes, progress.size, now, columns))
            }
            Taking::Told(..) | Taking::Over => None,
        }
    }
}

/// Ends a transfer whose result is known.
fn forget(transfer: Transfer<Receiver<Kept>>, end: End) {
    if let Some(kept) = transfer.into_endpoint().into_sink() {
        kept.leave(end != End::Wrong);
    }
}
