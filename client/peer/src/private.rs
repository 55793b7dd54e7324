//! Private sessions: from the question whether somebody would talk, over the way to each other, to the last
//! word.
//!
//! What the server says about links comes in as values, and what it is to be told goes out the same way. The
//! sockets are [`door`]'s and [`line`]'s. A session that stands needs no server, and outlives the connection to it.

mod door;
mod keepalive;
mod line;
mod relay;
mod session;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use forum_common::names::{Text, UserName};
use forum_common::text::{Answer, Rejection};
use forum_common::wire::{Key, LinkId, Request};
use rustix::event::{PollFd, PollFlags};

use self::door::Door;
use self::line::Line;
use self::relay::{Agreement, Introduced, Relay};
use self::session::has_ended;
use crate::Context;
use crate::dial::Dial;
use crate::noise::{Keys, Purpose, Secret, WORDS};

/// How long, once a line has ended without a word, `U logged out` may take to come and say why; and how long
/// what a peer said before it logged out may take to arrive.
const WORD_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads of a line, of 64 KiB each, before its end is shown: more than the kernels of both ends keep for it,
/// unless the other end goes on talking.
const LAST_READS: usize = 128;

/// All private sessions of this user.
#[derive(Debug, Default)]
pub(crate) struct Privates {
    sessions: Vec<Private>,
}

/// A session with one user, or what may become one.
#[derive(Debug)]
struct Private {
    user: String,
    /// How the server calls it; a session that has outlived a connection to the server has no such name.
    link: Option<LinkId>,
    /// Whether this user has asked, and is to hear what came of it.
    has_asked: bool,
    introduced: Option<Introduced>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The other user is being asked, or both have agreed; the server goes on.
    Arranging,
    /// The other end is awaited.
    Awaiting(Door),
    /// A connection to the other end is being made.
    Dialing(Dial, Secret),
    /// Connected; by then the other end has to show that it is the right one.
    Proving(Line, Instant),
    /// Both ends have found each other; the server has yet to say that it stands.
    Found(Line),
    /// It stands, from client to client.
    Direct(Line),
    /// The two can't meet, and by then have to make keys through the server.
    Agreeing(Agreement, Instant),
    /// It stands, by way of the server.
    Relayed(Relay),
    /// Over for this user. What the other one said before is still shown, and what this one said still goes
    /// out.
    Ending(Line, Instant),
    /// The line has ended without a word. Unless the server says by then that the other user has logged out,
    /// this user is told.
    Lost(Instant),
    /// Nothing is left to be done.
    Over,
}

impl Stage {
    fn stands(&self) -> bool {
        matches!(self, Self::Direct(_) | Self::Relayed(_))
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Ending(..) | Self::Lost(_) | Self::Over)
    }
}

/// How a private message leaves.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Way {
    /// It has.
    Gone,
    /// The server is to take it there, on this link, sealed.
    Relay(LinkId, Vec<u8>),
    /// It does not, for this reason.
    Refused(Rejection),
}

impl Privates {
    /// Whether messages go to and fro between this user and `user`.
    pub(crate) fn is_enabled(&self, user: &str) -> bool {
        self.standing(user).is_some()
    }

    /// Whether there is a session, or the beginning of one, on this link.
    pub(crate) fn has_link(&self, link: LinkId) -> bool {
        self.sessions.iter().any(|private| private.link == Some(link))
    }

    /// The server is asking the other user.
    pub(crate) fn asked(&mut self, link: LinkId, user: &str) {
        match self.of_link(link) {
            // Asking twice is asking once.
            Some(private) => private.has_asked = true,
            None => self.add(link, user, true),
        }
    }

    /// This user has said yes to the other one.
    pub(crate) fn agreed(&mut self, link: LinkId, user: &str) {
        self.add(link, user, false);
    }

    fn add(&mut self, link: LinkId, user: &str, has_asked: bool) {
        let (user, link) = (user.to_owned(), Some(link));
        self.sessions.push(Private { user, link, has_asked, introduced: None, stage: Stage::Arranging });
    }

