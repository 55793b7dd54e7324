//! TLS: the certificate, how it is made, read and read anew, and the rules by which all connections speak. What is done
//! with it on a connection is in `net`.

mod certificate;
mod init;

use std::path::Path;
use std::sync::Arc;

use forum_common::tls::ALPN;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls::{KeyLogFile, ServerConfig, ServerConnection};

pub use self::certificate::Reloader;
pub use self::init::{certificate_name, init};

use self::certificate::Certificate;

/// Bytes that a connection encrypts at once, a whole record: so much may wait there if the kernel takes no more.
const OUTPUT_BYTES_MAX: usize = 16 * 1_024;

/// What a record of a TLS handshake begins with. A frame begins with 0, a text with neither.
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// What all connections share. TLS 1.3 and 1.2; no early data, which could be played again; tickets, by which a client
/// that comes again needs no signature.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificate: Arc<Certificate>,
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// Why they can't be used.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificate = Arc::new(Certificate::load(certificate, key, Arc::clone(&provider))?);
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&certificate) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| error.to_string())?;
        // A client connects once at a time, and gets another one then.
        config.send_tls13_tickets = 1;
        config.key_log = Arc::new(KeyLogFile::new());
        Ok(Self { config: Arc::new(config), certificate })
    }

    /// A new connection, of which nothing was received.
    ///
    /// # Errors
    /// Those of rustls.
    pub fn connection(&self) -> Result<Box<ServerConnection>, rustls::Error> {
        let mut connection = ServerConnection::new(Arc::clone(&self.config))?;
        connection.set_buffer_limit(Some(OUTPUT_BYTES_MAX));
        Ok(Box::new(connection))
    }

    /// Logs which certificate it is.
    pub fn announce(&self) {
        self.certificate.announce();
    }

    /// What reads certificate and key anew.
    pub fn reloader(&self) -> Reloader {
        Reloader::new(Arc::clone(&self.certificate))
    }
}
