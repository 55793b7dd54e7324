//! Whether the way to the server is secret, and which server is trusted: the options, and what they come to.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::path::PathBuf;

use clap::Args;
use forum_common::tls::{Fingerprint, Line, NotTrusted, TlsClient, Trust, roots_in, system_roots};
use forum_peer::wording::cause;

use crate::core::event::Doubt;
use crate::known_servers::KnownServers;

/// The options.
#[derive(Debug, Args)]
pub struct SecurityArgs {
    /// Speak TLS. This system's roots must vouch for the server's certificate; on a terminal you are asked whether to
    /// trust one that is new or has changed
    #[arg(long, help_heading = "TLS")]
    tls: bool,

    /// Speak TLS; the certificates in FILE vouch for the server, `cert.pem` of `forumd tls init` for instance
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    tls_ca: Option<PathBuf>,

    /// Speak TLS; the server's certificate must have this fingerprint, as `forumd tls init` prints it
    #[arg(long, value_name = "SHA256", conflicts_with = "tls_ca", help_heading = "TLS")]
    tls_pin: Option<Fingerprint>,

    /// Without TLS, connect to other machines as well: everybody on the way can read your password
    #[arg(long, help_heading = "TLS")]
    insecure: bool,
}

/// What the options come to, for one server.
#[derive(Debug)]
pub struct Security {
    /// HOST:PORT.
    server: String,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    /// Everybody on the way can read everything. Connects to this machine only, or to `anywhere`.
    Plain { anywhere: bool },
    /// TLS, to a server of this name.
    Tls { client: TlsClient, host: String, trust: Trust, asking: Asking },
}

/// Whether the user may say that a certificate is to be trusted.
#[derive(Debug)]
enum Asking {
    /// No: it was said what is.
    Never,
    /// Yes; what was said is remembered there, if there is a place for it.
    Yes(Option<KnownServers>),
}

impl SecurityArgs {
    /// What this means for this server. What the user trusts is remembered in the file `known`.
    ///
    /// # Errors
    /// What can't be used of it, in words.
    pub fn security(self, host: &str, port: u16, known: Option<PathBuf>) -> Result<Security, String> {
        let server = format!("{}:{port}", host.to_ascii_lowercase());
        let (trust, asking) = match (self.tls_pin, self.tls_ca) {
            (Some(pin), _) => (Trust::Pin(pin), Asking::Never),
            (None, Some(file)) => {
                let cannot = |why| format!("Cannot use the certificates in {}: {why}", file.display());
                (Trust::Roots(roots_in(&file).map_err(cannot)?), Asking::Never)
            }
            (None, None) if self.tls => {
                let known = known.map(KnownServers::at);
                let pin = known.as_ref().map_or(Ok(None), |known| known.find(&server));
                let pin = pin.map_err(|error| format!("Cannot read the known servers: {}", cause(&error)))?;
                (pin.map_or_else(|| Trust::Roots(system_roots()), Trust::Pin), Asking::Yes(known))
            }
            (None, None) => return Ok(Security { server, mode: Mode::Plain { anywhere: self.insecure } }),
        };
        let client = TlsClient::new(trust.clone(), host)?;
        Ok(Security { server, mode: Mode::Tls { client, host: host.to_owned(), trust, asking } })
    }
}

impl Security {
    /// What to speak over a new connection; none if nothing is to be said over it.
    ///
    /// # Errors
    /// Those of the system, and of rustls.
    pub fn line(&self, stream: TcpStream) -> io::Result<Option<Line<TcpStream>>> {
        match &self.mode {
            Mode::Plain { anywhere } => {
                let may_be_plain = *anywhere || is_here(stream.peer_addr()?.ip());
                Ok(may_be_plain.then(|| Line::plain(stream)))
            }
            Mode::Tls { client, .. } => client.line(stream).map(Some),
        }
    }

    /// Why nothing is said over a plain connection.
    pub fn not_secret(&self) -> Doubt {
        let said = format!(
            "{} is another machine, and without TLS everybody on the way could read your password. Use --tls, or \
             --insecure",
            self.server
        );
        Doubt { said, certificate: None }
    }

    /// What to say of a certificate that is not trusted, and whether the user may say that it is to be.
    pub fn doubt(&self, not_trusted: &NotTrusted) -> Doubt {
        let (server, shown) = (&self.server, not_trusted.shown);
        match &self.mode {
            Mode::Tls { trust: Trust::Pin(known), asking: Asking::Yes(_), .. } => Doubt {
                said: format!(
                    "THE CERTIFICATE OF {server} HAS CHANGED: somebody else may have taken its place. The SHA-256 \
                     fingerprint was {known}, and is {shown}"
                ),
                certificate: Some(shown),
            },
            Mode::Tls { asking: Asking::Yes(_), .. } => {
                Doubt { said: format!("Cannot trust {server}: {not_trusted}"), certificate: Some(shown) }
            }
            _ => Doubt { said: format!("Cannot trust {server}: {not_trusted}"), certificate: None },
        }
    }

    /// The user trusts this certificate, now and in later runs.
    ///
    /// # Errors
    /// It can't be remembered, or not be used, in words.
    pub fn trust(&mut self, certificate: Fingerprint) -> Result<(), String> {
        let Mode::Tls { client, host, trust, asking: Asking::Yes(known) } = &mut self.mode else {
            return Ok(());
        };
        *trust = Trust::Pin(certificate);
        *client = TlsClient::new(trust.clone(), host)?;
        let Some(known) = known else { return Ok(()) };
        let remembered = known.remember(&self.server, certificate);
        remembered.map_err(|error| format!("The server is not remembered: {}", cause(&error)))
    }
}

/// Whether an address is this machine's own, and no packet to it leaves it.
fn is_here(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_here() {
        for (ip, wanted) in [
            ("127.0.0.1", true),
            ("127.1.2.3", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.0.2.1", false),
            ("10.0.0.1", false),
            ("::ffff:192.0.2.1", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
        ] {
            assert_eq!(is_here(ip.parse().unwrap()), wanted, "{ip}");
        }
    }
}
