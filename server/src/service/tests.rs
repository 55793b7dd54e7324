//! Whole server sessions without a socket: streams in memory, a journal that fails when told to, a clock
//! that is moved by hand.

mod links;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use clap::Parser;
use forum_common::frame::{Decoder, Tag};
use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::link::LinkNotice;
use forum_common::request::{Request, VERSION};
use forum_common::transfer::Transfer;

use super::*;
use crate::args::Arguments;
use crate::clock::TestClock;
use crate::forum::Entry;
use crate::journal::MemoryJournal;
use crate::passwords::HashParameters;

/// Both ends of a connection, and what the network between them does.
#[derive(Debug, Default)]
struct Link {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    /// Bytes the kernel still takes before it says would-block.
    room: usize,
    client_closed: bool,
    server_closed: bool,
    broken: bool,
    writes: usize,
}

/// The server's end.
#[derive(Debug, Clone)]
struct Pipe(Rc<RefCell<Link>>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut link = self.0.borrow_mut();
        if link.broken {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let count = link.to_server.len().min(buffer.len());
        if count == 0 && !link.client_closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (slot, byte) in buffer.iter_mut().zip(link.to_server.drain(..count)) {
            *slot = byte;
        }
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut link = self.0.borrow_mut();
        if link.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(link.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        link.room -= count;
        link.writes += 1;
        link.to_client.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Pipe {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().server_closed = true;
        Ok(())
    }
}

type TestService = Service<Pipe, MemoryJournal, TestClock>;

/// A server and what a test needs to play all others.
struct Stage {
    service: TestService,
    clock: TestClock,
    files: tempfile::TempDir,
}

/// A client, byte by byte.
struct Client {
    id: PeerId,
    link: Rc<RefCell<Link>>,
    decoder: Decoder,
}

fn stage(options: &[&str]) -> Stage {
    stage_on(options, Forum::default(), MemoryJournal::default())
}

fn stage_on(options: &[&str], forum: Forum, journal: MemoryJournal) -> Stage {
    let arguments = Arguments::parse_from([&["forumd"], options].concat()).serve;
    let files = tempfile::tempdir().unwrap();
    let weak = HashParameters::new(8, 1, 1).unwrap();
    let wake: crate::reactor::Wake = std::sync::Arc::new(|| {});
    let helpers = Helpers {
        journal,
        passwords: PasswordHasher::start(0, 100, weak, wake.clone()).unwrap(),
        files: FileWorkers::start(files.path().into(), 0, crate::files::FileSync::Never, wake).unwrap(),
    };
    let settings = Settings {
        limits: arguments.limits.clone(),
        connections_max: 100,
        attempts_max: arguments.attempts_max().unwrap(),
        block_duration: Duration::from_secs(arguments.block_duration),
        login_timeout: Duration::from_secs(arguments.login_timeout),
        idle_timeout: (arguments.timeout > 0).then(|| Duration::from_secs(arguments.timeout)),
        zone: Zone::utc(),
        admin_password: Some(AdminPassword::new("s3cret")),
    };
    let clock = TestClock::at(1_000_000);
    Stage { service: Service::new(settings, clock.clone(), forum, helpers), clock, files }
}

impl Stage {
    fn connect(&mut self) -> Client {
        self.connect_from("127.0.0.1:1", VERSION)
    }

    fn connect_from(&mut self, address: &str, version: u16) -> Client {
        let link = Rc::new(RefCell::new(Link { room: 1 << 30, ..Link::default() }));
        let address = address.parse().unwrap();
        let id = self.service.admit(Pipe(Rc::clone(&link)), address).expect("room for one more");
        let mut client = Client { id, link, decoder: Decoder::default() };
        client.send(1, &Request::Hello { version });
        self.nudge(&client);
        self.run();
        assert_eq!(client.answers(), [format!("1 Hello {{ version: {version} }}")]);
        client
    }

    fn sign_up(&mut self, name: &str) -> Client {
        let client = self.connect();
        self.sign_up_on(client, name, 0)
    }

    fn sign_up_on(&mut self, mut client: Client, name: &str, udp_port: u16) -> Client {
        client.send(2, &Request::LogIn { name, udp_port });
        client.send(3, &Request::SignUp { password: "pw", confirmation: "pw" });
        self.nudge(&client);
        self.run();
        let answers = client.answers();
        assert_eq!(
            answers.last().map(String::as_str),
            Some("3 Welcome { text: \"Welcome to the forum\" }"),
            "{answers:?}"
        );
        client
    }

    /// Turns until nothing moves any more.
    fn run(&mut self) {
        for _ in 0..200 {
            // Just enough for comings and goings to be told.
            self.clock.advance(Duration::from_micros(1));
            self.service.turn(true);
        }
    }

    /// Tells the service that the client's bytes or its room have changed.
    fn nudge(&mut self, client: &Client) {
        let ended = client.link.borrow().client_closed || client.link.borrow().broken;
        self.service.readable(client.id, ended);
        self.service.writable(client.id);
    }

    /// Sends one request and returns everything that is answered.
    fn ask(&mut self, client: &mut Client, tag: Tag, request: &Request<'_>) -> Vec<String> {
        client.send(tag, request);
        self.nudge(client);
        self.run();
        client.answers()
    }
}

impl Client {
    fn send(&mut self, tag: Tag, request: &Request<'_>) {
        let mut bytes = Vec::new();
        request.encode(tag, &mut bytes);
        self.link.borrow_mut().to_server.extend(bytes);
    }

    fn send_transfer(&mut self, tag: Tag, transfer: &Transfer<'_>) {
        let mut bytes = Vec::new();
        transfer.encode(tag, &mut bytes);
        self.link.borrow_mut().to_server.extend(bytes);
    }

    /// What came since the last time, but for the comings and goings of others.
    fn answers(&mut self) -> Vec<String> {
        let mut answers = self.heard();
        answers.retain(|answer| !answer.starts_with("Logged"));
        answers
    }

    /// What came since the last time: tag and message, as Debug writes them.
    fn heard(&mut self) -> Vec<String> {
        let bytes = std::mem::take(&mut self.link.borrow_mut().to_client);
        self.decoder.feed(&bytes);
        let mut answers = Vec::new();
        while let Some(frame) = self.decoder.next_frame().unwrap() {
            let text = if Notice::is_kind(frame.kind) {
                format!("{:?}", Notice::decode(&frame).unwrap())
            } else if LinkNotice::is_kind(frame.kind) {
                let tag = if frame.tag == 0 { String::new() } else { format!("{} ", frame.tag) };
                format!("{tag}{:?}", LinkNotice::decode(&frame).unwrap())
            } else if Transfer::is_kind(frame.kind) {
                format!("{} {:?}", frame.tag, Transfer::decode(&frame).unwrap())
            } else {
                format!("{} {:?}", frame.tag, Reply::decode(&frame).unwrap())
            };
            answers.push(text);
        }
        answers
    }
}

fn done(tag: Tag, text: &str) -> String {
    format!("{tag} Done {{ text: {text:?} }}")
}

fn refused(tag: Tag, code: Refusal, text: &str) -> String {
    format!("{tag} Refused {{ code: {code:?}, text: {text:?} }}")
}

#[test]
fn nothing_is_answered_before_it_is_durable() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.service.journal.hold();
    assert_eq!(stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" }), [""; 0]);
    assert_eq!(stage.service.forum.threads.len(), 0, "memory is never ahead of the disk");
    stage.service.journal.release();
    stage.run();
    assert_eq!(yoda.answers(), [done(4, "Thread t created")]);
}

#[test]
fn answers_keep_the_order_of_requests_and_everybody_reads_their_own_writes() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.service.journal.hold();
    yoda.send(10, &Request::CreateThread { title: "t" });
    yoda.send(11, &Request::Post { title: "t", text: "one" });
    yoda.send(12, &Request::Post { title: "nope", text: "x" });
    yoda.send(13, &Request::CreateThread { title: "bad name" });
    yoda.send(14, &Request::ReadThread { title: "t", range: None });
    yoda.send(15, &Request::Ping(b"p"));
    stage.nudge(&yoda);
    stage.run();
    assert_eq!(yoda.answers(), [""; 0]);
    stage.service.journal.release();
    stage.run();
    assert_eq!(
        yoda.answers(),
        [
            done(10, "Thread t created"),
            done(11, "Message posted to t thread"),
            refused(12, Refusal::NoSuchThread, "Thread nope does not exist"),
            refused(13, Refusal::InvalidName, "Invalid name"),
            "14 Post { number: 1, author: \"yoda\", text: \"one\" }".into(),
            "14 EndOfList".into(),
            "15 Pong([112])".into(),
        ]
    );
}

#[test]
fn a_read_never_waits_for_somebody_elses_write() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.service.journal.hold();
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    assert_eq!(stage.ask(&mut hans, 4, &Request::ListThreads), ["4 EndOfList"]);
}

