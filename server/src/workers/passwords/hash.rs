//! What is kept of a password: an argon2id hash, small enough for a million accounts in memory and in one
//! standard text for people and other programs. Knows the form of a hash, not how one is made.

use std::fmt;
use std::str::FromStr;

use argon2::Params;
use argon2::password_hash::phc;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;

/// Bytes of salt; what RFC 9106 recommends.
pub const SALT_BYTES: usize = 16;
/// Bytes of the hash itself.
pub const DIGEST_BYTES: usize = 32;
/// The most memory a hash may want, in KiB: 1 GiB. Hashes are imported, and one that wants all memory there
/// is must not be able to stop the server at the next log-in.
pub const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// The most passes a hash may want: with the most memory, already an hour.
pub const ITERATIONS_MAX: u32 = 1_000;

/// How much work a hash is; always values that argon2 accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParameters {
    memory_kib: u32,
    iterations: u32,
    lanes: u8,
}

/// Numbers that can't be [`HashParameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadParameters;

impl fmt::Display for BadParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "argon2 takes at least 1 lane, 1 to {ITERATIONS_MAX} iterations and 8 KiB for each lane to \
             {MEMORY_KIB_MAX} KiB of memory"
        )
    }
}

impl std::error::Error for BadParameters {}

impl Default for HashParameters {
    /// What OWASP's Password Storage Cheat Sheet asks for at least: about 20 ms and 19 MiB a hash.
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, lanes: 1 }
    }
}

impl HashParameters {
    /// Memory in KiB, passes over it, and lanes (which are computed one after the other).
    ///
    /// # Errors
    /// argon2 doesn't take them, or they are above the limits of this module.
    pub fn new(memory_kib: u32, iterations: u32, lanes: u8) -> Result<Self, BadParameters> {
        if memory_kib > MEMORY_KIB_MAX || iterations > ITERATIONS_MAX {
            return Err(BadParameters);
        }
        match Params::new(memory_kib, iterations, lanes.into(), Some(DIGEST_BYTES)) {
            Ok(_) => Ok(Self { memory_kib, iterations, lanes }),
            Err(_) => Err(BadParameters),
        }
    }

    /// Whether this is less work than the weakest of the choices that OWASP calls equivalent, from 46 MiB in
    /// one pass to 7 MiB in five. Fit for a load test, not for people.
    pub fn is_weak(self) -> bool {
        const MEMORY_KIB_MIN: u32 = 7_168;
        const KIB_PASSES_MIN: u64 = 5 * MEMORY_KIB_MIN as u64;
        let kib_passes = u64::from(self.memory_kib) * u64::from(self.iterations);
        self.memory_kib < MEMORY_KIB_MIN || kib_passes < KIB_PASSES_MIN
    }

    /// The same for the argon2 crate.
    pub(super) fn params(self) -> Params {
        Params::new(self.memory_kib, self.iterations, self.lanes.into(), Some(DIGEST_BYTES))
            .expect("HashParameters::new tried them")
    }
}

impl fmt::Display for HashParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p={}", self.memory_kib, self.iterations, self.lanes)
    }
}

/// The hash of one password. Its text is a PHC string, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, and so is
/// its form in JSON and the like; in binary formats it is about 54 bytes.
#[derive(Clone, Copy)]
pub struct PasswordHash {
    parameters: HashParameters,
    salt: [u8; SALT_BYTES],
    digest: [u8; DIGEST_BYTES],
}

// A million accounts hold one each.
const _: () = assert!(size_of::<PasswordHash>() <= 60);

impl PasswordHash {
    /// Puts together what belongs together.
    pub fn new(parameters: HashParameters, salt: [u8; SALT_BYTES], digest: [u8; DIGEST_BYTES]) -> Self {
        Self { parameters, salt, digest }
    }

    /// How it was made.
    pub fn parameters(&self) -> HashParameters {
        self.parameters
    }

    /// What it was salted with.
    pub(super) fn salt(&self) -> &[u8; SALT_BYTES] {
        &self.salt
    }

    /// Whether `digest` is the one in here; takes equally long either way.
    pub(super) fn has_digest(&self, digest: &[u8; DIGEST_BYTES]) -> bool {
        self.digest.ct_eq(digest).into()
    }
}

impl PartialEq for PasswordHash {
    fn eq(&self, other: &Self) -> bool {
        (self.parameters, self.salt) == (other.parameters, other.salt) && self.has_digest(&other.digest)
    }
}

impl Eq for PasswordHash {}

/// Hashes are not for logs.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({}, …)", self.parameters)
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = phc::Salt::new(&self.salt).map_err(|_| fmt::Error)?;
        let digest = phc::Output::new(&self.digest).map_err(|_| fmt::Error)?;
        write!(f, "$argon2id$v=19${}${salt}${digest}", self.parameters)
    }
}

/// A text that is not the hash of a password, or not one made by argon2id with 16 bytes of salt and 32 of
/// hash, or not in the one form that [`PasswordHash`] is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPasswordHash;

impl fmt::Display for NotAPasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a password hash of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash")
    }
}

impl std::error::Error for NotAPasswordHash {}

impl FromStr for PasswordHash {
    type Err = NotAPasswordHash;

