//! Limits while entries are in flight: each counts what is about its own, exactly, whatever becomes of the entries,
//! and costs the same however many there are.

use super::*;

/// CPU time that this thread has had.
fn cpu_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
}

impl Stage {
    /// Many users, who don't want to hear who comes and goes.
    fn sign_up_all(&mut self, names: &[String]) -> Vec<Client> {
        let mut clients = Vec::new();
        // So many passwords are hashed at once.
        for names in names.chunks(100) {
            let some: Vec<_> = names.iter().map(|name| self.send_all_of_a_sign_up(name)).collect();
            self.settle_all(&some);
            clients.extend(some);
        }
        for client in &mut clients {
            assert!(client.answers().iter().any(|answer| answer.starts_with("3 Welcome")));
        }
        clients
    }

    fn send_all_of_a_sign_up(&mut self, name: &str) -> Client {
        let link = Rc::new(RefCell::new(Link { room: 1 << 30, ..Link::default() }));
        let id = self.server.admit(Pipe(Rc::clone(&link)), "127.0.0.1:1".parse().unwrap()).unwrap();
        let mut client = Client { id, link, input: Input::default() };
        client.send(1, &Request::ClientHello { version: VERSION, client: "test", presence: false });
        client.send_sign_up(name, NO_PORT);
        client
    }
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

#[test]
fn a_request_costs_the_same_however_much_is_in_flight() {
    const SENDERS: usize = 750;
    const MESSAGES: u32 = 64;
    let mut stage = stage(&[]);
    let mut other = stage.sign_up("other");
    let receivers = names("receiver", 5);
    stage.sign_up_all(&receivers);
    let mut senders = stage.sign_up_all(&names("sender", SENDERS));
    stage.server.core.pipeline.journal_mut().hold();
    let mut costs = Vec::new();
    for wave in senders.chunks_mut(SENDERS / 3) {
        for (n, sender) in wave.iter_mut().enumerate() {
            for tag in 1..=MESSAGES {
                let user = &receivers[n % receivers.len()];
                sender.send(tag, &Request::SendMessage { user, text: "x", key: None });
            }
            stage.nudge(sender);
        }
        let before = cpu_time();
        while stage.server.core.sessions.waiting_for_turn() > 0 {
            stage.server.turn(true);
        }
        costs.push(cpu_time() - before);
    }
    assert_eq!(stage.server.core.pipeline.len(), SENDERS * MESSAGES as usize);
    other.send(4, &Request::Ping { payload: b"" });
    stage.nudge(&other);
    stage.server.turn(true);
    assert_eq!(other.answers(), ["4 Pong { payload: [] }"], "in the same turn");
    assert!(costs[2] < 3 * costs[0], "a third of the messages each: {costs:?}");
    stage.release();
    for sender in &mut senders {
        assert_eq!(sender.answers(), (1..=MESSAGES).map(|tag| done(tag, "")).collect::<Vec<_>>());
    }
}

#[test]
fn what_others_have_in_flight_does_not_count_for_ones_own_limit() {
    const BLOCKS: usize = 60;
    let mut stage = stage(&["--max-blocks", "60"]);
    let (mut blockers, strangers) = (stage.sign_up_all(&names("blocker", 20)), names("stranger", BLOCKS));
    stage.sign_up_all(&strangers);
    stage.server.core.pipeline.journal_mut().hold();
    for blocker in &mut blockers {
        for (tag, user) in (1..).zip(&strangers) {
            blocker.send(tag, &Request::Block { user, key: None });
        }
    }
    stage.settle_all(&blockers);
    stage.release();
    for (n, blocker) in blockers.iter_mut().enumerate() {
        let answers = blocker.answers();
        assert_eq!(
            answers.iter().filter(|answer| answer.contains("Done")).count(),
            BLOCKS,
            "{n}: {answers:?}"
        );
    }
}

const USERS: [&str; 10] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9"];

/// A limit of three, and the requests that use it up: the n-th is by that user.
struct Case {
    option: [&'static str; 2],
    request: fn(usize) -> (usize, Request<'static>),
}

fn cases() -> [Case; 6] {
    let [post, message] = [|_| (0, post_to("a")), |_| (0, message_to("u1"))];
    let block = |n: usize| (0, Request::Block { user: USERS[n + 1], key: None });
    let room = |n: usize| (n, Request::CreateRoom { users: USERS[n + 1], key: None });
    [
        // One thread is there already.
        Case { option: ["--max-threads", "4"], request: |n| (0, thread(USERS[n])) },
        Case { option: ["--max-posts", "3"], request: post },
        Case { option: ["--max-mailbox-messages", "3"], request: message },
        Case { option: ["--max-mailbox-bytes", "3"], request: message },
        Case { option: ["--max-blocks", "3"], request: block },
        Case { option: ["--max-rooms", "3"], request: room },
    ]
}

fn thread(title: &str) -> Request<'_> {
    Request::CreateThread { title, key: None }
}

fn post_to(title: &str) -> Request<'_> {
    Request::Post { title, text: "x", key: None }
}

fn message_to(user: &str) -> Request<'_> {
    Request::SendMessage { user, text: "x", key: None }
}

/// Ten users of a server with the thread `a` and this option.
fn stage_for(option: [&str; 2]) -> (Stage, Vec<Client>) {
    let mut stage = stage(&option);
    let mut users = stage.sign_up_all(&USERS.map(String::from));
    stage.ask(&mut users[0], 100, &thread("a"));
    (stage, users)
}

