//! A way to the server that hides where a client is: it passes everything on, from an address of its own. The
//! server takes that address for the client's, and peers that it sends there find nobody.
//!
//! It knows bytes, not frames.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use socket2::{Domain, Socket, Type};

use crate::DEADLINE;

/// Where connections seem to come from. Clients of the harness are at 127.0.0.1.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A way to the server, for any number of connections.
#[derive(Debug)]
pub struct Nat {
    address: SocketAddr,
}

impl Nat {
    /// A way to `server`.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is not there is one that hangs up.
                if let Ok(server) = connect_from_outside(server) {
                    join(client, server);
                }
            }
        });
        Self { address }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn connect_from_outside(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((OUTSIDE, 0)).into())?;
    socket.connect_timeout(&server.into(), DEADLINE)?;
    Ok(socket.into())
}

fn join(client: TcpStream, server: TcpStream) {
    let (up, down) = (client.try_clone(), server.try_clone());
    let (up, down) = (up.expect("a descriptor is free"), down.expect("a descriptor is free"));
    thread::spawn(move || pass(up, server));
    thread::spawn(move || pass(down, client));
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let passed = io::copy(&mut from, &mut to);
    // An end that is gone is gone on both sides; one that has only finished sending may still listen.
    let _ = to.shutdown(if passed.is_ok() { Shutdown::Write } else { Shutdown::Both });
}