#[test]
fn many_commands_share_one_commit() {
    let mut stage = stage(&[]);
    let mut clients: Vec<_> = (0..20).map(|n| stage.sign_up(&format!("u{n}"))).collect();
    stage.ask(&mut clients[0], 4, &Request::CreateThread { title: "t" });
    let before = stage.service.journal.commits();
    for client in &mut clients {
        for tag in 10..30 {
            client.send(tag, &Request::Post { title: "t", text: "x" });
        }
    }
    for client in &clients {
        stage.nudge(client);
    }
    stage.run();
    assert!(clients.iter_mut().all(|client| client.answers().len() == 20));
    assert!(
        stage.service.journal.commits() - before <= 2,
        "{} commits",
        stage.service.journal.commits() - before
    );
}

#[test]
fn a_full_disk_refuses_and_changes_nothing() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    let before = stage.service.forum.state_hash();
    stage.service.journal.no_space(1);
    let full = "No space left on the server. Nothing was changed";
    assert_eq!(
        stage.ask(&mut yoda, 5, &Request::Post { title: "t", text: "x" }),
        [refused(5, Refusal::NoSpace, full)]
    );
    assert_eq!(stage.service.forum.state_hash(), before);
    assert_eq!(
        stage.ask(&mut yoda, 6, &Request::Post { title: "t", text: "x" }),
        [done(6, "Message posted to t thread")]
    );
}

#[test]
fn a_restart_from_the_log_gives_the_same_forum() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    for n in 0..50 {
        stage.ask(&mut yoda, 10 + n, &Request::CreateThread { title: &format!("t{}", n % 7) });
        stage.ask(&mut yoda, 100 + n, &Request::Post { title: &format!("t{}", n % 5), text: "x" });
        stage.ask(&mut yoda, 200 + n, &Request::DeletePost { title: "t1", number: n % 3 });
    }
    let mut replayed = Forum::default();
    for bytes in stage.service.journal.committed() {
        let _ = replayed.apply(&Entry::decode(bytes).unwrap());
    }
    assert_eq!(replayed.state_hash(), stage.service.forum.state_hash());
}

