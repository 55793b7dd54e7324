//! A certificate's fingerprint: what people compare, and what a client can be told to insist on.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use rustls::pki_types::CertificateDer;

/// SHA-256 of a certificate in DER, as `openssl x509 -fingerprint -sha256` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; SHA256_OUTPUT_LEN]);

/// Not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAFingerprint;

impl Fingerprint {
    /// The fingerprint of this certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = digest(&SHA256, certificate);
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Display for Fingerprint {
    /// 64 digits in one word, ready to be pasted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    /// Reads 64 digits, of either case; there may be a colon after every two, as OpenSSL writes it.
    fn from_str(raw: &str) -> Result<Self, NotAFingerprint> {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        let pairs: Vec<&str> = match raw.contains(':') {
            true => raw.split(':').collect(),
            false if raw.is_ascii() => {
                (0..raw.len()).step_by(2).filter_map(|at| raw.get(at..at + 2)).collect()
            }
            false => return Err(NotAFingerprint),
        };
        if pairs.len() != bytes.len() || raw.len() % 2 != usize::from(raw.contains(':')) {
            return Err(NotAFingerprint);
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let is_pair = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten().ok_or(NotAFingerprint)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for NotAFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SHA-256 fingerprint has 64 hexadecimal digits")
    }
}

impl std::error::Error for NotAFingerprint {}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of nothing.
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_fingerprint_is_read_as_it_is_shown_and_as_openssl_shows_it() {
        let fingerprint = Fingerprint::of(&CertificateDer::from(Vec::new()));
        assert_eq!(fingerprint.to_string(), NOTHING);
        let pairs: Vec<_> = (0..64).step_by(2).map(|at| NOTHING[at..at + 2].to_uppercase()).collect();
        for raw in [NOTHING, &NOTHING.to_uppercase(), &pairs.join(":")] {
            assert_eq!(raw.parse(), Ok(fingerprint), "{raw}");
        }
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        let (short, long, odd) = (&NOTHING[2..], format!("{NOTHING}00"), format!("{NOTHING}0"));
        let (wrong, signed) = (NOTHING.replacen('e', "g", 1), NOTHING.replacen("e3", "+3", 1));
        let uneven = format!("{}:{}", &NOTHING[..32], &NOTHING[32..]);
        for raw in ["", short, &long, &odd, &wrong, &signed, &uneven, "äöü", &"é".repeat(32)] {
            assert_eq!(raw.parse::<Fingerprint>(), Err(NotAFingerprint), "{raw}");
        }
    }
}
