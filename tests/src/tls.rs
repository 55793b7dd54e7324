//! What a test's connection goes over: a socket, and TLS if the test wants it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use forum_common::tls::{Trust, client_config, roots_in};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// A socket, plain or with TLS.
#[derive(Debug)]
pub struct Line {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Line {
    /// Plain bytes.
    pub fn plain(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// TLS, of which nothing was said yet.
    ///
    /// # Panics
    /// The name is none.
    pub fn tls(socket: TcpStream, config: Arc<ClientConfig>, name: &'static str) -> Self {
        let name = ServerName::try_from(name).expect("a name");
        let tls = ClientConnection::new(config, name).expect("a usable configuration");
        Self { socket, tls: Some(Box::new(tls)) }
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// TLS, if it has it.
    pub fn tls_connection(&mut self) -> Option<&mut ClientConnection> {
        self.tls.as_deref_mut()
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// Why that failed.
    pub fn shake_hands(&mut self) -> io::Result<()> {
        let Self { socket, tls: Some(tls) } = self else { return Ok(()) };
        while tls.is_handshaking() {
            tls.complete_io(socket)?;
        }
        Ok(())
    }

    /// Says that nothing more will come.
    pub fn end_output(&mut self) {
        match &mut self.tls {
            Some(tls) => {
                tls.send_close_notify();
                while tls.wants_write() && tls.write_tls(&mut self.socket).is_ok() {}
            }
            None => drop(self.socket.shutdown(Shutdown::Write)),
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).read(buffer),
            None => self.socket.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).write(bytes),
            None => self.socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).flush(),
            None => self.socket.flush(),
        }
    }
}

/// A client that trusts the certificates in this file.
///
/// # Panics
/// There is none.
pub fn trusting(certificates: &Path) -> ClientConfig {
    let roots = roots_in(certificates).expect("a file of certificates");
    client_config(Trust::Roots(roots)).expect("a usable configuration")
}

/// Connects and stalls in the handshake whose first message is `hello`. Of three in a row, one says nothing, one the beginning
/// of it, and one all, so that the server has to sign.
///
/// # Panics
/// Nobody listens there.
pub fn stall(server: SocketAddr, hello: &[u8], number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect("it listens");
    stream.write_all(&hello[..[0, 100, hello.len()][number % 3]]).expect("there is room for it");
    stream
}

/// What a client that trusts these certificates says first.
pub fn client_hello(certificates: &Path) -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let config = Arc::new(trusting(certificates));
    let mut client = ClientConnection::new(config, name).expect("a usable configuration");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("there is room in memory");
    hello
}
