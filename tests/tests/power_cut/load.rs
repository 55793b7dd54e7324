//! Cuts at any moment under a load of posts, mail, uploads and removals, with both durabilities that promise
//! something, and with kill -9 in between.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use forum_common::limits::DATA_BYTES_MAX;
use forum_common::wire::{OwnedFromServer, OwnedReply, Request, Tag, Transfer};
use forum_tests::{DEADLINE, Server, Wire};
use rustix::process::Signal;

use crate::model::{Author, Loss, Mailbox, Passing, RECEIVER, Sent, titles};
use crate::{SCENARIOS, Site, cuts, rounds};

const AUTHORS: [&str; 3] = ["yoda", "leia", "luke"];
/// Answers after which the server is lost, at most.
const ANSWERS_MAX: usize = 80;
/// How long the load of a round goes on that is to show what an interval has made durable.
const LONG_ROUND: Duration = Duration::from_millis(4_500);
/// One round in so many is one of those.
const LONG_ROUND_EACH: usize = 8;
/// What an author does in it; then nothing is left to wait for but time.
const LONG_ROUND_STEPS: usize = 30;
const FILE_BYTES_MAX: usize = 100_000;
/// Threads that wait to be removed.
const PASSING_MAX: usize = 3;

#[test]
fn power_cuts_at_any_moment_lose_nothing_that_was_promised() {
    let Some(mut site) = Site::new(&[], |launch| launch) else { return };
    let seed = fastrand::u64(..);
    eprintln!("power cuts with seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut authors: Vec<Author> = AUTHORS.iter().map(|name| Author::new(name)).collect();
    let mut mailbox = Mailbox::default();
    drop(site.user(RECEIVER));
    let (mut answers, wanted) = (0, cuts() - SCENARIOS * rounds());
    for round in 0..wanted {
        let is_interval = round % 2 == 1;
        let is_long = round % LONG_ROUND_EACH == 1;
        site.change_arguments(&["--durability", if is_interval { "interval" } else { "always" }]);
        site.kill();
        if random.usize(..3) == 0 {
            answers += load_until(&site.server, &mut authors, &mut random, false, || ()).0;
            site.kill();
            verify(&site, &mut authors, &mut mailbox, Loss::Kill, random.bool());
        }
        let (server, volume) = (&site.server, &site.volume);
        let (answered, at) = load_until(server, &mut authors, &mut random, is_long, || volume.cut());
        answers += answered;
        site.server.kill();
        site.volume.come_back();
        site.start_again();
        let loss = if is_interval { Loss::CutInterval(at) } else { Loss::CutAlways };
        verify(&site, &mut authors, &mut mailbox, loss, random.bool());
        site.check();
    }
    eprintln!("{wanted} power cuts, {answers} answers");
    assert!(answers > wanted * ANSWERS_MAX / 10, "only {answers} answers in {wanted} rounds");
}

fn verify(site: &Site, authors: &mut [Author], mailbox: &mut Mailbox, loss: Loss, take: bool) {
    let titles = titles(&site.server);
    for author in &mut *authors {
        author.lose(loss);
        author.verify(&site.server, &titles);
    }
    mailbox.verify(&site.server, authors, take);
}

/// Has the authors write until some of it is answered, then does `end` and kills the server; how many answers
/// there were, and when it ended.
fn load_until(
    server: &Server,
    authors: &mut [Author],
    random: &mut fastrand::Rng,
    is_long: bool,
    end: impl FnOnce(),
) -> (usize, Instant) {
    let wanted = random.usize(..ANSWERS_MAX);
    thread::scope(|scope| {
        let (tell, told) = channel();
        for author in authors {
            let (wire, told, random) = (server.user(&author.name), tell.clone(), random.fork());
            let mut writer = Writer { wire, author, told, random };
            let steps = if is_long { LONG_ROUND_STEPS } else { usize::MAX };
            scope.spawn(move || writer.write_until_the_end(steps));
        }
        drop(tell);
        let answered = wait_for_answers(&told, wanted, is_long);
        let at = Instant::now();
        end();
        // A client that waits for an answer hears that the server is gone.
        server.signal(Signal::KILL);
        (answered + told.iter().count(), at)
    })
}

/// Until there are `wanted` answers; in a long round, until its time is over.
fn wait_for_answers(told: &Receiver<()>, wanted: usize, is_long: bool) -> usize {
    let end = Instant::now() + if is_long { LONG_ROUND } else { DEADLINE };
    let mut answered = 0;
    while is_long || answered < wanted {
        match told.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(()) => answered += 1,
            Err(RecvTimeoutError::Timeout) if is_long => break,
            Err(RecvTimeoutError::Timeout) => panic!("only {answered} answers within the deadline"),
            Err(RecvTimeoutError::Disconnected) => panic!("the server ended by itself"),
        }
    }
    answered
}

/// One author at work.
struct Writer<'a> {
    wire: Wire,
    author: &'a mut Author,
    told: Sender<()>,
    random: fastrand::Rng,
}

/// The server is gone.
struct Gone;

