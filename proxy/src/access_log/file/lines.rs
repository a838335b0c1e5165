//! Lines that go into a file whole, or not at all.

use std::io::{self, Write};

/// Whole lines for a file. `O_APPEND` keeps the lines of several writers whole, if each writes its own at once.
pub(super) struct Lines<'a> {
    lines: &'a [u8],
    /// Whether the file ends in a part of a line, because there was no room for the rest.
    torn: &'a mut bool,
}

/// Lines that are not in their file.
#[derive(Debug)]
pub(super) struct Lost {
    /// How many.
    pub(super) lines: u64,
    /// Why.
    pub(super) error: io::Error,
}

impl<'a> Lines<'a> {
    pub(super) fn new(lines: &'a [u8], torn: &'a mut bool) -> Self {
        Self { lines, torn }
    }

    /// Appends them. A line that was torn before is ended first, so that it spoils none but itself.
    ///
    /// # Errors
    /// When not all are in the file now.
    pub(super) fn write(self, file: &mut impl Write) -> Result<(), Lost> {
        let mut rest = self.lines;
        let result = (|| {
            if *self.torn {
                file.write_all(b"\n")?;
                *self.torn = false;
            }
            while !rest.is_empty() {
                match file.write(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => rest = &rest[count..],
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })();
        result.map_err(|error| {
            let written = &self.lines[..self.lines.len() - rest.len()];
            *self.torn |= written.last().is_some_and(|byte| *byte != b'\n');
            Lost { lines: rest.iter().filter(|byte| **byte == b'\n').count() as u64, error }
        })
    }
}
