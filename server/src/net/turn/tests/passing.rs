//! What passes, on a whole server: it waits for no disk and is stored nowhere, and the log decides it like all else,
//! also what other nodes order and what takes its time.

use forum_common::names::Text;

use super::*;
use crate::forum::{Change, Entry, Passing, SessionId, TakeOver};

const OTHER_NODE: u64 = 77;

impl Stage {
    fn journal(&mut self) -> &mut MemoryJournal {
        self.server.core.pipeline.journal_mut()
    }

    fn account(&self, name: &str) -> AccountId {
        self.server.core.forum.accounts.find(name).unwrap()
    }

    /// Lets passing entries that were held come back, and everything go on.
    fn release_passing(&mut self) {
        self.journal().release_passing();
        self.run();
    }

    /// Another node orders a change.
    fn foreign(&mut self, actor: Option<AccountId>, change: Change) {
        let mut bytes = Vec::new();
        Entry { at_ms: self.server.core.time.now_ms, actor, key: None, change }.encode(&mut bytes);
        self.journal().append_foreign(&bytes);
        self.run();
    }

    /// Somebody logs in on another node.
    fn foreign_log_in(&mut self, name: &str, number: u64) {
        let account = self.account(name);
        let log_in = Passing::LogIn {
            account,
            session: SessionId { epoch: OTHER_NODE, number },
            checked: Box::new(self.server.core.forum.accounts[account].hash),
            address: "192.0.2.7".parse().unwrap(),
            udp_port: 8_001,
            take_over: TakeOver::Never,
        };
        self.foreign(None, log_in.into());
    }
}

fn broadcast(text: &str) -> Request<'_> {
    Request::SendBroadcast { text }
}

fn welcome(tag: Tag) -> String {
    format!("{tag} Welcome {{ text: \"Welcome to the forum\" }}")
}

/// yoda is logged in; hans and leia have signed up and are gone.
fn stage_of_known_users() -> (Stage, Client) {
    let mut stage = stage(&[]);
    for name in ["hans", "leia"] {
        let client = stage.sign_up(name);
        stage.close(&client);
    }
    let yoda = stage.sign_up("yoda");
    (stage, yoda)
}

#[test]
fn who_comes_and_goes_and_what_is_said_waits_for_no_disk() {
    let (mut stage, mut yoda) = stage_of_known_users();
    stage.journal().hold();
    assert_eq!(stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None }), [""; 0]);
    let mut hans = stage.log_in("hans");
    assert_eq!(hans.answers()[1], welcome(3));
    let mut leia = stage.log_in("leia");
    assert_eq!(leia.answers()[1], welcome(3));
    assert_eq!(stage.ask(&mut leia, 4, &broadcast("hi")), [done(4, "")]);
    stage.settle(&hans);
    assert_eq!(hans.answers(), ["Broadcast { from: \"leia\", text: \"hi\" }"]);
    stage.close(&leia);
    stage.settle(&hans);
    assert!(hans.heard().contains(&"LoggedOut { name: \"leia\" }".to_owned()));
    assert!(stage.log_in("leia").answers()[1].contains("Welcome"));
}

#[test]
fn a_full_disk_keeps_nobody_out_and_nobody_silent() {
    let (mut stage, mut yoda) = stage_of_known_users();
    stage.journal().no_space(1);
    let refused = stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    assert_eq!(
        refused,
        [super::refused(4, Refusal::NoSpace, "No space left on the server. Nothing was changed")]
    );
    stage.journal().no_space(100);
    let mut hans = stage.log_in("hans");
    assert_eq!(hans.answers()[1], welcome(3));
    assert_eq!(stage.ask(&mut yoda, 5, &broadcast("hi")), [done(5, "")]);
    stage.close(&hans);
    assert!(!stage.is_online("hans"));
}

