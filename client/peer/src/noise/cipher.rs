//! AES-256-GCM for Noise: that of aws-lc-rs, which TLS uses as well. It takes the processor's own instructions for AES, and
//! seals and opens from one buffer into another. What it must never see is a number twice under one key: numbers of
//! packets and messages only grow.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{BoxedCryptoResolver, CryptoResolver, DefaultResolver, FallbackResolver};
use snow::types::{Cipher, Dh, Hash, Random};

use super::TAG_BYTES;

const KEY_BYTES: usize = 32;

/// What a handshake is made with: snow's own, but for the cipher.
pub(super) fn resolver() -> BoxedCryptoResolver {
    Box::new(FallbackResolver::new(Box::new(Ciphers), Box::new(DefaultResolver)))
}

struct Ciphers;

impl CryptoResolver for Ciphers {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        None
    }

    fn resolve_dh(&self, _choice: &DHChoice) -> Option<Box<dyn Dh>> {
        None
    }

    fn resolve_hash(&self, _choice: &HashChoice) -> Option<Box<dyn Hash>> {
        None
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        match choice {
            CipherChoice::AESGCM => Some(Box::new(AesGcm(key_of(&[0; KEY_BYTES])))),
            CipherChoice::ChaChaPoly => None,
        }
    }
}

struct AesGcm(LessSafeKey);

fn key_of(bytes: &[u8; KEY_BYTES]) -> LessSafeKey {
    // Any 32 bytes are a key.
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("a key of 32 bytes"))
}

/// The nonce of a number, as section 12.4 of Noise has it for this cipher: four zero bytes, then the number, big-endian.
fn nonce_of(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

impl Cipher for AesGcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; KEY_BYTES]) {
        self.0 = key_of(key);
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (sealed, tag) = out[..plaintext.len() + TAG_BYTES].split_at_mut(plaintext.len());
        let nonce = nonce_of(nonce);
        let made = self.0.seal_out_of_place_scatter(nonce, Aad::from(authtext), plaintext, sealed, &[], tag);
        // It fails for what is longer than 64 GiB.
        made.expect("a short message");
        plaintext.len() + TAG_BYTES
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let (sealed, tag) =
            ciphertext.split_at_checked(ciphertext.len().wrapping_sub(TAG_BYTES)).ok_or(Error::Decrypt)?;
        let out = out.get_mut(..sealed.len()).ok_or(Error::Decrypt)?;
        self.0
            .open_separate_gather(nonce_of(nonce), Aad::from(authtext), sealed, tag, out)
            .map_err(|_| Error::Decrypt)?;
        Ok(sealed.len())
    }
}
