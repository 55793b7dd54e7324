//! What the journal's thread is given to do: a queue without a lock, and a thread that sleeps while it is
//! empty. With a channel of the standard library, the thread that is woken finds the channel's lock taken by
//! the one that wakes it whenever both share a core, and each batch costs four system calls instead of two.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_queue::SegQueue;

/// The end that takes.
pub(super) struct Inbox<T>(Arc<Shared<T>>);

/// The end that gives; there may be several.
pub(super) struct Sender<T> {
    shared: Arc<Shared<T>>,
    taker: Thread,
}

struct Shared<T> {
    queue: SegQueue<T>,
    /// The taker has gone.
    is_closed: AtomicBool,
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared { queue: SegQueue::new(), is_closed: AtomicBool::new(false) }))
    }

    /// A sender to this inbox, which `taker` takes from.
    pub(super) fn sender(&self, taker: Thread) -> Sender<T> {
        Sender { shared: Arc::clone(&self.0), taker }
    }

    /// The same inbox, for the thread that is going to take from it.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// The next thing, if one waits.
    pub(super) fn try_take(&self) -> Option<T> {
        self.0.queue.pop()
    }

    /// The next thing; waits for it, but no longer than `timeout`.
    pub(super) fn take(&self, timeout: Option<Duration>) -> Option<T> {
        loop {
            if let Some(item) = self.try_take() {
                return Some(item);
            }
            // A wake-up between the look above and here is not lost: it ends the next parking at once.
            match timeout {
                None => thread::park(),
                Some(timeout) => {
                    thread::park_timeout(timeout);
                    return self.try_take();
                }
            }
        }
    }

    /// Nothing is taken any more, which senders learn.
    pub(super) fn close(&self) {
        self.0.is_closed.store(true, Ordering::Release);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), taker: self.taker.clone() }
    }
}

impl<T> Sender<T> {
    /// Hands something over; says whether anybody is there to take it.
    pub(super) fn send(&self, item: T) -> bool {
        if self.shared.is_closed.load(Ordering::Acquire) {
            return false;
        }
        self.shared.queue.push(item);
        self.taker.unpark();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_sent_is_taken_in_order_until_the_inbox_closes() {
        let inbox = Inbox::new();
        let taken = inbox.share();
        let taker = thread::spawn(move || {
            let taken: Vec<u32> = std::iter::from_fn(|| inbox.take(None)).take(10_000).collect();
            inbox.close();
            taken
        });
        let sender = taken.sender(taker.thread().clone());
        assert!((0..10_000).all(|n| sender.send(n)));
        assert_eq!(taker.join().unwrap(), (0..10_000).collect::<Vec<_>>());
        assert!(!sender.send(0));
    }

    #[test]
    fn a_wait_ends_when_its_time_is_over() {
        let inbox = Inbox::<()>::new();
        assert_eq!(inbox.take(Some(Duration::from_millis(1))), None);
    }
}