impl Writer<'_> {
    fn write_until_the_end(&mut self, steps: usize) {
        for _ in 0..steps {
            if self.write().is_err() {
                return;
            }
        }
        while self.next().is_some() {}
    }

    fn write(&mut self) -> Result<(), Gone> {
        if self.author.posts.is_empty() {
            // A thread without a post may be there from an earlier round.
            let title = self.author.title.clone();
            self.ask(&Request::CreateThread { title: &title, key: None })?;
        }
        match self.random.usize(..8) {
            0..4 => self.post(),
            4..6 => self.mail(),
            6 => self.upload(),
            _ => self.remove(),
        }
    }

    /// Several posts in one piece.
    fn post(&mut self) -> Result<(), Gone> {
        let texts: Vec<String> = (0..1 + self.random.usize(..8)).map(|_| self.author.fresh("post")).collect();
        let title = self.author.title.clone();
        let (tags, bytes) =
            self.wire.frames(texts.iter().map(|text| Request::Post { title: &title, text, key: None }));
        let first = self.author.posts.len();
        self.author.posts.extend(texts.into_iter().map(Sent::new));
        self.wire.send_bytes_regardless(&bytes);
        for (number, tag) in tags.into_iter().enumerate() {
            self.author.posts[first + number].answered = Some(self.done(tag)?);
        }
        Ok(())
    }

    fn mail(&mut self) -> Result<(), Gone> {
        let text = self.author.fresh("mail");
        self.author.mail.push(Sent::new(text.clone()));
        let answered = self.ask_done(&Request::SendMessage { user: RECEIVER, text: &text, key: None })?;
        self.author.mail.last_mut().expect("just pushed").answered = Some(answered);
        Ok(())
    }

    /// A thread with a file, to be removed one day.
    fn upload(&mut self) -> Result<(), Gone> {
        let title = self.author.fresh("file");
        let mut bytes = vec![0; self.random.usize(..FILE_BYTES_MAX)];
        self.random.fill(&mut bytes);
        let (created, uploaded) = (Sent::new(()), Sent::new(bytes.clone()));
        self.author.passing.push(Passing { title: title.clone(), created, uploaded, removed: None });
        let answered = self.ask_done(&Request::CreateThread { title: &title, key: None })?;
        self.author.passing.last_mut().expect("just pushed").created.answered = Some(answered);
        let (tag, frame) = self.wire.frame(&Request::Upload {
            title: &title,
            file: "f",
            size: bytes.len() as u64,
            key: None,
        });
        self.wire.send_bytes_regardless(&frame);
        let Some(OwnedFromServer::Reply(_, OwnedReply::UploadStarts { .. })) = self.next() else {
            return Err(Gone);
        };
        let mut frames = Vec::new();
        // The first credit covers all of it.
        bytes.chunks(DATA_BYTES_MAX).for_each(|piece| Transfer::Data { piece }.encode(tag, &mut frames));
        Transfer::DataEnd { digest: Some(blake3::hash(&bytes).into()) }.encode(tag, &mut frames);
        self.wire.send_bytes_regardless(&frames);
        let answered = self.done(tag)?;
        self.author.passing.last_mut().expect("just pushed").uploaded.answered = Some(answered);
        Ok(())
    }

    fn remove(&mut self) -> Result<(), Gone> {
        let there = self.author.passing.iter().filter(|thread| thread.removed.is_none()).count();
        if there < PASSING_MAX {
            return self.mail();
        }
        let Some(thread) = self.author.passing.iter_mut().find(|thread| thread.removed.is_none()) else {
            return Ok(());
        };
        thread.removed = Some(Sent::new(()));
        let title = thread.title.clone();
        let answered = self.ask_done(&Request::RemoveThread { title: &title, key: None })?;
        let removed = self.author.passing.iter_mut().find(|thread| thread.title == title);
        if let Some(Passing { removed: Some(removed), .. }) = removed {
            removed.answered = Some(answered);
        }
        Ok(())
    }

    /// The next frame that matters, or none when the server is gone.
    fn next(&mut self) -> Option<OwnedFromServer> {
        loop {
            match self.wire.next_frame_or_reset() {
                Ok(Some(OwnedFromServer::Transfer(..))) => {}
                Ok(heard) => return heard,
                Err(_) => return None,
            }
        }
    }

    /// When `tag` was answered; a server that says anything but that it was done is on its way out.
    fn done(&mut self, tag: Tag) -> Result<Instant, Gone> {
        match self.next() {
            Some(OwnedFromServer::Reply(its_tag, reply))
                if its_tag == tag && !matches!(reply, OwnedReply::Refused { .. }) =>
            {
                // After the end nobody counts any more.
                let _ = self.told.send(());
                Ok(Instant::now())
            }
            _ => Err(Gone),
        }
    }

    fn ask(&mut self, request: &Request<'_>) -> Result<OwnedFromServer, Gone> {
        let (_, frame) = self.wire.frame(request);
        self.wire.send_bytes_regardless(&frame);
        self.next().ok_or(Gone)
    }

    fn ask_done(&mut self, request: &Request<'_>) -> Result<Instant, Gone> {
        let (tag, frame) = self.wire.frame(request);
        self.wire.send_bytes_regardless(&frame);
        self.done(tag)
    }
}
