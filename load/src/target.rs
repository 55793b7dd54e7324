//! Where the server is, and whether TLS is spoken with it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::Args;
use forum_common::tls::{Fingerprint, Line, TlsClient, Trust, roots_in, system_roots};

/// The options for TLS.
#[derive(Debug, Clone, Args)]
pub struct TlsArguments {
    /// Speak TLS, to a server for whose certificate this system's roots vouch
    #[arg(long, help_heading = "TLS")]
    pub tls: bool,
    /// Speak TLS, to a server for which the certificates in FILE vouch
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub tls_ca: Option<PathBuf>,
    /// Speak TLS, to the server whose certificate has this fingerprint
    #[arg(long, value_name = "SHA256", conflicts_with = "tls_ca", help_heading = "TLS")]
    pub tls_pin: Option<Fingerprint>,
    /// Come back with the server's tickets; without this, each connection is a whole handshake
    #[arg(long, help_heading = "TLS")]
    pub tls_resume: bool,
}

impl TlsArguments {
    /// Whether TLS is spoken.
    pub fn is_on(&self) -> bool {
        self.tls || self.tls_ca.is_some() || self.tls_pin.is_some()
    }

    fn client(&self, host: &str) -> Result<Option<TlsClient>, String> {
        let trust = match (self.tls_pin, &self.tls_ca) {
            (Some(pin), _) => Trust::Pin(pin),
            (None, Some(file)) => {
                let roots = roots_in(file).map_err(|why| format!("{}: {why}", file.display()))?;
                Trust::Roots(roots)
            }
            (None, None) if self.tls => Trust::Roots(system_roots()),
            (None, None) => return Ok(None),
        };
        let client = TlsClient::new(trust, host.trim_start_matches('[').trim_end_matches(']'))?;
        Ok(Some(if self.tls_resume { client } else { client.without_resumption() }))
    }
}

/// Where the server is, and what is spoken with it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its address.
    pub address: SocketAddr,
    tls: Option<TlsClient>,
}

impl Target {
    /// The first address of `HOST:PORT`.
    ///
    /// # Errors
    /// It has none, or TLS can't be spoken.
    pub fn find(server: &str, tls: &TlsArguments) -> Result<Self, String> {
        let mut addresses = server.to_socket_addrs().map_err(|error| format!("{server}: {error}"))?;
        let address = addresses.next().ok_or_else(|| format!("{server} has no address"))?;
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        Ok(Self { address, tls: tls.client(host)? })
    }

    /// What to speak over a new connection.
    ///
    /// # Errors
    /// Those of TLS.
    pub fn line<S: Read + Write>(&self, stream: S) -> io::Result<Line<S>> {
        match &self.tls {
            Some(tls) => tls.line(stream),
            None => Ok(Line::plain(stream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TLS: TlsArguments = TlsArguments { tls: false, tls_ca: None, tls_pin: None, tls_resume: false };

    #[test]
    fn a_server_may_be_an_address_of_either_family_or_a_name_with_tls_and_without() {
        let pin = Some("1".repeat(64).parse().unwrap());
        for server in ["127.0.0.1:1", "[::1]:1", "localhost:1"] {
            assert_eq!(Target::find(server, &NO_TLS).unwrap().address.port(), 1);
            let target = Target::find(server, &TlsArguments { tls_pin: pin, ..NO_TLS }).unwrap();
            assert!(target.tls.is_some(), "{server}");
        }
        assert!(Target::find("localhost", &NO_TLS).is_err());
    }
}