#[test]
fn what_passes_is_stored_nowhere_and_a_restart_knows_nobody() {
    let (mut stage, mut yoda) = stage_of_known_users();
    let before = stage.journal().committed().len();
    let mut hans = stage.log_in("hans");
    stage.ask(&mut yoda, 4, &broadcast("hi"));
    stage.ask(&mut yoda, 5, &Request::AskPrivate { user: "hans", enabled: false });
    stage.ask(&mut hans, 4, &Request::AnswerQuestion { link: 1, yes: true });
    stage.close(&hans);
    assert_eq!(stage.journal().committed().len(), before);
    let mut replayed = Forum::default();
    for bytes in stage.journal().committed() {
        replayed.apply(&Entry::decode(bytes).unwrap()).unwrap();
    }
    assert!(replayed.online.is_empty() && replayed.links.is_empty());
    assert_eq!(replayed.state_hash(), stage.server.core.forum.state_hash());
}

#[test]
fn what_somebody_says_waits_for_their_own_changes() {
    let (mut stage, mut yoda) = stage_of_known_users();
    let mut hans = stage.log_in("hans");
    hans.answers();
    stage.journal().hold();
    yoda.send(4, &Request::CreateThread { title: "t", key: None });
    yoda.send(5, &broadcast("look at t"));
    stage.settle(&yoda);
    assert_eq!((yoda.answers(), hans.answers()), (vec![], vec![]));
    stage.release();
    assert_eq!(yoda.answers(), [done(4, "Thread t created"), done(5, "")]);
    assert_eq!(hans.answers(), ["Broadcast { from: \"yoda\", text: \"look at t\" }"]);
}

#[test]
fn a_room_is_made_of_who_was_online_when_it_was_asked_for() {
    let (mut stage, mut yoda) = stage_of_known_users();
    let hans = stage.log_in("hans");
    stage.journal().hold();
    stage.ask(&mut yoda, 4, &Request::CreateRoom { users: "hans", key: None });
    stage.close(&hans);
    assert!(!stage.is_online("hans"));
    stage.release();
    let made = "Separate chat room has been created, room ID: 1, users in this room: yoda, hans";
    assert_eq!(yoda.answers(), [done(4, made)]);
}

#[test]
fn of_two_log_ins_in_flight_the_first_that_is_ordered_gets_the_name() {
    let (mut stage, _yoda) = stage_of_known_users();
    stage.journal().hold_passing();
    let (mut first, mut second) = (stage.log_in("hans"), stage.log_in("hans"));
    for racer in [&mut first, &mut second] {
        assert_eq!(racer.answers(), ["2 PasswordWanted { known: true }"]);
    }
    stage.release_passing();
    assert_eq!(first.answers(), [welcome(3)]);
    assert_eq!(second.answers(), [refused(3, Refusal::AlreadyLoggedIn, "hans has already logged in")]);
}

#[test]
fn a_connection_that_dies_while_its_log_in_is_in_flight_leaves_nobody_online() {
    let (mut stage, mut yoda) = stage_of_known_users();
    stage.journal().hold_passing();
    let hans = stage.log_in("hans");
    stage.cut(&hans);
    yoda.heard();
    stage.release_passing();
    assert!(!stage.is_online("hans"));
    assert_eq!(yoda.heard(), ["LoggedIn { name: \"hans\" }", "LoggedOut { name: \"hans\" }"]);
    assert_eq!(stage.log_in("hans").answers()[1], welcome(3));
    assert!(stage.server.core.pipeline.is_empty());
}

#[test]
fn a_log_in_whose_password_changed_in_flight_is_refused() {
    let (mut stage, _yoda) = stage_of_known_users();
    let (account, hash) =
        (stage.account("hans"), stage.server.core.forum.accounts[stage.account("yoda")].hash);
    stage.journal().hold_passing();
    let mut hans = stage.log_in("hans");
    hans.answers();
    stage.foreign(None, Change::SetPassword { account, hash });
    stage.release_passing();
    assert_eq!(hans.answers(), [refused(3, Refusal::InvalidPassword, "Invalid password")]);
    assert!(!stage.is_online("hans"));
}

#[test]
fn a_log_out_in_flight_is_the_end_for_everybody_once_it_is_ordered() {
    let (mut stage, mut yoda) = stage_of_known_users();
    let hans = stage.log_in("hans");
    yoda.heard();
    stage.journal().hold_passing();
    stage.close(&hans);
    assert!(stage.is_online("hans"), "it is not ordered yet");
    assert_eq!(yoda.heard(), [""; 0]);
    stage.release_passing();
    assert_eq!(yoda.heard(), ["LoggedOut { name: \"hans\" }"]);
    assert!(!stage.is_online("hans"));
}

