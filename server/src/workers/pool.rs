//! Threads that do jobs from one queue and hand back results. What a job is, is the business of those who have them;
//! so is how many may wait.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Called from a worker thread when there is a result to fetch.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The threads, seen from the loop. Dropped, it ends them: each finishes the job that it is at, what waits is dropped.
#[derive(Debug)]
pub(super) struct Pool<J, R> {
    jobs: Sender<J>,
    results: Receiver<R>,
    threads: Vec<JoinHandle<()>>,
    closing: Arc<AtomicBool>,
}

/// No worker lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoWorker;

impl<J: Send + 'static, R: Send + 'static> Pool<J, R> {
    /// Starts `threads` workers of this name; each does its jobs with what `worker` makes for it.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(super) fn start<W: FnMut(J) -> R + Send + 'static>(
        name: &str,
        threads: usize,
        wake: &Wake,
        worker: impl Fn() -> W,
    ) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let (done, results) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let closing = Arc::new(AtomicBool::new(false));
        let threads = (0..threads)
            .map(|number| {
                let (queue, done, wake) = (Arc::clone(&queue), done.clone(), Arc::clone(wake));
                let (closing, worker) = (Arc::clone(&closing), worker());
                thread::Builder::new()
                    .name(format!("{name}-{number}"))
                    .spawn(move || work(worker, &queue, &done, &closing, &wake))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { jobs, results, threads, closing })
    }

    /// Hands a job over.
    ///
    /// # Errors
    /// Nobody is there to do it.
    pub(super) fn submit(&mut self, job: J) -> Result<(), NoWorker> {
        self.jobs.send(job).map_err(|_| NoWorker)
    }

    /// A result, if one is there, in the order in which they got done.
    pub(super) fn next_result(&mut self) -> Option<R> {
        self.results.try_recv().ok()
    }
}

impl<J, R> Drop for Pool<J, R> {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        // Workers that wait for a job see that nobody is left to send one.
        self.jobs = mpsc::channel().0;
        for thread in self.threads.drain(..) {
            // A panic was printed where it happened; there is nothing to add.
            let _ = thread.join();
        }
    }
}

/// One worker's life.
fn work<J, R>(
    mut perform: impl FnMut(J) -> R,
    queue: &Mutex<Receiver<J>>,
    done: &Sender<R>,
    closing: &AtomicBool,
    wake: &Wake,
) {
    loop {
        // The first idle thread holds the lock and waits for a job, the others wait for the lock.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if closing.load(Ordering::Relaxed) || done.send(perform(job)).is_err() {
            return;
        }
        wake();
    }
}
