//! `UDP user file` between two real clients that find each other: what is said, what is asked, what is stored.
#![forbid(unsafe_code)]

use std::net::UdpSocket;

use forum_tests::{Client, Finished, Forum, PASSWORD, Server};

fn pair(server: &Server) -> (Client, Client) {
    pair_with(server, &[])
}

/// yoda, and hans with these options.
fn pair_with(server: &Server, options: &[&str]) -> (Client, Client) {
    let mut yoda = server.sign_up("yoda");
    let hans = server.forum().args(options).sign_up("hans");
    yoda.hears("hans logged in");
    (yoda, hans)
}

fn random_bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

fn question(name: &str, bytes: usize) -> String {
    format!("yoda would like to send you {name} ({bytes} bytes), enter y or n: ")
}

/// yoda sends hans the file at `path`, whose name is `name`, and hans takes it.
fn send(yoda: &mut Client, path: &str, name: &str, bytes: usize, hans: &mut Client) {
    yoda.says(&format!("UDP hans {path}"));
    hans.hears(&question(name, bytes));
    hans.says("y");
    yoda.hears(&format!("{name} has been uploaded"));
    hans.hears(&format!("Received {name} from yoda"));
}

/// Both leave; their exit statuses, with nothing said that was not waited for.
fn leave(mut yoda: Client, mut hans: Client) -> [Option<i32>; 2] {
    let said = |stdout: &[&str], code| Finished {
        code,
        signal: None,
        stdout: stdout.iter().map(|&line| line.to_owned()).collect(),
        stderr: Vec::new(),
    };
    let (yoda, hans) = {
        let yoda = yoda.finish();
        hans.hears("yoda logged out");
        (yoda, hans.finish())
    };
    assert_eq!(yoda, said(&["Goodbye"], yoda.code));
    assert_eq!(hans, said(&["Goodbye"], hans.code));
    [yoda.code, hans.code]
}

#[test]
fn a_file_is_asked_about_sent_and_said_to_have_come_on_both_sides() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("F", &[7; 1_234]);
    yoda.says("UDP hans F");
    hans.hears("yoda would like to send you F (1234 bytes), enter y or n: ");
    assert_eq!(hans.names(), [""; 0], "nothing is written before the yes");
    hans.says("y");
    yoda.hears("F has been uploaded");
    hans.hears("Received F from yoda");
    assert_eq!(hans.names(), ["yoda_F"]);
    assert_eq!(hans.file("yoda_F"), [7; 1_234]);
    assert_eq!(leave(yoda, hans), [Some(0), Some(0)]);
}

#[test]
fn files_of_all_sizes_arrive_byte_for_byte_and_leave_nothing_behind() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let sizes = [0, 1, 1_199, 1_200, 1_201, 65_536, 5 << 20];
    for (seed, size) in (0..).zip(sizes) {
        let (name, bytes) = (format!("f{size}"), random_bytes(seed, size));
        yoda.put_file(&name, &bytes);
        send(&mut yoda, &name, &name, size, &mut hans);
        assert!(hans.file(&format!("yoda_{name}")) == bytes, "{size} bytes");
    }
    let mut wanted = sizes.map(|size| format!("yoda_f{size}"));
    wanted.sort();
    assert_eq!(hans.names(), wanted);
    assert_eq!(leave(yoda, hans), [Some(0), Some(0)]);
}

#[test]
fn of_a_path_the_last_part_is_the_name() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    std::fs::create_dir_all(yoda.path("a/b")).unwrap();
    yoda.put_file("a/b/deep", b"deep");
    yoda.put_file("flat", b"flat!");
    send(&mut yoda, "a/b/../b/deep", "deep", 4, &mut hans);
    let absolute = yoda.path("flat").to_str().unwrap().to_owned();
    send(&mut yoda, &absolute, "flat", 5, &mut hans);
    assert_eq!(hans.names(), ["yoda_deep", "yoda_flat"]);
    assert_eq!(hans.file("yoda_deep"), b"deep");
}

