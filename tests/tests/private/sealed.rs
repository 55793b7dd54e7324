//! A conversation with a real client, by somebody who is made of nothing but the protocol.

use std::io::{Read, Write};
use std::net::TcpStream;

use forum_common::limits::HEADER_BYTES;
use forum_common::wire::{Direct, Frame, Key, LinkId, NO_TAG, OwnedNotice, Request, frame};
use forum_peer::noise::{HANDSHAKE_BYTES, Handshake, Keys, Purpose, Secret, TAG_BYTES};
use forum_tests::Wire;

/// Begins a handshake: the frame with its first message.
pub(crate) fn first_message(secret: &Secret) -> (Handshake, Vec<u8>) {
    let mut handshake = secret.begin().expect("random numbers");
    let message = handshake.write(&[]).expect("the first");
    (handshake, frame_of(&Direct::Handshake { message: &message }))
}

/// The handshake message that the client says next.
pub(crate) fn handshake_of(stream: &mut TcpStream) -> Vec<u8> {
    let bytes = read_frame(stream);
    assert_eq!(bytes.len(), HEADER_BYTES + 2 + HANDSHAKE_BYTES);
    match decode(&bytes) {
        Direct::Handshake { message } => message.to_owned(),
        other => panic!("{other:?}"),
    }
}

fn frame_of(message: &Direct<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(NO_TAG, &mut bytes);
    bytes
}

fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    stream.read_exact(&mut bytes).expect("the peer says something");
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    bytes.resize(4 + length as usize, 0);
    stream.read_exact(&mut bytes[4..]).expect("a whole frame");
    bytes
}

fn decode(bytes: &[u8]) -> Direct<'_> {
    let (frame, _) = frame::split(bytes, 65_536).expect("a frame").expect("a whole one");
    Direct::decode(&frame).expect("a message between clients")
}

/// The connection, once there are keys.
pub(crate) struct Sealed {
    pub(crate) stream: TcpStream,
    keys: Keys,
    said: u64,
    heard: u64,
}

impl Sealed {
    /// Waits for the answer to a handshake that was begun on this connection.
    pub(crate) fn begun(mut stream: TcpStream, mut handshake: Handshake) -> Self {
        handshake.read(&handshake_of(&mut stream)).expect("the client has the token");
        Self { stream, keys: handshake.finish().expect("both messages"), said: 0, heard: 0 }
    }

    /// Answers a handshake that the client has begun.
    pub(crate) fn answering(mut stream: TcpStream, secret: &Secret, first: &[u8]) -> Self {
        let mut handshake = secret.await_other().expect("random numbers");
        handshake.read(first).expect("the client has the token");
        let message = handshake.write(&[]).expect("the second");
        stream.write_all(&frame_of(&Direct::Handshake { message: &message })).expect("the client listens");
        Self { stream, keys: handshake.finish().expect("both messages"), said: 0, heard: 0 }
    }

    /// Says something that only the client can read.
    pub(crate) fn say(&mut self, message: &Direct<'_>) {
        let frame = frame_of(message);
        let plain = [&[message.kind()], &frame[HEADER_BYTES..]].concat();
        let mut ciphertext = vec![0; plain.len() + TAG_BYTES];
        self.keys.seal(self.said, &plain, &mut ciphertext);
        self.said += 1;
        self.write(&frame_of(&Direct::Sealed { ciphertext: &ciphertext }));
    }

    /// Insists that this is what the client says next.
    pub(crate) fn hears(&mut self, wanted: &Direct<'_>) {
        let bytes = read_frame(&mut self.stream);
        let Direct::Sealed { ciphertext } = decode(&bytes) else { panic!("in the clear: {bytes:?}") };
        let mut plain = vec![0; ciphertext.len()];
        let count = self.keys.open(self.heard, ciphertext, &mut plain).expect("sealed by the client");
        self.heard += 1;
        let (kind, body) = plain[..count].split_first().expect("a kind");
        assert_eq!(Direct::decode(&Frame { kind: *kind, tag: NO_TAG, body }).as_ref(), Ok(wanted));
    }

    /// Says these bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the client listens");
    }
}

/// A conversation through the server.
pub(crate) struct Relay {
    pub(crate) link: LinkId,
    keys: Keys,
    said: u64,
}

impl Relay {
    /// Answers the handshake that the client begins now.
    pub(crate) fn answering(wire: &mut Wire, link: LinkId, token: &Key) -> Self {
        let first = wire.link_notice();
        let OwnedNotice::RelayedDatagram { datagram, .. } = &first else { panic!("{first:?}") };
        let mut handshake = Secret::new(token, link, Purpose::Relayed).await_other().expect("random numbers");
        handshake.read(datagram).expect("the client has the token");
        let second = handshake.write(&[]).expect("the second");
        wire.send(&Request::RelayDatagram { link, datagram: &second });
        Self { link, keys: handshake.finish().expect("both messages"), said: 0 }
    }

    /// Seals a text for the client.
    pub(crate) fn seal(&mut self, text: &str) -> Vec<u8> {
        let frame = frame_of(&Direct::PrivateText { text });
        let plain = [&[0x72], &frame[HEADER_BYTES..]].concat();
        let mut sealed = vec![0; 8 + plain.len() + TAG_BYTES];
        sealed[..8].copy_from_slice(&self.said.to_be_bytes());
        self.keys.seal(self.said, &plain, &mut sealed[8..]);
        self.said += 1;
        sealed
    }

    /// What the client said.
    pub(crate) fn text(&mut self, notice: &OwnedNotice) -> String {
        let OwnedNotice::RelayedSealed { ciphertext, .. } = notice else { panic!("{notice:?}") };
        let (number, sealed) = ciphertext.split_first_chunk().expect("a number");
        let mut plain = vec![0; sealed.len()];
        let count = self.keys.open(u64::from_be_bytes(*number), sealed, &mut plain).expect("it opens");
        let (kind, body) = plain[..count].split_first().expect("a kind");
        match Direct::decode(&Frame { kind: *kind, tag: NO_TAG, body }) {
            Ok(Direct::PrivateText { text }) => text.to_owned(),
            other => panic!("{other:?}"),
        }
    }
}
