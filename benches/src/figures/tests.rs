use super::*;

fn figures(of: &[(&str, u64)]) -> Figures {
    Figures(of.iter().map(|&(name, count)| (name.to_owned(), count)).collect())
}

#[test]
fn figures_can_be_read_back() {
    let written = figures(&[("chain match, 1000 ports", 540), ("mesh compile, resolve", 123_456_789)]);
    assert_eq!(Figures::read(&written.to_string()), Ok(written));
}

#[test]
fn a_line_without_a_number_or_a_name_is_named() {
    assert_eq!(Figures::read("# x\n12 a\nb 12").unwrap_err(), "line 3: not a number and a name: \"b 12\"");
    assert!(Figures::read("12 ").is_err());
}

#[test]
fn counts_within_the_margin_pass() {
    assert!(figures(&[("a", 1000), ("b", 1000)]).compare_with(&figures(&[("a", 1099), ("b", 901)])).is_empty());
}

#[test]
fn a_count_outside_the_margin_is_a_fault_in_either_direction() {
    assert_eq!(
        figures(&[("a", 1000), ("b", 1000)]).compare_with(&figures(&[("a", 1200), ("b", 800)])),
        [
            "a: 1200 instructions, but 1000 are recorded (+20 %): make it faster",
            "b: 800 instructions, but 1000 are recorded (-20 %): lower the figure, so that it is kept"
        ]
    );
}

#[test]
fn a_count_without_a_figure_and_a_figure_without_a_count_are_faults() {
    assert_eq!(
        figures(&[("a", 1)]).compare_with(&figures(&[("b", 2)])),
        ["b: 2 instructions, but none recorded: add it", "a: is recorded, but no longer counted: remove it"]
    );
}
