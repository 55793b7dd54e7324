//! Where the file workers run: on threads of their own, or on the caller's. Carries orders there and what
//! was done back, and looks into neither.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use super::storage::Storage;
use super::worker::{Direction, Done, Order, Worker};
use super::{Failure, FileId, FileSync, Ticket, Wake};
use crate::directory::Directory;
use crate::inbox::{self, Inbox, Taken, inbox};

/// The workers, seen from the loop.
pub(super) enum Workers<K> {
    Inline(Rc<RefCell<Inline<K>>>),
    Threads {
        /// These write, fsync and unlink.
        uploads: Vec<Thread<K>>,
        /// These read, and so never wait for an fsync.
        downloads: Vec<Thread<K>>,
        /// Where the threads put what is done, and what is said for one that died.
        news_sender: Sender<News<K>>,
        news: Receiver<News<K>>,
        wake: Wake,
        dir: Directory,
        is_closing: Arc<AtomicBool>,
    },
}

/// One worker on the caller's thread.
pub(super) struct Inline<K> {
    pub(super) worker: Worker,
    /// What is to be done when the stepper says so; without one it is done at once.
    errands: VecDeque<Errand<K>>,
    is_stepped: bool,
    news: VecDeque<News<K>>,
    wake: Wake,
    /// For tests: the disk is slow, and nothing is heard of it.
    pub(super) held: bool,
}

impl<K: Copy> Inline<K> {
    fn new(dir: Box<dyn Storage>, is_stepped: bool, sync: FileSync, wake: Wake) -> Rc<RefCell<Self>> {
        let (errands, news) = (VecDeque::new(), VecDeque::new());
        let worker = Worker::new(dir, sync);
        Rc::new(RefCell::new(Self { worker, errands, is_stepped, news, wake, held: false }))
    }

    fn take(&mut self, errand: Errand<K>) {
        self.errands.push_back(errand);
        if !self.is_stepped {
            self.step();
        }
    }

    fn step(&mut self) -> bool {
        let Some(errand) = self.errands.pop_front() else { return false };
        if let Some(item) = self.worker.run(errand) {
            self.news.push_back(item);
            (self.wake)();
        }
        true
    }
}

/// Has the orders of a simulation's file workers obeyed.
pub struct Stepper<K>(Rc<RefCell<Inline<K>>>);

impl<K: Copy> Stepper<K> {
    /// Has the oldest order obeyed; says whether there was one.
    pub fn step(&self) -> bool {
        self.0.borrow_mut().step()
    }

    /// Whether no order waits.
    pub fn is_idle(&self) -> bool {
        self.0.borrow().errands.is_empty()
    }
}

/// What a worker has done.
pub(super) enum News<K> {
    Transfer(Ticket<K>, Done),
    /// These files are gone for good.
    Unlinked(Vec<FileId>),
}

/// One thread and the line of what it has to do, which is bounded by the credit of its transfers.
pub(super) struct Thread<K> {
    errands: inbox::Sender<Errand<K>>,
    thread: JoinHandle<()>,
}

enum Errand<K> {
    Order(Ticket<K>, Order),
    Unlink(Vec<FileId>),
}

