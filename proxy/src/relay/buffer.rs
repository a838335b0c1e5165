//! Buffers that are only held while there is something in them.

use std::cell::RefCell;

/// A TLS record's payload fits four times: fewer, larger writes.
const SIZE: usize = 64 * 1024;
/// How many free buffers a thread keeps.
const KEPT: usize = 8;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of the thread's pool, and the part of it that is full.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty one.
    pub(super) fn take() -> Self {
        let bytes = FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; SIZE].into());
        Self { bytes, start: 0, end: 0 }
    }

    /// Where bytes can be put, as long as it is empty.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Says how many were put there.
    pub(super) fn fill(&mut self, count: usize) {
        (self.start, self.end) = (0, count);
    }

    /// The bytes that are still to be moved on.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Says how many were moved on.
    pub(super) fn advance(&mut self, count: usize) {
        self.start += count;
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        FREE.with_borrow_mut(|free| {
            if free.len() < KEPT {
                free.push(std::mem::take(&mut self.bytes));
            }
        });
    }
}