#[test]
fn time_in_the_log_never_goes_back() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "a" });
    stage.clock.set_wall_ms(5);
    stage.ask(&mut yoda, 5, &Request::CreateThread { title: "b" });
    let times: Vec<_> =
        stage.service.journal.committed().iter().map(|bytes| Entry::decode(bytes).unwrap().at_ms).collect();
    assert!(times.is_sorted() && times[0] == 1_000_000, "{times:?}");
}

#[test]
fn a_dropped_connection_frees_the_name_at_once() {
    let mut stage = stage(&[]);
    let yoda = stage.sign_up("yoda");
    yoda.link.borrow_mut().broken = true;
    stage.nudge(&yoda);
    stage.run();
    let mut again = stage.connect();
    again.send(2, &Request::LogIn { name: "yoda", udp_port: 0 });
    again.send(3, &Request::Password("pw"));
    stage.nudge(&again);
    stage.run();
    assert!(again.answers()[1].contains("Welcome"));
}

#[test]
fn a_hash_that_finishes_after_its_connection_died_proposes_nothing() {
    let mut stage = stage(&[]);
    let mut ghost = stage.connect();
    ghost.send(2, &Request::LogIn { name: "ghost", udp_port: 0 });
    ghost.send(3, &Request::SignUp { password: "pw", confirmation: "pw" });
    ghost.link.borrow_mut().client_closed = true;
    stage.nudge(&ghost);
    stage.run();
    assert!(stage.service.journal.committed().is_empty());
    assert!(stage.service.peers.is_empty());
}

#[test]
fn of_two_sign_ups_racing_for_a_name_the_log_decides() {
    let mut stage = stage(&[]);
    let mut racers: Vec<_> = (0..2).map(|_| stage.connect()).collect();
    for racer in &mut racers {
        racer.send(2, &Request::LogIn { name: "yoda", udp_port: 0 });
        racer.send(3, &Request::SignUp { password: "pw", confirmation: "pw" });
    }
    for racer in &racers {
        stage.nudge(racer);
    }
    stage.run();
    assert!(racers[0].answers()[1].contains("Welcome"));
    assert_eq!(racers[1].answers()[1], refused(3, Refusal::NameTaken, "Username yoda is taken"));
    assert_eq!(stage.service.forum.accounts.len(), 1);
}

#[test]
fn of_two_log_ins_racing_for_a_name_one_gets_it() {
    let mut stage = stage(&[]);
    let yoda = stage.sign_up("yoda");
    yoda.link.borrow_mut().client_closed = true;
    stage.nudge(&yoda);
    stage.run();
    let mut racers: Vec<_> = (0..5).map(|_| stage.connect()).collect();
    for racer in &mut racers {
        racer.send(2, &Request::LogIn { name: "yoda", udp_port: 0 });
        racer.send(3, &Request::Password("pw"));
    }
    for racer in &racers {
        stage.nudge(racer);
    }
    stage.run();
    let answers: Vec<_> = racers.iter_mut().map(|racer| racer.answers().pop().unwrap()).collect();
    assert_eq!(answers.iter().filter(|answer| answer.contains("Welcome")).count(), 1, "{answers:?}");
    let already = refused(3, Refusal::AlreadyLoggedIn, "yoda has already logged in");
    assert_eq!(answers.iter().filter(|answer| **answer == already).count(), 4, "{answers:?}");
}

#[test]
fn a_name_is_blocked_over_all_connections_and_for_its_time() {
    let mut stage = stage(&["--max-attempts", "2", "--block-duration", "10"]);
    let yoda = stage.sign_up("yoda");
    yoda.link.borrow_mut().client_closed = true;
    stage.nudge(&yoda);
    stage.run();
    let attempt = |stage: &mut Stage, password: &str| {
        let mut client = stage.connect();
        client.send(2, &Request::LogIn { name: "yoda", udp_port: 0 });
        client.send(3, &Request::Password(password));
        stage.nudge(&client);
        stage.run();
        (client.answers().remove(1), client.link.borrow().server_closed)
    };
    let wrong = refused(3, Refusal::InvalidPassword, "Invalid password");
    assert_eq!(attempt(&mut stage, "x"), (wrong, false));
    let now = "Invalid password. Your account has been blocked. Please try again later";
    assert_eq!(attempt(&mut stage, "y"), (refused(3, Refusal::BlockedNow, now), true));
    let blocked = "Your account is blocked due to multiple login failures. Please try again later";
    assert_eq!(attempt(&mut stage, "pw"), (refused(3, Refusal::Blocked, blocked), true));
    stage.clock.advance(Duration::from_secs(11));
    assert!(attempt(&mut stage, "pw").0.contains("Welcome"));
}

#[test]
fn who_does_not_log_in_is_closed_and_hashing_does_not_count() {
    let mut stage = stage(&["--login-timeout", "60"]);
    let mut silent = stage.connect();
    stage.clock.advance(Duration::from_secs(59));
    stage.run();
    assert_eq!(silent.answers(), [""; 0]);
    stage.clock.advance(Duration::from_secs(1));
    stage.run();
    assert_eq!(silent.answers(), ["Closing { code: LoginTimedOut, text: \"Login timed out\" }"]);
    assert!(silent.link.borrow().server_closed);
}

