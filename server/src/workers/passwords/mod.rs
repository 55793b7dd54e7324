//! Hashing passwords without holding up the loop: jobs go to worker threads, results come back. Knows what
//! a password and a hash are, not whose they are: `K` is whatever the caller wants to see again.
//!
//! A hash takes about 20 ms and 19 MiB on purpose, so the queue is bounded: a log-in that comes when it is full is
//! told so at once, instead of waiting for a time-out. Passwords are wiped when their job is done.

mod hash;

use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use argon2::{Algorithm, Argon2, Block, Version};
use forum_common::names::Password;
use zeroize::Zeroize;

use super::pool::{NoWorker, Pool};

pub use super::pool::Wake;

pub use self::hash::{
    BadParameters, DIGEST_BYTES, HashParameters, ITERATIONS_MAX, MEMORY_KIB_MAX, NotAPasswordHash,
    PasswordHash, SALT_BYTES,
};

/// Jobs that may wait by default: two cores need about ten seconds for them, and who would wait longer?
pub const WAITING_JOBS_MAX: usize = 1_000;

/// Work for a hasher.
#[derive(Debug)]
pub enum Job {
    /// Is this the password? [`HashResult::Right`] or [`HashResult::Wrong`].
    Verify {
        /// The password that was given.
        password: Password,
        /// The hash of the true one.
        against: PasswordHash,
    },
    /// A new password: [`HashResult::Hashed`].
    Hash {
        /// The new password.
        password: Password,
    },
    /// A new password for an old one: [`HashResult::Wrong`] or [`HashResult::Hashed`].
    VerifyThenHash {
        /// The password that was given as the present one.
        old: Password,
        /// The hash of the true one.
        against: PasswordHash,
        /// The new password.
        new: Password,
    },
}

/// What became of a [`Job`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashResult {
    /// It is the password.
    Right,
    /// It is not the password.
    Wrong,
    /// The new password's hash, with a salt of its own.
    Hashed(PasswordHash),
}

/// As many jobs wait as may; the password of this one is wiped already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// Who does the jobs: threads, the caller, or a simulation.
pub trait Workers<K> {
    /// Takes a job.
    ///
    /// # Errors
    /// Nobody is there to do it.
    fn submit(&mut self, key: K, job: Job) -> Result<(), QueueFull>;

    /// The result of a job that is done, with its key, if there is one.
    fn next_result(&mut self) -> Option<(K, HashResult)>;
}

/// The hashing threads, seen from the loop.
pub struct PasswordHasher<K> {
    workers: Box<dyn Workers<K>>,
    /// Jobs whose result was not fetched yet.
    under_way: usize,
    under_way_max: usize,
}

impl<K: Copy + Send + 'static> PasswordHasher<K> {
    /// Starts `threads` workers; 0 = each job is done when it is submitted, by the caller's own thread.
    /// `waiting_max` jobs may wait beside those that are worked on.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn start(
        threads: usize,
        waiting_max: usize,
        parameters: HashParameters,
        wake: Wake,
    ) -> io::Result<Self> {
        let workers: Box<dyn Workers<K>> = match threads {
            0 => Box::new(Inline { kiln: Kiln::new(parameters), results: VecDeque::new(), wake }),
            _ => Box::new(Pool::start("passwords", threads, &wake, || {
                let mut kiln = Kiln::new(parameters);
                move |(key, job)| (key, kiln.perform(job))
            })?),
        };
        Ok(Self::with(workers, waiting_max + threads))
    }

    /// Has the jobs done by these workers; at most so many are under way at once.
    pub fn with(workers: Box<dyn Workers<K>>, under_way_max: usize) -> Self {
        Self { workers, under_way: 0, under_way_max }
    }

    /// Hands a job over; its result comes from [`Self::next_result`] with the same `key`.
    ///
    /// # Errors
    /// The queue is full. Nothing was done.
    pub fn submit(&mut self, key: K, job: Job) -> Result<(), QueueFull> {
        if self.under_way == self.under_way_max {
            return Err(QueueFull);
        }
        self.workers.submit(key, job)?;
        self.under_way += 1;
        Ok(())
    }

    /// A result, if one is there; of several workers, in the order in which they got done.
    pub fn next_result(&mut self) -> Option<(K, HashResult)> {
        let next = self.workers.next_result();
        self.under_way -= usize::from(next.is_some());
        next
    }
}

