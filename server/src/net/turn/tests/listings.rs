//! Lists under way keep a bounded amount in memory: past it they wait for each other, and nobody waits for ever.

use super::*;

const TOO_SLOW: &str = "Closing { code: TooSlow, text: \"You have been disconnected: too slow\" }";
/// Room for one version of [`Library`]'s thread, and not for two.
const LIMIT: &[&str] = &["--max-listing-bytes", "600000"];

/// A thread of 400 KB that is edited between its readers, so that each has a version of its own.
struct Library {
    stage: Stage,
    author: Client,
    edits: Tag,
}

impl Library {
    fn open(options: &[&str]) -> Self {
        let mut stage = stage(options);
        let mut author = stage.sign_up("author");
        stage.ask(&mut author, 4, &Request::CreateThread { title: "t", key: None });
        let text = "x".repeat(8_000);
        for tag in 0..50 {
            stage.ask(&mut author, 10 + tag, &Request::Post { title: "t", text: &text, key: None });
        }
        Self { stage, author, edits: 100 }
    }

    /// Somebody who asks for the thread, after an edit of it, and reads nothing.
    fn reader(&mut self, name: &str) -> Client {
        self.edits += 1;
        let text = self.edits.to_string();
        let edit = Request::EditPost { title: "t", number: 50, text: &text, id: None, key: None };
        self.stage.ask(&mut self.author, self.edits, &edit);
        let mut reader = self.stage.sign_up(name);
        reader.link.borrow_mut().room = 0;
        reader.send(100, &read("t"));
        self.stage.settle(&reader);
        reader
    }

    fn is_waiting(&self, reader: &Client) -> bool {
        self.stage.server.core.listings.is_waiting(reader.id)
    }

    /// Lets a reader read all that there is.
    fn read(&mut self, reader: &mut Client) -> Vec<String> {
        reader.link.borrow_mut().room = 1 << 30;
        self.stage.settle(reader);
        reader.answers()
    }
}

fn read(title: &str) -> Request<'_> {
    Request::ReadThread { title, range: None, after: None, at_most: None, last: None, unread: None }
}

#[test]
fn lists_that_have_no_room_together_are_read_one_after_the_other_and_whole() {
    let mut library = Library::open(LIMIT);
    let mut readers: Vec<_> = ["a", "b", "c", "d"].map(|name| library.reader(name)).into();
    assert_eq!(readers.iter().filter(|reader| library.is_waiting(reader)).count(), 3);
    // One ends as it has read all, one as it goes, though it only waited.
    let gone = readers.remove(2);
    library.stage.cut(&gone);
    for reader in &mut readers {
        assert!(!library.is_waiting(reader), "it is its turn");
        assert_eq!(library.read(reader).len(), 51);
    }
    assert_eq!(library.stage.ask(&mut library.author, 9, &read("t")).len(), 51);
}

#[test]
fn lists_of_one_version_are_read_at_the_same_time() {
    let mut library = Library::open(LIMIT);
    let mut first = library.reader("a");
    let mut others: Vec<_> = ["b", "c", "d"].map(|name| library.stage.sign_up(name)).into();
    for other in &mut others {
        assert_eq!(library.stage.ask(other, 5, &read("t")).len(), 51);
    }
    assert_eq!(library.read(&mut first).len(), 51);
}

#[test]
fn who_waits_for_a_list_is_refused_in_its_turn_when_the_thread_is_gone() {
    let mut library = Library::open(LIMIT);
    let mut readers = ["a", "b", "c"].map(|name| library.reader(name));
    library.stage.ask(&mut library.author, 5, &Request::RemoveThread { title: "t", key: None });
    assert_eq!(library.read(&mut readers[0]).len(), 51, "it reads the thread as it was");
    for reader in &mut readers[1..] {
        assert_eq!(library.read(reader), [refused(100, Refusal::NoSuchThread, "Thread t does not exist")]);
    }
}

#[test]
fn who_keeps_others_waiting_for_a_list_and_reads_nothing_is_cut_off_with_a_word() {
    let mut library = Library::open(&[LIMIT, &["--stall-timeout", "600"]].concat());
    let mut readers = ["a", "b"].map(|name| library.reader(name));
    library.stage.pass(Duration::from_secs(29));
    assert!(library.is_waiting(&readers[1]));
    library.stage.pass(Duration::from_secs(1));
    assert!(!library.is_waiting(&readers[1]));
    let heard = library.read(&mut readers[0]);
    assert!(heard.len() < 20 && heard.last().is_some_and(|last| last == TOO_SLOW), "{heard:?}");
    assert_eq!(library.read(&mut readers[1]).len(), 51);
}

#[test]
fn who_lists_while_nobody_waits_may_take_as_long_as_others_may() {
    let mut library = Library::open(LIMIT);
    let mut reader = library.reader("a");
    library.stage.pass(Duration::from_secs(59));
    assert_eq!(library.read(&mut reader).len(), 51);
}

#[test]
fn a_list_of_many_threads_is_copied_over_several_turns_and_shows_one_instant() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let titles: Vec<_> = (0..1_500).map(|number| format!("t{number}")).collect();
    for (tag, title) in (10..).zip(&titles) {
        yoda.send(tag, &Request::CreateThread { title, key: None });
    }
    stage.settle(&yoda);
    assert_eq!(yoda.answers().len(), titles.len());
    let mut hans = stage.sign_up("hans");
    hans.link.borrow_mut().room = 0;
    hans.send(5, &Request::ListThreads { after: None, at_most: None, unread: None });
    stage.nudge(&hans);
    stage.server.turn(true);
    let is_copying = |stage: &Stage| stage.server.core.busy(hans.id) == Some(crate::session::Wait::Rows);
    assert!(is_copying(&stage), "512 rows of 1,500 are copied");
    yoda.send(5, &Request::RemoveThread { title: "t1499", key: None });
    yoda.send(6, &Request::CreateThread { title: "late", key: None });
    stage.nudge(&yoda);
    stage.server.turn(true);
    assert!(stage.server.core.forum.threads.find("late").is_some() && is_copying(&stage));
    stage.run();
    assert!(!is_copying(&stage), "it is copied though nobody reads it");
    hans.link.borrow_mut().room = 1 << 30;
    stage.settle(&hans);
    let heard = hans.answers();
    assert!(heard.len() == 1_501 && heard[1_499].contains("t1499"), "{} {}", heard.len(), heard[1_499]);
}
