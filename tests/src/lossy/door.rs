//! Where a client of the network finds the server: a TCP proxy that names the client's front in its stead.
//!
//! It changes nothing but the UDP port in what a client says of itself: as it logs in, and when it is ready to
//! send a file. The rest it hands on as it is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use forum_common::wire::{Frame, Input, Request, frame};
use socket2::{Domain, Socket, Type};

use super::{Shared, Side, State};

/// Connections through one door in its life: nobody comes back more often.
const CONNECTIONS_MAX: usize = 8;

/// What the kernel is asked to hold for a client before it is read: little, so that a client that hears slowly is
/// one that the server notices.
const HEARING_BUFFER_BYTES: usize = 16 << 10;

/// Opens a door to `server` for the client of this side, whose front is at `front_port`. Returns where it is.
pub(super) fn open(server: SocketAddr, side: Side, front_port: u16, shared: Arc<Shared>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for client in listener.incoming().take(CONNECTIONS_MAX) {
            let Ok(client) = client else { return };
            let server = connect(server);
            let back = (server.try_clone(), client.try_clone());
            let (from, to) = (back.0.expect("a descriptor is free"), back.1.expect("a descriptor is free"));
            let (up, down) = (Arc::clone(&shared), Arc::clone(&shared));
            thread::spawn(move || speak(client, server, side, front_port, &up));
            thread::spawn(move || hear(from, to, side, &down));
        }
    });
    address
}

fn connect(server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).expect("a descriptor is free");
    // Before it is connected, or the window has been named already.
    socket.set_recv_buffer_size(HEARING_BUFFER_BYTES).expect("a buffer may be small");
    socket.connect(&server.into()).expect("the server listens");
    socket.into()
}

/// Brings to the server what the client says, with the front's port for its own.
fn speak(mut client: TcpStream, mut server: TcpStream, side: Side, front_port: u16, shared: &Shared) {
    let mut input = Input::default();
    let mut own_port = None;
    while let Ok(count @ 1..) = client.read(input.space()) {
        input.filled(count);
        let mut said = Vec::new();
        while let Some(frame) = input.take().expect("a client sends frames") {
            if let (None, Some(udp_port)) = (own_port, udp_port_of(&frame)) {
                own_port = Some(udp_port);
                let at = SocketAddr::from((Ipv4Addr::LOCALHOST, udp_port));
                shared.lock().clients[side as usize] = Some(at);
            }
            name_front(&frame, own_port, front_port, &mut said);
        }
        if server.write_all(&said).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}

/// The UDP port of a client that logs in with this frame.
fn udp_port_of(frame: &Frame<'_>) -> Option<u16> {
    match Request::decode(frame) {
        Ok(Request::LogIn { udp_port, .. }) => Some(udp_port),
        _ => None,
    }
}

/// Appends the frame, with the front's port where the client names its own.
fn name_front(frame: &Frame<'_>, own_port: Option<u16>, front_port: u16, said: &mut Vec<u8>) {
    let mut request = Request::decode(frame);
    match &mut request {
        Ok(Request::LogIn { udp_port: port, .. }) => *port = front_port,
        Ok(Request::LinkListening { port, .. }) if Some(*port) == own_port => *port = front_port,
        _ => return frame::append(said, frame.kind, frame.tag, frame.body),
    }
    if let Ok(request) = request {
        request.encode(frame.tag, said);
    }
}

/// Brings to the client what the server says, slowly if that is wanted.
fn hear(mut server: TcpStream, mut client: TcpStream, side: Side, shared: &Shared) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = server.read(&mut bytes) {
        if client.write_all(&bytes[..count]).is_err() {
            break;
        }
        let state = shared.lock();
        if let Some(bytes_a_milli) = state.narrow.filter(|_| side == Side::Right) {
            let pause = Duration::from_millis((count / bytes_a_milli) as u64);
            let goes_on = |state: &mut State| !state.is_over;
            let waited = shared.changed.wait_timeout_while(state, pause, goes_on);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
    let _ = client.shutdown(Shutdown::Write);
    // What the client still says, nobody hears.
    let _ = server.shutdown(Shutdown::Both);
}