    fn from_str(text: &str) -> Result<Self, NotAPasswordHash> {
        let parsed = phc::PasswordHash::new(text).map_err(|_| NotAPasswordHash)?;
        let parameter = |name: &str| parsed.params.get_decimal(name).ok_or(NotAPasswordHash);
        let lanes = u8::try_from(parameter("p")?).map_err(|_| NotAPasswordHash)?;
        let parameters = HashParameters::new(parameter("m")?, parameter("t")?, lanes)
            .map_err(|BadParameters| NotAPasswordHash)?;
        let salt = parsed.salt.ok_or(NotAPasswordHash)?;
        let digest = parsed.hash.ok_or(NotAPasswordHash)?;
        let hash = Self {
            parameters,
            salt: salt.as_ref().try_into().map_err(|_| NotAPasswordHash)?,
            digest: digest.as_bytes().try_into().map_err(|_| NotAPasswordHash)?,
        };
        // Another algorithm or version, or further parameters, would make every password wrong.
        if hash.to_string() == text { Ok(hash) } else { Err(NotAPasswordHash) }
    }
}

/// How a hash looks in binary formats.
type Fields = (u32, u32, u8, [u8; SALT_BYTES], [u8; DIGEST_BYTES]);

impl Serialize for PasswordHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let HashParameters { memory_kib, iterations, lanes } = self.parameters;
        let fields: Fields = (memory_kib, iterations, lanes, self.salt, self.digest);
        fields.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(D::Error::custom);
        }
        let (memory_kib, iterations, lanes, salt, digest) = Fields::deserialize(deserializer)?;
        let parameters = HashParameters::new(memory_kib, iterations, lanes).map_err(D::Error::custom)?;
        Ok(Self { parameters, salt, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA";

    #[test]
    fn the_text_is_the_phc_string_and_comes_back() {
        let hash: PasswordHash = TEXT.parse().unwrap();
        assert_eq!(hash.salt(), b"somesaltsomesalt");
        assert_eq!(hash.parameters(), HashParameters::new(64, 2, 1).unwrap());
        assert_eq!(hash.to_string(), TEXT);
    }

    #[test]
    fn texts_of_another_kind_are_no_hashes() {
        for (from, to) in [
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("$v=19", ""),
            ("m=64,t=2", "t=2,m=64"),
            ("m=64", "m=064"),
            ("m=64", "m=7"),
            ("m=64", "m=4294967295"),
            ("p=1", "p=256"),
            ("p=1", "p=1,data=AAAA"),
            (",p=1", ""),
            ("c29tZXNhbHRzb21lc2FsdA", "c29tZXNhbHRzb21lc2Fs"),
            ("HyA", "Hw"),
            ("HyA", "HyB"),
            ("HyA", "HyA="),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT, "{from} is in it");
            assert_eq!(text.parse::<PasswordHash>(), Err(NotAPasswordHash), "{text}");
        }
        assert_eq!("".parse::<PasswordHash>(), Err(NotAPasswordHash));
    }

    #[test]
    fn json_shows_the_text_and_binary_formats_hold_the_bytes() {
        let hash: PasswordHash = TEXT.parse().unwrap();
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{TEXT}\""));
        assert_eq!(serde_json::from_str::<PasswordHash>(&json).unwrap(), hash);

        let bytes = postcard::to_stdvec(&hash).unwrap();
        assert_eq!(bytes.len(), 3 + SALT_BYTES + DIGEST_BYTES);
        assert_eq!(postcard::from_bytes::<PasswordHash>(&bytes).unwrap(), hash);
    }

    #[test]
    fn no_format_lets_parameters_in_that_argon2_refuses() {
        let mut bytes = postcard::to_stdvec(&TEXT.parse::<PasswordHash>().unwrap()).unwrap();
        bytes[0] = 7; // KiB of memory; argon2 wants 8 a lane
        assert!(postcard::from_bytes::<PasswordHash>(&bytes).is_err());
        assert!(serde_json::from_str::<PasswordHash>("\"secret\"").is_err());
    }

    #[test]
    fn parameters_have_bounds() {
        assert!(HashParameters::new(8, 1, 1).is_ok());
        assert!(HashParameters::new(MEMORY_KIB_MAX, ITERATIONS_MAX, 255).is_ok());
        for (memory_kib, iterations, lanes) in [
            (7, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
            (15, 1, 2),
            (MEMORY_KIB_MAX + 1, 1, 1),
            (8, ITERATIONS_MAX + 1, 1),
        ] {
            let parameters = HashParameters::new(memory_kib, iterations, lanes);
            assert_eq!(parameters, Err(BadParameters), "{memory_kib} {iterations} {lanes}");
        }
    }

    #[test]
    fn owasps_choices_are_not_weak_and_cheap_ones_are() {
        for (memory_kib, iterations) in [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)] {
            assert!(!HashParameters::new(memory_kib, iterations, 1).unwrap().is_weak(), "{memory_kib}");
        }
        for (memory_kib, iterations) in [(8, 1), (19_456, 1), (7_168, 4), (4_096, 100)] {
            assert!(HashParameters::new(memory_kib, iterations, 1).unwrap().is_weak(), "{memory_kib}");
        }
        assert!(!HashParameters::default().is_weak());
    }

    #[test]
    fn a_hash_does_not_get_into_logs() {
        let shown = format!("{:?}", TEXT.parse::<PasswordHash>().unwrap());
        assert_eq!(shown, "PasswordHash(m=64,t=2,p=1, …)");
    }
}
