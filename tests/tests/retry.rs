//! A script that runs while its server is killed again and again: `--retry` brings each change in exactly once.
#![forbid(unsafe_code)]

use forum_tests::{PASSWORD, Server};

/// Lines of the script.
const CHANGES: usize = 2_000;
/// Kills in one run of it.
const KILLS: usize = 5;

/// One round; the moments of the kills are drawn from the seed.
fn a_script_through_kills(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut server = Server::start(&[]);
    let forum = server.forum().args(&["--user", "yoda", "--retry", "600"]).env("FORUM_PASSWORD", PASSWORD);
    let mut yoda = forum.start();
    yoda.write("CRT t\n");
    yoda.write(&(1..=CHANGES).map(|number| format!("MSG t {number}\n")).collect::<String>());
    yoda.close_input();
    yoda.hears("Welcome to the forum");
    yoda.hears("Thread t created");
    let mut kills: Vec<usize> = (0..KILLS).map(|_| random.usize(0..CHANGES)).collect();
    kills.sort_unstable();
    for answered in 0..CHANGES {
        for _ in kills.extract_if(.., |kill| *kill == answered) {
            server.kill();
            server.start_again_there();
        }
        yoda.hears("Message posted to t thread");
    }
    yoda.hears("Goodbye");
    let finished = yoda.finish();
    assert_eq!(finished.code, Some(0), "seed {seed}: {:?}", finished.stderr);
    let posts = server.user("hans").read_thread("t");
    let expected: Vec<String> = (1..=CHANGES).map(|number| format!("{number} yoda: {number}")).collect();
    assert!(posts == expected, "seed {seed}: {} posts", posts.len());
}

#[test]
fn a_script_with_retry_has_each_change_done_exactly_once_however_often_the_server_is_killed() {
    let rounds = std::env::var("FORUM_RETRY_ROUNDS").map_or(2, |rounds| rounds.parse().expect("a number"));
    (0..rounds).for_each(|_| a_script_through_kills(fastrand::u64(..)));
}