#[test]
fn user_names_with_slashes_and_dots_never_become_paths() {
    let server = Server::start(&[]);
    let mut hans = server.forum().args(&["--accept", "always"]).sign_up("hans");
    for (name, name_here) in [("../a\\b/c", ".._a_b_c_f"), ("..", ".._f"), ("/tmp/x", "_tmp_x_f")] {
        let mut sender = server.sign_up(name);
        sender.put_file("f", name.as_bytes());
        sender.does("UDP hans f", "f has been uploaded");
        hans.hears_all(&[format!("{name} logged in"), format!("Received f from {name}")]);
        assert_eq!(hans.file(name_here), name.as_bytes());
        sender.leaves();
        hans.hears(&format!("{name} logged out"));
    }
    assert_eq!(hans.names(), [".._a_b_c_f", ".._f", "_tmp_x_f"]);
}

#[test]
fn who_says_no_gets_nothing_and_the_sender_is_told() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", &[7; 1_234]);
    yoda.says("UDP hans f");
    hans.hears(&question("f", 1_234));
    hans.says("n");
    yoda.complains("hans declined f");
    assert_eq!(hans.names(), [""; 0]);
    assert_eq!(leave(yoda, hans), [Some(1), Some(0)]);
}

#[test]
fn an_answer_overtakes_no_command_but_waits_for_none_either() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", b"of yoda");
    hans.put_file("g", b"of hans!");
    // Both wait for the other's answer while they are asked.
    yoda.says("UDP hans f");
    hans.hears(&question("f", 7));
    hans.says("UDP yoda g");
    yoda.hears("hans would like to send you g (8 bytes), enter y or n: ");
    yoda.says("y");
    hans.says("y");
    let mut heard = [[yoda.line(), yoda.line()], [hans.line(), hans.line()]];
    heard.iter_mut().for_each(|lines| lines.sort());
    let wanted =
        [["Received g from hans", "f has been uploaded"], ["Received f from yoda", "g has been uploaded"]];
    assert_eq!(heard, wanted);
    assert_eq!((yoda.file("hans_g"), hans.file("yoda_f")), (b"of hans!".to_vec(), b"of yoda".to_vec()));
    assert_eq!(leave(yoda, hans), [Some(0), Some(0)]);
}

#[test]
fn a_y_without_a_question_is_an_invalid_command() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", b"f");
    send(&mut yoda, "f", "f", 1, &mut hans);
    hans.fails("y", "Error. Invalid command");
}

#[test]
fn refusals_come_in_their_order() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", b"f");
    for user in ["hans", "yoda", "nobody"] {
        yoda.fails(&format!("UDP {user} none"), "File none does not exist");
    }
    yoda.fails("UDP yoda f", "Error. Cannot send to self");
    yoda.fails("UDP nobody f", "Error. Invalid user");
    hans.does("block yoda", "yoda is blocked");
    let blocked = "Your message could not be delivered as the recipient has blocked you";
    yoda.fails("UDP hans f", blocked);
    // Who is blocked does not hear that hans comes and goes.
    hans.leaves();
    yoda.fails("UDP hans f", blocked);
    let mut hans = server.log_in("hans");
    hans.does("unblock yoda", "yoda is unblocked");
    hans.leaves();
    yoda.hears("hans logged out");
    yoda.fails("UDP hans f", "hans is offline");
    assert_eq!(yoda.finish().code, Some(1));
}

#[test]
fn what_is_no_file_or_has_no_file_name_is_not_sent() {
    let server = Server::start(&[]);
    let (mut yoda, hans) = pair(&server);
    std::fs::create_dir(yoda.path("directory")).unwrap();
    yoda.fails("UDP hans directory", "File directory does not exist");
    yoda.fails("UDP hans /dev/null", "File /dev/null cannot be read: it is not a regular file");
    yoda.put_file(".hidden", b"f");
    yoda.fails("UDP hans .hidden", "Invalid name");
    assert_eq!(leave(yoda, hans), [Some(1), Some(0)]);
}

#[test]
fn a_file_that_exists_is_declined_without_a_question() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("F", b"new");
    hans.put_file("yoda_F", b"old");
    yoda.fails("UDP hans F", "hans declined F");
    hans.hears("yoda_F exists here. Use --force to overwrite");
    assert_eq!((hans.names(), hans.file("yoda_F")), (vec!["yoda_F".to_owned()], b"old".to_vec()));
    assert_eq!(leave(yoda, hans), [Some(1), Some(0)]);
}