impl<K: Copy + Send + 'static> Workers<K> {
    pub(super) fn start(dir: Directory, threads: usize, sync: FileSync, wake: Wake) -> io::Result<Self> {
        if threads == 0 {
            return Ok(Self::Inline(Inline::new(Box::new(dir), false, sync, wake)));
        }
        let (news_sender, news) = mpsc::channel();
        let is_closing = Arc::new(AtomicBool::new(false));
        let start = |name: &str| -> io::Result<Vec<Thread<K>>> {
            let names = (0..threads).map(|number| format!("{name}-{number}"));
            let start = |name| {
                let worker = Worker::new(Box::new(dir.clone()), sync);
                let (news, wake, is_closing) =
                    (news_sender.clone(), Arc::clone(&wake), Arc::clone(&is_closing));
                Thread::start(name, move |errands| work(worker, errands, &news, &wake, &is_closing))
            };
            names.map(start).collect()
        };
        let (uploads, downloads) = (start("uploads")?, start("downloads")?);
        Ok(Self::Threads { uploads, downloads, news_sender, news, wake, dir, is_closing })
    }

    pub(super) fn stepped(dir: Box<dyn Storage>, sync: FileSync, wake: Wake) -> (Self, Stepper<K>) {
        let inline = Inline::new(dir, true, sync, wake);
        (Self::Inline(Rc::clone(&inline)), Stepper(inline))
    }

    /// Gives an order to the worker of its transfer.
    pub(super) fn order(&mut self, ticket: Ticket<K>, order: Order) {
        match self {
            Self::Inline(inline) => inline.borrow_mut().take(Errand::Order(ticket, order)),
            Self::Threads { uploads, downloads, news_sender, wake, .. } => {
                let threads = match ticket.number.direction {
                    Direction::Upload => uploads,
                    Direction::Download => downloads,
                };
                let thread = nth(threads, ticket.number.number.into());
                let sent = thread.errands.send(Errand::Order(ticket, order));
                if !sent {
                    // A bug killed the worker, and its panic is in the log: don't let its users hang.
                    let failure = Failure::Io("the file worker is gone".into());
                    let _ = news_sender.send(News::Transfer(ticket, Done::Failed(failure)));
                    wake();
                }
            }
        }
    }

    pub(super) fn unlink(&mut self, ids: Vec<FileId>) {
        let Some(first) = ids.first() else { return };
        match self {
            Self::Inline(inline) => inline.borrow_mut().take(Errand::Unlink(ids)),
            // Where it fails because the worker is gone, the next start unlinks the files.
            Self::Threads { uploads, .. } => {
                nth(uploads, first.0).errands.send(Errand::Unlink(ids));
            }
        }
    }

    pub(super) fn next_news(&mut self) -> Option<News<K>> {
        match self {
            Self::Inline(inline) => {
                let mut inline = inline.borrow_mut();
                if inline.held { None } else { inline.news.pop_front() }
            }
            Self::Threads { news, .. } => news.try_recv().ok(),
        }
    }
}

impl<K> Drop for Workers<K> {
    /// Ends the workers: nobody is left who waits for a transfer, so what has not begun is not begun any more,
    /// and uploads leave no trace, not even those that were stored at the last moment.
    fn drop(&mut self) {
        let Self::Threads { uploads, downloads, news, dir, is_closing, .. } = self else { return };
        is_closing.store(true, Ordering::SeqCst);
        let all = uploads.drain(..).chain(downloads.drain(..));
        let running: Vec<JoinHandle<()>> = all.map(|thread| thread.thread).collect();
        for thread in running {
            // A panic was printed where it happened; there is nothing to add.
            let _ = thread.join();
        }
        for item in news.try_iter() {
            if let News::Transfer(_, Done::Stored(id, _)) = item {
                // What stays is found by the next start.
                let _ = dir.remove_if_there(&id.to_string());
            }
        }
    }
}

impl<K: Send + 'static> Thread<K> {
    fn start(name: String, work: impl FnOnce(&Inbox<Errand<K>>) + Send + 'static) -> io::Result<Self> {
        let (errands, to_do) = inbox();
        let thread = thread::Builder::new().name(name).spawn(move || work(&to_do))?;
        Ok(Self { errands: errands.sender(thread.thread()), thread })
    }
}

impl Worker {
    /// Does an errand; says what is to be told of it.
    fn run<K>(&mut self, errand: Errand<K>) -> Option<News<K>> {
        match errand {
            Errand::Unlink(ids) => Some(News::Unlinked(self.unlink(ids))),
            Errand::Order(ticket, order) => {
                self.perform(ticket.number, order).map(|done| News::Transfer(ticket, done))
            }
        }
    }
}

/// The thread for whatever has this number.
fn nth<K>(threads: &[Thread<K>], number: u128) -> &Thread<K> {
    let index = number % threads.len() as u128;
    &threads[usize::try_from(index).expect("less than the number of threads")]
}

/// One worker's life: it ends when nobody can send any more.
fn work<K: Copy>(
    mut worker: Worker,
    to_do: &Inbox<Errand<K>>,
    news: &Sender<News<K>>,
    wake: &Wake,
    is_closing: &AtomicBool,
) {
    while let Taken::Item(errand) = to_do.take(None) {
        if let Errand::Order(_, order) = &errand
            && is_closing.load(Ordering::SeqCst)
            && *order != Order::End
        {
            continue;
        }
        if let Some(item) = worker.run(errand) {
            // Nobody listens any more when the server ends.
            let _ = news.send(item);
            wake();
        }
    }
}
