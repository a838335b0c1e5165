//! Tables of text without lines, as kubectl and istioctl print them.

/// The space after the longest cell of a column, as kubectl has it (`k8s.io/cli-runtime/pkg/printers/tabwriter.go`).
pub(crate) const KUBECTL: usize = 3;

/// The same for most of istioctl's tables (`istioctl/pkg/writer/envoy/configdump`).
pub(crate) const ISTIOCTL: usize = 5;

/// Rows of cells as lines, with `gap` blanks after the longest cell of each column but the last. Nothing is cut or wrapped, so that
/// other programs can read it.
pub(crate) fn columns<Row: AsRef<[String]>>(rows: &[Row], gap: usize) -> String {
    let length = |cell: &String| cell.chars().count();
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (index, cell) in row.as_ref().iter().enumerate() {
            match widths.get_mut(index) {
                Some(width) => *width = (*width).max(length(cell)),
                None => widths.push(length(cell)),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let row = row.as_ref();
        for (index, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if index + 1 < row.len() {
                text.push_str(&" ".repeat(widths[index] + gap - length(cell)));
            }
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// Literals as a row.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_longest_cell_and_the_gap() {
        let rows = [row(["NAME", "READY"]), row(["client", "2/2"]), row(["ü", ""])];
        assert_eq!(columns(&rows, KUBECTL), "NAME     READY\nclient   2/2\nü\n");
    }
}
