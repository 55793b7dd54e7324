//! The name that a stored file has on disk, whatever its uploader calls it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::random::Random;

/// What follows the id in the name of a file that is not whole yet.
pub(super) const PART: &str = ".part";

/// A stored file: 128 random bits, written as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u128);

impl FileId {
    /// An id that no other file has, or ever will.
    pub fn random(random: &Random) -> Self {
        Self(u128::from_be_bytes(random.bytes()))
    }

    /// What the file is called until it is whole.
    pub fn part(self) -> String {
        format!("{self}{PART}")
    }

    /// Where the file lies, if `dir` is the directory of the files.
    pub fn path_in(self, dir: &Path) -> PathBuf {
        dir.join(self.to_string())
    }

    /// Where the file grows until it is whole.
    pub fn part_in(self, dir: &Path) -> PathBuf {
        dir.join(self.part())
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 32 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAFileId;

impl fmt::Display for NotAFileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the id of a file, which is 32 lower-case hex digits")
    }
}

impl std::error::Error for NotAFileId {}

impl FromStr for FileId {
    type Err = NotAFileId;

    fn from_str(text: &str) -> Result<Self, NotAFileId> {
        let id = u128::from_str_radix(text, 16).map(Self).map_err(|_| NotAFileId)?;
        // One file, one name: neither capitals nor a sign nor fewer digits.
        if id.to_string() == text { Ok(id) } else { Err(NotAFileId) }
    }
}

impl Serialize for FileId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.to_be_bytes().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for FileId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(|bytes| Self(u128::from_be_bytes(bytes)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_lower_case_hex_digits() {
        let id = FileId(0xABC);
        assert_eq!(id.to_string(), "00000000000000000000000000000abc");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "abc", "00000000000000000000000000000ABC", "+0000000000000000000000000000abc"] {
            assert_eq!(bad.parse::<FileId>(), Err(NotAFileId), "{bad}");
        }
        let random = Random::system();
        assert_ne!(FileId::random(&random), FileId::random(&random));
    }

    #[test]
    fn json_shows_the_digits_and_binary_formats_hold_16_bytes() {
        let id = FileId(0xABC);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<FileId>(&json).unwrap(), id);
        let bytes = postcard::to_stdvec(&id).unwrap();
        assert_eq!(bytes.len(), 16);
        assert_eq!(postcard::from_bytes::<FileId>(&bytes).unwrap(), id);
    }
}
