//! A server that nobody vouches for: on a terminal its user may trust it, and is warned when it changes.

use std::fs;

use forum_common::tls::Fingerprint;
use forum_tests::{Forum, Forumd, PASSWORD, Server};
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

const QUESTION: &str = "Trust it from now on? y or n: ";

/// A client whose known servers are in `state`, and whose system vouches for none.
fn forum(server: &Server, state: &TempDir) -> Forum {
    let state = state.path().to_str().unwrap();
    let client = server.forum().args(&["--tls"]).env("XDG_STATE_HOME", state);
    client.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", state)
}

fn certificate(launch: &Forumd) -> String {
    let file = launch.certificates().join("cert.pem");
    Fingerprint::of(&CertificateDer::from_pem_file(file).unwrap()).to_string()
}

/// Gives the server another certificate.
fn change_certificate(server: &mut Server) {
    let other = Forumd::bare().with_tls();
    for name in ["key.pem", "cert.pem"] {
        fs::copy(other.certificates().join(name), server.launch().certificates().join(name)).unwrap();
    }
    server.signal(Signal::HUP);
    server.wait_log(&certificate(&other));
}

#[test]
fn a_yes_on_the_first_visit_is_remembered_also_for_pipes() {
    let server = Forumd::new().with_tls().start();
    let state = TempDir::new().unwrap();
    let script = format!("yoda\n{PASSWORD}\n{PASSWORD}\n");
    assert_eq!(forum(&server, &state).run(&script).code, Some(77));
    let mut terminal = forum(&server, &state).start_on_terminal();
    terminal.shows(&certificate(server.launch()));
    terminal.shows(QUESTION);
    terminal.does("y", "Enter username: ");
    drop(terminal);
    let mut terminal = forum(&server, &state).start_on_terminal();
    terminal.shows("Enter username: ");
    forum(&server, &state).run(&script).expect_success();
}

#[test]
fn anything_but_a_yes_is_a_no_and_nothing_is_remembered() {
    let server = Forumd::new().with_tls().start();
    let state = TempDir::new().unwrap();
    for answer in ["n", "", "yes"] {
        let mut terminal = forum(&server, &state).start_on_terminal();
        terminal.shows(QUESTION);
        terminal.says(answer);
        assert_eq!(terminal.exit_code(), Some(77), "{answer:?}");
    }
    assert!(!state.path().join("forumd").join("servers").exists());
}

#[test]
fn a_certificate_that_was_trusted_stands_though_an_authority_vouches_for_another() {
    let mut server = Forumd::new().with_tls().start();
    let state = TempDir::new().unwrap();
    let mut terminal = forum(&server, &state).start_on_terminal();
    terminal.shows("nobody whom you trust vouches for the certificate");
    terminal.shows(QUESTION);
    terminal.does("y", "Enter username: ");
    drop(terminal);
    change_certificate(&mut server);
    // From now on the system's roots are its new one.
    let root = server.launch().certificates().join("cert.pem");
    let vouched_for = || forum(&server, &state).env("SSL_CERT_FILE", root.to_str().unwrap());
    let script = format!("yoda\n{PASSWORD}\n{PASSWORD}\n");
    let finished = vouched_for().run(&script);
    assert_eq!(finished.code, Some(77), "{finished:#?}");
    assert!(finished.stderr[0].contains("HAS CHANGED"), "{finished:#?}");
    // It is good enough for those who have trusted no other.
    let fresh = TempDir::new().unwrap();
    vouched_for().env("XDG_STATE_HOME", fresh.path().to_str().unwrap()).run(&script).expect_success();
}

#[test]
fn a_changed_certificate_is_warned_of_and_in_pipes_the_end() {
    let mut server = Forumd::new().with_tls().start();
    let state = TempDir::new().unwrap();
    let mut terminal = forum(&server, &state).start_on_terminal();
    terminal.shows(QUESTION);
    terminal.does("y", "Enter username: ");
    drop(terminal);
    let old = certificate(server.launch());
    change_certificate(&mut server);
    let new = certificate(server.launch());
    let finished = forum(&server, &state).run(&format!("yoda\n{PASSWORD}\n{PASSWORD}\n"));
    assert_eq!(finished.code, Some(77), "{finished:#?}");
    let said = format!(
        "THE CERTIFICATE OF {} HAS CHANGED: somebody else may have taken its place. The SHA-256 fingerprint was \
         {old}, and is {new}",
        server.address()
    );
    assert_eq!(finished.stderr, [said]);
    let mut terminal = forum(&server, &state).start_on_terminal();
    terminal.shows("HAS CHANGED");
    terminal.shows(QUESTION);
    terminal.does("y", "Enter username: ");
    drop(terminal);
    forum(&server, &state).run(&format!("yoda\n{PASSWORD}\n{PASSWORD}\n")).expect_success();
}