#[test]
fn a_newcomer_after_a_long_silence_has_its_full_time() {
    let mut stage = stage(&["--login-timeout", "60"]);
    stage.run();
    stage.clock.advance(Duration::from_secs(3_600));
    let mut late = stage.connect();
    stage.clock.advance(Duration::from_secs(59));
    stage.run();
    assert_eq!(late.answers(), [""; 0]);
}

#[test]
fn refusals_do_not_renew_the_patience_with_a_client() {
    let mut stage = stage(&["--login-timeout", "60"]);
    let mut client = stage.connect();
    for tag in 0..7 {
        client.send(10 * tag, &Request::LogIn { name: "new", udp_port: 0 });
        client.send(10 * tag + 1, &Request::SignUp { password: "", confirmation: "" });
        client.send(10 * tag + 2, &Request::LogIn { name: "new", udp_port: 0 });
        client.send(10 * tag + 3, &Request::SignUp { password: "a", confirmation: "b" });
        stage.nudge(&client);
        stage.clock.advance(Duration::from_secs(10));
        stage.run();
    }
    assert!(
        client.answers().contains(&"Closing { code: LoginTimedOut, text: \"Login timed out\" }".to_owned())
    );
}

#[test]
fn a_closing_connection_ends_at_the_clients_fin_or_at_the_deadline() {
    let mut stage = stage(&[]);
    let mut polite = stage.sign_up("polite");
    assert_eq!(stage.ask(&mut polite, 4, &Request::LogOut), [done(4, "Goodbye")]);
    assert_eq!(stage.service.connections(), 1);
    polite.link.borrow_mut().client_closed = true;
    stage.nudge(&polite);
    stage.run();
    assert_eq!(stage.service.connections(), 0);

    let mut deaf = stage.sign_up("deaf");
    stage.ask(&mut deaf, 4, &Request::LogOut);
    stage.clock.advance(FAREWELL);
    stage.run();
    assert_eq!(stage.service.connections(), 0);
}

#[test]
fn shutting_down_answers_what_is_in_flight_and_says_goodbye_once() {
    let mut stage = stage(&[]);
    let (mut yoda, mut guest) = (stage.sign_up("yoda"), stage.connect());
    stage.service.journal.hold();
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    stage.service.shut_down();
    // Taken no more: it came after the end began.
    assert_eq!(stage.ask(&mut yoda, 5, &Request::CreateThread { title: "late" }), [""; 0]);
    stage.service.journal.release();
    stage.run();
    let goodbye = "Closing { code: ShuttingDown, text: \"Goodbye. Server shutting down\" }";
    assert_eq!(yoda.answers(), [done(4, "Thread t created"), goodbye.into()]);
    assert_eq!(guest.answers(), [goodbye]);
    assert!(!stage.service.has_ended());
    stage.clock.advance(FAREWELL);
    stage.run();
    assert!(stage.service.has_ended());
    assert_eq!(stage.service.forum.threads.len(), 1);
}

#[test]
fn only_the_right_admin_password_shuts_down() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    assert_eq!(
        stage.ask(&mut yoda, 4, &Request::ShutDown { password: "guess" }),
        [refused(4, Refusal::IncorrectAdminPassword, "Incorrect password")]
    );
    assert!(stage.ask(&mut yoda, 5, &Request::ShutDown { password: "s3cret" })[0].contains("ShuttingDown"));
    assert!(stage.service.was_told_to_end());
}

#[test]
fn what_comes_behind_an_accepted_sht_is_thrown_away() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    yoda.send(4, &Request::CreateThread { title: "before" });
    yoda.send(5, &Request::ShutDown { password: "s3cret" });
    yoda.send(6, &Request::CreateThread { title: "behind" });
    stage.nudge(&yoda);
    stage.run();
    let answers = yoda.answers();
    assert_eq!(answers[0], done(4, "Thread before created"));
    assert!(answers.len() == 2 && answers[1].contains("ShuttingDown"), "{answers:?}");
    assert_eq!(stage.service.forum.threads.len(), 1);
}

#[test]
fn a_client_that_does_not_read_is_not_asked_for_more() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    for n in 0..200 {
        stage.ask(&mut yoda, 10 + n, &Request::Post { title: "t", text: &"x".repeat(2_000) });
    }
    yoda.link.borrow_mut().room = 0;
    for tag in 0..5_000 {
        yoda.send(1_000 + tag, &Request::ReadThread { title: "t", range: None });
    }
    stage.nudge(&yoda);
    stage.run();
    let peer = stage.service.peers.get(yoda.id).unwrap();
    let held = peer.connection.outgoing.len() + peer.connection.received.len();
    assert!(held < 600_000, "{held} bytes for one connection");

    // It reads on, and every answer comes, in order.
    let mut ends = Vec::new();
    for _ in 0..5_000 {
        yoda.link.borrow_mut().room = 10 << 20;
        stage.nudge(&yoda);
        for _ in 0..20 {
            stage.service.turn(true);
        }
        ends.extend(yoda.answers().into_iter().filter(|answer| answer.ends_with("EndOfList")));
        if ends.len() == 5_000 {
            break;
        }
    }
    let expected: Vec<_> = (0..5_000).map(|tag| format!("{} EndOfList", 1_000 + tag)).collect();
    assert_eq!(ends, expected);
}

