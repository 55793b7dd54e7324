//! A field that lists limits of a server with their values.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use super::codes::Limit;
use super::field::{Field, Malformed, Reader};
use super::frame::Writer;

/// Limits of a server with their values, as they stand on the wire: their count in two bytes, then for each
/// the number of the [`Limit`] in two bytes and its value in eight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LimitList<'a>(&'a [u8]);

impl fmt::Debug for LimitList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Bytes of one limit and its value.
const LIMIT_ENTRY_BYTES: usize = 10;

impl<'a> LimitList<'a> {
    /// The limits in order.
    pub fn iter(self) -> impl Iterator<Item = (Limit, u64)> + use<'a> {
        self.0
            .chunks_exact(LIMIT_ENTRY_BYTES)
            .map(|entry| (Limit::from_number(BigEndian::read_u16(entry)), BigEndian::read_u64(&entry[2..])))
    }

    /// The value of one limit, if it is listed.
    pub fn get(self, limit: Limit) -> Option<u64> {
        self.iter().find(|(listed, _)| *listed == limit).map(|(_, value)| value)
    }
}

/// A [`LimitList`] with memory of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LimitListBuf(Vec<u8>);

impl LimitListBuf {
    /// The list, borrowed.
    pub fn as_list(&self) -> LimitList<'_> {
        LimitList(&self.0)
    }
}

impl FromIterator<(Limit, u64)> for LimitListBuf {
    fn from_iter<I: IntoIterator<Item = (Limit, u64)>>(limits: I) -> Self {
        let mut bytes = Vec::new();
        for (limit, value) in limits.into_iter().take(LIMITS_MAX) {
            bytes.extend_from_slice(&limit.number().to_be_bytes());
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        Self(bytes)
    }
}

/// The marker of a [`LimitList`].
#[derive(Debug)]
pub struct Limits;

/// Limits in a list at most: more than there are, and few enough for a frame before the welcome.
const LIMITS_MAX: usize = 64;

impl Field for Limits {
    type Value<'a> = LimitList<'a>;
    type Owned = LimitListBuf;
    const NAME: &'static str = "limits";
    const BYTES_MAX: usize = 2 + LIMITS_MAX * LIMIT_ENTRY_BYTES;

    fn read<'a>(reader: &mut Reader<'a>) -> Result<LimitList<'a>, Malformed> {
        let count = usize::from(u16::read(reader)?);
        reader.bytes(count * LIMIT_ENTRY_BYTES).map(LimitList)
    }

    fn write(value: LimitList<'_>, out: &mut Writer<'_>) {
        u16::write((value.0.len() / LIMIT_ENTRY_BYTES) as u16, out);
        out.bytes(value.0);
    }

    fn own(value: LimitList<'_>) -> LimitListBuf {
        LimitListBuf(value.0.to_owned())
    }

    fn borrow(owned: &LimitListBuf) -> LimitList<'_> {
        owned.as_list()
    }

    fn json<S: serde::Serializer>(value: LimitList<'_>, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(value.iter().map(|(limit, value)| (limit.number(), value)))
    }
}

const _: () = assert!(Limit::ALL.len() <= LIMITS_MAX);
