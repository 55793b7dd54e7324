//! The floor of moving files: one connection after the other, with blocking calls, a piece at a time.
//!
//! On the wire: the size (`u64`, big-endian), then so many bytes. The sender hears how many are on disk
//! (`u64`), and, where that was wanted, their BLAKE3 digest (32 bytes).

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use rustix::fs::sendfile;
use rustix::net::{RecvFlags, recv};

/// What is stored at once. More than what waits in a socket would only be waited for longer.
const RECEIVED_BYTES: usize = 64 * 1024;

/// How a file gets from the disk to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Read into memory, and written from there: what a server does that puts frames around it.
    Copy,
    /// Inside the kernel.
    Sendfile,
}

/// Sends the file at `path` to each who connects, at most `piece_bytes` at once.
///
/// # Errors
/// The file can't be read; the listener fails.
pub fn send(listener: &TcpListener, path: &Path, by: By, piece_bytes: usize) -> io::Result<Infallible> {
    let mut piece = vec![0; piece_bytes];
    loop {
        let (peer, _) = listener.accept()?;
        let file = File::open(path)?;
        // One who does not read to the end is nobody else's trouble.
        let _ = match by {
            By::Copy => send_copied(peer, file, &mut piece),
            By::Sendfile => send_inside(peer, &file, piece_bytes),
        };
    }
}

fn send_copied(mut peer: TcpStream, mut file: File, piece: &mut [u8]) -> io::Result<()> {
    peer.write_all(&file.metadata()?.len().to_be_bytes())?;
    loop {
        match file.read(piece)? {
            0 => return Ok(()),
            count => peer.write_all(&piece[..count])?,
        }
    }
}

fn send_inside(mut peer: TcpStream, file: &File, piece_bytes: usize) -> io::Result<()> {
    let mut left = file.metadata()?.len();
    peer.write_all(&left.to_be_bytes())?;
    while left > 0 {
        match sendfile(&peer, file, None, piece_bytes)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => left = left.saturating_sub(count as u64),
        }
    }
    Ok(())
}

/// Whether a digest is made of what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// Of all of it, while it comes.
    Blake3,
    /// None.
    None,
}

/// Stores what each who connects sends, as `1`, `2` … in `dir`, and makes it durable before it answers.
///
/// # Errors
/// The directory can't be used; the listener fails.
pub fn receive(listener: &TcpListener, dir: &Path, digest: Digest) -> io::Result<Infallible> {
    let mut piece = vec![0; RECEIVED_BYTES];
    let entries = File::open(dir)?;
    for number in 1_u64.. {
        let (peer, _) = listener.accept()?;
        let file = File::create_new(dir.join(number.to_string()))?;
        // One who does not send to the end is nobody else's trouble.
        let _ = store(peer, file, &entries, digest, &mut piece);
    }
    unreachable!("nobody counts so far")
}

fn store(
    mut peer: TcpStream,
    mut file: File,
    entries: &File,
    digest: Digest,
    piece: &mut [u8],
) -> io::Result<()> {
    let mut size = [0; 8];
    peer.read_exact(&mut size)?;
    let mut hasher = (digest == Digest::Blake3).then(blake3::Hasher::new);
    let mut left = u64::from_be_bytes(size);
    while left > 0 {
        let room = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        let bytes = &mut piece[..room];
        // Whole pieces: parts of pages are written twice, and BLAKE3 is fastest with powers of two.
        fill(&peer, bytes)?;
        if let Some(hasher) = &mut hasher {
            hasher.update(bytes);
        }
        file.write_all(bytes)?;
        left -= bytes.len() as u64;
    }
    file.sync_all()?;
    entries.sync_all()?;
    peer.write_all(&size)?;
    if let Some(hasher) = hasher {
        peer.write_all(hasher.finalize().as_bytes())?;
    }
    Ok(())
}

/// Waits in the kernel until `bytes` are all there, unless a signal comes.
fn fill(peer: &TcpStream, bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match recv(peer, &mut bytes[filled..], RecvFlags::WAITALL)? {
            (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (count, _) => filled += count,
        }
    }
    Ok(())
}
