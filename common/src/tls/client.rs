//! The client's side of TLS: whom it trusts.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, KeyLogFile, OtherError,
    RootCertStore, SignatureScheme,
};

use super::{ALPN, Fingerprint, Line, NotTrusted};

/// Servers whose tickets a client keeps, to come back without a new signature.
const TICKETS_OF_SERVERS_MAX: usize = 8;

/// Which servers a client trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The one with this certificate and no other, under any name and without an issuer.
    Pin(Fingerprint),
    /// Those for whose name one of these vouches.
    Roots(Arc<RootCertStore>),
}

/// How a client connects: TLS 1.3 or 1.2, without early data, with the keys in the file that `SSLKEYLOGFILE` names.
///
/// # Errors
/// Those of rustls.
pub fn client_config(trust: Trust) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let check = match trust {
        Trust::Pin(pin) => Check::Pin(pin),
        Trust::Roots(roots) if roots.is_empty() => Check::Nobody,
        Trust::Roots(roots) => {
            let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
            Check::Roots(builder.build().map_err(|error| Error::General(error.to_string()))?)
        }
    };
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider);
    let verifier = Arc::new(Verifier { check, algorithms });
    let builder = builder.with_safe_default_protocol_versions()?.dangerous();
    let mut config = builder.with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::in_memory_sessions(TICKETS_OF_SERVERS_MAX);
    config.key_log = Arc::new(KeyLogFile::new());
    Ok(config)
}

/// Speaks TLS to one server.
#[derive(Debug, Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Speaks to the server of this name, if that is trusted.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn new(trust: Trust, host: &str) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| format!("{host} is no name that a certificate could have"))?;
        let config = client_config(trust).map_err(|error| error.to_string())?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// The same without tickets: each connection is a whole handshake.
    #[must_use]
    pub fn without_resumption(mut self) -> Self {
        Arc::make_mut(&mut self.config).resumption = Resumption::disabled();
        self
    }

    /// TLS over a new connection, of which nothing was said yet.
    ///
    /// # Errors
    /// Those of rustls.
    pub fn line<S: Read + Write>(&self, stream: S) -> io::Result<Line<S>> {
        let tls =
            ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(io::Error::other)?;
        Ok(Line::tls(stream, tls))
    }
}

/// See [`Trust`]. That the server has the certificate's key is proved as ever: by its signature.
#[derive(Debug)]
struct Verifier {
    check: Check,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Check {
    Pin(Fingerprint),
    Roots(Arc<WebPkiServerVerifier>),
    /// There are no roots.
    Nobody,
}

const NOBODY_VOUCHES: &str = "nobody whom you trust vouches for the certificate";

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(end_entity);
        let why = match &self.check {
            Check::Pin(pin) if *pin == shown => return Ok(ServerCertVerified::assertion()),
            Check::Pin(_) => "the certificate is not the one that was expected".to_owned(),
            Check::Nobody => NOBODY_VOUCHES.to_owned(),
            Check::Roots(roots) => {
                match roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                    Ok(verified) => return Ok(verified),
                    // The signature is bad when somebody else has a name that is trusted.
                    Err(Error::InvalidCertificate(
                        CertificateError::UnknownIssuer | CertificateError::BadSignature,
                    )) => NOBODY_VOUCHES.to_owned(),
                    Err(Error::InvalidCertificate(why)) => why.to_string(),
                    Err(error) => error.to_string(),
                }
            }
        };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotTrusted {
            shown,
            why,
        })))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
