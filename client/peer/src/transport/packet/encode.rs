//! Packets to bytes. Each function writes one packet to the beginning of a buffer, which has room for it,
//! and returns how many bytes it took.

use std::ops::Range;
use std::time::Duration;

use super::{ABORT, ACCEPT, ACK, DATA, DELAY_MAX, DONE, GOODBYE, HELLO, Offer, PING, Reason};

/// A buffer, and how much of it is written.
struct Writer<'a> {
    buffer: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    fn new(buffer: &'a mut [u8], kind: u8) -> Self {
        Self { buffer, written: 0 }.put(&[kind])
    }

    fn put(mut self, bytes: &[u8]) -> Self {
        self.buffer[self.written..][..bytes.len()].copy_from_slice(bytes);
        self.written += bytes.len();
        self
    }
}

/// Writes a Hello.
pub fn write_hello(buffer: &mut [u8], offer: &Offer) -> usize {
    let writer = Writer::new(buffer, HELLO);
    writer.put(&offer.size.to_be_bytes()).put(&offer.digest).written
}

/// Writes what stands in front of the file's bytes in a Data packet: `DATA_HEADER_BYTES`.
pub fn write_data_header(buffer: &mut [u8], offset: u64) -> usize {
    Writer::new(buffer, DATA).put(&offset.to_be_bytes()).written
}

/// Writes a Ping, padded with zeros to `size` bytes if that is more than it needs.
pub fn write_ping(buffer: &mut [u8], size: usize) -> usize {
    let written = Writer::new(buffer, PING).written;
    let size = size.max(written);
    buffer[written..size].fill(0);
    size
}

/// Writes a Goodbye.
pub fn write_goodbye(buffer: &mut [u8]) -> usize {
    Writer::new(buffer, GOODBYE).written
}

/// Writes an Abort.
pub fn write_abort(buffer: &mut [u8], reason: Reason) -> usize {
    Writer::new(buffer, ABORT).put(&[reason as u8]).written
}

/// Writes an Accept.
pub fn write_accept(buffer: &mut [u8], offset: u64, window_end: u64, datagram_bytes_max: u16) -> usize {
    let writer = Writer::new(buffer, ACCEPT).put(&offset.to_be_bytes());
    writer.put(&window_end.to_be_bytes()).put(&datagram_bytes_max.to_be_bytes()).written
}

/// Writes an Ack. The ranges of packet numbers go down, at least one and at most
/// [`ACK_RANGES_MAX`](super::ACK_RANGES_MAX); they neither touch nor are empty.
pub fn write_ack(
    buffer: &mut [u8],
    delay: Duration,
    delivered: u64,
    window_end: u64,
    mut ranges: impl Iterator<Item = Range<u64>>,
) -> usize {
    let Some(first) = ranges.next() else { return 0 };
    let delay_us = delay.min(DELAY_MAX).as_micros() as u32;
    let mut writer = Writer::new(buffer, ACK).put(&(first.end - 1).to_be_bytes());
    writer = writer.put(&delay_us.to_be_bytes()).put(&delivered.to_be_bytes()).put(&window_end.to_be_bytes());
    writer = writer.put(&saturated(first.end - first.start - 1));
    let mut low = first.start;
    for range in ranges {
        // A range that a field can't hold ends the Ack; what it leaves out is only sent again.
        if first.end - first.start > u64::from(u32::MAX) || low - range.end > u64::from(u32::MAX) {
            break;
        }
        writer = writer.put(&saturated(low - range.end)).put(&saturated(range.end - range.start));
        low = range.start;
        if range.end - range.start > u64::from(u32::MAX) {
            break;
        }
    }
    writer.written
}

fn saturated(count: u64) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()
}

/// Writes a Done.
pub fn write_done(buffer: &mut [u8]) -> usize {
    Writer::new(buffer, DONE).written
}
