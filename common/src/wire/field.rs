//! Fields: the types that the bodies of frames are made of, and how each is read and written.
//!
//! A type of the table is a marker that says what stands on the wire; its [`Field::Value`] is what Rust code
//! handles, borrowed from the frame. Every read says how much it wants, and a body that is too short or not
//! UTF-8 is the peer's fault, never a panic of ours.

use std::fmt;
use std::marker::PhantomData;

use byteorder::{BigEndian, ByteOrder};

use super::codes::Limit;
use super::frame::Writer;
use crate::limits::{
    BODY_BYTES_MAX, DIGEST_BYTES, FILE_NAME_BYTES_MAX, PASSWORD_BYTES_MAX, TEXT_BYTES_MAX, TITLE_BYTES_MAX,
    USER_NAME_BYTES_MAX,
};

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
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the first byte of `body`.
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    #[inline]
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
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
}

/// Implements [`Field`] for a type whose values are copied.
macro_rules! plain {
    ($type:ty, $value:ty, $name:literal, $bytes:expr, |$r:ident| $read:expr, |$v:ident, $out:ident| $write:expr) => {
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
plain!(Key, Key, "key", KEY_BYTES, |r| r.array(), |value, out| out.fixed(value));
plain!(Digest, Digest, "digest", DIGEST_BYTES, |r| r.array(), |value, out| out.fixed(value));
plain!(Range, (u32, u32), "range", 8, |r| Ok((u32::read(r)?, u32::read(r)?)), |value, out| {
    u32::write(value.0, out);
    u32::write(value.1, out);
});
plain!(bool, bool, "bool", 1, |r| from_byte(u8::read(r)?), |value, out| out.fixed([u8::from(value)]));

#[inline(always)]
fn from_byte(byte: u8) -> Result<bool, Malformed> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::BadValue),
    }
}

/// A string of at most `MAX` bytes: its length in two bytes, then UTF-8.
///
/// The bound is the sender's: a longer string is cut, but to a length that is still too long, so it is refused
/// at the other end, and the frame fits in any case. A reader takes any length; whether the string is a name
/// or a text is not its business.
#[derive(Debug)]
pub struct Str<const MAX: usize>;

/// How much of a string that is too long is sent beyond its bound: one character.
const OVERLONG_BYTES: usize = 4;

impl<const MAX: usize> Field for Str<MAX> {
    type Value<'a> = &'a str;
    type Owned = String;
    const NAME: &'static str = "str";
    const BYTES_MAX: usize = 2 + MAX + OVERLONG_BYTES;
    const TEXT_BYTES_MAX: Option<usize> = Some(MAX);

    #[inline]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
        let length = usize::from(u16::read(reader)?);
        std::str::from_utf8(reader.bytes(length)?).map_err(|_| Malformed::NotUtf8)
    }

    #[inline(always)]
    fn write(value: &str, out: &mut Writer<'_>) {
        const { assert!(Self::BYTES_MAX <= u16::MAX as usize) };
        out.prefixed(bounded(value, MAX).as_bytes());
    }

    fn own(value: &str) -> String {
        value.to_owned()
    }

    fn borrow(owned: &String) -> &str {
        owned
    }
}

/// What is sent of a string that may have `max` bytes.
#[inline]
fn bounded(value: &str, max: usize) -> &str {
    if value.len() <= max { value } else { overlong(value, max) }
}

#[cold]
fn overlong(value: &str, max: usize) -> &str {
    &value[..value.floor_char_boundary(max + OVERLONG_BYTES)]
}

/// A user's name.
pub type UserName = Str<USER_NAME_BYTES_MAX>;
/// A thread's title.
pub type Title = Str<TITLE_BYTES_MAX>;
/// A file's name.
pub type FileName = Str<FILE_NAME_BYTES_MAX>;
/// A password.
pub type Password = Str<PASSWORD_BYTES_MAX>;
/// What a message says.
pub type Text = Str<TEXT_BYTES_MAX>;
/// Some words of a program: a client's name, a zone, features, an address.
pub type Words = Str<255>;
/// Names with one space between them, which no name contains: at least as many as a room may ever have.
pub type Names = Str<49_152>;
/// What is said to people. The longest names all members of a room.
pub type Line = Str<49_152>;

/// A message of a Noise handshake.
pub type Handshake = Bytes<1_024>;
/// What only the other end of a link can decrypt: a text, a header and a tag.
pub type Ciphertext = Bytes<16_384>;

/// All that is left of a body, as it is. A body that ends with this can never grow another field.
#[derive(Debug)]
pub struct Rest;

impl Field for Rest {
    type Value<'a> = &'a [u8];
    type Owned = Vec<u8>;
    const NAME: &'static str = "rest";
    const BYTES_MAX: usize = 0;

    #[inline]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
        Ok(std::mem::take(&mut reader.rest))
    }

    #[inline(always)]
    fn write(value: &[u8], out: &mut Writer<'_>) {
        out.bytes(value);
    }

    fn own(value: &[u8]) -> Vec<u8> {
        value.to_owned()
    }

    fn borrow(owned: &Vec<u8>) -> &[u8] {
        owned
    }
}

/// At most `MAX` bytes after their length in two bytes: what cryptography exchanges.
#[derive(Debug)]
pub struct Bytes<const MAX: usize>(PhantomData<[(); MAX]>);

impl<const MAX: usize> Field for Bytes<MAX> {
    type Value<'a> = &'a [u8];
    type Owned = Vec<u8>;
    const NAME: &'static str = "bytes";
    const BYTES_MAX: usize = 2 + MAX;
    const TEXT_BYTES_MAX: Option<usize> = Some(MAX);

    fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
        let length = usize::from(u16::read(reader)?);
        reader.bytes(length)
    }

    fn write(value: &[u8], out: &mut Writer<'_>) {
        const { assert!(Self::BYTES_MAX <= u16::MAX as usize) };
        debug_assert!(value.len() <= MAX, "{} bytes", value.len());
        out.prefixed(value);
    }

    fn own(value: &[u8]) -> Vec<u8> {
        value.to_owned()
    }

    fn borrow(owned: &Vec<u8>) -> &[u8] {
        owned
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
}

/// Limits of a server with their values, as they stand on the wire: their count in two bytes, then for each
/// the number of the [`Limit`] in two bytes and its value in eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitList<'a>(&'a [u8]);

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
}

const _: () = assert!(Limit::ALL.len() <= LIMITS_MAX);
// Names of a room, a title, a user and some numbers fit a frame.
const _: () = assert!(Names::BYTES_MAX + 1_024 <= BODY_BYTES_MAX);
