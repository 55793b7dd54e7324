//! New certificates while the server runs.

use std::fs;
use std::sync::Arc;

use forum_common::tls::Fingerprint;
use forum_tests::{Forumd, Server, Wire, tls};
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Which certificate a new connection is shown.
fn shown(server: &Server, trusted: &std::path::Path) -> Fingerprint {
    let mut wire = Wire::connect_tls(server.address(), Arc::new(tls::trusting(trusted)), "localhost");
    wire.hello();
    Fingerprint::of(&wire.line().tls_connection().unwrap().peer_certificates().unwrap()[0])
}

#[test]
fn hup_brings_a_new_certificate_and_no_connection_notices() {
    let mut server = Forumd::new().with_tls().start();
    let mut yoda = server.tls_user("yoda");
    let certificate = server.launch().certificates().join("cert.pem");
    let old = shown(&server, &certificate);
    let other = Forumd::new().with_tls();
    for name in ["key.pem", "cert.pem"] {
        fs::copy(other.certificates().join(name), server.launch().certificates().join(name)).unwrap();
    }
    let new = Fingerprint::of(&CertificateDer::from_pem_file(&certificate).unwrap());
    server.signal(Signal::HUP);
    server.wait_log(&format!("SHA-256 fingerprint {new}"));
    assert!(new != old && shown(&server, &certificate) == new);
    yoda.ping();
}

#[test]
fn new_files_that_are_no_good_are_said_to_be_and_the_old_ones_stay() {
    let mut server = Forumd::new().with_tls().start();
    let certificates = server.launch().certificates();
    let (certificate, kept) = (certificates.join("cert.pem"), certificates.join("kept.pem"));
    fs::copy(&certificate, &kept).unwrap();
    let old = shown(&server, &kept);
    let other = Forumd::new().with_tls();
    let foreign = fs::read(other.certificates().join("cert.pem")).unwrap();
    for (bad, why) in
        [(foreign, "key.pem: it is not the key of"), (b"nothing".to_vec(), "there is no certificate in it")]
    {
        fs::write(&certificate, bad).unwrap();
        server.signal(Signal::HUP);
        let line = server.wait_log("the certificate stays as it was");
        assert!(line.contains(why), "{line}");
        assert_eq!(shown(&server, &kept), old);
    }
}
