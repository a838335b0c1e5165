//! Counts of instructions that are held: a file of them, and what a new count is to it.

use std::{collections::BTreeMap, fmt};

#[cfg(test)]
mod tests;

/// By how much of its figure a count may be off, either way: C libraries and their allocators differ between systems.
pub const MARGIN: f64 = 0.10;

/// What stands above the figures in their file.
const HEAD: &str = "# Instructions that each takes, as counted on x86-64 by benches/tests/instructions.rs, which also writes this file:
# INSTRUCTIONS_WRITE=1 cargo test --release --workspace --test instructions
";

/// Instructions by the name of the work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures(pub BTreeMap<String, u64>);

impl Figures {
    /// Reads them: a line each, the number and then the name; lines that begin with `#` are for people.
    ///
    /// # Errors
    /// A line that is not such a line, by its number.
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

    /// What is wrong with a new count, a line each.
    pub fn faults_of(&self, counted: &Self) -> Vec<String> {
        let gone = self.0.keys().filter(|name| !counted.0.contains_key(*name));
        let gone = gone.map(|name| format!("{name}: has a figure, but is no longer counted: take it out"));
        let off = counted.0.iter().filter_map(|(name, &counted)| match self.0.get(name) {
            None => Some(format!("{name}: {counted} instructions, and no figure to hold them to: add it")),
            Some(&held) => {
                let change = counted as f64 / held as f64 - 1.0;
                let mend = if change > 0.0 { "make it faster" } else { "lower the figure, so that it is kept" };
                (change.abs() > MARGIN).then(|| {
                    let percent = change * 100.0;
                    format!("{name}: {counted} instructions, where {held} are held ({percent:+.0} %): {mend}")
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
