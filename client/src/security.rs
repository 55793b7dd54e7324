//! Whether the way to the server is secret, and which server is trusted: the options, and what they come to.

use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use forum_common::tls::{Fingerprint, Trust, client_config, roots_in, system_roots};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::line::Line;

/// The options.
#[derive(Debug, Args)]
pub struct SecurityArgs {
    /// Speak TLS; the server's certificate must be one for which this system's roots vouch
    #[arg(long, help_heading = "TLS")]
    tls: bool,

    /// Speak TLS; the certificates in FILE vouch for the server, `cert.pem` of `forumd tls init` for instance
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    tls_ca: Option<PathBuf>,

    /// Speak TLS; the server's certificate must have this fingerprint, as `forumd tls init` prints it
    #[arg(long, value_name = "SHA256", conflicts_with = "tls_ca", help_heading = "TLS")]
    tls_pin: Option<Fingerprint>,
}

/// What the options come to.
#[derive(Debug)]
pub enum Security {
    /// Whoever is on the way reads everything.
    Plain,
    /// TLS, to a server of this name.
    Tls(Arc<ClientConfig>, ServerName<'static>),
}

impl SecurityArgs {
    /// What this means for a server of this name.
    ///
    /// # Errors
    /// What can't be used of it, in words.
    pub fn security(self, host: &str) -> Result<Security, String> {
        let trust = match (self.tls_pin, self.tls_ca) {
            (Some(pin), _) => Trust { pin: Some(pin), roots: None },
            (None, Some(file)) => {
                let roots = roots_in(&file);
                let roots = roots
                    .map_err(|why| format!("Cannot use the certificates in {}: {why}", file.display()))?;
                Trust { pin: None, roots: Some(roots) }
            }
            (None, None) if self.tls => Trust { pin: None, roots: Some(system_roots()) },
            (None, None) => return Ok(Security::Plain),
        };
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| format!("{host} is no name that a certificate could have"))?;
        let config = client_config(trust).map_err(|error| error.to_string())?;
        Ok(Security::Tls(Arc::new(config), name))
    }
}

impl Security {
    /// What to speak over a new connection.
    ///
    /// # Errors
    /// Those of rustls.
    pub fn line(&self, stream: TcpStream) -> io::Result<Line> {
        match self {
            Self::Plain => Ok(Line::plain(stream)),
            Self::Tls(config, name) => {
                let tls =
                    ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
                Ok(Line::tls(stream, tls))
            }
        }
    }
}