#[test]
fn a_file_that_appears_before_the_yes_is_declined_too() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("F", b"new");
    yoda.says("UDP hans F");
    hans.hears(&question("F", 3));
    hans.put_file("yoda_F", b"old");
    hans.does("y", "yoda_F exists here. Use --force to overwrite");
    yoda.complains("hans declined F");
    assert_eq!((hans.names(), hans.file("yoda_F")), (vec!["yoda_F".to_owned()], b"old".to_vec()));
}

#[test]
fn with_force_a_file_is_asked_about_and_replaced() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair_with(&server, &["--force"]);
    yoda.put_file("F", b"new");
    hans.put_file("yoda_F", b"old and longer");
    send(&mut yoda, "F", "F", 3, &mut hans);
    assert_eq!((hans.names(), hans.file("yoda_F")), (vec!["yoda_F".to_owned()], b"new".to_vec()));
}

#[test]
fn files_go_where_the_option_says() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair_with(&server, &["--download-dir", "inbox"]);
    std::fs::create_dir(hans.path("inbox")).unwrap();
    yoda.put_file("f", b"f");
    send(&mut yoda, "f", "f", 1, &mut hans);
    assert_eq!((hans.names(), hans.file("inbox/yoda_f")), (vec!["inbox".to_owned()], b"f".to_vec()));
}

#[test]
fn accept_always_takes_without_a_question_and_never_declines_without_one() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair_with(&server, &["--accept", "always"]);
    yoda.put_file("f", b"f");
    yoda.does("UDP hans f", "f has been uploaded");
    hans.hears("Received f from yoda");
    let mut leia = server.forum().args(&["--accept", "never"]).sign_up("leia");
    yoda.hears("leia logged in");
    hans.hears("leia logged in");
    yoda.fails("UDP leia f", "leia declined f");
    leia.leaves();
    yoda.hears("leia logged out");
    hans.hears("leia logged out");
    assert_eq!(leave(yoda, hans), [Some(1), Some(0)]);
}

#[test]
fn two_senders_at_once_do_not_mix() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let mut leia = server.sign_up("leia");
    yoda.hears("leia logged in");
    hans.hears("leia logged in");
    let (of_yoda, of_leia) = (random_bytes(1, 3 << 20), random_bytes(2, (3 << 20) + 1));
    yoda.put_file("f", &of_yoda);
    leia.put_file("f", &of_leia);
    yoda.says("UDP hans f");
    hans.hears(&question("f", 3 << 20));
    leia.says("UDP hans f");
    hans.hears("leia would like to send you f (3145729 bytes), enter y or n: ");
    hans.write("y\ny\n");
    yoda.hears("f has been uploaded");
    leia.hears("f has been uploaded");
    let mut heard = [hans.line(), hans.line()];
    heard.sort();
    assert_eq!(heard, ["Received f from leia", "Received f from yoda"]);
    assert!(hans.file("yoda_f") == of_yoda && hans.file("leia_f") == of_leia);
    assert_eq!(hans.names(), ["leia_f", "yoda_f"]);
}

#[test]
fn the_oldest_of_two_questions_is_answered_first() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let mut leia = server.sign_up("leia");
    yoda.hears("leia logged in");
    hans.hears("leia logged in");
    yoda.put_file("f", b"f");
    leia.put_file("f", b"f");
    yoda.says("UDP hans f");
    hans.hears(&question("f", 1));
    leia.says("UDP hans f");
    hans.hears("leia would like to send you f (1 bytes), enter y or n: ");
    hans.write("n\ny\n");
    yoda.complains("hans declined f");
    leia.hears("f has been uploaded");
    hans.hears("Received f from leia");
    assert_eq!(hans.names(), ["leia_f"]);
}

#[test]
fn a_udp_port_that_was_asked_for_is_used_and_shown() {
    let server = Server::start(&[]);
    let (mut yoda, _hans) = pair(&server);
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
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
