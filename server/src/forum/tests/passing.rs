//! The promises of passing entries: who is online, which links stand, who is told what, and that nothing of it
//! reaches what is kept.

mod linking;
mod properties;

use core::net::IpAddr;

use super::*;

const YODA: AccountId = AccountId(0);
const HANS: AccountId = AccountId(1);
const LEIA: AccountId = AccountId(2);
const TOKEN: Token = [7; 16];
const UDP_PORT: u16 = 8_001;

fn session(number: u64) -> SessionId {
    SessionId { epoch: 5, number }
}

fn address() -> IpAddr {
    "192.0.2.1".parse().unwrap()
}

fn other_hash() -> PasswordHash {
    "$argon2id$v=19$m=8,t=1,p=1$BAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        .parse()
        .unwrap()
}

fn log_in_from(account: AccountId, number: u64, address: IpAddr, take_over: TakeOver) -> Passing {
    Passing::LogIn {
        account,
        session: session(number),
        checked: Box::new(hash()),
        address,
        udp_port: UDP_PORT,
        take_over,
    }
}

fn log_in(account: AccountId, number: u64) -> Passing {
    log_in_from(account, number, address(), TakeOver::Never)
}

fn log_out(number: u64) -> Passing {
    Passing::LogOut { session: session(number) }
}

/// The session of a user is numbered like the account where a test has only one of each.
fn ask(asker: AccountId, user: AccountId, request: LinkRequest) -> Passing {
    Passing::AskLink { session: session(asker.0.into()), user, request, token: TOKEN }
}

fn file() -> LinkRequest {
    LinkRequest::File { file: FileName::parse("f").unwrap(), size: 9 }
}

impl Table {
    /// So many users who are all online.
    fn with_online(count: u32) -> Self {
        let mut table = Self::with_users(count);
        for account in (0..count).map(AccountId) {
            table.pass(None, log_in(account, account.0.into())).unwrap();
        }
        table
    }

    fn pass(&mut self, actor: Option<AccountId>, passing: Passing) -> Result<Effect, Refused> {
        self.apply(actor.map(|actor| actor.0), passing.into())
    }

    fn by(&mut self, actor: AccountId, passing: Passing) -> Result<Effect, Refused> {
        self.pass(Some(actor), passing)
    }

    fn step(&mut self, actor: AccountId, passing: Passing) -> LinkStep {
        match self.by(actor, passing) {
            Ok(Effect::Link(step)) => step,
            other => panic!("no step of a link: {other:?}"),
        }
    }

    fn departure(&mut self, actor: AccountId, number: u64) -> Departure {
        match self.by(actor, log_out(number)) {
            Ok(Effect::LoggedOut(departure)) => departure,
            other => panic!("nobody has gone: {other:?}"),
        }
    }

    fn session_of(&self, account: AccountId) -> Option<u64> {
        self.forum.online.find(account).map(|user| user.session.number)
    }

    fn yes(&mut self, by: AccountId, link: u64) -> LinkStep {
        self.step(by, Passing::AnswerLink { link, yes: true })
    }

    /// The two have agreed on a link: the one to make itself reachable.
    fn agreed(&mut self, request: LinkRequest) -> (u64, AccountId) {
        let id = self.step(YODA, ask(YODA, HANS, request)).id;
        (id, self.yes(HANS, id).link.preparing_end())
    }

    /// The link that falls due first, and when.
    fn first_due(&self) -> Option<(u64, u64)> {
        self.forum.links.deadlines().next()
    }

    /// Passing state as a text, to see whether it has changed.
    fn passing(&self) -> String {
        format!("{:?} {:?}", self.forum.online, self.forum.links)
    }
}

#[test]
fn a_user_is_online_once_until_that_session_ends() {
    let mut table = Table::with_users(2);
    let come = table.pass(None, log_in(YODA, 1)).unwrap();
    assert_eq!(come, Effect::LoggedIn { took_over: None, hidden_from: Users::default() });
    let user = *table.forum.online.find(YODA).unwrap();
    assert_eq!((user.session, user.address, user.udp_port), (session(1), address(), UDP_PORT));
    assert_eq!(user.since_ms, table.log.last().unwrap().at_ms);
    let name = UserName::parse("user0").unwrap();
    assert_eq!(table.pass(None, log_in(YODA, 2)), Err(Refused::AlreadyLoggedIn(name)));
    assert_eq!(table.session_of(YODA), Some(1));
    assert_eq!(table.departure(YODA, 1).session, session(1));
    assert_eq!(table.session_of(YODA), None);
    assert!(table.pass(None, log_in(YODA, 2)).is_ok());
}

#[test]
fn a_log_out_ends_that_session_or_nothing() {
    let mut table = Table::with_online(2);
    for number in [1, 7] {
        assert_eq!(table.by(YODA, log_out(number)), Err(Refused::NotLoggedIn));
    }
    let other_node = Passing::LogOut { session: SessionId { epoch: 6, number: 0 } };
    assert_eq!(table.by(YODA, other_node), Err(Refused::NotLoggedIn));
    assert_eq!((table.session_of(YODA), table.session_of(HANS)), (Some(0), Some(1)));
    table.departure(YODA, 0);
    assert_eq!(table.by(YODA, log_out(0)), Err(Refused::NotLoggedIn), "it is over");
}

