//! A file on its way to another user.

use std::net::SocketAddr;
use std::time::Instant;

use forum_common::limits::DIGEST_BYTES;
use forum_common::text::Answer;
use forum_common::wire::{Key, LinkId, Request};

use super::transfer::Transfer;
use crate::Context;
use crate::digest::Digesting;
use crate::original::{Original, Source};
use crate::progress::Meter;
use crate::transport::content::FileSource;
use crate::transport::socket::PeerSocket;
use crate::transport::{self, Endpoint, Event, Failure, Offer, Reason, Sender};
use crate::wording::cause;

/// A file that another user is asked to take, or takes.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// How the server calls the link; without the server it has no name.
    pub(super) link: Option<LinkId>,
    user: String,
    name: String,
    size: u64,
    stage: Sending,
    meter: Meter,
}

#[derive(Debug)]
enum Sending {
    /// The other user is being asked.
    Asked(Content),
    /// The other user has said yes; before anything is sent, the whole file's digest must be known.
    Agreed(Content, Key),
    /// Both are known; the server has still to say where the other end is.
    Ready(Original, [u8; DIGEST_BYTES], Key),
    /// It is being sent.
    Going(Box<Transfer<Sender<FileSource>>>),
    /// The user knows the result; the other end may not.
    Told(Box<Transfer<Sender<FileSource>>>),
    /// Nothing is left to be done.
    Over,
}

#[derive(Debug)]
struct Content {
    original: Original,
    digest: Digest,
}

#[derive(Debug)]
enum Digest {
    Working(Box<Digesting>),
    Known([u8; DIGEST_BYTES]),
}

impl Content {
    /// Goes on with the digest.
    fn work(&mut self) -> std::io::Result<()> {
        if let Digest::Working(digesting) = &mut self.digest
            && digesting.advance()?
        {
            self.original.verify()?;
            self.digest = Digest::Known(digesting.digest());
        }
        Ok(())
    }
}

impl Outgoing {
    /// The server is asking the other user.
    ///
    /// # Errors
    /// The file can't be read; the reason, for people.
    pub(super) fn new(link: LinkId, user: &str, source: Source) -> Result<Self, String> {
        let Source { name, original } = source;
        let size = original.size();
        let digest = match original.try_clone_file().map(|file| Digesting::new(file, size)) {
            Ok(digesting) => Digest::Working(Box::new(digesting)),
            Err(error) => return Err(format!("{name} was not uploaded: {}", cause(&error))),
        };
        let (user, stage) = (user.to_owned(), Sending::Asked(Content { original, digest }));
        Ok(Self { link: Some(link), user, name, size, stage, meter: Meter::default() })
    }

