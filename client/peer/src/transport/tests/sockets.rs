//! Transfers between real sockets on the loopback, through a proxy that loses and reorders, and many on one
//! socket. Every end gives up by itself when nothing comes, so no wait is endless.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::pair::token;
use crate::original::Original;
use crate::transport::content::FileSource;
use crate::transport::socket::{Link, PeerSocket};
use crate::transport::{Endpoint, Event, Offer, Receiver, Sender, Sink, Start, driver, session_of};

fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A file and its bytes.
fn original(seed: u64, size: usize) -> (File, Vec<u8>) {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    (file, bytes)
}

#[derive(Debug)]
struct Stored(File);

impl Sink for Stored {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

impl Stored {
    fn new() -> Self {
        Self(tempfile::tempfile().unwrap())
    }

    fn bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.rewind().unwrap();
        self.0.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

/// Sends in a thread of its own. The last event.
fn sending(seed: u64, file: File, bytes: &[u8], peer: SocketAddr, socket: UdpSocket) -> JoinHandle<Event> {
    let offer = Offer { size: bytes.len() as u64, digest: *blake3::hash(bytes).as_bytes() };
    thread::spawn(move || {
        let mut socket = PeerSocket::new(socket).unwrap();
        let sender =
            Sender::new(Instant::now(), &token(seed), offer, FileSource::new(Original::new(file).unwrap()));
        let mut last = None;
        driver::run(&mut socket, &mut Link::new(sender, peer), |_, _, event| {
            last = Some(event);
            ControlFlow::Continue(())
        })
        .unwrap();
        last.unwrap()
    })
}

/// Hands datagrams from one socket to the other in both directions, but for some.
struct Proxy {
    thread: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl Proxy {
    fn new(seed: u64, loss: f64, ends: [(UdpSocket, SocketAddr); 2]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut held: [Option<Vec<u8>>; 2] = [None, None];
            let mut buffer = vec![0; 65_536];
            for (socket, _) in &ends {
                socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            }
            while !flag.load(Ordering::Relaxed) {
                for (from, to) in [(0, 1), (1, 0)] {
                    let Ok((count, _)) = ends[from].0.recv_from(&mut buffer) else { continue };
                    let (out, destination) = &ends[to];
                    match random.f64() {
                        lost if lost < loss => {}
                        late if late < 2.0 * loss => held[from] = Some(buffer[..count].to_vec()),
                        _ => {
                            // A full socket loses it; that is the network's right.
                            let _ = out.send_to(&buffer[..count], destination);
                            if let Some(late) = held[from].take() {
                                let _ = out.send_to(&late, destination);
                            }
                        }
                    }
                }
            }
        });
        Self { thread: Some(thread), is_over }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_file_survives_a_proxy_that_loses_and_reorders() {
    let (file, bytes) = original(1, 700_000);
    let [(sender, sender_at), (receiver, receiver_at)] = [bound(), bound()];
    let [(near_sender, near_sender_at), (near_receiver, near_receiver_at)] = [bound(), bound()];
    let _proxy = Proxy::new(1, 0.05, [(near_sender, sender_at), (near_receiver, receiver_at)]);
    let sending = sending(1, file, &bytes, near_sender_at, sender);

    let mut socket = PeerSocket::new(receiver).unwrap();
    let mut link = Link::new(Receiver::new(Instant::now(), &token(1)).unwrap(), near_receiver_at);
    let mut last = None;
    driver::run(&mut socket, &mut link, |receiver, now, event| {
        if let Event::Offered(_) = event {
            receiver.accept(now, Start::afresh(), Stored::new());
        }
        last = Some(event);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((last, sending.join().unwrap()), (Some(Event::Done), Event::Done));
    assert!(link.endpoint.into_sink().unwrap().bytes() == bytes);
}

#[test]
fn one_socket_takes_many_transfers_at_once() {
    let (socket, address) = bound();
    let mut socket = PeerSocket::new(socket).unwrap();
    let originals: Vec<_> = (0..3_u64).map(|seed| original(seed, 3_000_000 + seed as usize)).collect();
    let mut links = Vec::new();
    let mut senders = Vec::new();
    for (seed, (file, bytes)) in (0..).zip(&originals) {
        let (sender, sender_at) = bound();
        senders.push(sending(seed, file.try_clone().unwrap(), bytes, address, sender));
        links.push(Link::new(Receiver::new(Instant::now(), &token(seed)).unwrap(), sender_at));
    }

    while links.iter().any(|link| !link.endpoint.is_closed()) {
        let now = Instant::now();
        socket
            .receive(|from, datagram| {
                let session = session_of(datagram);
                if let Some(link) = links.iter_mut().find(|link| session == Some(link.endpoint.session())) {
                    link.on_datagram(now, from, datagram);
                }
            })
            .unwrap();
        for link in &mut links {
            link.endpoint.on_timeout(now);
            socket.transmit(now, link);
            link.endpoint.settle(now);
            while let Some(event) = link.endpoint.poll_event() {
                match event {
                    Event::Offered(_) => link.endpoint.accept(now, Start::afresh(), Stored::new()),
                    Event::Failed(failure) => panic!("{failure:?}"),
                    Event::Started { .. } | Event::Done => {}
                }
            }
        }
    }
    for ((link, sender), (_, bytes)) in links.into_iter().zip(senders).zip(&originals) {
        assert_eq!(sender.join().unwrap(), Event::Done);
        assert!(link.endpoint.into_sink().unwrap().bytes() == *bytes);
    }
}

#[test]
fn a_socket_that_nobody_listens_to_is_no_error() {
    let (socket, _) = bound();
    let (gone, gone_at) = bound();
    drop(gone);
    let (file, bytes) = original(1, 10);
    let offer = Offer { size: 10, digest: *blake3::hash(&bytes).as_bytes() };
    let mut socket = PeerSocket::new(socket).unwrap();
    let now = Instant::now();
    let mut link =
        Link::new(Sender::new(now, &token(1), offer, FileSource::new(Original::new(file).unwrap())), gone_at);
    for _ in 0..3 {
        assert!(!socket.transmit(now, &mut link));
        assert!(!socket.receive(|_, _| {}).unwrap());
        assert!(!socket.wants_to_write());
    }
    assert!(!link.endpoint.is_closed());
}
