//! The hasher with threads and without, and that its hashes are argon2id.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::*;
use crate::TEST_DEADLINE;

fn password(raw: &str) -> Password {
    Password::parse(raw).unwrap()
}

fn cheap() -> HashParameters {
    HashParameters::new(64, 1, 1).unwrap()
}

fn hash_of(raw: &str) -> PasswordHash {
    Kiln::new(cheap()).hash(&password(raw))
}

/// A hasher and what its wake calls ring.
fn hasher(threads: usize, waiting_max: usize) -> (PasswordHasher<u32>, Receiver<()>) {
    let (ring, bell) = mpsc::channel();
    let wake = Arc::new(move || {
        let _ = ring.send(());
    });
    (PasswordHasher::start(threads, waiting_max, cheap(), wake).unwrap(), bell)
}

/// "password", hashed by OpenSSL's argon2id.
const BY_OPENSSL: &str =
    "$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$wmMxfQAvhLU0L6ZvoWnkvOajVqE/GRkzRjIu81IuBwI";

#[test]
fn hashes_are_those_of_other_implementations() {
    let theirs: PasswordHash = BY_OPENSSL.parse().unwrap();
    assert!(Kiln::new(cheap()).verify(&password("password"), &theirs));
    assert!(!Kiln::new(cheap()).verify(&password("Password"), &theirs));
}

#[test]
fn every_job_gets_its_answer_with_and_without_threads() {
    for threads in [0, 1, 3] {
        let (mut hasher, bell) = hasher(threads, 100);
        let against = hash_of("right");
        let jobs = [
            Job::Verify { password: password("right"), against },
            Job::Verify { password: password("wrong"), against },
            Job::Hash { password: password("new") },
            Job::VerifyThenHash { old: password("right"), against, new: password("new") },
            Job::VerifyThenHash { old: password("wrong"), against, new: password("new") },
        ];
        for (key, job) in (0..).zip(jobs) {
            hasher.submit(key, job).unwrap();
        }
        let mut results = Vec::new();
        while results.len() < 5 {
            bell.recv_timeout(TEST_DEADLINE).unwrap();
            results.extend(std::iter::from_fn(|| hasher.next_result()));
        }
        results.sort_by_key(|(key, _)| *key);
        let [verified, refused, hashed, replaced, kept] = results.try_into().unwrap();
        assert_eq!(verified, (0, HashResult::Right));
        assert_eq!(refused, (1, HashResult::Wrong));
        for (key, result) in [hashed, replaced] {
            let HashResult::Hashed(hash) = result else { panic!("{key}: {result:?}") };
            assert!(Kiln::new(cheap()).verify(&password("new"), &hash), "{key}");
        }
        assert_eq!(kept, (4, HashResult::Wrong));
    }
}

#[test]
fn the_same_password_never_has_the_same_hash() {
    assert_ne!(hash_of("s3cret"), hash_of("s3cret"));
}

#[test]
fn a_full_queue_says_so_and_takes_jobs_again_when_results_are_fetched() {
    let (mut hasher, _bell) = hasher(0, 2);
    let job = || Job::Hash { password: password("x") };
    assert_eq!(hasher.submit(1, job()), Ok(()));
    assert_eq!(hasher.submit(2, job()), Ok(()));
    assert_eq!(hasher.submit(3, job()), Err(QueueFull));
    assert_eq!(hasher.next_result().map(|(key, _)| key), Some(1));
    assert_eq!(hasher.submit(4, job()), Ok(()));
    assert_eq!(hasher.submit(5, job()), Err(QueueFull));
}

#[test]
fn a_hash_made_with_other_parameters_is_verified_and_its_memory_given_back() {
    let mut big = Kiln::new(HashParameters::new(1_024, 2, 2).unwrap());
    let against = big.hash(&password("s3cret"));
    let mut small = Kiln::new(cheap());
    assert!(small.verify(&password("s3cret"), &against));
    assert!(small.memory.capacity() < 1_024);
    let own = small.hash(&password("s3cret"));
    assert!(small.verify(&password("s3cret"), &own) && big.verify(&password("s3cret"), &own));
}

#[test]
fn a_hasher_that_is_dropped_ends_without_working_off_its_queue() {
    const JOBS: usize = 1_000;
    let slow = HashParameters::new(64, ITERATIONS_MAX, 1).unwrap();
    let performed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&performed);
    let wake = Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let mut hasher = PasswordHasher::start(1, JOBS, slow, wake).unwrap();
    for key in 0..JOBS {
        hasher.submit(key, Job::Hash { password: password("x") }).unwrap();
    }
    drop(hasher);
    assert!(performed.load(Ordering::Relaxed) < JOBS);
}

#[test]
fn a_batch_is_hashed_in_order_and_reports_its_progress() {
    let passwords: Vec<Password> = (0..20).map(|n| password(&format!("password {n}"))).collect();
    let mut progress = Vec::new();
    let note = |done| {
        progress.push(done);
        true
    };
    let hashes = hash_all_while(&passwords, cheap(), note).unwrap();
    assert_eq!(progress, (1..=20).collect::<Vec<_>>());
    assert_eq!(hashes.len(), 20);
    let mut kiln = Kiln::new(cheap());
    assert!(passwords.iter().zip(&hashes).all(|(password, hash)| kiln.verify(password, hash)));
    assert_eq!(hash_all(&[], cheap()), []);
}

#[test]
fn a_batch_that_is_stopped_hashes_no_more_and_has_no_result() {
    let passwords: Vec<Password> = (0..20).map(|n| password(&format!("password {n}"))).collect();
    let mut asked = 0;
    let stopped = hash_all_while(&passwords, cheap(), |done| {
        asked += 1;
        done < 3
    });
    assert_eq!((stopped, asked), (None, 3));
}

#[test]
fn nothing_of_a_password_stays_in_the_memory_that_its_hash_was_made_in() {
    let mut kiln = Kiln::new(cheap());
    kiln.hash(&password("jedi"));
    assert!(!kiln.memory.is_empty());
    assert!(kiln.memory.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
}