#[test]
fn a_time_that_was_shown_is_not_moved_by_what_passes() {
    let (mut stage, mut yoda) = stage_of_known_users();
    stage.clock.set_wall_ms(9_000_000);
    stage.ask(&mut yoda, 4, &broadcast("from the future"));
    let (hans, text) = (stage.account("hans"), Text::parse("and from afar").unwrap());
    stage.foreign(Some(hans), Passing::Broadcast { text }.into());
    stage.clock.set_wall_ms(1_000_000);
    let posted = stage.ask(&mut yoda, 5, &Request::PostToBoard { text: "now", key: None });
    assert_eq!(posted, [done(5, "Broadcast message, #1 broadcast at 1 Jan 1970 00:16:40.")]);
}

#[test]
fn users_of_another_node_are_online_here_and_are_reached_by_the_log_alone() {
    let (mut stage, mut yoda) = stage_of_known_users();
    yoda.heard();
    stage.foreign_log_in("hans", 1);
    assert_eq!(yoda.heard(), ["LoggedIn { name: \"hans\" }"]);
    let whoelse = Request::WhoElse { after: None, at_most: None };
    assert_eq!(stage.ask(&mut yoda, 4, &whoelse), ["4 UserItem { name: \"hans\" }", "4 EndOfList"]);
    let mut late = stage.connect();
    let name = Request::LogIn { name: "hans", udp_port: NO_PORT, take_over: None, session: None };
    let refused = refused(2, Refusal::AlreadyLoggedIn, "hans has already logged in");
    assert_eq!(stage.ask(&mut late, 2, &name), [refused]);
    let hans = stage.account("hans");
    let said = Passing::Broadcast { text: Text::parse("from afar").unwrap() };
    stage.foreign(Some(hans), said.into());
    assert_eq!(yoda.heard(), ["Broadcast { from: \"hans\", text: \"from afar\" }"]);
    let asks = Passing::AskLink {
        session: SessionId { epoch: OTHER_NODE, number: 1 },
        user: stage.account("yoda"),
        request: crate::forum::LinkRequest::Private,
        token: [1; 16],
    };
    stage.foreign(Some(hans), asks.into());
    assert_eq!(yoda.heard(), ["PrivateQuestion { link: 1, from: \"hans\" }"]);
    stage.foreign(Some(hans), Passing::LogOut { session: SessionId { epoch: OTHER_NODE, number: 1 } }.into());
    assert_eq!(yoda.heard(), ["QuestionWithdrawn { link: 1 }", "LoggedOut { name: \"hans\" }"]);
    assert_eq!(stage.log_in("hans").answers()[1], welcome(3));
}

#[test]
fn a_session_that_is_leaving_already_may_be_taken_over() {
    let (mut stage, mut yoda) = stage_of_known_users();
    stage.journal().hold_passing();
    let mut again = stage.connect();
    again.send(
        2,
        &Request::LogIn {
            name: "yoda",
            udp_port: NO_PORT,
            take_over: Some(forum_common::wire::TakeOver::Always),
            session: None,
        },
    );
    again.send(3, &Request::Password { password: PASSWORD });
    stage.settle(&again);
    assert_eq!(stage.ask(&mut yoda, 4, &Request::LogOut), [done(4, "Goodbye")]);
    stage.release_passing();
    assert_eq!(again.answers().last(), Some(&welcome(3)));
    assert!(stage.is_online("yoda"));
    assert_eq!(yoda.answers(), [""; 0], "it has heard goodbye");
}

#[test]
fn a_connection_that_dies_frees_its_name_for_who_is_served_next_in_the_same_turn() {
    let (mut stage, yoda) = stage_of_known_users();
    let mut again = stage.connect();
    again.send(2, &Request::LogIn { name: "yoda", udp_port: NO_PORT, take_over: None, session: None });
    yoda.link.borrow_mut().broken = true;
    for client in [&yoda, &again] {
        stage.nudge(client);
    }
    stage.run();
    assert_eq!(again.answers(), ["2 PasswordWanted { known: true }"]);
}

