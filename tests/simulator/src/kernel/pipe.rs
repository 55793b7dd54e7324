//! One direction of a connection: what the sender's kernel holds, what is on its way, and what the receiver's kernel
//! holds until it is read. Bytes come late and in pieces, but never out of order.

use std::collections::VecDeque;

use crate::clock::Time;
use crate::rng::Rng;

/// How a direction behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// Bytes that the sender's kernel takes.
    pub(crate) send_max: usize,
    /// Bytes that the receiver's kernel takes.
    pub(crate) window: usize,
    /// Bytes that arrive at once, at most.
    pub(crate) piece_max: usize,
    /// How long a piece takes, at least and at most.
    pub(crate) delay: (Time, Time),
}

/// How far the end of the stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fin {
    /// More may be sent.
    No,
    /// The sender has closed; bytes may still be before it.
    Wanted,
    /// It is on its way.
    Sent,
    /// The receiver's kernel has it.
    Arrived,
}

/// What sets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet {
    /// So many bytes.
    Bytes(usize),
    /// The end.
    Fin,
}

/// Bytes after which pieces are as large as they can be, and after which a direction is no longer so narrow: at first all
/// is tried, and later it would only take time.
const PIECES_BYTES: usize = 1_500;
const NARROW_BYTES: usize = 6_000;
const WIDE: usize = 4_096;

/// One direction.
#[derive(Debug)]
pub(crate) struct Pipe {
    manners: Manners,
    /// What was sent and not yet read: first what has arrived, then what is in transit, then what the sender still holds.
    bytes: VecDeque<u8>,
    arrived: usize,
    in_transit: usize,
    /// Bytes that have arrived, ever.
    moved: usize,
    /// The end of the stream.
    pub(crate) fin: Fin,
    /// The sender was refused room, and is to be told when there is some.
    refused: bool,
    last_arrival: Time,
    stalled_until: Time,
    /// Nothing moves any more.
    is_cut: bool,
    /// When bytes last arrived, or the first was sent.
    pub(crate) progress_at: Time,
}

impl Pipe {
    /// Nothing was sent yet.
    pub(crate) fn new(manners: Manners) -> Self {
        Self {
            manners,
            bytes: VecDeque::new(),
            arrived: 0,
            in_transit: 0,
            moved: 0,
            fin: Fin::No,
            refused: false,
            last_arrival: 0,
            stalled_until: 0,
            is_cut: false,
            progress_at: 0,
        }
    }

    /// Takes what there is room for; says how much.
    pub(crate) fn write(&mut self, buffers: &[&[u8]], now: Time) -> usize {
        let wanted: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if self.unsent() == 0 {
            self.progress_at = now;
        }
        let mut room = self.room();
        let mut taken = 0;
        for buffer in buffers {
            let count = buffer.len().min(room);
            self.bytes.extend(&buffer[..count]);
            room -= count;
            taken += count;
        }
        self.refused |= taken < wanted;
        taken
    }

    /// Gives what has arrived, as much as fits.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.arrived.min(buffer.len());
        let (first, second) = self.bytes.as_slices();
        let from_first = count.min(first.len());
        buffer[..from_first].copy_from_slice(&first[..from_first]);
        buffer[from_first..count].copy_from_slice(&second[..count - from_first]);
        self.bytes.drain(..count);
        self.arrived -= count;
        count
    }

    /// Gives all that has arrived.
    pub(crate) fn read_all(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.arrived];
        self.read(&mut bytes);
        bytes
    }

    /// Whether a sender that asked would find room.
    pub(crate) fn has_room(&self) -> bool {
        // Linux tells when a third is free.
        self.room() * 3 >= self.manners.send_max
    }

    fn room(&self) -> usize {
        self.manners.send_max.saturating_sub(self.unsent())
    }

    /// Whether the sender was refused room, and was not told of any since.
    pub(crate) fn is_stuck(&self) -> bool {
        self.refused
    }

    /// Bytes that have arrived and were not read.
    pub(crate) fn unread(&self) -> usize {
        self.arrived
    }

    /// Bytes that have not arrived.
    pub(crate) fn unsent(&self) -> usize {
        self.bytes.len() - self.arrived
    }

    /// Closes the sender's end.
    pub(crate) fn close(&mut self) {
        self.fin = self.fin.max(Fin::Wanted);
    }

    /// Nothing moves any more; what has not arrived never will.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Whether nothing moves any more.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Nothing sets out before then.
    pub(crate) fn stall_until(&mut self, time: Time) {
        self.stalled_until = self.stalled_until.max(time);
    }

    /// Moves on with a gentle network: from now on nothing is late or small.
    pub(crate) fn soothe(&mut self, gentle: Manners, now: Time) {
        self.manners = Manners { window: self.manners.window.max(gentle.window), ..gentle };
        self.stalled_until = self.stalled_until.min(now);
    }

    /// What sets out now, and when it arrives.
    pub(crate) fn pump(&mut self, now: Time, rng: &mut Rng, mut set_out: impl FnMut(Time, Packet)) {
        if self.is_cut {
            return;
        }
        loop {
            let rest = self.unsent() - self.in_transit;
            let room = self.manners.window.saturating_sub(self.arrived + self.in_transit);
            let in_pieces = self.moved + self.in_transit < PIECES_BYTES;
            // No silly windows.
            let least = if in_pieces { 1 } else { rest.min(self.manners.window / 2) };
            if rest == 0 || room < least.max(1) {
                break;
            }
            let most = self.manners.piece_max as u64;
            let piece = if in_pieces { rng.magnitude(1, most) as usize } else { rest };
            let count = piece.min(rest).min(room);
            self.in_transit += count;
            set_out(self.arrival(now, rng), Packet::Bytes(count));
        }
        if self.fin == Fin::Wanted && self.unsent() == self.in_transit {
            self.fin = Fin::Sent;
            set_out(self.arrival(now, rng), Packet::Fin);
        }
    }

    fn arrival(&mut self, now: Time, rng: &mut Rng) -> Time {
        let (least, most) = self.manners.delay;
        let earliest = now.max(self.stalled_until) + rng.between(least, most);
        self.last_arrival = self.last_arrival.max(earliest);
        self.last_arrival
    }

    /// Bytes arrive; says whether the sender is to be told that it has room again.
    pub(crate) fn arrive(&mut self, count: usize, now: Time) -> bool {
        self.in_transit -= count;
        self.arrived += count;
        let before = self.moved;
        self.moved += count;
        if before < NARROW_BYTES && self.moved >= NARROW_BYTES {
            let Manners { send_max, window, piece_max, .. } = &mut self.manners;
            [send_max, window, piece_max].into_iter().for_each(|width| *width = WIDE.max(*width));
        }
        self.progress_at = now;
        self.has_room() && std::mem::take(&mut self.refused)
    }
}