#[test]
fn frames_cut_anywhere_and_frames_in_one_piece_are_the_same() {
    let mut whole = Vec::new();
    Request::CreateThread { title: "t" }.encode(4, &mut whole);
    Request::Post { title: "t", text: "hello" }.encode(5, &mut whole);
    for cut in 0..whole.len() {
        let mut stage = stage(&[]);
        let mut yoda = stage.sign_up("yoda");
        let mut answers = Vec::new();
        for piece in [&whole[..cut], &whole[cut..]] {
            yoda.link.borrow_mut().to_server.extend(piece);
            stage.nudge(&yoda);
            stage.run();
            answers.extend(yoda.answers());
        }
        assert_eq!(
            answers,
            [done(4, "Thread t created"), done(5, "Message posted to t thread")],
            "cut at {cut}"
        );
    }
}

#[test]
fn a_broken_protocol_ends_one_connection_and_says_why() {
    let mut stage = stage(&[]);
    let mut good = stage.sign_up("good");
    let reason = |bytes: &[u8], stage: &mut Stage, name: &str| {
        let mut bad = stage.sign_up(name);
        bad.link.borrow_mut().to_server.extend(bytes);
        stage.nudge(&bad);
        stage.run();
        assert!(bad.link.borrow().server_closed);
        bad.answers().concat()
    };
    let too_long = (FRAME_BYTES_MAX as u32 - 3).to_be_bytes();
    assert!(reason(&too_long, &mut stage, "a").contains("65537 bytes; at most 65536"));
    assert!(reason(&[0, 0, 0, 5, 0x7f, 0, 0, 0, 1], &mut stage, "b").contains("Unknown frame kind 0x7f"));
    assert!(reason(&[0, 0, 0, 7, 0x20, 0, 0, 0, 1, 1, 0xff], &mut stage, "c").contains("not UTF-8"));
    assert!(reason(&[0, 0, 0, 6, 0x24, 0, 0, 0, 1, 9], &mut stage, "d").contains("behind its last field"));
    assert!(reason(&[0, 0, 0, 7, 0x01, 0, 0, 0, 1, 0, 1], &mut stage, "e").contains("Wrong phase"));
    assert_eq!(stage.ask(&mut good, 4, &Request::ListThreads), ["4 EndOfList"]);
}

#[test]
fn a_file_goes_up_and_comes_down_within_its_credit() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let size = bytes.len() as u64;
    let start = stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size });
    assert_eq!(start, ["5 UploadStarts { credit: 200000 }"]);
    for piece in bytes.chunks(60_000) {
        yoda.send_transfer(5, &Transfer::Data(piece));
    }
    yoda.send_transfer(5, &Transfer::End(*blake3::hash(&bytes).as_bytes()));
    stage.nudge(&yoda);
    stage.run();
    assert_eq!(yoda.answers(), [done(5, "f uploaded to t thread")]);

    assert_eq!(
        stage.ask(&mut yoda, 6, &Request::Download { title: "t", file: "f" }),
        ["6 DownloadStarts { size: 200000 }"]
    );
    yoda.send_transfer(6, &Transfer::Credit(1_000));
    stage.nudge(&yoda);
    stage.run();
    assert_eq!(yoda.link.borrow().to_client.len(), 1_009, "no more than the credit");
    yoda.send_transfer(6, &Transfer::Credit(1 << 20));
    stage.nudge(&yoda);
    stage.run();
    yoda.decoder.feed(&std::mem::take(&mut yoda.link.borrow_mut().to_client));
    let (mut arrived, mut digest) = (Vec::new(), None);
    while let Some(frame) = yoda.decoder.next_frame().unwrap() {
        match Transfer::decode(&frame).unwrap() {
            Transfer::Data(data) => arrived.extend_from_slice(data),
            Transfer::End(end) => digest = Some(end),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((arrived, digest), (bytes.clone(), Some(*blake3::hash(&bytes).as_bytes())));
}

#[test]
fn an_upload_that_breaks_off_leaves_no_trace() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 100 });
    yoda.send_transfer(5, &Transfer::Data(b"half"));
    yoda.link.borrow_mut().client_closed = true;
    stage.nudge(&yoda);
    stage.run();
    assert_eq!(std::fs::read_dir(stage.files.path()).unwrap().count(), 0);
    assert!(stage.service.uploads.is_empty());
}

#[test]
fn data_without_credit_ends_the_connection() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 3 });
    yoda.send_transfer(5, &Transfer::Data(b"four"));
    stage.nudge(&yoda);
    stage.run();
    assert!(yoda.answers().concat().contains("4 bytes of data with a credit of 3"));
    assert_eq!(std::fs::read_dir(stage.files.path()).unwrap().count(), 0);
}

#[test]
fn a_thread_removed_during_a_download_ends_it_and_deletes_the_file() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut hans = stage.sign_up("hans");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 9 });
    yoda.send_transfer(5, &Transfer::Data(b"nine byte"));
    yoda.send_transfer(5, &Transfer::End(*blake3::hash(b"nine byte").as_bytes()));
    stage.nudge(&yoda);
    stage.run();
    stage.ask(&mut hans, 4, &Request::Download { title: "t", file: "f" });
    stage.ask(&mut yoda, 6, &Request::RemoveThread { title: "t" });
    let text = "Thread t was removed during the download";
    assert_eq!(hans.answers(), [refused(4, Refusal::RemovedDuringDownload, text)]);
    assert_eq!(std::fs::read_dir(stage.files.path()).unwrap().count(), 0);
}

