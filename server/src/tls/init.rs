//! `forumd tls init`: a certificate for those who have none, signed by its own key. Nobody vouches for it, so its users
//! compare the fingerprint, or are given the file itself.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use forum_common::escape::for_terminal;
use forum_common::tls::Fingerprint;
use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};
use rustls::pki_types::ServerName;

use crate::failed::Failed;

/// The files that are made.
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";

/// How long the certificate is valid. Its users trust this one key and nobody who could renew it, so this is a long
/// time; it begins a day early for clocks that are slow.
const VALID_YEARS: i16 = 10;

/// Makes a P-256 key and its certificate in `dir`, for this machine's names and these, and says on standard output
/// what they are.
///
/// # Errors
/// There is one in `dir` already, which is left as it is, or `dir` can't be written.
pub fn init(dir: &Path, names: &[String]) -> Result<(), Failed> {
    let names = all_names(names);
    let (certificate, key) = make(&names, Zoned::now().with_time_zone(TimeZone::UTC).date())
        .map_err(|error| Failed::because(format_args!("no certificate can be made: {error}")))?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| cannot_write(dir, &error))?;
    let (certificate_path, key_path) = (dir.join(CERTIFICATE), dir.join(KEY));
    // The key first: a certificate without its key would be the worse half to be left with.
    create(&key_path, 0o600, &key.serialize_pem())?;
    create(&certificate_path, 0o644, &certificate.pem())?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| cannot_write(dir, &error))?;
    let text = format!(
        "certificate: {}\nkey: {}\nnames: {}\nSHA-256 fingerprint: {}\n",
        for_terminal(&certificate_path.to_string_lossy()),
        for_terminal(&key_path.to_string_lossy()),
        names.join(", "),
        Fingerprint::of(certificate.der()),
    );
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failed::because(format_args!("can't write to standard output: {error}")))
}

/// What clients may call a server that shows a certificate.
///
/// # Errors
/// It is no name, in words.
pub fn certificate_name(name: &str) -> Result<String, String> {
    let said = "it is neither a host's name, such as forum.example, nor an IP address";
    ServerName::try_from(name).map(|_| name.to_owned()).map_err(|_| said.to_owned())
}

fn make(names: &[String], today: Date) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "forumd");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let first = today.yesterday().unwrap_or(today);
    // The 28th: that day of February is there in any year.
    let last = (today.year().saturating_add(VALID_YEARS), today.month().unsigned_abs(), today.day().min(28));
    params.not_before =
        date_time_ymd(first.year().into(), first.month().unsigned_abs(), first.day().unsigned_abs());
    params.not_after = date_time_ymd(last.0.into(), last.1, last.2.unsigned_abs());
    Ok((params.self_signed(&key)?, key))
}

/// The names of this machine that are known without asking anybody, then what else it is called.
fn all_names(more: &[String]) -> Vec<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    // A machine may be called what no client could ask for.
    let host = ServerName::try_from(host.as_str()).is_ok().then_some(&host);
    for name in host.into_iter().chain(more) {
        let name = name.parse::<IpAddr>().map_or_else(|_| name.to_ascii_lowercase(), |ip| ip.to_string());
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Writes a file that must not be there yet.
fn create(path: &Path, mode: u32, text: &str) -> Result<(), Failed> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failed {
    Failed::because(format_args!("can't write {}: {error}", for_terminal(&path.to_string_lossy())))
}
