//! Fields: the types that the bodies of frames are made of, and how each is read and written.
//!
//! A type of the table is a marker that says what stands on the wire; its [`Field::Value`] is what Rust code
//! handles, borrowed from the frame. Every read says how much it wants, and a body that is too short or not
//! UTF-8 is the peer's fault, never a panic of ours.

use std::fmt;

use serde::{Serialize, Serializer};

use super::frame::Writer;
use crate::limits::DIGEST_BYTES;

/// Why a frame's contents can't be understood. The peer's fault: its connection is closed with this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The body ends inside a field.
    Truncated,
    /// A string is not UTF-8.
    NotUtf8,
    /// A field has a value that its type does not have.
    BadValue,
    /// No message of this direction has this kind.
    UnknownKind(u8),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("Malformed frame: it ends inside a field"),
            Self::NotUtf8 => f.write_str("Malformed frame: a string is not UTF-8"),
            Self::BadValue => f.write_str("Malformed frame: a field has no such value"),
            Self::UnknownKind(kind) => write!(f, "Unknown frame kind 0x{kind:02x}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads the fields of one body, front to back. What it has not been asked for when the last known field was
/// read is from a newer peer, and ignored.
#[derive(Debug)]
pub struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the first byte of `body`.
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// A type of the table of messages.
pub trait Field {
    /// What a decoded field is, borrowed from the frame.
    type Value<'a>: Copy;
    /// The same with memory of its own.
    type Owned: Clone;
    /// The type's name in the page and in `protocol.json`.
    const NAME: &'static str;
    /// Bytes on the wire at most. A type that takes what is left of a body counts 0.
    const BYTES_MAX: usize;
    /// Bytes of the string at most, for a string.
    const TEXT_BYTES_MAX: Option<usize> = None;
    /// Whether the field may be absent.
    const IS_OPTIONAL: bool = false;

    /// Reads the next field of a body.
    ///
    /// # Errors
    /// It is not there, or can't be read.
    fn read<'a>(reader: &mut Reader<'a>) -> Result<Self::Value<'a>, Malformed>;

    /// Writes the field into a frame.
    fn write(value: Self::Value<'_>, out: &mut Writer<'_>);

    /// Copies a value out of its frame.
    fn own(value: Self::Value<'_>) -> Self::Owned;

    /// The value again.
    fn borrow(owned: &Self::Owned) -> Self::Value<'_>;

    /// The value as JSON has it: numbers, booleans and strings as they are, bytes in hexadecimal digits, an absent
    /// field as null.
    ///
    /// # Errors
    /// Those of the serializer.
    fn json<S: Serializer>(value: Self::Value<'_>, out: S) -> Result<S::Ok, S::Error>;
}

/// The value of a field, to be serialized as [`Field::json`] says.
pub(super) struct Json<'a, F: Field>(pub(super) F::Value<'a>);

impl<F: Field> Serialize for Json<'_, F> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        F::json(self.0, out)
    }
}

/// Implements [`Field`] for a type whose values are copied.
macro_rules! plain {
    ($type:ty, $value:ty, $name:literal, $bytes:expr, |$r:ident| $read:expr, |$v:ident, $out:ident| $write:expr) => {
        plain!($type, $value, $name, $bytes, |$r| $read, |$v, $out| $write, |value| value);
    };
    ($type:ty, $value:ty, $name:literal, $bytes:expr, |$r:ident| $read:expr, |$v:ident, $out:ident| $write:expr,
        |$j:ident| $json:expr) => {
        impl Field for $type {
            type Value<'a> = $value;
            type Owned = $value;
            const NAME: &'static str = $name;
            const BYTES_MAX: usize = $bytes;
            #[inline(always)]
            fn read($r: &mut Reader<'_>) -> Result<$value, Malformed> {
                $read
            }
            #[inline(always)]
            fn write($v: $value, $out: &mut Writer<'_>) {
                $write
            }
            fn own(value: $value) -> $value {
                value
            }
            fn borrow(owned: &$value) -> $value {
                *owned
            }
            fn json<S: Serializer>($j: $value, out: S) -> Result<S::Ok, S::Error> {
                $json.serialize(out)
            }
        }
    };
}

/// 16 bytes: what makes a change the same change when it is asked for again, or proves an end of a link.
pub type Key = [u8; KEY_BYTES];

/// Bytes of a [`Key`].
pub const KEY_BYTES: usize = 16;

/// The BLAKE3 digest of all bytes of a file.
pub type Digest = [u8; DIGEST_BYTES];

/// A moment in milliseconds of UTC since 1970.
#[derive(Debug)]
pub struct Time;

/// The first and the last of some messages, both included, by number.
#[derive(Debug)]
pub struct Range;

plain!(u8, u8, "u8", 1, |r| Ok(r.array::<1>()?[0]), |value, out| out.fixed([value]));
plain!(u16, u16, "u16", 2, |r| r.array().map(u16::from_be_bytes), |value, out| out
    .fixed(value.to_be_bytes()));
plain!(u32, u32, "u32", 4, |r| r.array().map(u32::from_be_bytes), |value, out| out
    .fixed(value.to_be_bytes()));
plain!(u64, u64, "u64", 8, |r| r.array().map(u64::from_be_bytes), |value, out| out
    .fixed(value.to_be_bytes()));
plain!(Time, u64, "time", 8, |r| r.array().map(u64::from_be_bytes), |value, out| out
    .fixed(value.to_be_bytes()));
plain!(Key, Key, "key", KEY_BYTES, |r| r.array(), |value, out| out.fixed(value), |value| hex(&value));
plain!(Digest, Digest, "digest", DIGEST_BYTES, |r| r.array(), |value, out| out.fixed(value), |value| hex(
    &value
));
plain!(Range, (u32, u32), "range", 8, |r| Ok((u32::read(r)?, u32::read(r)?)), |value, out| {
    u32::write(value.0, out);
    u32::write(value.1, out);
});
plain!(bool, bool, "bool", 1, |r| from_byte(u8::read(r)?), |value, out| out.fixed([u8::from(value)]));

/// Bytes as JSON has them.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[inline(always)]
fn from_byte(byte: u8) -> Result<bool, Malformed> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::BadValue),
    }
}

/// A byte that says whether the field is there (1) or not (0), and then the field. At the end of a body the
/// byte may be missing as well: so bodies can grow, and a small client can leave out what it has no use for.
impl<T: Field> Field for Option<T> {
    type Value<'a> = Option<T::Value<'a>>;
    type Owned = Option<T::Owned>;
    const NAME: &'static str = T::NAME;
    const BYTES_MAX: usize = 1 + T::BYTES_MAX;
    const TEXT_BYTES_MAX: Option<usize> = T::TEXT_BYTES_MAX;
    const IS_OPTIONAL: bool = true;

    #[inline]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<Self::Value<'a>, Malformed> {
        if reader.rest.is_empty() || !bool::read(reader)? {
            return Ok(None);
        }
        T::read(reader).map(Some)
    }

    #[inline(always)]
    fn write(value: Self::Value<'_>, out: &mut Writer<'_>) {
        out.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            T::write(value, out);
            out.flush();
        }
    }

    fn own(value: Self::Value<'_>) -> Self::Owned {
        value.map(T::own)
    }

    fn borrow(owned: &Self::Owned) -> Self::Value<'_> {
        owned.as_ref().map(T::borrow)
    }

    fn json<S: Serializer>(value: Self::Value<'_>, out: S) -> Result<S::Ok, S::Error> {
        value.map(Json::<T>).serialize(out)
    }
}