/// Does each job when it is submitted.
struct Inline<K> {
    kiln: Kiln,
    results: VecDeque<(K, HashResult)>,
    wake: Wake,
}

impl<K> Workers<K> for Inline<K> {
    fn submit(&mut self, key: K, job: Job) -> Result<(), QueueFull> {
        self.results.push_back((key, self.kiln.perform(job)));
        (self.wake)();
        Ok(())
    }

    fn next_result(&mut self) -> Option<(K, HashResult)> {
        self.results.pop_front()
    }
}

impl<K: Send + 'static> Workers<K> for Pool<(K, Job), (K, HashResult)> {
    fn submit(&mut self, key: K, job: Job) -> Result<(), QueueFull> {
        // No worker that lives is a full queue to those who ask.
        Self::submit(self, (key, job)).map_err(|NoWorker| QueueFull)
    }

    fn next_result(&mut self) -> Option<(K, HashResult)> {
        Self::next_result(self)
    }
}

/// Hashes all `passwords` with all the cores there are. The hashes come in the order of the passwords.
pub fn hash_all(passwords: &[Password], parameters: HashParameters) -> Vec<PasswordHash> {
    hash_all_while(passwords, parameters, |_| true).expect("nobody stops it")
}

/// Like [`hash_all`], and asks `goes_on` after each how many are done. When that says no, there are no hashes.
pub fn hash_all_while(
    passwords: &[Password],
    parameters: HashParameters,
    mut goes_on: impl FnMut(usize) -> bool,
) -> Option<Vec<PasswordHash>> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(passwords.len());
    let next = AtomicUsize::new(0);
    let (done, results) = mpsc::channel();
    let mut hashes = Vec::with_capacity(passwords.len());
    let is_whole = thread::scope(|scope| {
        for _ in 0..threads {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                let mut kiln = Kiln::new(parameters);
                let take = || {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    passwords.get(index).map(|password| (index, password))
                };
                while let Some((index, password)) = take() {
                    if done.send((index, kiln.hash(password))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for numbered in results {
            hashes.push(numbered);
            if !goes_on(hashes.len()) {
                return false;
            }
        }
        true
    });
    hashes.sort_unstable_by_key(|(index, _)| *index);
    is_whole.then(|| hashes.into_iter().map(|(_, hash)| hash).collect())
}

/// Where hashes are made: argon2 and the memory it fills, which is wiped after each job and kept for the next instead of
/// being fetched from the kernel, page by page, each time.
struct Kiln {
    /// For new hashes. A hash that is verified against brings its own.
    parameters: HashParameters,
    memory: Vec<Block>,
}

impl Kiln {
    fn new(parameters: HashParameters) -> Self {
        Self { parameters, memory: Vec::new() }
    }

    fn perform(&mut self, job: Job) -> HashResult {
        match job {
            Job::Verify { password, against } if self.verify(&password, &against) => HashResult::Right,
            Job::Hash { password } => HashResult::Hashed(self.hash(&password)),
            Job::VerifyThenHash { old, against, new } if self.verify(&old, &against) => {
                HashResult::Hashed(self.hash(&new))
            }
            Job::Verify { .. } | Job::VerifyThenHash { .. } => HashResult::Wrong,
        }
    }

    fn hash(&mut self, password: &Password) -> PasswordHash {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).expect("a system on which Rust's hash maps work has random bytes");
        let digest = self.digest(password, &salt, self.parameters);
        PasswordHash::new(self.parameters, salt, digest)
    }

    fn verify(&mut self, password: &Password, against: &PasswordHash) -> bool {
        let digest = self.digest(password, against.salt(), against.parameters());
        against.has_digest(&digest)
    }

    fn digest(
        &mut self,
        password: &Password,
        salt: &[u8; SALT_BYTES],
        parameters: HashParameters,
    ) -> [u8; DIGEST_BYTES] {
        let params = parameters.params();
        if self.memory.len() < params.block_count() {
            self.memory.resize(params.block_count(), Block::new());
        }
        let mut digest = [0; DIGEST_BYTES];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password.as_bytes(), salt, &mut digest, &mut self.memory[..])
            .expect("parameters, salt and password are within argon2's limits");
        // What it was filled with follows from the password.
        self.memory.iter_mut().for_each(Zeroize::zeroize);
        // One account with an extravagant hash shall not cost its memory for ever.
        self.memory.truncate(self.parameters.params().block_count());
        self.memory.shrink_to_fit();
        digest
    }
}

#[cfg(test)]
mod tests;
