//! Buffers that are only held while there is something in them.

use std::cell::RefCell;

/// The most plaintext that a TLS record holds, in bytes (RFC 8446, section 5.1).
const RECORD: usize = 16 * 1024;
/// More than TLS adds to a record: header, nonce, content type and tag.
const OVERHEAD: usize = 64;
/// How many whole records a buffer holds: fewer and larger writes wake the reader less often. With 4 records, bulk through
/// mutual TLS takes an eighth more CPU; with more than 16, nothing is won.
const RECORDS: usize = 16;
/// How many free buffers a thread keeps.
const KEPT: usize = 8;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes on their way, in memory of the thread's pool.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// As much plaintext as fits into a buffer when it is encrypted, in bytes.
    pub(crate) const PLAINTEXT: usize = RECORDS * RECORD;
    /// More than a record with an alert takes, in bytes.
    pub(crate) const ALERT: usize = OVERHEAD;
    /// The size of a buffer in bytes.
    const SIZE: usize = RECORDS * (RECORD + OVERHEAD);

    /// An empty one.
    pub(crate) fn take() -> Self {
        let bytes = FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; Self::SIZE].into());
        Self { bytes, start: 0, end: 0 }
    }

    /// Where more bytes can be put.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// Says how many were put there.
    pub(crate) fn fill(&mut self, count: usize) {
        self.end += count;
    }

    /// The bytes that are still to be moved on.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, to be changed in place.
    pub(crate) fn rest_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Says how many were moved on.
    pub(crate) fn advance(&mut self, count: usize) {
        self.start += count;
    }

    /// How much plaintext can be put there when it is encrypted, in bytes.
    pub(crate) fn room_for_plaintext(&self) -> usize {
        let space = self.bytes.len() - self.end;
        let (whole, part) = (space / (RECORD + OVERHEAD), space % (RECORD + OVERHEAD));
        whole * RECORD + part.saturating_sub(OVERHEAD)
    }

    /// Makes sure that a whole record can be put there. Moving bytes costs: it is done when that little room is left.
    pub(crate) fn make_room_for_a_record(&mut self) {
        if self.bytes.len() - self.end < RECORD + OVERHEAD {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }

    /// Appends bytes; the buffer grows if it has to.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.grow(bytes.len());
        self.space()[..bytes.len()].copy_from_slice(bytes);
        self.fill(bytes.len());
    }

    /// Makes sure that so many bytes can be put there, if need be in a buffer that no pool will keep.
    pub(crate) fn grow(&mut self, count: usize) {
        if self.bytes.len() - self.end < count {
            let mut bytes = vec![0; self.end + count].into_boxed_slice();
            bytes[..self.end].copy_from_slice(&self.bytes[..self.end]);
            self.bytes = bytes;
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        FREE.with_borrow_mut(|free| {
            if free.len() < KEPT && self.bytes.len() == Self::SIZE {
                free.push(std::mem::take(&mut self.bytes));
            }
        });
    }
}