#[test]
fn a_password_that_changed_since_it_was_checked_lets_nobody_in() {
    let mut table = Table::with_users(1);
    table.apply(Some(0), Change::SetPassword { account: YODA, hash: other_hash() }).unwrap();
    assert_eq!(table.pass(None, log_in(YODA, 1)), Err(Refused::PasswordChanged));
    let unknown = table.pass(None, log_in(AccountId(9), 1));
    assert_eq!(unknown, Err(Refused::NoSuchAccount));
    assert!(table.forum.online.is_empty());
}

#[test]
fn a_take_over_ends_the_other_session_with_its_links_and_the_new_one_stays() {
    let mut table = Table::with_online(2);
    let link = table.step(YODA, ask(YODA, HANS, LinkRequest::Private)).id;
    let taking = |take_over| log_in_from(YODA, 9, address(), take_over);
    let refused = Err(Refused::AlreadyLoggedIn(UserName::parse("user0").unwrap()));
    assert_eq!(table.pass(None, taking(TakeOver::Session(session(8)))), refused, "not its own");
    let same = log_in_from(YODA, 0, address(), TakeOver::Always);
    assert_eq!(table.pass(None, same), refused, "a session takes over another one");
    let taken = table.pass(None, taking(TakeOver::Session(session(0)))).unwrap();
    let Effect::LoggedIn { took_over: Some(ended), .. } = taken else { panic!("{taken:?}") };
    assert_eq!((ended.account, ended.session), (YODA, session(0)));
    assert_eq!(ended.links[0].told, [(HANS, LinkNews::Withdrawn)]);
    assert_eq!(table.by(HANS, Passing::AnswerLink { link, yes: true }), Err(Refused::NoSuchStep));
    assert_eq!(table.by(YODA, log_out(0)), Err(Refused::NotLoggedIn), "that of the session that was ended");
    assert_eq!(table.session_of(YODA), Some(9));
    let again = log_in_from(YODA, 10, address(), TakeOver::Always);
    assert!(table.pass(None, again).is_ok());
}

#[test]
fn comings_and_goings_are_hidden_from_whom_the_user_has_blocked() {
    let mut table = Table::with_users(2);
    table.apply(Some(0), Change::Block { user: HANS }).unwrap();
    let hidden_from: Users = [HANS].into_iter().collect();
    let come = table.pass(None, log_in(YODA, 0)).unwrap();
    assert_eq!(come, Effect::LoggedIn { took_over: None, hidden_from: hidden_from.clone() });
    assert_eq!(table.departure(YODA, 0).hidden_from, hidden_from);
}

#[test]
fn a_broadcast_leaves_out_who_has_blocked_the_sender_and_says_so_if_one_is_online() {
    let mut table = Table::with_online(2);
    let say = || Passing::Broadcast { text: text("x") };
    let said = |hidden_from: &[AccountId], left_out| {
        Ok(Effect::Said { hidden_from: hidden_from.iter().copied().collect(), left_out })
    };
    assert_eq!(table.by(YODA, say()), said(&[], false));
    table.apply(Some(1), Change::Block { user: YODA }).unwrap();
    assert_eq!(table.by(YODA, say()), said(&[HANS], true));
    table.departure(HANS, 1);
    assert_eq!(table.by(YODA, say()), said(&[HANS], false));
    assert_eq!(table.by(HANS, say()), Err(Refused::NotLoggedIn));
}

#[test]
fn what_passes_never_moves_the_time_of_the_log() {
    let mut table = Table::with_users(2);
    let at_ms = table.forum.at_ms();
    let entry =
        |actor, passing: Passing| Entry { at_ms: at_ms + 60_000, actor, key: None, change: passing.into() };
    table.forum.apply(&entry(None, log_in(YODA, 0))).unwrap();
    table.forum.apply(&entry(Some(YODA), Passing::Broadcast { text: text("x") })).unwrap();
    table.forum.apply(&entry(Some(YODA), log_out(0))).unwrap();
    assert_eq!(table.forum.at_ms(), at_ms);
    assert_eq!(
        table
            .forum
            .online
            .list(HANS, Users::default(), Some(at_ms + 60_000))
            .next_user()
            .map(|user| user.account),
        Some(YODA)
    );
}

#[test]
fn a_restart_and_a_snapshot_know_nothing_of_what_passed() {
    let mut table = Table::with_online(2);
    table.step(YODA, ask(YODA, HANS, file()));
    let mut restorer = Restorer::default();
    for record in table.forum.records() {
        restorer.take(record).unwrap();
    }
    let restored = restorer.finish();
    assert!(restored.online.is_empty() && restored.links.is_empty());
    assert_eq!(restored.state_hash(), table.forum.state_hash());
}
