//! The client's side of TLS: whom it trusts.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, KeyLogFile, OtherError, RootCertStore,
    SignatureScheme,
};

use super::{ALPN, Fingerprint};

/// Servers whose tickets a client keeps, to come back without a new signature.
const TICKETS_OF_SERVERS_MAX: usize = 8;

/// Whom a client trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Servers for whose name one of these vouches.
    Roots(Arc<RootCertStore>),
    /// The server with this certificate, whatever is its name and whoever vouches for it.
    Pin(Fingerprint),
    /// Nobody: to see which certificate a server has.
    Nobody,
}

/// The server's certificate is not the one that is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTrusted {
    /// The certificate that it has shown.
    pub shown: Fingerprint,
}

impl fmt::Display for NotTrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's certificate is another one, with the SHA-256 fingerprint {}", self.shown)
    }
}

impl StdError for NotTrusted {}

/// How a client connects: TLS 1.3 or 1.2, without early data, with the keys in the file that `SSLKEYLOGFILE` names.
///
/// # Errors
/// Those of rustls.
pub fn client_config(trust: Trust) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let pinned = |pin| Arc::new(Pinned { pin, provider });
    let mut config = match trust {
        Trust::Roots(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
        Trust::Pin(pin) => {
            builder.dangerous().with_custom_certificate_verifier(pinned(Some(pin))).with_no_client_auth()
        }
        Trust::Nobody => {
            builder.dangerous().with_custom_certificate_verifier(pinned(None)).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::in_memory_sessions(TICKETS_OF_SERVERS_MAX);
    config.key_log = Arc::new(KeyLogFile::new());
    Ok(config)
}

/// Which certificate a server has shown that was not trusted because it is not the pinned one.
pub fn not_trusted(error: &Error) -> Option<NotTrusted> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => why.downcast_ref().copied(),
        _ => None,
    }
}

/// Trusts one certificate, or none. That the server has its key is proved as ever: by its signature.
#[derive(Debug)]
struct Pinned {
    pin: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(end_entity);
        if self.pin == Some(shown) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotTrusted { shown })))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
