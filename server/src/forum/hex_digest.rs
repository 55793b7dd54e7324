//! Digests in hexadecimal where people read, as bytes elsewhere: for `#[serde(with = …)]`.

use forum_common::limits::DIGEST_BYTES;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

pub(super) fn serialize<S: Serializer>(digest: &[u8; DIGEST_BYTES], s: S) -> Result<S::Ok, S::Error> {
    if s.is_human_readable() {
        s.serialize_str(blake3::Hash::from_bytes(*digest).to_hex().as_str())
    } else {
        digest.serialize(s)
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; DIGEST_BYTES], D::Error> {
    if d.is_human_readable() {
        let text = String::deserialize(d)?;
        blake3::Hash::from_hex(text).map(|hash| *hash.as_bytes()).map_err(D::Error::custom)
    } else {
        <[u8; DIGEST_BYTES]>::deserialize(d)
    }
}
