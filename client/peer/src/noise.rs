//! What two clients say to each other is for them alone: Noise (`NNpsk0`), keyed by the token of their link.
//!
//! ```text
//!   Secret ──► Handshake ──two messages──► Keys ──► seal, open
//! ```
//!
//! It knows bytes and numbers, not how they travel. Somebody who has the token and only listens can't read
//! what is sealed, since both ends make a key pair for each handshake and forget it; who has the token and stands in
//! between can, and then the two ends have different [`Keys::hash`]es.

mod cipher;
mod words;

use std::io;

use forum_common::wire::{Key, LinkId};
use snow::{Builder, HandshakeState, StatelessTransportState};
use zeroize::Zeroizing;

use self::cipher::resolver;

/// The version of all that is said between clients, in every prologue.
pub const VERSION: u8 = 1;
/// Bytes that sealing adds: the tag that shows that nothing was changed.
pub const TAG_BYTES: usize = 16;
/// Bytes of each of the two messages of a handshake, without a payload: a public key and a tag.
pub const HANDSHAKE_BYTES: usize = 32 + TAG_BYTES;
/// Bytes of a handshake's hash.
pub const HASH_BYTES: usize = 32;
/// Words that two users compare.
pub const WORDS: usize = 6;

/// The pattern and what it is made with, as Noise writes it.
pub const PROTOCOL: &str = "Noise_NNpsk0_25519_AESGCM_BLAKE2s";
/// What every prologue begins with.
const PROLOGUE: &[u8; 11] = b"forum noise";
/// What names the key in BLAKE3's key derivation.
const PSK_CONTEXT: &str = "forum between clients: noise psk";

/// What a handshake is for. Two of different purposes don't fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// A private conversation over TCP.
    Private = 1,
    /// A file over UDP.
    File = 2,
    /// A private conversation through the server.
    Relayed = 3,
}

/// Who says the first message of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Begins {
    /// In a conversation: the end that was introduced, and connects.
    Caller = 1,
    /// Of a file: the end that takes it.
    Receiver = 2,
}

/// What both ends of a link know and a stranger doesn't.
pub struct Secret {
    psk: Zeroizing<[u8; blake3::OUT_LEN]>,
    prologue: [u8; PROLOGUE.len() + 11],
    /// The key pair of the end itself, where it has to be the same each time.
    #[cfg(test)]
    ephemeral: Option<[u8; 32]>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// The secret of the link with this token.
    pub fn new(token: &Key, link: LinkId, purpose: Purpose) -> Self {
        let begins = match purpose {
            Purpose::Private | Purpose::Relayed => Begins::Caller,
            Purpose::File => Begins::Receiver,
        };
        let mut prologue = [0; PROLOGUE.len() + 11];
        let (text, fields) = prologue.split_at_mut(PROLOGUE.len());
        text.copy_from_slice(PROLOGUE);
        fields[0] = VERSION;
        fields[1..9].copy_from_slice(&link.to_be_bytes());
        fields[9..].copy_from_slice(&[purpose as u8, begins as u8]);
        Self {
            psk: Zeroizing::new(blake3::derive_key(PSK_CONTEXT, token)),
            prologue,
            #[cfg(test)]
            ephemeral: None,
        }
    }

    /// The same, for an end with this key pair.
    #[cfg(test)]
    pub(crate) fn with_key_pair(self, private: Option<[u8; 32]>) -> Self {
        Self { ephemeral: private, ..self }
    }

    /// The handshake of the end that begins.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn begin(&self) -> io::Result<Handshake> {
        let state = self.builder().and_then(Builder::build_initiator).map_err(io::Error::other)?;
        Ok(Handshake(Box::new(state)))
    }

    /// The handshake of the other end.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn await_other(&self) -> io::Result<Handshake> {
        let state = self.builder().and_then(Builder::build_responder).map_err(io::Error::other)?;
        Ok(Handshake(Box::new(state)))
    }

    fn builder(&self) -> Result<Builder<'_>, snow::Error> {
        let builder = Builder::with_resolver(PROTOCOL.parse()?, resolver());
        let builder = builder.psk(0, &self.psk)?.prologue(&self.prologue)?;
        #[cfg(test)]
        if let Some(ephemeral) = &self.ephemeral {
            return Ok(builder.fixed_ephemeral_key_for_testing_only(ephemeral));
        }
        Ok(builder)
    }
}

/// One end of a handshake under way.
#[derive(Debug)]
pub struct Handshake(Box<HandshakeState>);

impl Handshake {
    /// The next message of this end, with a payload of a few hundred bytes at most.
    ///
    /// # Errors
    /// It is not its turn, or the system has no random numbers.
    pub fn write(&mut self, payload: &[u8]) -> io::Result<Vec<u8>> {
        let mut message = vec![0; HANDSHAKE_BYTES + payload.len()];
        let bytes = self.0.write_message(payload, &mut message).map_err(io::Error::other)?;
        message.truncate(bytes);
        Ok(message)
    }

    /// Takes the other end's message: its payload. `None`: it is not from who has the token, or was changed; then
    /// the right one may still come.
    pub fn read(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let mut payload = vec![0; message.len()];
        let bytes = self.0.read_message(message, &mut payload).ok()?;
        payload.truncate(bytes);
        Some(payload)
    }

    /// What it has come to, after both messages.
    ///
    /// # Errors
    /// There was only one.
    pub fn finish(self) -> io::Result<Keys> {
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(self.0.get_handshake_hash());
        let state = self.0.into_stateless_transport_mode().map_err(io::Error::other)?;
        Ok(Keys { state, hash })
    }
}

/// The keys that both ends share and nobody else has: one for each direction.
#[derive(Debug)]
pub struct Keys {
    state: StatelessTransportState,
    hash: [u8; HASH_BYTES],
}

impl Keys {
    /// Seals `plain` under a number that this end uses once, into the beginning of `out`, which has
    /// [`TAG_BYTES`] more. Returns the bytes written; 0: the number is 2⁶⁴ − 1, or there is too much for a message
    /// of Noise.
    pub fn seal(&self, number: u64, plain: &[u8], out: &mut [u8]) -> usize {
        self.state.write_message(number, plain, out).unwrap_or(0)
    }

    /// Opens what the other end sealed under this number, into the beginning of `out`, which is as long. Returns
    /// the bytes written; `None`: nobody who has the keys has sealed this under this number.
    pub fn open(&self, number: u64, sealed: &[u8], out: &mut [u8]) -> Option<usize> {
        // Noise refuses larger buffers than it has messages.
        self.state.read_message(number, sealed, out.get_mut(..sealed.len())?).ok()
    }

    /// What both ends have in common if nobody stands in between, and never otherwise.
    pub fn hash(&self) -> &[u8; HASH_BYTES] {
        &self.hash
    }

    /// The same in words, for two users to compare.
    pub fn words(&self) -> [&'static str; WORDS] {
        words::of_hash(&self.hash)
    }
}

#[cfg(test)]
pub(crate) mod tests;
