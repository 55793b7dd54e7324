//! The certificate that is shown, and its key. Both are read anew when the server is told to, without a connection
//! noticing: those that are there have theirs, and the next is shown the new one.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;

use forum_common::escape::for_terminal;
use forum_common::process::open_at_once;
use forum_common::tls::Fingerprint;
use log::{error, info, warn};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use zeroize::Zeroizing;

/// Bytes of a file with certificates, or with a key: far more than any chain has.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The certificate with its key, and where they are.
#[derive(Debug)]
pub(super) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// Held while the files are read, so that what was read last is what is shown.
    reading: Mutex<()>,
}

impl Certificate {
    pub(super) fn load(
        certificate: &Path,
        key: &Path,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let current = RwLock::new(Arc::new(read(certificate, key, &provider)?));
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Self { certificate, key, provider, current, reading: Mutex::new(()) })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Logs which one is shown, and whether its key is not as secret as it should be.
    pub(super) fn announce(&self) {
        // `read` takes no empty chain.
        let fingerprint = self.current().cert.first().map(Fingerprint::of);
        let fingerprint = fingerprint.map_or_else(String::new, |fingerprint| fingerprint.to_string());
        info!("certificate {}, SHA-256 fingerprint {fingerprint}", self.certificate.display());
        let mode = fs::metadata(&self.key).map(|found| found.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o007 != 0) {
            warn!("{} may be read by everybody on this machine: chmod 600", self.key.display());
        }
    }

    fn reload(&self) -> Result<(), String> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Arc::new(read(&self.certificate, &self.key, &self.provider)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

/// Reads the files anew, in a thread of its own: the loop reads no files.
#[derive(Debug, Clone)]
pub struct Reloader(Arc<Certificate>);

impl Reloader {
    pub(super) fn new(certificate: Arc<Certificate>) -> Self {
        Self(certificate)
    }

    /// Reads them. Files that are no good are said to be, and what was there before stays.
    pub fn reload(&self) {
        let certificate = Arc::clone(&self.0);
        let reload = move || match certificate.reload() {
            Ok(()) => certificate.announce(),
            Err(reason) => error!("the certificate stays as it was: {reason}"),
        };
        if let Err(error) = thread::Builder::new().name("certificate".into()).spawn(reload) {
            error!("the certificate stays as it was: no thread to read it: {error}");
        }
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let named = |path: &Path, why: &dyn std::fmt::Display| {
        format!("{}: {why}", for_terminal(&path.to_string_lossy()))
    };
    let pem = read_file(certificate).map_err(|error| named(certificate, &error))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| named(certificate, &error))?;
    if chain.is_empty() {
        return Err(named(certificate, &"there is no certificate in it"));
    }
    let pem = Zeroizing::new(read_file(key).map_err(|error| named(key, &error))?);
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        pem::Error::NoItemsFound => named(key, &"there is no private key in it"),
        error => named(key, &error),
    })?;
    let signer = provider.key_provider.load_private_key(der).map_err(|error| named(key, &error))?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err(named(key, &format_args!("it is not the key of {}", certificate.display()))),
    }
}

/// Reads a regular file: anything else could keep us waiting, or never end.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_at_once(path, OpenOptions::new().read(true))?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
