//! The packets: what each datagram says, to and from bytes.
//!
//! It knows the format and refuses to know what follows from a packet. Each begins with a kind and the
//! session of the end it is for; all numbers are big-endian. A datagram that is not exactly one well-formed
//! packet of the expected session is no packet at all.

mod encode;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

pub use encode::{
    write_abort, write_accept, write_ack, write_data_header, write_done, write_goodbye, write_hello,
    write_knock, write_ping,
};

/// The version of the protocol, in every Hello.
pub const VERSION: u8 = 1;
/// Bytes in front of every packet: kind (1) and session (8).
pub const HEADER_BYTES: usize = 9;
/// Bytes in front of the file's bytes in a Data packet.
pub const DATA_HEADER_BYTES: usize = HEADER_BYTES + 16;
/// Bytes of the largest datagram: what fits IPv6 on a path of 65,536 bytes, the loopback's.
pub const DATAGRAM_BYTES_MAX: usize = 65_488;
/// Ranges of packet numbers in one Ack, the first included; an Ack still fits the smallest datagram.
pub const ACK_RANGES_MAX: usize = 56;
/// Bytes of the token that the server gives to both ends.
pub use forum_common::wire::field::KEY_BYTES as TOKEN_BYTES;

const DIGEST_BYTES: usize = blake3::OUT_LEN;
const ACK_BYTES: usize = HEADER_BYTES + 32;
const ACK_RANGE_BYTES: usize = 8;
const DELAY_MAX: Duration = Duration::from_micros(u32::MAX as u64);

const _: () = assert!(ACK_BYTES + (ACK_RANGES_MAX - 1) * ACK_RANGE_BYTES <= super::mtu::FLOOR_BYTES);

const HELLO: u8 = 0x01;
const DATA: u8 = 0x02;
const PING: u8 = 0x03;
const GOODBYE: u8 = 0x04;
const ABORT: u8 = 0x05;
const KNOCK: u8 = 0x81;
const ACCEPT: u8 = 0x82;
const ACK: u8 = 0x83;
const DONE: u8 = 0x84;

/// What names the session ids in BLAKE3's key derivation.
const SESSIONS_CONTEXT: &str = "forum peer-to-peer file transfer v1: session ids";

/// The secret of one transfer, fresh for each and known to its two ends alone. It never goes over the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// The token in these bytes.
    pub fn new(bytes: [u8; TOKEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// The two session ids that follow from it.
    pub fn sessions(&self) -> Sessions {
        let derived = u128::from_be_bytes(first_half(blake3::derive_key(SESSIONS_CONTEXT, &self.0)));
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

/// The ids of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// In what the sender sends.
    pub to_receiver: SessionId,
    /// In what the receiver sends.
    pub to_sender: SessionId,
}

/// The session that a datagram claims to belong to, for an owner of many transfers on one socket.
pub fn session_of(datagram: &[u8]) -> Option<SessionId> {
    let (_, rest) = datagram.split_first()?;
    Some(SessionId(u64::from_be_bytes(*rest.first_chunk()?)))
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
    /// Its user wished so.
    Cancelled = 1,
    /// The receiver does not want what was offered.
    Declined = 2,
    /// The sender can't read its file.
    Unreadable = 3,
    /// The receiver can't store the file.
    NotStored = 4,
    /// All bytes are there, but they are not what was announced.
    DigestDiffers = 5,
    /// The receiver does not know the sender's version of the protocol.
    UnknownVersion = 6,
}

impl Reason {
    fn decode(code: u8) -> Option<Self> {
        let reasons = [
            Self::Cancelled,
            Self::Declined,
            Self::Unreadable,
            Self::NotStored,
            Self::DigestDiffers,
            Self::UnknownVersion,
        ];
        reasons.into_iter().find(|reason| *reason as u8 == code)
    }
}

/// One packet, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The sender offers the file.
    Hello(Offer),
    /// A Hello of a version that is not ours; what else it says is unknown.
    ForeignHello,
    /// Bytes of the file.
    Data {
        /// Number of the packet; no two Data or Ping packets of a session have the same.
        number: u64,
        /// Where in the file they belong.
        offset: u64,
        /// The bytes, at least one.
        payload: &'a [u8],
    },
    /// Asks for an Ack; padded to any size to find out whether that size passes.
    Ping {
        /// As in Data.
        number: u64,
    },
    /// Answers Done and Abort.
    Goodbye,
    /// The end that sent it has given up; said again until it is answered.
    Abort(Reason),
    /// The receiver waits for a Hello; opens the way through the receiver's address translation.
    Knock,
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

/// Reads a packet; `None` unless the datagram is exactly one packet of this session.
pub fn decode(session: SessionId, datagram: &[u8]) -> Option<Packet<'_>> {
    if session_of(datagram)? != session {
        return None;
    }
    let mut fields = Fields(&datagram[HEADER_BYTES..]);
    let packet = match datagram[0] {
        HELLO if fields.u8()? != VERSION => return Some(Packet::ForeignHello),
        HELLO => Packet::Hello(Offer { size: fields.u64()?, digest: fields.array()? }),
        DATA => {
            let (number, offset, payload) = (fields.number()?, fields.u64()?, fields.rest());
            offset.checked_add(payload.len() as u64).filter(|_| !payload.is_empty())?;
            Packet::Data { number, offset, payload }
        }
        PING => {
            let number = fields.number()?;
            fields.rest();
            Packet::Ping { number }
        }
        GOODBYE => Packet::Goodbye,
        ABORT => Packet::Abort(Reason::decode(fields.u8()?)?),
        KNOCK => Packet::Knock,
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

    /// A packet number, which has a successor.
    fn number(&mut self) -> Option<u64> {
        self.u64().filter(|number| *number < u64::MAX)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
