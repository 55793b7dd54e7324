//! Work for a thread: a queue without a lock, and a thread that sleeps while it is empty.
//!
//! With a channel of the standard library, the thread that is woken finds the channel's lock taken by the one
//! that wakes it whenever both share a core, and each piece of work costs four futex calls instead of two.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_queue::SegQueue;

/// The end that takes. It belongs to the thread whose senders were made for it.
#[derive(Debug)]
pub struct Inbox<T>(Arc<Shared<T>>);

/// What senders are made of; until there is one, everything waits.
#[derive(Debug)]
pub struct Slot<T>(Arc<Shared<T>>);

/// The end that gives; there may be several.
#[derive(Debug)]
pub struct Sender<T> {
    /// None only while it is dropped.
    shared: Option<Arc<Shared<T>>>,
    taker: Thread,
}

#[derive(Debug)]
struct Shared<T> {
    queue: SegQueue<T>,
    /// The taker has gone.
    is_closed: AtomicBool,
}

/// What waiting at an inbox brings.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// A piece of work.
    Item(T),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more: all senders have gone.
    End,
}

/// An empty inbox, for a thread that is about to start, and what its senders are made of then.
pub fn inbox<T>() -> (Slot<T>, Inbox<T>) {
    let shared = Arc::new(Shared { queue: SegQueue::new(), is_closed: AtomicBool::new(false) });
    (Slot(Arc::clone(&shared)), Inbox(shared))
}

impl<T> Slot<T> {
    /// A sender to the inbox that `taker` takes from.
    pub fn sender(self, taker: &Thread) -> Sender<T> {
        Sender { shared: Some(self.0), taker: taker.clone() }
    }
}

impl<T> Inbox<T> {
    /// The next piece of work, if one waits.
    pub fn try_take(&self) -> Taken<T> {
        // The last sender has put its item in before it leaves: only then is the queue looked at.
        let is_alone = Arc::strong_count(&self.0) == 1;
        fence(Ordering::Acquire);
        match self.0.queue.pop() {
            Some(item) => Taken::Item(item),
            None if is_alone => Taken::End,
            None => Taken::Nothing,
        }
    }

    /// The next piece of work; waits for it, but not much longer than `timeout`.
    pub fn take(&self, timeout: Option<Duration>) -> Taken<T> {
        loop {
            match self.try_take() {
                Taken::Nothing => {}
                taken => return taken,
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
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::Release);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), taker: self.taker.clone() }
    }
}

impl<T> Sender<T> {
    /// Hands something over; says whether anybody is there to take it.
    pub fn send(&self, item: T) -> bool {
        let Some(shared) = &self.shared else { return false };
        if shared.is_closed.load(Ordering::Acquire) {
            return false;
        }
        shared.queue.push(item);
        self.taker.unpark();
        true
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // First gone, then told: the taker counts.
        self.shared = None;
        self.taker.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_sent_is_taken_in_order_and_then_it_ends() {
        let (slot, inbox) = inbox();
        let taker = thread::spawn(move || {
            let mut taken = Vec::new();
            while let Taken::Item(number) = inbox.take(None) {
                taken.push(number);
            }
            taken
        });
        let sender = slot.sender(taker.thread());
        let other = sender.clone();
        assert!((0..10_000).all(|n| if n % 2 == 0 { sender.send(n) } else { other.send(n) }));
        drop((sender, other));
        assert_eq!(taker.join().unwrap(), (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_takes_from_an_inbox_that_is_gone() {
        let (slot, inbox) = inbox();
        let sender = slot.sender(&thread::current());
        assert!(sender.send(1));
        drop(inbox);
        assert!(!sender.send(2));
    }

    #[test]
    fn a_wait_ends_when_its_time_is_over() {
        let (_slot, inbox) = inbox::<()>();
        assert_eq!(inbox.take(Some(Duration::from_millis(1))), Taken::Nothing);
    }
}
