//! Two that can't meet: the file goes through the server.

use forum_tests::{Side, Weather};
use rustix::process::Signal;

use super::Across;

const GOES: &str = "f goes through the server: no direct connection could be made";
const COMES: &str = "f comes through the server: no direct connection could be made";

#[test]
fn two_who_cannot_meet_are_told_and_the_file_goes_through_the_server() {
    let mut pair = Across::new(61);
    pair.network.set(Weather::Dead);
    pair.begin(1 << 20);
    pair.yoda.hears(GOES);
    pair.hans.hears(COMES);
    pair.finish();
    assert_eq!(pair.network.counts().passed, 0);
    assert_eq!(pair.yoda.finish().code, Some(0));
    pair.hans.hears("yoda logged out");
    assert_eq!(pair.hans.finish().code, Some(0));
}

#[test]
fn when_only_one_hears_the_other_the_file_goes_through_the_server() {
    let mut pairs = [(63, Side::Left), (64, Side::Right)].map(|(seed, side)| {
        let mut pair = Across::new(seed);
        pair.network.set(Weather::Deaf(side));
        pair.begin(100_000);
        pair
    });
    for pair in &mut pairs {
        pair.yoda.hears(GOES);
        pair.hans.hears(COMES);
        pair.finish();
    }
}

#[test]
fn through_the_server_who_is_killed_is_gone_as_well() {
    let mut pair = Across::new(65);
    pair.network.set(Weather::Dead);
    pair.network.narrow(1_000);
    pair.begin(4 << 20);
    pair.yoda.hears(GOES);
    pair.hans.hears(COMES);
    let (name, _) = pair.partial();
    pair.hans.signal(Signal::KILL);
    pair.yoda.hears("hans logged out");
    pair.yoda.complains("f was not uploaded: hans is gone");
    assert_eq!(pair.hans.names(), [name]);
}

#[test]
fn through_the_server_a_slow_receiver_gets_all_of_it_and_notices_meanwhile() {
    let mut pair = Across::new(62);
    pair.network.set(Weather::Dead);
    pair.begin(1 << 20);
    pair.yoda.hears(GOES);
    pair.hans.hears(COMES);
    pair.network.narrow(400);
    let mut leia = pair.server.sign_up("leia");
    leia.says("broadcast hello");
    for client in [&mut pair.yoda, &mut pair.hans] {
        client.hears_all(&["leia logged in", "leia: hello"]);
    }
    pair.finish();
}