    /// The file's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the user waits for the result.
    pub(super) fn is_unanswered(&self) -> bool {
        !matches!(self.stage, Sending::Told(_) | Sending::Over)
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Sending::Over)
    }

    /// The transfer, once it is under way.
    pub(super) fn transfer(&mut self) -> Option<&mut Transfer<Sender<FileSource>>> {
        match &mut self.stage {
            Sending::Going(transfer) | Sending::Told(transfer) => Some(transfer),
            _ => None,
        }
    }

    /// Whether it goes on as soon as the server takes more.
    pub(super) fn is_held(&self) -> bool {
        matches!(&self.stage, Sending::Going(transfer) if transfer.is_held())
    }

    /// The other user does not want it.
    pub(super) fn declined(&mut self, context: &mut Context<'_>) {
        context.refuse(format_args!("{} declined {}", self.user, self.name));
        self.stage = Sending::Over;
    }

    /// The other user wants it, and proves that with this token.
    pub(super) fn prepare(&mut self, token: Key) {
        self.stage = match std::mem::replace(&mut self.stage, Sending::Over) {
            Sending::Asked(content) => Sending::Agreed(content, token),
            stage => stage,
        };
    }

    /// The other end is there, or there is no way but through the server.
    pub(super) fn introduced(&mut self, link: LinkId, there: Option<SocketAddr>, now: Instant) {
        self.stage = match std::mem::replace(&mut self.stage, Sending::Over) {
            Sending::Ready(original, digest, token) => {
                let offer = Offer { size: self.size, digest };
                let source = FileSource::new(original);
                let sender = Sender::new(now, &transport::Token::new(token, link), offer, source);
                Sending::Going(Box::new(Transfer::new(sender, there)))
            }
            stage => stage,
        };
    }

    /// The other end has left.
    pub(super) fn other_is_gone(&mut self, context: &mut Context<'_>) {
        match &mut self.stage {
            Sending::Going(transfer) => transfer.other_is_gone(context.now),
            Sending::Told(_) | Sending::Over => {}
            _ => self.fail(&format!("{} is gone", self.user), context),
        }
    }

    /// The connection to the server is gone.
    pub(super) fn disconnected(&mut self, context: &mut Context<'_>) {
        let needs_server = match &self.stage {
            Sending::Going(transfer) => transfer.needs_server(),
            Sending::Told(_) | Sending::Over => false,
            _ => true,
        };
        if needs_server {
            self.fail("the connection is gone", context);
        }
        self.link = None;
    }

    /// This user logs out.
    pub(super) fn give_up(&mut self, context: &mut Context<'_>) {
        self.take_events(context);
        match &mut self.stage {
            Sending::Going(transfer) => {
                transfer.endpoint().abort(context.now, Reason::Left);
                // The only news is that, and it is ours.
                while transfer.next_event().is_some() {}
                self.say_failed("it was given up", context);
                self.settle(context);
            }
            Sending::Told(_) | Sending::Over => {}
            _ => self.fail("it was given up", context),
        }
    }

    /// This user wants it no more.
    pub(super) fn cancel(&mut self, context: &mut Context<'_>) {
        if let Sending::Going(transfer) = &mut self.stage {
            transfer.endpoint().abort(context.now, Reason::Cancelled);
            // The only news is that, and it is ours.
            while transfer.next_event().is_some() {}
        }
        context.say(format_args!("{} was cancelled", self.name));
        self.settle(context);
    }

    /// Does what can be done now. Returns whether there is more.
    pub(super) fn advance(&mut self, socket: Option<&mut PeerSocket>, context: &mut Context<'_>) -> bool {
        match std::mem::replace(&mut self.stage, Sending::Over) {
            Sending::Asked(content) => self.work(content, Sending::Asked, context),
            Sending::Agreed(Content { original, digest: Digest::Known(digest) }, token) => {
                self.stage = Sending::Ready(original, digest, token);
                let port = socket.and_then(|socket| socket.local_addr().ok()).map_or(0, |here| here.port());
                if let Some(link) = self.link {
                    context.tell(&Request::LinkListening { link, port });
                }
                false
            }
            Sending::Agreed(content, token) => {
                self.work(content, |content| Sending::Agreed(content, token), context);
                // Once it is known, that is told at once.
                true
            }
            Sending::Going(mut transfer) => {
                let has_more = transfer.advance(self.link, socket, context);
                self.stage = Sending::Going(transfer);
                self.take_events(context);
                has_more
            }
            Sending::Told(mut transfer) => {
                let has_more = transfer.advance(self.link, socket, context);
                if transfer.due().is_some() {
                    self.stage = Sending::Told(transfer);
                }
                has_more
            }
            stage => {
                self.stage = stage;
                false
            }
        }
    }

    fn work(
        &mut self,
        mut content: Content,
        stage: impl FnOnce(Content) -> Sending,
        context: &mut Context<'_>,
    ) -> bool {
        match content.work() {
            Ok(()) => {
                let is_working = matches!(content.digest, Digest::Working(_));
                self.stage = stage(content);
                is_working
            }
            Err(error) => {
                self.fail(&cause(&error), context);
                false
            }
        }
    }

    fn take_events(&mut self, context: &mut Context<'_>) {
        while let Some(event) = self.transfer().and_then(Transfer::next_event) {
            match event {
                Event::Offered(_) => {}
                Event::Started { .. } => {
                    if let Some(link) = self.link {
                        context.tell(&Request::LinkReached { link });
                    }
                }
                Event::Done => {
                    context.say(Answer::FileSent { file: &self.name });
                    self.settle(context);
                }
                Event::Failed(failure) => {
                    self.say_failed(&self.reason(failure), context);
                    self.settle(context);
                }
            }
        }
    }

    fn say_failed(&self, why: &str, context: &mut Context<'_>) {
        context.refuse(format_args!("{} was not uploaded: {why}", self.name));
    }

    /// Why it came to nothing.
    fn reason(&self, failure: Failure) -> String {
        let user = &self.user;
        match failure {
            Failure::There(Reason::Cancelled) => format!("{user} cancelled it"),
            Failure::There(Reason::NotStored) => format!("{user} could not store it"),
            Failure::There(Reason::DigestDiffers) => {
                "it was changed meanwhile, or damaged on its way. Send it again".to_owned()
            }
            Failure::OtherVersion => {
                format!("{user} has another version of this program. The older one needs an update")
            }
            Failure::Here(Reason::Unreadable) => self.unreadable(),
            _ => format!("{user} is gone"),
        }
    }

    /// Why the file could not be read.
    fn unreadable(&self) -> String {
        let (Sending::Going(transfer) | Sending::Told(transfer)) = &self.stage else { return String::new() };
        transfer.view().source().problem().map(cause).unwrap_or_default()
    }

    /// It does not come to a result by itself any more.
    fn fail(&mut self, why: &str, context: &mut Context<'_>) {
        self.say_failed(why, context);
        self.stage = Sending::Over;
        self.settle(context);
    }

    /// The user knows the result.
    fn settle(&mut self, context: &mut Context<'_>) {
        if let Some(link) = self.link {
            context.tell(&Request::EndLink { link, stopped: false });
        }
        self.stage = match std::mem::replace(&mut self.stage, Sending::Over) {
            Sending::Going(transfer) => Sending::Told(transfer),
            _ => Sending::Over,
        };
    }

    /// When there is something to do again; none while others have to do something first.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        match &self.stage {
            Sending::Asked(Content { digest: Digest::Working(_), .. }) | Sending::Agreed(..) => Some(now),
            Sending::Going(transfer) | Sending::Told(transfer) => transfer.due(),
            _ => None,
        }
    }

    /// Bytes that are done: read through, or arrived, once it is under way.
    pub(super) fn bytes_done(&self) -> Option<u64> {
        match &self.stage {
            Sending::Asked(content) | Sending::Agreed(content, _) => match &content.digest {
                Digest::Working(digesting) => Some(digesting.done_bytes()),
                Digest::Known(_) => None,
            },
            Sending::Going(transfer) => transfer.view().progress().map(|progress| progress.bytes),
            _ => None,
        }
    }

    /// The line above the prompt.
    pub(super) fn status(&mut self, now: Instant, columns: usize) -> Option<String> {
        let (user, name) = (&self.user, &self.name);
        match &self.stage {
            Sending::Asked(_) => Some(format!("Sending {name}: {user} is asked")),
            Sending::Agreed(Content { digest: Digest::Working(digesting), .. }, _) => {
                Some(format!("Sending {name} to {user}: reading it through, {}%", digesting.percent()))
            }
            Sending::Agreed(..) | Sending::Ready(..) => Some(format!("Sending {name} to {user}: waiting")),
            Sending::Going(transfer) => {
                let progress = transfer.view().progress()?;
                self.meter.sample(now, progress.bytes);
                let what = format!("Sending {name} to {user}");
                Some(self.meter.line(&what, progress.bytes, progress.size, now, columns))
            }
            Sending::Told(_) | Sending::Over => None,
        }
    }
}