#[test]
fn a_thread_removed_during_an_upload_refuses_it_even_if_its_title_is_back() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 0 });
    stage.ask(&mut yoda, 6, &Request::RemoveThread { title: "t" });
    stage.ask(&mut yoda, 7, &Request::CreateThread { title: "t" });
    yoda.send_transfer(5, &Transfer::End(*blake3::hash(b"").as_bytes()));
    stage.nudge(&yoda);
    stage.run();
    assert_eq!(yoda.answers(), [refused(5, Refusal::NoSuchThread, "Thread t does not exist")]);
    assert_eq!(std::fs::read_dir(stage.files.path()).unwrap().count(), 0);
}

#[test]
fn limits_count_what_is_in_flight() {
    let mut stage = stage(&["--max-threads", "2", "--max-posts", "1"]);
    let mut yoda = stage.sign_up("yoda");
    stage.service.journal.hold();
    for (tag, title) in [(4, "a"), (5, "b"), (6, "c")] {
        yoda.send(tag, &Request::CreateThread { title });
    }
    yoda.send(7, &Request::Post { title: "a", text: "x" });
    yoda.send(8, &Request::Post { title: "a", text: "y" });
    stage.nudge(&yoda);
    stage.run();
    stage.service.journal.release();
    stage.run();
    let answers = yoda.answers();
    assert_eq!(answers[2], refused(6, Refusal::LimitReached, "Limit reached: at most 2 threads"));
    assert_eq!(
        answers[4],
        refused(8, Refusal::LimitReached, "Limit reached: at most 1 messages in a thread")
    );
}

#[test]
fn too_many_requests_a_second_are_refused_in_order() {
    let mut stage = stage(&["--max-requests-per-second", "2"]);
    let mut yoda = stage.sign_up("yoda");
    for tag in 4..7 {
        yoda.send(tag, &Request::CreateThread { title: "t" });
    }
    stage.nudge(&yoda);
    stage.run();
    assert_eq!(yoda.answers()[2], refused(6, Refusal::SlowDown, "Slow down. Please try again later"));
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.ask(&mut yoda, 7, &Request::CreateThread { title: "u" }), [done(7, "Thread u created")]);
}

#[test]
fn an_idle_user_is_logged_out_and_pings_are_no_activity() {
    let mut stage = stage(&["--timeout", "120"]);
    let (mut idle, mut busy) = (stage.sign_up("idle"), stage.sign_up("busy"));
    for tag in 0..5 {
        stage.clock.advance(Duration::from_secs(30));
        stage.ask(&mut idle, 10 + tag, &Request::Ping(b""));
        stage.ask(&mut busy, 10 + tag, &Request::Active);
        if stage.service.peers.get(idle.id).is_none_or(|peer| peer.session.is_closing()) {
            assert_eq!(tag, 3, "logged out after 120 s, no sooner");
            break;
        }
    }
    assert!(stage.service.peers.get(busy.id).is_some_and(|peer| peer.session.member().is_some()));
    assert!(stage.service.peers.get(idle.id).is_none_or(|peer| peer.session.is_closing()));
}

#[test]
fn an_idle_connection_owns_no_buffers() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    let peer = stage.service.peers.get(yoda.id).unwrap();
    assert_eq!(peer.connection.received.capacity(), 0);
    assert!(peer.connection.outgoing.is_empty());
    assert!(size_of_val(peer) <= 400, "{} bytes a connection", size_of_val(peer));
}

#[test]
fn passwd_judges_the_old_password_first() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut change = |tag, old, new, confirmation| {
        stage.ask(&mut yoda, tag, &Request::ChangePassword { old, new, confirmation })
    };
    let wrong = |tag| [refused(tag, Refusal::InvalidPassword, "Invalid password")];
    assert_eq!(change(4, "no", "a", "b"), wrong(4));
    assert_eq!(change(5, "", "a", "a"), wrong(5));
    assert_eq!(change(6, "pw", "a", "b"), [refused(6, Refusal::PasswordsDiffer, "Passwords do not match")]);
    assert_eq!(
        change(7, "pw", "", ""),
        [refused(7, Refusal::InvalidPasswordFormat, "Invalid password format")]
    );
    assert_eq!(change(8, "pw", "new", "new"), [done(8, "Password changed")]);
    assert_eq!(change(9, "pw", "x", "x"), wrong(9));
}

#[test]
fn comings_and_goings_are_heard_by_everybody_else_from_then_on() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut hans = stage.sign_up("hans");
    let mut luke = stage.sign_up("luke");
    assert_eq!(yoda.heard(), ["LoggedIn(\"hans\")", "LoggedIn(\"luke\")"]);
    assert_eq!(hans.heard(), ["LoggedIn(\"luke\")"]);
    assert_eq!(luke.heard(), [""; 0]);
    stage.ask(&mut hans, 9, &Request::LogOut);
    assert_eq!(yoda.heard(), ["LoggedOut(\"hans\")"]);
}

#[test]
fn of_two_who_come_in_one_turn_the_first_hears_of_the_second() {
    let mut stage = stage(&[]);
    let mut watcher = stage.sign_up("watcher");
    let mut both: Vec<_> = ["a", "b"]
        .map(|name| {
            let mut client = stage.connect();
            client.send(2, &Request::LogIn { name, udp_port: 0 });
            client.send(3, &Request::SignUp { password: "pw", confirmation: "pw" });
            client
        })
        .into();
    for client in &both {
        stage.nudge(client);
    }
    stage.run();
    assert_eq!(watcher.heard(), ["LoggedIn(\"a\")", "LoggedIn(\"b\")"]);
    assert_eq!(both[0].heard().last().unwrap(), "LoggedIn(\"b\")");
    assert!(both[1].heard().last().unwrap().contains("Welcome"));
}

