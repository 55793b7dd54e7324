//! The end of what a client says: in order by FIN, with a goodbye, or by the death of its connection.

use super::*;

const POST: Request<'_> = Request::Post { title: "t", text: "x", key: None };
const LIST: Request<'_> = Request::ListThreads { after: None, at_most: None, unread: None };

/// The closing word after a FIN.
const END_OF_INPUT: &str = "Closing { code: EndOfInput, text: \"Goodbye\" }";

impl Client {
    /// Nothing more comes from this client; the server learns of it together with what was sent before.
    fn send_fin(&self) {
        self.link.borrow_mut().client_closed = true;
    }

    fn read_thread(&mut self, tag: Tag) {
        let request = Request::ReadThread {
            title: "t",
            range: None,
            after: None,
            at_most: None,
            last: None,
            unread: None,
        };
        self.send(tag, &request);
    }
}

impl Stage {
    /// A connection on which nothing was said yet.
    fn accept(&mut self) -> Client {
        let link = Rc::new(RefCell::new(Link { room: 1 << 30, ..Link::default() }));
        let id = self.server.admit(Pipe(Rc::clone(&link)), "127.0.0.1:1".parse().unwrap()).unwrap();
        Client { id, link, input: Input::default() }
    }

    pub(super) fn is_online(&self, name: &str) -> bool {
        let account = self.server.core.forum.accounts.find(&name.parse_name());
        account.is_some_and(|account| self.server.core.forum.online.find(account).is_some())
    }
}

trait ParseName {
    fn parse_name(&self) -> forum_common::names::UserName;
}

impl ParseName for str {
    fn parse_name(&self) -> forum_common::names::UserName {
        forum_common::names::UserName::parse(self).unwrap()
    }
}

#[test]
fn a_session_in_one_write_is_answered_to_its_end_and_closed() {
    for with_log_out in [true, false] {
        let (mut stage, yoda) = stage_with_thread();
        stage.close(&yoda);
        let mut client = stage.accept();
        client.send(1, &Request::ClientHello { version: VERSION, client: "test", presence: false });
        client.send_log_in("yoda", PASSWORD);
        (10..20).for_each(|tag| client.send(tag, &POST));
        if with_log_out {
            client.send(20, &Request::LogOut);
        }
        client.send_fin();
        stage.settle(&client);
        let answers = client.answers();
        assert_eq!(answers.len(), 14, "hello, name, welcome, posts, goodbye: {answers:?}");
        assert_eq!(answers[12], done(19, "Message posted to t thread"));
        let last = if with_log_out { done(20, "Goodbye") } else { END_OF_INPUT.into() };
        assert_eq!(answers[13], last);
        assert!(client.link.borrow().server_closed && stage.server.core.sessions.is_empty());
    }
}

#[test]
fn a_sign_up_that_is_followed_by_fin_makes_an_account() {
    let mut stage = stage(&[]);
    let mut client = stage.connect();
    client.send_sign_up("yoda", NO_PORT);
    client.send_fin();
    stage.settle(&client);
    let answers = client.answers();
    assert!(answers[1].contains("Welcome"), "{answers:?}");
    assert_eq!(answers[2..], [END_OF_INPUT]);
    assert_eq!(stage.server.core.forum.accounts.len(), 1);
    assert!(!stage.is_online("yoda") && stage.server.core.sessions.is_empty());
}

#[test]
fn a_log_in_that_is_refused_after_fin_is_answered_and_closed() {
    let mut stage = stage(&[]);
    let _yoda = stage.sign_up("yoda");
    let mut client = stage.connect();
    client.send_log_in("yoda", "wrong");
    client.send_fin();
    stage.settle(&client);
    let answers = client.answers();
    assert!(answers[0].contains("already logged in"), "{answers:?}");
    assert!(answers[1].contains("a name must come before the password"), "{answers:?}");
    assert_eq!(stage.server.connections(), 1);
}

