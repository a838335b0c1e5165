//! Reassembly of one direction of a TCP connection.

use crate::flow::{Direction, Gap};
use crate::packet::Segment;
use crate::stream::{End, Stream};

/// How far below the lowest captured sequence number a segment may be and still belong to the same connection.
const BEHIND: i64 = 1 << 20;
/// How far above the highest one it may be.
const AHEAD: i64 = 1 << 26;
/// How far a direction's first captured segment may be from what the other side acknowledged.
const WINDOW: u32 = 1 << 26;

/// One direction of a connection, while its segments are collected.
///
/// Sequence numbers are unwrapped to 64-bit positions, relative to the first captured one.
#[derive(Debug, Default)]
pub(crate) struct Half<'a> {
    /// The sequence number at position 0; `None` before the first segment.
    origin: Option<u32>,
    /// Initial sequence number, if the SYN was captured.
    pub(crate) isn: Option<u32>,
    /// Positions of the lowest and highest captured byte (or SYN, or FIN).
    low: i64,
    high: i64,
    /// Segments with a payload.
    pieces: Vec<Piece<'a>>,
    /// The highest acknowledgement number in this direction.
    ack: Option<u32>,
    packets: u64,
    fin: Option<(i64, u64)>,
    rst_ns: Option<u64>,
    first_ns: u64,
    last_ns: u64,
}

#[derive(Debug)]
struct Piece<'a> {
    position: i64,
    timestamp_ns: u64,
    payload: &'a [u8],
    wire_len: usize,
}

impl<'a> Half<'a> {
    /// Whether a segment's sequence number is close enough to belong to this direction. Always true before the first segment.
    pub(crate) fn accepts(&self, segment: &Segment<'_>) -> bool {
        if segment.syn
            && let Some(isn) = self.isn
        {
            return isn == segment.seq;
        }
        self.is_empty() || self.is_near(segment.seq)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.origin.is_none()
    }

    /// Whether `acknowledgement` may acknowledge bytes of this direction.
    pub(crate) fn is_answered_by(&self, acknowledgement: u32) -> bool {
        match self.isn {
            // Only SYNs so far: only those can be acknowledged.
            Some(isn) if self.high <= 1 => acknowledgement == isn.wrapping_add(1),
            _ => self.is_near(acknowledgement),
        }
    }

    /// Whether this direction may have acknowledged `segment`, or bytes shortly before it.
    pub(crate) fn has_answered(&self, segment: &Segment<'_>) -> bool {
        match (self.isn, self.ack) {
            // The acknowledgement of a SYN is exact. A RST that answers a SYN has no meaningful sequence number.
            (Some(_), Some(ack)) if segment.syn => ack == segment.seq.wrapping_add(1),
            (_, Some(ack)) if !segment.rst => {
                let ahead = segment.seq.wrapping_sub(ack);
                ahead < WINDOW || ahead > WINDOW.wrapping_neg()
            }
            _ => true,
        }
    }

    /// Whether no bytes, SYN or FIN were captured in this direction.
    pub(crate) fn is_bare(&self) -> bool {
        self.isn.is_none() && self.pieces.is_empty() && self.fin.is_none()
    }

    fn is_near(&self, seq: u32) -> bool {
        let position = self.position(seq);
        position >= self.low - BEHIND && position <= self.high + AHEAD
    }