#[test]
fn who_is_blocked_hears_nothing_of_the_blockers_coming() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut hans = stage.sign_up("hans");
    assert_eq!(stage.ask(&mut hans, 4, &Request::Block { user: "yoda" }), [done(4, "yoda is blocked")]);
    yoda.heard();
    stage.ask(&mut hans, 5, &Request::LogOut);
    assert_eq!(yoda.heard(), [""; 0]);
}

fn message(number: u64, late: bool, from: &str, text: &str) -> String {
    format!(
        "Message {{ number: {number}, late: {late}, from: {from:?}, at: \"1 Jan 1970 00:16:40\", text: {text:?} }}"
    )
}

#[test]
fn a_message_is_stored_before_it_is_shown_and_kept_until_it_is_taken() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.service.journal.hold();
    stage.ask(&mut hans, 4, &Request::Message { user: "yoda", text: "hi" });
    stage.nudge(&yoda);
    stage.run();
    assert_eq!((yoda.answers(), hans.answers()), (vec![], vec![]));
    stage.service.journal.release();
    stage.run();
    assert_eq!(yoda.answers(), [message(1, false, "hans", "hi")]);
    assert_eq!(hans.answers(), [done(4, "")]);
    // The connection dies before it said that it has the message: it comes again, with the same number.
    yoda.link.borrow_mut().broken = true;
    stage.nudge(&yoda);
    stage.run();
    let mut again = stage.connect();
    again.send(2, &Request::LogIn { name: "yoda", udp_port: 0 });
    again.send(3, &Request::Password("pw"));
    again.send(4, &Request::ListThreads);
    stage.nudge(&again);
    stage.run();
    let answers = again.answers();
    assert_eq!(answers[2..], [message(1, true, "hans", "hi"), "4 EndOfList".into()], "{answers:?}");
    assert_eq!(stage.ask(&mut again, 5, &Request::Taken { up_to: 1 }), [""; 0]);
    assert!(stage.service.forum.mail.of(AccountId(0)).unwrap().is_empty());
}

#[test]
fn a_backlog_starts_only_when_what_was_taken_before_is_durable() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    for (tag, text) in [(4, "a"), (5, "b")] {
        stage.ask(&mut hans, tag, &Request::Message { user: "yoda", text });
    }
    stage.nudge(&yoda);
    stage.run();
    assert_eq!(yoda.answers().len(), 2);
    stage.service.journal.hold();
    stage.ask(&mut yoda, 6, &Request::Taken { up_to: 1 });
    yoda.link.borrow_mut().client_closed = true;
    stage.nudge(&yoda);
    stage.run();
    let mut again = stage.connect();
    again.send(2, &Request::LogIn { name: "yoda", udp_port: 0 });
    again.send(3, &Request::Password("pw"));
    stage.nudge(&again);
    stage.run();
    assert_eq!(again.answers().len(), 2, "welcome, and nothing yet");
    stage.service.journal.release();
    stage.run();
    assert_eq!(again.answers(), [message(2, true, "hans", "b")]);
}

#[test]
fn what_is_taken_behind_the_goodbye_does_not_come_again() {
    for ends_server in [false, true] {
        let mut stage = stage(&[]);
        let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
        stage.ask(&mut hans, 4, &Request::Message { user: "yoda", text: "hi" });
        if ends_server {
            stage.service.shut_down();
        } else {
            yoda.send(5, &Request::LogOut);
        }
        stage.nudge(&yoda);
        stage.run();
        assert!(yoda.answers()[0].starts_with("Message"));
        stage.ask(&mut yoda, 6, &Request::Taken { up_to: 1 });
        assert!(stage.service.forum.mail.of(AccountId(0)).unwrap().is_empty(), "ends: {ends_server}");
    }
}

#[test]
fn much_that_waits_when_the_server_ends_is_thrown_away() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.service.journal.hold();
    let text = "x".repeat(8_000);
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t" });
    for tag in 0..100 {
        yoda.send(10 + tag, &Request::Post { title: "t", text: &text });
    }
    stage.nudge(&yoda);
    stage.run();
    stage.service.shut_down();
    for tag in 0..100 {
        yoda.send(200 + tag, &Request::Post { title: "t", text: &text });
    }
    stage.nudge(&yoda);
    stage.run();
    stage.service.journal.release();
    stage.run();
    assert!(yoda.answers().last().unwrap().contains("ShuttingDown"));
}

