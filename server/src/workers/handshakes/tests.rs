//! Whose step is taken, and who is turned away.

use std::sync::mpsc;

use super::*;
use crate::TEST_DEADLINE;
use crate::tls::Tls;

fn tls() -> Tls {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    Tls::load(&certificate, &key).unwrap()
}

/// The workers, and what their wake calls ring.
fn handshakes() -> (Handshakes<usize>, mpsc::Receiver<()>) {
    let (ring, bell) = mpsc::channel();
    let wake: Wake = Arc::new(move || {
        let _ = ring.send(());
    });
    (Handshakes::start(1, &wake).unwrap(), bell)
}

fn network(last: u8) -> Network {
    std::net::IpAddr::from([192, 0, 2, last]).into()
}

fn step(tls: &Tls, owner: &Owner, received: &[u8]) -> Step {
    let connection = tls.connection().unwrap();
    Step { connection, received: received.to_vec(), owner: Arc::downgrade(owner) }
}

#[test]
fn of_one_network_so_many_wait_and_others_do_not_wait_for_them() {
    let (tls, owner) = (tls(), Owner::default());
    let (mut handshakes, bell) = handshakes();
    let most = AT_WORK_MAX + WAITING_MAX;
    for key in 0..most {
        handshakes.submit(key, network(1), true, step(&tls, &owner, &[])).unwrap();
    }
    assert_eq!(handshakes.submit(most, network(1), true, step(&tls, &owner, &[])), Err(TooMany));
    handshakes.submit(most + 1, network(2), true, step(&tls, &owner, &[])).unwrap();
    let mut order = Vec::new();
    while order.len() < most + 1 {
        bell.recv_timeout(TEST_DEADLINE).unwrap();
        order.extend(std::iter::from_fn(|| handshakes.next_result()).map(|(key, _)| key));
    }
    // Before the other network come only those that were with the workers already.
    assert_eq!(order.iter().position(|key| *key == most + 1), Some(AT_WORK_MAX));
    assert!(handshakes.lines.is_empty() && handshakes.waiting == 0);
}

#[test]
fn without_a_limit_of_the_network_the_one_for_all_holds() {
    let (tls, owner) = (tls(), Owner::default());
    let (mut handshakes, _bell) = handshakes();
    let submit = |handshakes: &mut Handshakes<usize>, last| {
        handshakes.submit(0, network(last), false, step(&tls, &owner, &[]))
    };
    for _ in 0..AT_WORK_MAX + WAITING_TOTAL_MAX {
        submit(&mut handshakes, 1).unwrap();
    }
    assert_eq!(submit(&mut handshakes, 1), Err(TooMany));
    submit(&mut handshakes, 2).unwrap();
}

#[test]
fn what_a_connection_that_is_gone_has_sent_is_not_looked_at() {
    let tls = tls();
    let garbage = [0x17, 3, 3, 0, 1, 0];
    let (here, gone) = (Owner::default(), Owner::default());
    let (step_here, step_gone) = (step(&tls, &here, &garbage), step(&tls, &gone, &garbage));
    drop(gone);
    assert!(perform(step_here).result.is_err());
    assert!(perform(step_gone).result.is_ok());
}
