//! The bytes of the file on their way out: which to send next, and when to send some again.
//!
//! It puts [`Flight`], [`Rtt`], [`Congestion`], [`Pacer`] and [`PathMtu`] together, and doesn't know how a
//! transfer begins and ends.

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::Transmit;
use super::acks::ACK_DELAY_MAX;
use super::channel::{Channel, SEALED_BYTES};
use super::congestion::Congestion;
use super::content::Source;
use super::flight::{Cargo, Flight};
use super::mtu::PathMtu;
use super::pacing::Pacer;
use super::packet::{self, Ack, DATA_HEADER_BYTES};
use super::ranges::RangeSet;
use super::rtt::Rtt;
use super::slow_start::RoundWatch;

/// Packets sent after a time-out whatever the window says (RFC 9002, 6.2.4). The last is a Ping: it gets
/// through where large packets do not, and its Ack shows that they do not.
const PROBES_A_TIMEOUT: u32 = 2;
/// A larger datagram is only tried while so many of them are left to send.
const WORTH_PROBING_DATAGRAMS: u64 = 8;

/// What packets are made from, and where they go.
#[derive(Debug)]
pub(super) struct Outgoing<'a, S> {
    pub(super) channel: &'a mut Channel,
    /// Where a packet is before it is sealed.
    pub(super) packet: &'a mut [u8],
    pub(super) source: &'a mut S,
}

/// The state of sending.
#[derive(Debug)]
pub(super) struct Stream {
    size: u64,
    /// All bytes before this one have arrived.
    delivered: u64,
    /// Bytes from here on were never sent.
    next_offset: u64,
    /// Bytes from here on the receiver does not take yet.
    window_end: u64,
    /// Bytes to be sent again.
    lost: RangeSet,
    /// Bytes above `delivered` that have arrived.
    acked: RangeSet,
    flight: Flight,
    rtt: Rtt,
    /// When a round trip was first known.
    measured_since: Option<Instant>,
    congestion: Congestion,
    round: RoundWatch,
    pacer: Pacer,
    paced_until: Option<Instant>,
    mtu: PathMtu,
    /// Time-outs since the last news.
    timeouts: u32,
    probes_owed: u32,
    /// Since when nothing has been sent and no news has come.
    quiet_since: Instant,
}

impl Stream {
    /// Sends the bytes from `offset` on, in packets with the numbers from `first_number` on and datagrams of no more
    /// than `datagram_bytes_max`.
    pub(super) fn new(
        now: Instant,
        first_number: u64,
        size: u64,
        offset: u64,
        window_end: u64,
        datagram_bytes_max: usize,
    ) -> Self {
        let mtu = PathMtu::new(datagram_bytes_max);
        Self {
            size,
            delivered: offset,
            next_offset: offset,
            window_end,
            lost: RangeSet::default(),
            acked: RangeSet::default(),
            flight: Flight::from(first_number),
            rtt: Rtt::default(),
            measured_since: None,
            congestion: Congestion::new(mtu.current()),
            round: RoundWatch::default(),
            pacer: Pacer::new(),
            paced_until: None,
            mtu,
            timeouts: 0,
            probes_owed: 0,
            quiet_since: now,
        }
    }

    /// All bytes before this one have arrived.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Bytes of a datagram on this path, as far as is known.
    pub(super) fn datagram_bytes(&self) -> usize {
        self.mtu.current()
    }

    /// Bytes that may be on their way.
    #[cfg(test)]
    pub(super) fn window(&self) -> u64 {
        self.congestion.window()
    }

    /// Takes in an acknowledgement. Returns whether it can be true.
    pub(super) fn on_ack(&mut self, now: Instant, ack: &Ack<'_>) -> bool {
        if ack.largest >= self.flight.next_number() || ack.delivered > self.next_offset {
            return false;
        }
        self.settle_acked(now, ack);
        self.delivered = self.delivered.max(ack.delivered);
        self.window_end = self.window_end.max(ack.window_end);
        self.acked.remove_below(self.delivered);
        self.lost.remove_below(self.delivered);
        self.find_losses(now);
        true
    }

