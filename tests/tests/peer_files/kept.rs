//! Where a file is put, under which name, and what it never replaces.

use forum_tests::{Disk, Server};

use super::{leave, pair, pair_with, question, random_bytes, send};

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
fn a_file_that_has_no_place_is_not_uploaded() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair_with(&server, &["--download-dir", "nowhere", "--accept", "always"]);
    yoda.put_file("f", b"f");
    yoda.fails("UDP hans f", "f was not uploaded: hans could not store it");
    hans.complains("f can't be stored: No such file or directory");
    hans.hears("f from yoda was not received");
    assert_eq!(leave(yoda, hans), [Some(1), Some(0)]);
}

#[test]
fn a_used_up_quota_leaves_nothing_of_a_file_and_is_said() {
    let (server, disk) = (Server::start(&[]), Disk::new());
    let mut yoda = server.sign_up("yoda");
    let [(preload, shim), (orders, directory)] = disk.environment();
    let mut hans = server
        .forum()
        .env(preload, shim)
        .env(orders, directory)
        .args(&["--accept", "always"])
        .sign_up("hans");
    yoda.hears("hans logged in");
    let bytes = random_bytes(1, 1 << 20);
    yoda.put_file("f", &bytes);
    yoda.does("CRT t", "Thread t created");
    yoda.does("UPD t f", "f uploaded to t thread");
    disk.use_up_quota(".part");
    yoda.fails("UDP hans f", "f was not uploaded: hans could not store it");
    let why = "Disk quota exceeded. Make room in your quota and try again. What had arrived has been removed";
    hans.complains(&format!("f can't be stored: {why}"));
    hans.hears("f from yoda was not received");
    hans.fails("DWN t f", &format!("f was not downloaded: {why}"));
    assert_eq!(hans.names(), [""; 0]);
    disk.free_quota();
    yoda.does("UDP hans f", "f has been uploaded");
    hans.hears("Received f from yoda");
    assert!(hans.file("yoda_f") == bytes);
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