    /// The other end will come here; says where. `here` is our address as the server knows it.
    pub(crate) fn prepare(
        &mut self,
        link: LinkId,
        token: Key,
        here: Option<IpAddr>,
        context: &mut Context<'_>,
    ) {
        let Some(private) = self.of_link(link) else { return };
        private.introduced = Some(Introduced { token, calls: false });
        let secret = Secret::new(&token, link, Purpose::Private);
        let door = here.and_then(|address| Door::open(address, secret).ok());
        let port = door.as_ref().and_then(|door| door.port().ok()).unwrap_or(0);
        if let Some(door) = door {
            private.stage = Stage::Awaiting(door);
        }
        context.tell(&Request::LinkListening { link, port });
    }

    /// The other end is there; with no address there is no way but through the server.
    pub(crate) fn introduced(&mut self, link: LinkId, token: Key, there: Option<SocketAddr>, now: Instant) {
        let Some(private) = self.of_link(link) else { return };
        private.introduced = Some(Introduced { token, calls: true });
        // If it can't be reached, the server will notice, and help out.
        if let Some(there) = there
            && let Ok(dial) = Dial::start([there], now)
        {
            private.stage = Stage::Dialing(dial, Secret::new(&token, link, Purpose::Private));
        }
    }

    /// Both ends may use it now.
    pub(crate) fn stands(&mut self, link: LinkId, relayed: bool, context: &mut Context<'_>) {
        let Some(private) = self.of_link(link) else { return };
        private.stage = match std::mem::replace(&mut private.stage, Stage::Over) {
            _ if relayed => return private.agree_through_server(link, context),
            Stage::Found(line) => Stage::Direct(line),
            // The server knows from both ends that it stands; so this is none that follows its rules.
            _ => return context.warn(Answer::PrivateFailed { user: &private.user }),
        };
        private.announce(false, context);
    }

    /// The other user does not want to.
    pub(crate) fn declined(&mut self, link: LinkId, context: &mut Context<'_>) {
        if let Some(private) = self.of_link(link) {
            context.say(Answer::PrivateDeclined { user: &private.user });
            private.stage = Stage::Over;
        }
    }

    /// The server says that the other end is gone. Of a session that stands directly the line itself will
    /// tell, and first bring what was said before.
    pub(crate) fn ended(&mut self, link: LinkId, stopped: bool, context: &mut Context<'_>) {
        let Some(private) = self.of_link(link) else { return };
        match private.stage {
            Stage::Direct(_) => {}
            Stage::Relayed(_) if stopped => {
                context.say(Answer::PrivateStoppedBy { user: &private.user });
                private.stage = Stage::Over;
            }
            Stage::Relayed(_) => private.stage = Stage::Lost(context.now + WORD_TIMEOUT),
            _ => private.fail(context),
        }
    }

    /// `U logged out` is about to be shown, which says all. What was said before belongs before it.
    pub(crate) fn logged_out(&mut self, user: &str, context: &mut Context<'_>) {
        for private in self.sessions.iter_mut().filter(|private| private.user == user) {
            private.stage = match std::mem::replace(&mut private.stage, Stage::Over) {
                Stage::Direct(line) => private.hear_last_words(line, true, context),
                Stage::Ending(line, _) => private.hear_last_words(line, false, context),
                Stage::Relayed(_) | Stage::Lost(_) => Stage::Over,
                // What is still being arranged the server ends with a word of its own.
                stage => stage,
            };
        }
    }

    /// Sends a message.
    pub(crate) fn say(&mut self, user: &str, text: &str) -> Way {
        let Some(at) = self.standing(user) else { return Way::Refused(not_enabled(user)) };
        if let Err(invalid) = Text::parse(text) {
            return Way::Refused(invalid.into());
        }
        let private = &mut self.sessions[at];
        match (&mut private.stage, private.link) {
            (Stage::Direct(line), _) => match line.say(text) {
                true => Way::Gone,
                false => Way::Refused(too_slow(user)),
            },
            (Stage::Relayed(relay), Some(link)) => Way::Relay(link, relay.seal(text)),
            _ => Way::Refused(not_enabled(user)),
        }
    }

    /// What this user and the other one can compare, to see that nobody stands between them.
    ///
    /// # Errors
    /// There is no session.
    pub(crate) fn words(&self, user: &str) -> Result<[&'static str; WORDS], Rejection> {
        let keys = self.standing(user).and_then(|at| match &self.sessions[at].stage {
            Stage::Direct(line) => line.keys(),
            Stage::Relayed(relay) => Some(relay.keys()),
            _ => None,
        });
        keys.map(Keys::words).ok_or_else(|| not_enabled(user))
    }