#[test]
fn all_posts_that_are_followed_by_fin_are_answered_however_slow_the_disk_is() {
    const POSTS: Tag = 1_000;
    let (mut stage, mut yoda) = stage_with_thread();
    stage.server.core.pipeline.journal_mut().hold();
    (0..POSTS).for_each(|tag| yoda.send(10 + tag, &POST));
    yoda.send_fin();
    stage.settle(&yoda);
    assert_eq!(yoda.answers(), [""; 0]);
    // As many as may be in flight go with each commit.
    for _ in 0..POSTS {
        stage.nudge(&yoda);
        stage.server.core.pipeline.journal_mut().release();
        stage.server.turn(true);
        stage.server.core.pipeline.journal_mut().hold();
        stage.server.turn(true);
    }
    stage.release();
    let answers = yoda.answers();
    assert_eq!(answers.len(), POSTS as usize + 1);
    assert_eq!(answers.last().unwrap(), END_OF_INPUT);
}

#[test]
fn what_would_need_more_input_ends_at_the_fin_and_what_does_not_is_done() {
    let (mut stage, mut yoda) = stage_with_thread();
    let mut hans = stage.sign_up("hans");
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "half", size: 100, key: None });
    stage.ask(&mut hans, 5, &Request::AskPrivate { user: "yoda", enabled: false });
    stage.settle(&yoda);
    assert!(yoda.answers().concat().contains("PrivateQuestion"));
    stage.server.core.pipeline.journal_mut().hold();
    yoda.send(6, &POST);
    yoda.send_transfer(5, &Transfer::Data { piece: b"half" });
    yoda.send_fin();
    stage.settle(&yoda);
    // The post is on its way, and so yoda is still there; what only yoda could end has ended.
    assert_eq!(stage.stored_files(), 0);
    assert!(stage.server.core.transfers.uploads() == 0 && stage.is_online("yoda"));
    stage.settle(&hans);
    assert!(hans.answers().concat().contains("QuestionDeclined"));
    assert!(
        stage.ask(&mut hans, 6, &Request::AskPrivate { user: "yoda", enabled: false })[1]
            .contains("QuestionDeclined"),
        "who can't answer is not asked"
    );
    stage.release();
    assert_eq!(yoda.answers(), [done(6, "Message posted to t thread"), END_OF_INPUT.into()]);
}

#[test]
fn an_upload_whose_end_came_before_the_fin_is_stored_and_answered() {
    for with_log_out in [true, false] {
        let (mut stage, mut yoda) = stage_with_thread();
        stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 1, key: None });
        stage.server.core.pipeline.journal_mut().hold();
        yoda.send_transfer(5, &Transfer::Data { piece: b"x" });
        yoda.send_transfer(5, &Transfer::DataEnd { digest: None });
        if with_log_out {
            yoda.send(6, &Request::LogOut);
        }
        yoda.send_fin();
        stage.settle(&yoda);
        stage.release();
        let last = if with_log_out { done(6, "Goodbye") } else { END_OF_INPUT.into() };
        assert_eq!(yoda.answers(), [done(5, "f uploaded to t thread"), last]);
        assert_eq!(stage.stored_files(), 1);
    }
}

#[test]
fn a_download_goes_on_after_the_fin_as_far_as_it_has_credit() {
    for (credit, comes_whole) in [(300_000, true), (299_999, false), (0, false)] {
        let (mut stage, mut yoda) = stage_with_thread();
        let bytes = vec![b'x'; 300_000];
        stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 300_000, key: None });
        bytes.chunks(60_000).for_each(|piece| yoda.send_transfer(5, &Transfer::Data { piece }));
        yoda.send_transfer(5, &Transfer::DataEnd { digest: None });
        stage.settle(&yoda);
        assert_eq!(yoda.answers(), [done(5, "f uploaded to t thread")]);
        yoda.send(6, &Request::Download { title: "t", file: "f", offset: None, digest: None });
        if credit > 0 {
            yoda.send_transfer(6, &Transfer::Credit { bytes: credit });
        }
        yoda.send_fin();
        stage.settle(&yoda);
        let heard = yoda.answers();
        assert_eq!(heard.iter().any(|frame| frame.starts_with("6 DataEnd")), comes_whole, "{credit}");
        assert_eq!(heard.last().unwrap(), END_OF_INPUT);
        assert!(stage.server.core.transfers.no_downloads() && stage.server.core.sessions.is_empty());
    }
}