#[test]
fn a_long_backlog_is_made_as_the_socket_drains() {
    let mut stage = stage(&[]);
    let (yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    yoda.link.borrow_mut().broken = true;
    stage.nudge(&yoda);
    let text = "x".repeat(8_000);
    for tag in 0..500 {
        hans.send(10 + tag, &Request::Message { user: "yoda", text: &text });
        stage.nudge(&hans);
        stage.service.turn(true);
    }
    stage.run();
    let mut again = stage.connect();
    again.link.borrow_mut().room = 10_000;
    again.send(2, &Request::LogIn { name: "yoda", udp_port: 0 });
    again.send(3, &Request::Password("pw"));
    stage.nudge(&again);
    stage.run();
    let held = stage.service.peers.get(again.id).unwrap().connection.outgoing.len();
    assert!(held < 100_000, "{held} bytes");
    let mut seen = again.answers();
    for _ in 0..1_000 {
        again.link.borrow_mut().room = 100_000;
        stage.nudge(&again);
        stage.service.turn(true);
        stage.service.turn(true);
        seen.extend(again.answers());
    }
    assert_eq!(seen.iter().filter(|answer| answer.starts_with("Message")).count(), 500);
}

#[test]
fn a_slow_receiver_is_cut_off_with_the_reason_and_nobody_else_waits() {
    let mut stage = stage(&["--max-notice-bytes", "100000"]);
    let (mut slow, mut fast, mut loud) =
        (stage.sign_up("slow"), stage.sign_up("fast"), stage.sign_up("loud"));
    stage.nudge(&slow);
    stage.run();
    slow.heard();
    slow.link.borrow_mut().room = 10;
    for tag in 0..30 {
        let text = "x".repeat(8_000);
        assert_eq!(stage.ask(&mut loud, 10 + tag, &Request::Broadcast { text: &text }), [done(10 + tag, "")]);
    }
    let heard = fast.answers();
    assert_eq!(heard.iter().filter(|notice| notice.starts_with("Broadcast")).count(), 30);
    slow.link.borrow_mut().room = 1 << 20;
    stage.nudge(&slow);
    stage.run();
    let last = slow.answers().pop().unwrap();
    assert_eq!(last, "Closing { code: TooSlow, text: \"You have been disconnected: too slow\" }");
    assert_eq!(stage.service.peers.notice_cost(), 0);
}

#[test]
fn the_unread_notices_of_all_are_bounded_and_counted_once() {
    let mut stage = stage(&["--max-total-notice-bytes", "200000"]);
    let mut loud = stage.sign_up("loud");
    let deaf: Vec<_> = (0..50).map(|n| stage.sign_up(&format!("deaf{n}"))).collect();
    for client in &deaf {
        client.link.borrow_mut().room = 0;
    }
    for tag in 0..40 {
        stage.ask(&mut loud, 10 + tag, &Request::Broadcast { text: &"x".repeat(8_000) });
        assert!(stage.service.peers.notice_cost() <= 200_000, "{}", stage.service.peers.notice_cost());
    }
    // Shared bytes count once: 20 broadcasts fit before the first of 50 receivers is cut off.
    let online = stage.service.online.iter().count();
    assert!(online < 51, "{online} online");
}

#[test]
fn a_broadcast_is_encoded_once_and_leaves_in_one_write() {
    let mut stage = stage(&[]);
    let mut loud = stage.sign_up("loud");
    let mut ears: Vec<_> = (0..10).map(|n| stage.sign_up(&format!("ear{n}"))).collect();
    for ear in &mut ears {
        stage.nudge(ear);
        ear.heard();
        ear.link.borrow_mut().writes = 0;
    }
    stage.run();
    for tag in 0..5 {
        loud.send(10 + tag, &Request::Broadcast { text: "hello" });
    }
    stage.nudge(&loud);
    stage.run();
    for ear in &mut ears {
        assert_eq!(ear.answers().len(), 5);
        // This stream takes one piece a write; a socket takes all of a turn's pieces in one writev.
        assert!(ear.link.borrow().writes <= 5);
    }
}

#[test]
fn rooms_are_made_in_the_order_of_refusals() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut hans = stage.sign_up("hans");
    let gone = stage.sign_up("gone");
    gone.link.borrow_mut().client_closed = true;
    stage.nudge(&gone);
    stage.run();
    let mut srb = |tag, users| stage.ask(&mut yoda, tag, &Request::CreateRoom { users });
    let to_self = refused(4, Refusal::NotToSelf, "Error. Cannot create a room with yourself");
    assert_eq!(srb(4, "nobody yoda"), [to_self]);
    assert_eq!(srb(5, "gone nobody"), [refused(5, Refusal::InvalidUser, "nobody does not exist")]);
    assert_eq!(srb(6, "gone hans"), [refused(6, Refusal::Offline, "gone is offline")]);
    let made = "Separate chat room has been created, room ID: 1, users in this room: yoda, hans";
    assert_eq!(srb(7, "hans hans"), [done(7, made)]);
    let again = "a separate room (ID: 1) already created for these users";
    assert_eq!(srb(8, "hans"), [refused(8, Refusal::RoomExists, again)]);
    stage.nudge(&hans);
    stage.run();
    let put_in = "PutInRoom { room: 1, by: \"yoda\", users: \"yoda, hans\" }";
    assert_eq!(hans.answers(), [put_in]);
    assert_eq!(
        stage.ask(&mut hans, 9, &Request::PostToRoom { room: 1, text: "hi" }),
        [done(9, "Message #1 sent to separate room 1 at 1 Jan 1970 00:16:40.")]
    );
    assert_eq!(yoda.answers(), ["RoomPost { room: 1, number: 1, author: \"hans\", text: \"hi\" }"]);
    assert_eq!(
        stage.ask(&mut yoda, 10, &Request::ReadRooms { after: "1 Jan 1970 00:16:39" }),
        [
            "10 RoomPost { room: 1, number: 1, author: \"hans\", at: \"1 Jan 1970 00:16:40\", text: \"hi\" }",
            "10 EndOfList"
        ]
    );
    assert_eq!(
        stage.ask(&mut yoda, 11, &Request::ReadRooms { after: "1 Jan 1970 00:16:40" }),
        ["11 EndOfList"]
    );
}
