//! Buffers that are only allocated while they contain data.

use std::cell::RefCell;

/// Maximum plaintext of a TLS record, in bytes (RFC 8446, section 5.1).
const RECORD: usize = 16 * 1024;
/// Upper bound for what TLS adds to a record: header, nonce, content type and tag.
const OVERHEAD: usize = 64;
/// Capacity of a buffer in full records: fewer and larger writes wake the reader less often. With 4 records, bulk transfers
/// with mutual TLS take an eighth more CPU; with more than 16 there is no improvement.
const RECORDS: usize = 16;
/// Maximum number of free buffers that a thread keeps.
const KEPT: usize = 8;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes in transit, in memory from the thread's pool.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// How much plaintext fits into a buffer once encrypted, in bytes.
    pub(crate) const PLAINTEXT: usize = RECORDS * RECORD;
    /// Upper bound for a record with an alert, in bytes.
    pub(crate) const ALERT: usize = OVERHEAD;
    /// Capacity of a buffer, in bytes.
    const SIZE: usize = RECORDS * (RECORD + OVERHEAD);

    /// An empty buffer.
    pub(crate) fn take() -> Self {
        let bytes = FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; Self::SIZE].into());
        Self { bytes, start: 0, end: 0 }
    }

    /// The free space at the end.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// Marks `count` bytes of the free space as filled.
    pub(crate) fn fill(&mut self, count: usize) {
        self.end += count;
    }

    /// The bytes that have not been consumed.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, for modification in place.
    pub(crate) fn rest_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Marks `count` bytes as consumed.
    pub(crate) fn advance(&mut self, count: usize) {
        self.start += count;
    }

    /// How much more plaintext fits once encrypted, in bytes.
    pub(crate) fn room_for_plaintext(&self) -> usize {
        let space = self.bytes.len() - self.end;
        let (whole, part) = (space / (RECORD + OVERHEAD), space % (RECORD + OVERHEAD));
        whole * RECORD + part.saturating_sub(OVERHEAD)
    }

    /// Ensures space for a full record. Moves bytes, which costs, only if there is too little space at the end.
    pub(crate) fn make_room_for_a_record(&mut self) {
        if self.bytes.len() - self.end < RECORD + OVERHEAD {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }

    /// Appends bytes, growing the buffer if necessary.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.grow(bytes.len());
        self.space()[..bytes.len()].copy_from_slice(bytes);
        self.fill(bytes.len());
    }

    /// Ensures space for `count` bytes, growing the buffer if necessary; a pool does not keep grown ones.
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
