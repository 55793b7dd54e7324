//! The packets: what the two ends say to each other, to and from bytes.
//!
//! It knows the format but not what follows from a packet, nor how packets are sealed into datagrams
//! (that is `channel`'s). Each begins with a kind; all numbers are big-endian. What is not exactly one well-formed packet is
//! no packet at all.

mod encode;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use forum_common::wire::LinkId;

use super::channel::SEALED_BYTES;
use crate::noise::{Purpose, Secret};

pub use encode::{
    write_abort, write_accept, write_ack, write_data_header, write_done, write_goodbye, write_hello,
    write_ping,
};

/// Bytes in front of the file's bytes in a Data packet.
pub const DATA_HEADER_BYTES: usize = 9;
/// Bytes of the largest packet that is neither Data nor Ping.
pub const SMALL_BYTES_MAX: usize = ACK_BYTES + (ACK_RANGES_MAX - 1) * ACK_RANGE_BYTES;
/// Bytes of the largest datagram: what fits IPv6 on a path of 65,536 bytes, the loopback's.
pub const DATAGRAM_BYTES_MAX: usize = 65_488;
/// Ranges of packet numbers in one Ack, the first included; sealed, an Ack still fits the smallest datagram.
pub const ACK_RANGES_MAX: usize = 56;
/// Bytes of the token that the server gives to both ends.
pub use forum_common::wire::field::KEY_BYTES as TOKEN_BYTES;

const DIGEST_BYTES: usize = blake3::OUT_LEN;
const ACK_BYTES: usize = 33;
const ACK_RANGE_BYTES: usize = 8;
const DELAY_MAX: Duration = Duration::from_micros(u32::MAX as u64);

const _: () = assert!(SMALL_BYTES_MAX + SEALED_BYTES <= super::mtu::FLOOR_BYTES);

const HELLO: u8 = 0x01;
const DATA: u8 = 0x02;
const PING: u8 = 0x03;
const GOODBYE: u8 = 0x04;
const ABORT: u8 = 0x05;
const ACCEPT: u8 = 0x82;
const ACK: u8 = 0x83;
const DONE: u8 = 0x84;

/// What names the session ids in BLAKE3's key derivation.
const SESSIONS_CONTEXT: &str = "forum between clients: session ids";

/// The secret of one transfer, fresh for each, that the server has given to its two ends. It never goes from one
/// to the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    bytes: [u8; TOKEN_BYTES],
    link: LinkId,
    /// The key pair of this end, where it has to be the same each time.
    #[cfg(test)]
    ephemeral: Option<[u8; 32]>,
}

impl Token {
    /// The token of this link, in these bytes.
    pub fn new(bytes: [u8; TOKEN_BYTES], link: LinkId) -> Self {
        Self {
            bytes,
            link,
            #[cfg(test)]
            ephemeral: None,
        }
    }

    /// The same, for an end with this key pair.
    #[cfg(test)]
    pub(crate) fn with_key_pair(self, private: [u8; 32]) -> Self {
        Self { ephemeral: Some(private), ..self }
    }

    /// What the handshake of its two ends is keyed with.
    pub fn secret(&self) -> Secret {
        let secret = Secret::new(&self.bytes, self.link, Purpose::File);
        #[cfg(test)]
        let secret = secret.with_key_pair(self.ephemeral);
        secret
    }

    /// The two session ids that follow from it.
    pub fn sessions(&self) -> Sessions {
        let derived = u128::from_be_bytes(first_half(blake3::derive_key(SESSIONS_CONTEXT, &self.bytes)));
        Sessions { to_receiver: SessionId((derived >> 64) as u64), to_sender: SessionId(derived as u64) }
    }
}

fn first_half(bytes: [u8; DIGEST_BYTES]) -> [u8; DIGEST_BYTES / 2] {
    std::array::from_fn(|index| bytes[index])
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Names one direction of one transfer, and can't be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

impl SessionId {
    /// The id in these bytes.
    pub(super) fn new(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Its bytes, as they stand in a datagram.
    pub(super) fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// The ids of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// In what the sender sends.
    pub to_receiver: SessionId,
    /// In what the receiver sends.
    pub to_sender: SessionId,
}

/// What a sender has to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Bytes of the whole file.
    pub size: u64,
    /// The BLAKE3 digest of the whole file.
    pub digest: [u8; DIGEST_BYTES],
}

/// Why an end gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Its user does not want the file any more.
    Cancelled = 1,
    /// The receiver does not want what was offered.
    Declined = 2,
    /// The sender can't read its file.
    Unreadable = 3,
    /// The receiver can't store the file.
    NotStored = 4,
    /// All bytes are there, but they are not what was announced.
    DigestDiffers = 5,
    /// It ends, or takes the other end for gone.
    Left = 6,
}