    /// Ends a session because this user wants to.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn stop(&mut self, user: &str, context: &mut Context<'_>) -> Result<(), Rejection> {
        let at = self.standing(user).ok_or_else(|| not_enabled(user))?;
        let private = &mut self.sessions[at];
        private.stage = match std::mem::replace(&mut private.stage, Stage::Over) {
            Stage::Direct(mut line) => {
                line.say_bye();
                Stage::Ending(line, context.now + WORD_TIMEOUT)
            }
            _ => Stage::Over,
        };
        private.tell_end(true, context);
        context.say(Answer::PrivateStopped { user });
        Ok(())
    }

    /// This user logs out: what was said still goes out.
    pub(crate) fn hang_up(&mut self, now: Instant) {
        for private in &mut self.sessions {
            private.stage = match std::mem::replace(&mut private.stage, Stage::Over) {
                Stage::Direct(mut line) => {
                    line.hang_up();
                    Stage::Ending(line, now + WORD_TIMEOUT)
                }
                Stage::Ending(line, until) => Stage::Ending(line, until),
                _ => Stage::Over,
            };
        }
    }

    /// The connection to the server is gone: what needs it has ended, what stands without it goes on.
    pub(crate) fn disconnected(&mut self, context: &mut Context<'_>) {
        for private in &mut self.sessions {
            match private.stage {
                Stage::Direct(_) | Stage::Ending(..) | Stage::Lost(_) | Stage::Over => {}
                Stage::Relayed(_) => {
                    context.say(has_ended(&private.user));
                    private.stage = Stage::Over;
                }
                _ => private.fail(context),
            }
            private.link = None;
        }
    }

    /// Whether something is left to be sent or heard before this process may end.
    pub(crate) fn is_busy(&self) -> bool {
        self.sessions.iter().any(|private| matches!(private.stage, Stage::Ending(..)))
    }

    /// What to poll for.
    pub(crate) fn poll_fds<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        for private in &self.sessions {
            match &private.stage {
                Stage::Awaiting(door) => door.poll_fds(fds),
                Stage::Dialing(dial, _) => fds.push(PollFd::from_borrowed_fd(dial.as_fd(), PollFlags::OUT)),
                Stage::Proving(line, _) | Stage::Direct(line) | Stage::Ending(line, _) => {
                    fds.push(line.poll_fd());
                }
                // A message of one who knows already that it stands waits until this end knows, too.
                Stage::Found(_) => {}
                Stage::Arranging | Stage::Agreeing(..) | Stage::Relayed(_) | Stage::Lost(_) | Stage::Over => {
                }
            }
        }
    }

    /// When [`Privates::attend`] is due even if no socket shows anything.
    pub(crate) fn due(&self) -> Option<Instant> {
        let due = |private: &Private| match &private.stage {
            Stage::Awaiting(door) => door.due(),
            Stage::Dialing(dial, _) => Some(dial.deadline()),
            Stage::Proving(_, until)
            | Stage::Agreeing(_, until)
            | Stage::Ending(_, until)
            | Stage::Lost(until) => Some(*until),
            _ => None,
        };
        self.sessions.iter().filter_map(due).min()
    }

    /// Does whatever the sockets and the clock allow.
    pub(crate) fn attend(&mut self, context: &mut Context<'_>) {
        for private in &mut self.sessions {
            let stage = std::mem::replace(&mut private.stage, Stage::Over);
            private.stage = private.attend(stage, context);
        }
        self.sweep();
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&mut self) {
        self.sessions.retain(|private| !matches!(private.stage, Stage::Over));
    }

    fn of_link(&mut self, link: LinkId) -> Option<&mut Private> {
        let is_it = |private: &&mut Private| private.link == Some(link) && !private.stage.is_over();
        self.sessions.iter_mut().find(is_it)
    }

    fn standing(&self, user: &str) -> Option<usize> {
        self.sessions.iter().position(|private| private.user == user && private.stage.stands())
    }
}

/// The refusal of a private message to a user with whom there is no session.
pub(crate) fn not_enabled(user: &str) -> Rejection {
    UserName::parse(user).map_or_else(Rejection::from, |user| Rejection::NotPrivate(Some(user)))
}

fn too_slow(user: &str) -> Rejection {
    UserName::parse(user).map_or_else(Rejection::from, Rejection::PeerTooSlow)
}