#[test]
fn messages_that_were_not_acknowledged_before_the_fin_stay() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    for (tag, text) in [(4, "a"), (5, "b")] {
        stage.ask(&mut hans, tag, &Request::SendMessage { user: "yoda", text, key: None });
    }
    stage.settle(&yoda);
    yoda.send(6, &Request::AckMessages { up_to: 1 });
    stage.close(&yoda);
    assert_eq!(yoda.answers().last().unwrap(), END_OF_INPUT);
    let again = stage.log_in("yoda").answers();
    assert!(again.len() == 3 && again[2].contains("number: 2"), "{again:?}");
}

#[test]
fn a_half_closed_client_that_reads_on_gets_everything_and_the_closing_word() {
    let (mut stage, mut yoda) = stage_with_thread();
    let text = "x".repeat(8_000);
    for tag in 0..100 {
        stage.ask(&mut yoda, 10 + tag, &Request::Post { title: "t", text: &text, key: None });
    }
    yoda.link.borrow_mut().room = 0;
    yoda.read_thread(200);
    yoda.send_fin();
    stage.settle(&yoda);
    let mut heard = Vec::new();
    // 50 kB every ten seconds: a pause longer than the draining, and in all longer than the stall limit.
    for _ in 0..17 {
        stage.pass(Duration::from_secs(10));
        yoda.link.borrow_mut().room = 50_000;
        stage.settle(&yoda);
        heard.extend(yoda.answers());
    }
    assert_eq!(heard.iter().filter(|frame| frame.starts_with("200 PostItem")).count(), 100);
    assert_eq!(heard[heard.len() - 2..], ["200 EndOfList", END_OF_INPUT]);
}

#[test]
fn a_half_closed_client_that_does_not_read_ends_at_the_deadline() {
    for with_log_out in [true, false] {
        let (mut stage, mut yoda) = stage_with_thread();
        yoda.link.borrow_mut().room = 0;
        yoda.send(4, &LIST);
        if with_log_out {
            yoda.send(5, &Request::LogOut);
        }
        yoda.send_fin();
        stage.settle(&yoda);
        stage.pass(Duration::from_secs(59));
        assert_eq!(stage.server.connections(), 1, "it may still read");
        assert!(!stage.is_online("yoda"), "all is answered");
        stage.pass(Duration::from_secs(1));
        assert_eq!(stage.server.connections(), 0);
    }
}

#[test]
fn a_last_word_that_the_kernel_takes_by_its_deadline_is_sent_though_the_process_stood_still() {
    let (mut stage, mut yoda) = stage_with_thread();
    yoda.link.borrow_mut().room = 0;
    yoda.send(4, &LIST);
    yoda.send_fin();
    stage.settle(&yoda);
    yoda.link.borrow_mut().room = 1 << 30;
    stage.clock.advance(Duration::from_secs(90));
    stage.server.writable(yoda.id);
    stage.run();
    assert_eq!(yoda.answers().last().map(String::as_str), Some(END_OF_INPUT));
    assert_eq!(stage.server.connections(), 0, "its time is over");
}

#[test]
fn a_frame_that_the_fin_cuts_off_is_nothing() {
    let (mut stage, mut yoda) = stage_with_thread();
    yoda.send(4, &LIST);
    yoda.link.borrow_mut().to_server.extend([0, 0, 0]);
    stage.close(&yoda);
    let answers = yoda.answers();
    assert_eq!(answers[1..], ["4 EndOfList", END_OF_INPUT], "{answers:?}");
    let mut stranger = stage.accept();
    stranger.link.borrow_mut().to_server.extend([0, 0, 0, 9]);
    stage.close(&stranger);
    assert_eq!(stranger.answers(), [END_OF_INPUT]);
    assert!(stage.server.core.sessions.is_empty());
}

#[test]
fn what_is_in_flight_at_a_fin_is_answered_when_the_server_ends_too() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.server.core.pipeline.journal_mut().hold();
    stage.ask(&mut yoda, 4, &POST);
    stage.server.shut_down();
    stage.close(&yoda);
    stage.release();
    let answers = yoda.answers();
    assert_eq!(answers[0], done(4, "Message posted to t thread"));
    assert!(answers.len() == 2 && answers[1].contains("ShuttingDown"), "{answers:?}");
    assert!(stage.server.has_ended());
}