impl Reason {
    fn decode(code: u8) -> Option<Self> {
        use Reason::*;
        let reasons = [Cancelled, Declined, Unreadable, NotStored, DigestDiffers, Left];
        reasons.into_iter().find(|reason| *reason as u8 == code)
    }
}

/// One packet, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The sender offers the file.
    Hello(Offer),
    /// Bytes of the file.
    Data {
        /// Where in the file they belong.
        offset: u64,
        /// The bytes, at least one.
        payload: &'a [u8],
    },
    /// Asks for an Ack; padded to any size to find out whether that size passes.
    Ping,
    /// Answers Done and Abort.
    Goodbye,
    /// The end that sent it has given up; said again until it is answered.
    Abort(Reason),
    /// Answers Hello.
    Accept {
        /// All bytes before this one are there already.
        offset: u64,
        /// The sender may send bytes before this one.
        window_end: u64,
        /// Bytes of the largest datagram that the receiver can take.
        datagram_bytes_max: u16,
    },
    /// What has arrived.
    Ack(Ack<'a>),
    /// The file is complete and stored; said again until it is answered.
    Done,
}

/// What has arrived: packet numbers and file offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The largest packet number that has arrived.
    pub largest: u64,
    /// How long the receiver took to say so.
    pub delay: Duration,
    /// All bytes of the file before this one are there.
    pub delivered: u64,
    /// The sender may send bytes before this one; it never goes back.
    pub window_end: u64,
    /// So many numbers right below `largest` have arrived too.
    first: u32,
    /// Pairs of `u32 missing, u32 arrived`, going down; checked when decoded.
    rest: &'a [u8],
}

impl Ack<'_> {
    /// The numbers that have arrived, as ranges, the largest first.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let mut low = self.largest - u64::from(self.first);
        let (pairs, _) = self.rest.as_chunks::<ACK_RANGE_BYTES>();
        let further = pairs.iter().map(move |pair| {
            let (missing, arrived) = split_pair(*pair);
            let end = low - missing;
            low = end - arrived;
            low..end
        });
        std::iter::once(self.largest - u64::from(self.first)..self.largest + 1).chain(further)
    }

    /// Whether all ranges are above zero, hold something and leave something out.
    fn is_sound(&self) -> bool {
        let (pairs, odd_bytes) = self.rest.as_chunks::<ACK_RANGE_BYTES>();
        let mut low = self.largest.checked_sub(u64::from(self.first));
        for pair in pairs {
            let (missing, arrived) = split_pair(*pair);
            low =
                low.filter(|_| missing > 0 && arrived > 0).and_then(|low| low.checked_sub(missing + arrived));
        }
        // The sum `largest + 1` must exist too.
        low.is_some() && odd_bytes.is_empty() && pairs.len() < ACK_RANGES_MAX && self.largest < u64::MAX
    }
}

fn split_pair(pair: [u8; ACK_RANGE_BYTES]) -> (u64, u64) {
    let both = u64::from_be_bytes(pair);
    (both >> 32, both & u64::from(u32::MAX))
}

/// Reads a packet; `None` unless these bytes are exactly one.
pub fn decode(bytes: &[u8]) -> Option<Packet<'_>> {
    let (kind, fields) = bytes.split_first()?;
    let mut fields = Fields(fields);
    let packet = match *kind {
        HELLO => Packet::Hello(Offer { size: fields.u64()?, digest: fields.array()? }),
        DATA => {
            let (offset, payload) = (fields.u64()?, fields.rest());
            offset.checked_add(payload.len() as u64).filter(|_| !payload.is_empty())?;
            Packet::Data { offset, payload }
        }
        PING => {
            fields.rest();
            Packet::Ping
        }
        GOODBYE => Packet::Goodbye,
        ABORT => Packet::Abort(Reason::decode(fields.u8()?)?),
        ACCEPT => Packet::Accept {
            offset: fields.u64()?,
            window_end: fields.u64()?,
            datagram_bytes_max: u16::from_be_bytes(fields.array()?),
        },
        ACK => {
            let ack = Ack {
                largest: fields.u64()?,
                delay: Duration::from_micros(u64::from(fields.u32()?)),
                delivered: fields.u64()?,
                window_end: fields.u64()?,
                first: fields.u32()?,
                rest: fields.rest(),
            };
            Packet::Ack(Some(ack).filter(Ack::is_sound)?)
        }
        DONE => Packet::Done,
        _ => return None,
    };
    fields.0.is_empty().then_some(packet)
}

/// What is left of a packet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