#[test]
fn an_expiry_that_is_being_ordered_is_ordered_once_and_waited_for_in_peace() {
    let (mut stage, mut yoda) = stage_of_known_users();
    let mut hans = stage.log_in("hans");
    stage.ask(&mut yoda, 4, &Request::AskPrivate { user: "hans", enabled: false });
    hans.heard();
    stage.journal().hold_passing();
    stage.pass(Duration::from_millis(crate::forum::QUESTION_OPEN_MS));
    assert_eq!(stage.server.core.pipeline.len(), 1);
    assert_ne!(stage.server.idle_for(), Some(Duration::ZERO));
    stage.release_passing();
    assert_eq!(yoda.answers(), ["QuestionDeclined { link: 1 }"]);
    assert_eq!(hans.answers(), ["QuestionWithdrawn { link: 1 }"]);
}

#[test]
fn a_report_that_is_too_late_takes_no_place_in_the_log() {
    let (mut stage, mut yoda) = stage_of_known_users();
    stage.journal().hold_passing();
    for report in [
        Request::AnswerQuestion { link: 1, yes: true },
        Request::LinkListening { link: 1, port: 1 },
        Request::LinkReached { link: 1 },
        Request::EndLink { link: 1, stopped: true },
    ] {
        assert_eq!(stage.ask(&mut yoda, 4, &report), [""; 0]);
        assert!(stage.server.core.pipeline.is_empty(), "{report:?}");
    }
}

#[test]
fn a_question_is_over_after_its_time_also_when_the_clock_was_set_back() {
    let (mut stage, mut yoda) = stage_of_known_users();
    let _hans = stage.log_in("hans");
    stage.clock.set_wall_ms(9_000_000);
    stage.run();
    stage.ask(&mut yoda, 4, &Request::AskPrivate { user: "hans", enabled: false });
    stage.clock.set_wall_ms(1_000_000);
    let idle_for = stage.server.idle_for().unwrap();
    assert!(idle_for <= Duration::from_millis(crate::forum::QUESTION_OPEN_MS), "{idle_for:?}");
    stage.pass(Duration::from_millis(crate::forum::QUESTION_OPEN_MS));
    assert_eq!(yoda.answers(), ["QuestionDeclined { link: 1 }"]);
}

#[test]
fn the_end_of_a_connection_waits_for_nothing_and_its_changes_are_made() {
    let (mut stage, mut yoda) = stage_of_known_users();
    let mut hans = stage.log_in("hans");
    hans.heard();
    stage.journal().hold();
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    stage.cut(&yoda);
    assert_eq!(hans.heard(), ["LoggedOut { name: \"yoda\" }"]);
    stage.release();
    assert!(stage.server.core.forum.threads.titled("t").is_some());
}

#[test]
fn a_log_in_in_flight_at_the_clients_fin_is_answered_before_the_closing_word() {
    let (mut stage, mut yoda) = stage_of_known_users();
    yoda.heard();
    stage.journal().hold_passing();
    let mut hans = stage.log_in("hans");
    stage.close(&hans);
    hans.answers();
    stage.release_passing();
    assert_eq!(hans.answers(), [welcome(3), "Closing { code: EndOfInput, text: \"Goodbye\" }".to_owned()]);
    assert_eq!(yoda.heard(), ["LoggedIn { name: \"hans\" }", "LoggedOut { name: \"hans\" }"]);
    assert!(!stage.is_online("hans"));
}

#[test]
fn a_log_in_in_flight_as_the_server_ends_is_answered_before_the_goodbye() {
    let (mut stage, _yoda) = stage_of_known_users();
    stage.journal().hold_passing();
    let mut hans = stage.log_in("hans");
    hans.answers();
    stage.server.shut_down();
    stage.run();
    assert_eq!(hans.answers(), [""; 0]);
    stage.release_passing();
    let goodbye = "Closing { code: ShuttingDown, text: \"Goodbye. Server shutting down\" }";
    assert_eq!(hans.answers(), [welcome(3), goodbye.to_owned()]);
    stage.pass(Duration::from_secs(5));
    assert!(stage.server.has_ended());
}
