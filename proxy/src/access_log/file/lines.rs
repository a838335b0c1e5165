//! Writing whole lines.

use std::io::{self, Write};

/// Whole lines for a file. With `O_APPEND`, lines of several processes do not mix if each is written at once.
pub(super) struct Lines<'a> {
    lines: &'a [u8],
    /// Whether the file ends with an incomplete line, because there was no space for the rest.
    torn: &'a mut bool,
}

/// Lines that were not written.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) lines: u64,
    /// The error of the write.
    pub(super) error: io::Error,
}

impl<'a> Lines<'a> {
    pub(super) fn new(lines: &'a [u8], torn: &'a mut bool) -> Self {
        Self { lines, torn }
    }

    /// Appends the lines, after completing a previous incomplete line with a line end.
    ///
    /// # Errors
    /// If not all lines were written.
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
