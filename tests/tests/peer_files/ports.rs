//! The UDP port where a client takes files.

use std::net::UdpSocket;

use forum_tests::{Client, Forum, PASSWORD, Server, free_port};

use super::{pair, question};

#[test]
fn a_udp_port_that_was_asked_for_is_used_and_shown() {
    let server = Server::start(&[]);
    let (mut yoda, _hans) = pair(&server);
    let port = free_port();
    let mut leia = at_port(&server, port).sign_up("leia");
    yoda.hears("leia logged in");
    assert_eq!(shown_port(&mut yoda, &["hans", "leia"], "leia"), port);
    assert!(UdpSocket::bind(("127.0.0.1", port)).is_err(), "it is leia's");
    yoda.put_file("f", b"f");
    yoda.says("UDP leia f");
    leia.hears(&question("f", 1));
    leia.says("y");
    yoda.hears("f has been uploaded");
}

#[test]
fn without_one_a_free_port_is_found_and_shown() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let (of_hans, of_yoda) =
        (shown_port(&mut yoda, &["hans"], "hans"), shown_port(&mut hans, &["yoda"], "yoda"));
    assert!(of_hans != 0 && of_yoda != 0 && of_hans != of_yoda, "{of_hans}, {of_yoda}");
}

#[test]
fn a_udp_port_that_is_taken_is_an_error() {
    let server = Server::start(&[]);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let finished = at_port(&server, port).run(&format!("leia\n{PASSWORD}\n{PASSWORD}\n"));
    assert_eq!((finished.code, finished.stdout), (Some(69), Vec::new()));
    assert_eq!(finished.stderr.len(), 1, "{:?}", finished.stderr);
    let said = format!("Cannot take files at UDP port {port}: ");
    assert!(finished.stderr[0].starts_with(&said), "{:?}", finished.stderr);
}

fn at_port(server: &Server, udp_port: u16) -> Forum {
    let address = server.address();
    Forum::with_place(&[address.ip().to_string(), address.port().to_string(), udp_port.to_string()])
}

/// The port that ATU shows for `user`, in a list of these users.
fn shown_port(asker: &mut Client, users: &[&str], user: &str) -> u16 {
    asker.says("ATU");
    let lines: Vec<_> = users.iter().map(|_| asker.line()).collect();
    let start = format!("{user}, 127.0.0.1, ");
    let rest = lines.iter().find_map(|line| line.strip_prefix(&start)).expect("the user is shown");
    let (port, _) = rest.split_once(", active since ").expect("the line of a user");
    port.parse().expect("a port")
}