/// What all of them were answered, but for what others have sent them.
fn replies(users: &mut [Client]) -> Vec<String> {
    let answers = users.iter_mut().flat_map(|user| user.answers());
    answers.filter(|answer| answer.contains("Done") || answer.contains("Refused")).collect()
}

#[test]
fn a_limit_is_exact_while_entries_are_in_flight_and_a_full_disk_gives_back_what_it_refused() {
    for Case { option, request } in cases() {
        let (mut stage, mut users) = stage_for(option);
        stage.server.core.pipeline.journal_mut().hold();
        for n in 0..4 {
            let (user, request) = request(n);
            users[user].send(n as Tag, &request);
        }
        stage.settle_all(&users);
        assert_eq!(stage.server.core.pipeline.len(), 3, "{option:?}: the fourth is one too many");
        stage.server.core.pipeline.journal_mut().no_space(1);
        stage.release();
        let heard = replies(&mut users);
        let full = heard.iter().filter(|answer| answer.contains("NoSpace")).count();
        assert_eq!((full, heard.len()), (3, 4), "{option:?}: {heard:?}");
        // The fourth may have waited for the answers to those before, and have been taken then.
        let mut made = heard.iter().filter(|answer| answer.contains("Done")).count();
        for n in 4..9 {
            let (user, request) = request(n);
            let answers = stage.ask(&mut users[user], n as Tag, &request);
            let is_made = answers.iter().any(|answer| answer.contains("Done"));
            assert_eq!(is_made, made < 3, "{option:?}: {made} are made; {answers:?}");
            made += usize::from(is_made);
        }
        assert!(
            stage.server.core.pipeline.in_flight().is_empty(),
            "{option:?}: {:?}",
            stage.server.core.pipeline.in_flight()
        );
    }
}

#[test]
fn what_a_connection_had_in_flight_when_it_broke_counts_until_it_is_applied() {
    let (mut stage, mut users) = stage_for(["--max-posts", "3"]);
    stage.server.core.pipeline.journal_mut().hold();
    for tag in 1..=2 {
        users[0].send(tag, &post_to("a"));
    }
    stage.settle(&users[0]);
    stage.cut(&users[0]);
    let too_many = refused(2, Refusal::LimitReached, "Limit reached: at most 3 messages in a thread");
    assert_eq!(stage.ask(&mut users[1], 1, &post_to("a")), [""; 0], "one more is on its way");
    assert_eq!(stage.ask(&mut users[2], 2, &post_to("a")), [too_many]);
    stage.release();
    assert_eq!(users[1].answers(), [done(1, "Message posted to a thread")]);
    assert!(stage.server.core.pipeline.in_flight().is_empty());
}

#[test]
fn accounts_are_limited_with_those_who_are_signing_up() {
    let mut stage = stage(&["--max-accounts", "3"]);
    stage.server.core.pipeline.journal_mut().hold();
    let mut clients: Vec<_> = USERS[..4].iter().map(|name| stage.send_all_of_a_sign_up(name)).collect();
    stage.settle_all(&clients);
    let full = refused(3, Refusal::LimitReached, "Limit reached: at most 3 accounts");
    let refusals = clients.iter_mut().flat_map(Client::answers).filter(|answer| answer.contains("Refused"));
    assert_eq!(refusals.collect::<Vec<_>>(), [full]);
    // Somebody who signs up and vanishes has an account all the same.
    stage.cut(&clients[0]);
    stage.release();
    assert_eq!(stage.server.core.forum.accounts.len(), 3);
    assert!(stage.server.core.pipeline.in_flight().is_empty());
}

#[test]
fn an_upload_counts_from_its_beginning_to_its_end_whatever_that_is() {
    for (option, refusal) in [
        (["--max-files", "1"], "Limit reached: at most 1 files in a thread"),
        (["--max-uploads", "1"], "Limit reached: at most 1 uploads of a user at once"),
        (["--max-user-file-bytes", "2"], "Limit reached: at most 2 bytes of files a user"),
    ] {
        let (mut stage, _) = stage_for(option);
        let upload = |file| Request::Upload { title: "a", file, size: 2, key: None };
        let mut one = stage.sign_up("one");
        let starts = "1 UploadStarts { credit: 2 }";
        assert_eq!(stage.ask(&mut one, 1, &upload("f")), [starts]);
        assert_eq!(stage.ask(&mut one, 2, &upload("g")), [refused(2, Refusal::LimitReached, refusal)]);
        one.send_transfer(1, &Transfer::Abort);
        stage.settle(&one);
        one.answers();
        assert_eq!(stage.ask(&mut one, 1, &upload("h")), [starts], "after one that was given up");
        stage.cut(&one);
        let mut again = stage.log_in("one");
        again.answers();
        assert_eq!(stage.ask(&mut again, 1, &upload("i")), [starts], "after one whose connection broke");
        again.send_transfer(1, &Transfer::Data { piece: b"hi" });
        again.send_transfer(1, &Transfer::DataEnd { digest: None });
        stage.settle(&again);
        assert_eq!(again.answers(), [done(1, "i uploaded to a thread")]);
        assert!(
            stage.server.core.pipeline.in_flight().is_empty(),
            "{option:?}: {:?}",
            stage.server.core.pipeline.in_flight()
        );
    }
}
