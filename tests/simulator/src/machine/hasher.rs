//! Passwords are hashed when the world says so, and by something cheap.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use forum_common::names::Password;
use forumd::session::ConnectionId;
use forumd::workers::passwords::{
    HashParameters, HashResult, Job, PasswordHash, QueueFull, SALT_BYTES, Workers,
};

use crate::kernel::{Event, Shared};
use crate::rng::Rng;

/// Jobs and results between the server and the world.
pub(crate) type Hashes = Rc<RefCell<HashQueue>>;

/// See [`Hashes`].
#[derive(Debug, Default)]
pub(crate) struct HashQueue {
    jobs: VecDeque<(ConnectionId, Job)>,
    results: VecDeque<(ConnectionId, HashResult)>,
}

/// Who the server takes for its hashing threads.
pub(crate) struct SimHasher {
    queue: Hashes,
    kernel: Shared,
    rng: Rng,
    delay: (u64, u64),
}

impl SimHasher {
    /// Each job takes so long.
    pub(crate) fn new(queue: Hashes, kernel: Shared, rng: Rng, delay: (u64, u64)) -> Self {
        Self { queue, kernel, rng, delay }
    }
}

impl Workers<ConnectionId> for SimHasher {
    fn submit(&mut self, key: ConnectionId, job: Job) -> Result<(), QueueFull> {
        self.queue.borrow_mut().jobs.push_back((key, job));
        self.kernel.borrow_mut().push_after(self.rng.between(self.delay.0, self.delay.1), Event::Hash);
        Ok(())
    }

    fn next_result(&mut self) -> Option<(ConnectionId, HashResult)> {
        self.queue.borrow_mut().results.pop_front()
    }
}

impl HashQueue {
    /// Does the oldest job; says whether there was one.
    pub(crate) fn step(&mut self) -> bool {
        let Some((key, job)) = self.jobs.pop_front() else { return false };
        let result = match job {
            Job::Verify { password, against } if hash(&password) == against => HashResult::Right,
            Job::Hash { password } => HashResult::Hashed(hash(&password)),
            Job::VerifyThenHash { old, against, new } if hash(&old) == against => {
                HashResult::Hashed(hash(&new))
            }
            Job::Verify { .. } | Job::VerifyThenHash { .. } => HashResult::Wrong,
        };
        self.results.push_back((key, result));
        true
    }
}

/// The hash of a password: different passwords have different ones.
pub(crate) fn hash(password: &Password) -> PasswordHash {
    let parameters = HashParameters::new(8, 1, 1).expect("the least there is");
    PasswordHash::new(parameters, [0; SALT_BYTES], *blake3::hash(password.as_bytes()).as_bytes())
}
