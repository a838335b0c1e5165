//! Recorded instruction counts, and their comparison with new ones.

use std::{collections::BTreeMap, fmt};

#[cfg(test)]
mod tests;

/// By how much a count may differ from its recorded value: C libraries and their allocators differ between systems.
pub const MARGIN: f64 = 0.10;

/// Comment at the top of the file.
const HEAD: &str = "# Instructions that each takes, as counted on x86-64 by benches/tests/instructions.rs, which also writes this file:
# INSTRUCTIONS_WRITE=1 cargo test --release --workspace --test instructions
";

/// Instruction counts by name of the work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures(pub BTreeMap<String, u64>);

impl Figures {
    /// Parses counts: one per line, the number before the name; lines that start with `#` are comments.
    ///
    /// # Errors
    /// The first malformed line, with its number.
    pub fn read(text: &str) -> Result<Self, String> {
        let figure = |(number, line): (usize, &str)| {
            let (count, name) = line.trim_start().split_once(' ').unwrap_or((line, ""));
            let count = count.parse().ok().filter(|_| !name.trim().is_empty());
            let count = count.ok_or_else(|| format!("line {}: not a number and a name: {line:?}", number + 1))?;
            Ok((name.trim().to_owned(), count))
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
        lines.map(figure).collect::<Result<_, _>>().map(Self)
    }

    /// Describes each difference from `counted` that exceeds the margin, one per line.
    pub fn compare_with(&self, counted: &Self) -> Vec<String> {
        let gone = self.0.keys().filter(|name| !counted.0.contains_key(*name));
        let gone = gone.map(|name| format!("{name}: is recorded, but no longer counted: remove it"));
        let off = counted.0.iter().filter_map(|(name, &counted)| match self.0.get(name) {
            None => Some(format!("{name}: {counted} instructions, but none recorded: add it")),
            Some(&held) => {
                let change = counted as f64 / held as f64 - 1.0;
                let fix = if change > 0.0 { "make it faster" } else { "lower the figure, so that it is kept" };
                (change.abs() > MARGIN).then(|| {
                    let percent = change * 100.0;
                    format!("{name}: {counted} instructions, but {held} are recorded ({percent:+.0} %): {fix}")
                })
            }
        });
        off.chain(gone).collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        self.0.iter().try_for_each(|(name, count)| writeln!(f, "{count:>12} {name}"))
    }
}