    /// The position of a sequence number: of all candidates, the one closest to the highest position so far.
    fn position(&self, seq: u32) -> i64 {
        let Some(origin) = self.origin else {
            return 0;
        };
        // The wrapped difference to the highest position gives the distance.
        #[expect(
            clippy::cast_possible_wrap,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "wrap-around is intended"
        )]
        let distance = seq.wrapping_sub(origin.wrapping_add(self.high as u32)) as i32;
        self.high + i64::from(distance)
    }

    /// Adds a segment of this direction.
    pub(crate) fn push(&mut self, segment: &Segment<'a>) {
        if self.origin.is_none() {
            self.origin = Some(segment.seq);
            self.first_ns = segment.timestamp_ns;
        }
        self.packets += 1;
        self.first_ns = self.first_ns.min(segment.timestamp_ns);
        self.last_ns = self.last_ns.max(segment.timestamp_ns);
        if let Some(ack) = segment.ack {
            let newer = self.ack.is_none_or(|before| ack.wrapping_sub(before) < 1 << 31);
            if newer {
                self.ack = Some(ack);
            }
        }
        let mut position = self.position(segment.seq);
        if segment.rst {
            self.rst_ns.get_or_insert(segment.timestamp_ns);
            // A RST that answers a SYN has sequence number 0, which is not part of the stream.
            return;
        }
        self.low = self.low.min(position);
        if segment.syn {
            self.isn = Some(segment.seq);
            position += 1;
        }
        if segment.wire_len > 0 {
            self.pieces.push(Piece {
                position,
                timestamp_ns: segment.timestamp_ns,
                payload: segment.payload,
                wire_len: segment.wire_len,
            });
        }
        let end = position + i64::try_from(segment.wire_len).unwrap_or_default();
        if segment.fin {
            self.fin.get_or_insert((end, segment.timestamp_ns));
        }
        self.high = self.high.max(end + i64::from(segment.fin));
    }

    pub(crate) fn first_ns(&self) -> Option<u64> {
        self.origin.map(|_| self.first_ns)
    }

    pub(crate) fn last_ns(&self) -> Option<u64> {
        self.origin.map(|_| self.last_ns)
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.rst_ns.is_some()
    }

    /// Reassembles the bytes. `answers` is the other direction: what it acknowledges was sent, whether captured or not.
    pub(crate) fn assemble(&self, answers: &Half<'_>) -> (Direction, Stream) {
        let (end, end_ns) = match (self.fin, self.rst_ns) {
            (Some((_, at)), None) => (End::Fin, at),
            (Some((_, at)), Some(_)) => (End::FinThenRst, at),
            (None, Some(at)) => (End::Rst, at),
            (None, None) => (End::Open, 0),
        };
        let mut direction = Direction {
            end,
            packets: self.packets,
            bytes: 0,
            retransmitted_bytes: 0,
            conflicting_bytes: 0,
            gaps: Vec::new(),
        };
        let mut stream = Stream::new();
        (stream.end, stream.end_ns) = (end, end_ns);

        let mut order: Vec<&Piece<'_>> = self.pieces.iter().collect();
        order.sort_by_key(|piece| piece.position);
        // Without a SYN the stream starts at the first captured byte.
        let begin = match self.isn {
            Some(isn) => self.position(isn) + 1,
            None => order.first().map_or(0, |piece| piece.position),
        };
        let mut at = begin;
        for piece in order {
            direction.gap(at - begin, piece.position - at);
            at = at.max(piece.position);
            let wire_end = piece.position + i64::try_from(piece.wire_len).unwrap_or_default();
            let known = usize::try_from(at - piece.position).unwrap_or_default();
            let old = &piece.payload[..known.min(piece.payload.len())];
            let new = &piece.payload[old.len()..];
            direction.retransmitted_bytes += old.len() as u64;
            if direction.gaps.is_empty() {
                direction.conflicting_bytes += conflicts(&stream.bytes, old, piece.position - begin);
                stream.push(new, piece.timestamp_ns);
            }
            direction.bytes += new.len() as u64;
            at += i64::try_from(new.len()).unwrap_or_default();
            // A packet that the capture truncated.
            direction.gap(at - begin, wire_end - at);
            at = at.max(wire_end);
        }
        let sent = self.fin.map_or(at, |(end, _)| end).max(self.acknowledged(answers).unwrap_or(at));
        direction.gap(at - begin, sent - at);

        if let Some(gap) = direction.gaps.first() {
            stream.cut = Some(format!("{} bytes after byte {} are not in the capture", gap.bytes, gap.offset));
        }
        (direction, stream)
    }

    /// The position up to which `answers` acknowledges this direction's bytes, without the FIN.
    fn acknowledged(&self, answers: &Half<'_>) -> Option<i64> {
        let ack = answers.ack.filter(|&ack| self.origin.is_some() && self.is_near(ack))?;
        let position = self.position(ack);
        // The acknowledgement of a FIN is one higher than that of the last byte.
        match self.fin {
            Some((end, _)) => Some(position.min(end)),
            // One more than was captured is more likely a FIN after the capture ended than a lost byte.
            None => Some(position).filter(|&position| position != self.high + 1),
        }
    }
}

impl Direction {
    /// Records a gap, unless it is empty.
    fn gap(&mut self, offset: i64, bytes: i64) {
        if let (Ok(offset), Ok(bytes)) = (u64::try_from(offset), u64::try_from(bytes))
            && bytes > 0
        {
            self.gaps.push(Gap { offset, bytes });
        }
    }
}

/// How many retransmitted bytes differ from the first copy.
fn conflicts(read: &[u8], again: &[u8], offset: i64) -> u64 {
    let Some(first) = usize::try_from(offset).ok().and_then(|offset| read.get(offset..)) else {
        return 0;
    };
    first.iter().zip(again).filter(|(a, b)| a != b).count() as u64
}

#[cfg(test)]
mod tests;