#[test]
fn a_connection_that_dies_drops_what_is_not_proposed_and_keeps_what_is() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.server.core.pipeline.journal_mut().hold();
    yoda.send(4, &POST);
    // Waits for the post, and all after it waits for this.
    yoda.send(5, &LIST);
    yoda.send(6, &POST);
    stage.settle(&yoda);
    stage.cut(&yoda);
    assert!(
        !stage.is_online("yoda") && stage.server.core.sessions.is_empty(),
        "it is noticed while frames wait"
    );
    stage.release();
    assert_eq!(stage.server.core.forum.threads.titled("t").unwrap().posts().len(), 1);
}

#[test]
fn a_connection_that_dies_after_its_fin_is_noticed_while_it_waits() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.server.core.pipeline.journal_mut().hold();
    yoda.send(4, &POST);
    stage.close(&yoda);
    assert!(stage.is_online("yoda"));
    stage.cut(&yoda);
    assert!(!stage.is_online("yoda"));
}

#[test]
fn an_admin_password_from_a_connection_that_died_ends_no_server() {
    let (mut stage, mut yoda) = stage_with_thread();
    yoda.send(4, &Request::ShutDown { password: "s3cret" });
    stage.nudge(&yoda);
    stage.server.turn(true);
    stage.cut(&yoda);
    assert!(!stage.server.was_told_to_end());
}

#[test]
fn what_is_acknowledged_in_the_same_segment_as_the_goodbye_does_not_come_again() {
    // What comes between the two is thrown away, however long it is.
    for between in [0, 1, 300] {
        let mut stage = stage(&[]);
        let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
        stage.ask(&mut hans, 4, &Request::SendMessage { user: "yoda", text: "hi", key: None });
        stage.settle(&yoda);
        yoda.answers();
        yoda.send(5, &Request::LogOut);
        let text = "x".repeat(8_000);
        for tag in 0..between {
            yoda.send(10 + tag, &Request::Post { title: "t", text: &text, key: None });
        }
        yoda.send(6, &Request::AckMessages { up_to: 1 });
        yoda.send_fin();
        stage.settle(&yoda);
        assert_eq!(yoda.answers(), [done(5, "Goodbye")]);
        assert!(stage.server.core.forum.mail.of(AccountId(0)).unwrap().is_empty(), "after {between} posts");
        assert_eq!(stage.server.connections(), 1, "hans");
    }
}

#[test]
fn what_was_acknowledged_and_waits_when_the_server_says_its_last_word_counts() {
    let mut stage = stage(&["--timeout", "120"]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.ask(&mut hans, 4, &Request::SendMessage { user: "yoda", text: "hi", key: None });
    stage.settle(&yoda);
    stage.server.core.pipeline.journal_mut().hold();
    yoda.send(5, &Request::CreateThread { title: "t", key: None });
    // Waits for the thread, and the acknowledgement for this.
    yoda.send(6, &LIST);
    yoda.send(7, &Request::AckMessages { up_to: 1 });
    stage.settle(&yoda);
    stage.pass(Duration::from_secs(121));
    assert!(yoda.answers().concat().contains("no activity"));
    stage.release();
    assert!(stage.server.core.forum.mail.of(AccountId(0)).unwrap().is_empty());
}

#[test]
fn nothing_that_follows_a_broken_frame_is_heeded() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.ask(&mut hans, 4, &Request::SendMessage { user: "yoda", text: "hi", key: None });
    stage.settle(&yoda);
    yoda.link.borrow_mut().to_server.extend([0xff; 8]);
    stage.settle(&yoda);
    assert!(yoda.answers().concat().contains("ProtocolError"));
    stage.ask(&mut yoda, 6, &Request::AckMessages { up_to: 1 });
    assert!(!stage.server.core.forum.mail.of(AccountId(0)).unwrap().is_empty());
}

#[test]
fn an_upload_that_breaks_off_with_the_end_of_input_counts_no_longer() {
    let (mut stage, mut yoda) = stage_with_thread();
    let upload = Request::Upload { title: "t", file: "f", size: 9, key: None };
    assert_eq!(stage.ask(&mut yoda, 5, &upload), ["5 UploadStarts { credit: 9 }"]);
    stage.close(&yoda);
    assert!(stage.server.core.pipeline.in_flight().is_empty());
}