    fn settle_acked(&mut self, now: Instant, ack: &Ack<'_>) {
        let round_trip = self.rtt.smoothed().unwrap_or_default();
        let mut newest: Option<(u64, Instant)> = None;
        let mut resized = None;
        let Self { flight, congestion, mtu, lost, acked, .. } = self;
        for numbers in ack.ranges() {
            flight.acknowledge(numbers, |number, sent| {
                newest = newest.max(Some((number, sent.at)));
                match &sent.cargo {
                    Cargo::Content(range) => {
                        acked.insert(range.clone());
                        lost.remove(range);
                        mtu.on_acked(sent.bytes);
                    }
                    Cargo::Probe => resized = mtu.on_probe_acked(),
                    Cargo::Ping => {}
                }
                congestion.on_acked(now, sent.at, sent.bytes as u64, round_trip);
            });
        }
        if let Some(size) = resized {
            self.congestion.resize(size);
        }
        let Some((number, sent_at)) = newest else { return };
        self.timeouts = 0;
        self.quiet_since = now;
        if number == ack.largest {
            self.measured_since.get_or_insert(now);
            self.sample_round_trip(number, now.saturating_duration_since(sent_at), ack.delay);
        }
    }

    fn sample_round_trip(&mut self, number: u64, round_trip: Duration, delay: Duration) {
        self.rtt.sample(round_trip, delay.min(ACK_DELAY_MAX));
        let sees_queue = self.round.sees_queue(number, self.flight.next_number(), round_trip);
        if sees_queue && self.congestion.is_slow_start() {
            self.congestion.leave_slow_start();
        }
    }

    /// Whether as much is on its way as the window allows, or nearly: pacing spreads what is sent (RFC 9002, 7.8).
    fn uses_window(&self) -> bool {
        let (window, in_flight) = (self.congestion.window(), self.flight.bytes());
        if self.congestion.is_slow_start() {
            in_flight * 2 > window
        } else {
            in_flight + window / 4 + 3 * self.mtu.current() as u64 > window
        }
    }

    fn find_losses(&mut self, now: Instant) {
        let Self { flight, lost, acked, mtu, delivered, .. } = self;
        let delay = self.rtt.loss_delay();
        let losses = flight.find_losses(now, delay, self.measured_since, |sent| match &sent.cargo {
            Cargo::Content(range) => put_back(lost, acked, *delivered, range),
            Cargo::Probe => mtu.on_probe_lost(now),
            Cargo::Ping => {}
        });
        let Some(last_sent_at) = losses.last_sent_at else { return };
        if self.congestion.on_lost(now, last_sent_at)
            && let Some(size) = self.mtu.on_loss_round(now)
        {
            self.congestion.resize(size);
        }
        if self.rtt.persistent_congestion(ACK_DELAY_MAX).is_some_and(|limit| losses.span > limit) {
            self.congestion.on_persistent_congestion();
        }
    }

