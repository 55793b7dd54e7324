//! Fields of any length: strings with a bound each, and bytes.

use std::marker::PhantomData;

use serde::Serializer;

use super::field::{Field, Malformed, Reader, hex};
use super::frame::Writer;
use crate::limits::{
    BODY_BYTES_MAX, FILE_NAME_BYTES_MAX, PASSWORD_BYTES_MAX, TEXT_BYTES_MAX, TITLE_BYTES_MAX,
    USER_NAME_BYTES_MAX,
};

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

    #[inline(always)]
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

    fn json<S: Serializer>(value: &str, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(value)
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
/// Names with spaces between them, which no name contains: at least as many as a room may ever have.
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

    fn json<S: Serializer>(value: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&hex(value))
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

    fn json<S: Serializer>(value: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&hex(value))
    }
}

// Names of a room, a title, a user and some numbers fit a frame.
const _: () = assert!(Names::BYTES_MAX + 1_024 <= BODY_BYTES_MAX);
