//! A server's data is the directory that it has locked, wherever that is moved and whatever gets its name.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use forum_common::wire::Request;
use forum_tests::{ADMIN_PASSWORD, Forumd, Server, Wire, files_below, until};

/// What another forum has in files of the same names.
const ANOTHERS: &[u8] = b"another forum's";

/// Makes what looks like the data directory of another forum, with files of the same names as in `original`.
fn make_another(original: &Path, another: &Path) {
    fs::create_dir(another).unwrap();
    fs::create_dir(another.join("files")).unwrap();
    for path in files_below(original).keys() {
        fs::write(another.join(path), ANOTHERS).unwrap();
    }
}

/// Yoda on a server with file `f` in thread `t` and file `g` in thread `u`.
fn yoda_with_files(server: &Server) -> Wire {
    let mut yoda = server.user("yoda");
    for (title, file) in [("t", "f"), ("u", "g")] {
        yoda.done(&Request::CreateThread { title, key: None });
        assert!(yoda.upload(title, file, file.as_bytes()).is_ok());
    }
    yoda
}

/// Does everything that touches a file, of which `own` are to be those of the server; ends it in peace.
fn use_files(server: &mut Server, mut yoda: Wire, own: &Path, another: &Path) {
    let before = files_below(another);
    assert!(yoda.upload("t", "new", b"new").is_ok());
    assert_eq!(yoda.download("t", "f", 100), Ok(b"f".to_vec()));
    assert_eq!(yoda.download("t", "new", 100), Ok(b"new".to_vec()));
    let broken_off = yoda.start_upload("t", "half", 100).unwrap();
    yoda.send_data(broken_off.0, broken_off.1, b"half");
    yoda.done(&Request::RemoveThread { title: "u", key: None });
    until("the file of u to be unlinked", || {
        yoda.ping_between_credits();
        (!files_below(&own.join("files")).values().any(|bytes| bytes == b"g")).then_some(())
    });
    drop(yoda);
    server.stop();
    assert_eq!(files_below(another), before, "the other forum's");
    let mut left: Vec<Vec<u8>> = files_below(&own.join("files")).into_values().collect();
    left.sort_unstable();
    assert_eq!(left, [b"f".to_vec(), b"new".to_vec()]);
}

/// The server starts again with what it had.
fn expect_all_there(server: &mut Server) {
    server.start_again();
    let mut yoda = server.user("yoda");
    assert_eq!(yoda.titles(), ["t"]);
    assert_eq!(yoda.download("t", "f", 100), Ok(b"f".to_vec()));
    assert_eq!(yoda.download("t", "new", 100), Ok(b"new".to_vec()));
}

#[test]
fn a_server_whose_data_directory_is_renamed_goes_on_with_it() {
    for durability in ["always", "interval", "none"] {
        let mut server = Server::start(&["--durability", durability]);
        let yoda = yoda_with_files(&server);
        let (data, moved) = (server.launch().data(), server.launch().directory().join("moved"));
        fs::rename(&data, &moved).unwrap();
        make_another(&moved, &data);
        use_files(&mut server, yoda, &moved, &data);
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&moved, &data).unwrap();
        expect_all_there(&mut server);
    }
}

#[test]
fn a_server_whose_link_to_the_data_is_turned_goes_on_with_what_it_opened() {
    let launch = Forumd::new();
    let [own, another] = ["own", "another"].map(|name| launch.directory().join(name));
    fs::create_dir(&own).unwrap();
    symlink(&own, launch.data()).unwrap();
    let mut server = launch.start();
    let yoda = yoda_with_files(&server);
    make_another(&own, &another);
    let data = server.launch().data();
    fs::remove_file(&data).unwrap();
    symlink(&another, &data).unwrap();
    use_files(&mut server, yoda, &own, &another);
    fs::remove_file(&data).unwrap();
    symlink(&own, &data).unwrap();
    expect_all_there(&mut server);
}

#[test]
fn a_directory_that_was_renamed_is_not_wiped_nor_is_what_has_its_name() {
    let mut server = Server::start(&["--wipe-on-shutdown"]);
    let mut yoda = yoda_with_files(&server);
    let (data, moved) = (server.launch().data(), server.launch().directory().join("moved"));
    fs::rename(&data, &moved).unwrap();
    make_another(&moved, &data);
    let before = files_below(&data);
    yoda.send(&Request::ShutDown { password: ADMIN_PASSWORD });
    yoda.expect_closing();
    drop(yoda);
    assert_eq!(server.wait_exit().code(), Some(1));
    let told = format!(
        "data directory {} was moved or replaced while it was in use; nothing was wiped",
        data.display()
    );
    assert!(server.log().iter().any(|line| line.contains(&told)), "{:#?}", server.log());
    assert_eq!(files_below(&data), before);
    assert_eq!(files_below(&moved.join("files")).len(), 2);
}