    /// When [`Stream::on_timeout`] is due, or sending goes on; `None`: everything has arrived.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.delivered == self.size {
            return None;
        }
        [Some(self.timeout_due()), self.flight.loss_due(), self.paced_until].into_iter().flatten().min()
    }

    /// The retransmission timer. It also asks a receiver whose window is closed whether it has opened.
    fn timeout_due(&self) -> Instant {
        self.quiet_since + self.rtt.timeout(self.timeouts, ACK_DELAY_MAX)
    }

    /// Does what is due.
    pub(super) fn on_timeout(&mut self, now: Instant) {
        if self.flight.loss_due().is_some_and(|due| now >= due) {
            self.find_losses(now);
        }
        if self.delivered == self.size || now < self.timeout_due() {
            return;
        }
        self.timeouts += 1;
        self.probes_owed = PROBES_A_TIMEOUT;
        self.quiet_since = now;
        if let Some(range) = self.flight.oldest_content() {
            put_back(&mut self.lost, &self.acked, self.delivered, range);
        }
    }

    /// Writes as many packets as may go now.
    ///
    /// # Errors
    /// The source can't be read.
    pub(super) fn fill(
        &mut self,
        now: Instant,
        segments_max: usize,
        buffer: &mut [u8],
        out: &mut Outgoing<'_, impl Source>,
    ) -> io::Result<Option<Transmit>> {
        let filled = self.fill_next(now, segments_max, buffer, out);
        let is_used = self.paced_until.is_some() || self.uses_window();
        self.congestion.on_sent(now, is_used);
        filled
    }

    fn fill_next(
        &mut self,
        now: Instant,
        segments_max: usize,
        buffer: &mut [u8],
        out: &mut Outgoing<'_, impl Source>,
    ) -> io::Result<Option<Transmit>> {
        self.paced_until = None;
        if let Some(transmit) = self.fill_probe(now, buffer, out) {
            return Ok(Some(transmit));
        }
        let segment_bytes = self.mtu.current();
        let segments = segments_max.min(buffer.len() / segment_bytes);
        let mut bytes = 0;
        for _ in 0..segments {
            if self.probes_owed == 1 || !self.may_send(now) {
                break;
            }
            let Some(range) = self.next_content() else { break };
            let size = write_content(&mut buffer[bytes..], &range, out)?;
            self.record(now, size, Cargo::Content(range));
            bytes += size;
            if size < segment_bytes {
                break;
            }
        }
        if bytes == 0 && self.probes_owed > 0 {
            bytes = write_ping(buffer, 0, out);
            self.record(now, bytes, Cargo::Ping);
            return Ok(Some(Transmit { segment_bytes: bytes, bytes }));
        }
        Ok((bytes > 0).then_some(Transmit { segment_bytes, bytes }))
    }

    /// Tries a larger datagram, once the window would hold one and while there is use for it.
    fn fill_probe<S>(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        out: &mut Outgoing<'_, S>,
    ) -> Option<Transmit> {
        if self.rtt.smoothed().is_none() || self.probes_owed > 0 {
            return None;
        }
        let size = self.mtu.wanted_probe(now)?;
        let left = self.size - self.next_offset;
        if self.congestion.window() < size as u64 || left < WORTH_PROBING_DATAGRAMS * size as u64 {
            return None;
        }
        let bytes = write_ping(buffer, size, out);
        self.mtu.on_probe_sent(size);
        self.record(now, bytes, Cargo::Probe);
        Some(Transmit { segment_bytes: bytes, bytes })
    }

    fn may_send(&mut self, now: Instant) -> bool {
        let (segment, window) = (self.mtu.current(), self.congestion.window());
        if self.probes_owed > 0 {
            return true;
        }
        if self.flight.bytes() + segment as u64 > window {
            return false;
        }
        self.paced_until = self.pacer.admit(now, segment, window, self.rtt.smoothed()).err();
        self.paced_until.is_none()
    }

    /// The bytes that the next packet carries: lost ones first.
    fn next_content(&mut self) -> Option<Range<u64>> {
        let room = (self.mtu.current() - SEALED_BYTES - DATA_HEADER_BYTES) as u64;
        if let Some(range) = self.lost.take_first(room) {
            return Some(range);
        }
        let end = self.size.min(self.window_end).min(self.next_offset + room);
        // A window that opens by a few bytes at a time is no reason for packets of a few bytes.
        let is_cut_short = end < self.size && end < self.next_offset + room;
        if end <= self.next_offset || (is_cut_short && self.flight.bytes() > 0) {
            return None;
        }
        Some(std::mem::replace(&mut self.next_offset, end)..end)
    }

    fn record(&mut self, now: Instant, bytes: usize, cargo: Cargo) {
        self.flight.record(now, bytes, cargo);
        self.pacer.on_sent(bytes);
        self.probes_owed = self.probes_owed.saturating_sub(1);
        self.quiet_since = now;
    }
}

/// Writes a datagram with these bytes of the file; how many bytes it has.
fn write_content(
    buffer: &mut [u8],
    range: &Range<u64>,
    out: &mut Outgoing<'_, impl Source>,
) -> io::Result<usize> {
    let header = packet::write_data_header(out.packet, range.start);
    let size = header + (range.end - range.start) as usize;
    out.source.read_at(range.start, &mut out.packet[header..size])?;
    Ok(out.channel.seal(&out.packet[..size], buffer))
}

/// Writes a Ping in a datagram of `size` bytes, or of as few as it needs; how many bytes it has.
fn write_ping<S>(buffer: &mut [u8], size: usize, out: &mut Outgoing<'_, S>) -> usize {
    let bytes = packet::write_ping(out.packet, size.saturating_sub(SEALED_BYTES));
    out.channel.seal(&out.packet[..bytes], buffer)
}

/// Marks bytes to be sent again, but those that have arrived with another packet.
fn put_back(lost: &mut RangeSet, acked: &RangeSet, delivered: u64, range: &Range<u64>) {
    let range = range.start.max(delivered)..range.end;
    lost.insert(range.clone());
    for arrived in acked.overlapping(&range) {
        lost.remove(arrived);
    }
}
