//! Claims about the page, as a browser reads it.

use std::collections::BTreeSet;

use scraper::{ElementRef, Html, Selector};

use super::*;
use crate::bench::fixtures::{Bench, FULL, plain};

fn page(report: &BenchReport) -> Html {
    Html::parse_document(&render(report))
}

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let words = |element: &ElementRef<'_>| element.text().collect::<Vec<_>>().join(" ");
    all(page, selector).iter().map(|element| words(element).split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_parser_finds_no_fault_in_the_page() {
    assert_eq!(page(&FULL).errors, Vec::<String>::new());
    assert_eq!(page(&Bench::new().report()).errors, Vec::<String>::new());
}

#[test]
fn the_page_runs_and_fetches_nothing() {
    let text = render(&FULL);
    let page = Html::parse_document(&text);
    for selector in
        ["script", "link", "img", "iframe", "object", "embed", "image", "use", "[src]", "[href]", "base", "form"]
    {
        assert!(all(&page, selector).is_empty(), "{selector}");
    }
    for fetching in ["url(", "@import", "onclick", "javascript:", "http://", "https://"] {
        assert!(!text.contains(fetching), "{fetching}");
    }
}

#[test]
fn every_layering_of_every_measure_has_a_bar_on_both_data_planes() {
    let page = page(&FULL);
    let names: BTreeSet<&str> = FULL.layerings.iter().map(|layering| layering.name.as_str()).collect();
    for panel in all(&page, ".bars") {
        let rows: Vec<String> =
            panel.select(&Selector::parse(".row > .name").unwrap()).map(|row| row.inner_html()).collect();
        assert!(
            rows.iter().map(String::as_str).eq(FULL.layerings.iter().map(|layering| layering.name.as_str())),
            "{rows:?}"
        );
        for class in [".native", ".envoy"] {
            let bars = panel.select(&Selector::parse(&format!(".fill{class}")).unwrap()).count();
            assert_eq!(bars, names.len(), "{class}");
        }
    }
    assert_eq!(texts(&page, ".measure > h2").len(), Measure::ALL.len());
}

#[test]
fn the_answers_come_first_and_twice_is_marked() {
    let page = page(&FULL);
    let head = &texts(&page, "h1")[0];
    assert!(head.starts_with("A second layer of TLS: a new connection ×1."), "{head}");
    let cards = texts(&page, ".answers .card > h3");
    assert_eq!(cards, ["C10: a new connection", "C11: the CPU of a GiB", "C12: the memory of an idle connection"]);
    for gauge in all(&page, ".answers .gauge:not(.scale)") {
        assert_eq!(gauge.select(&Selector::parse(".two").unwrap()).count(), 1);
    }
}

#[test]
fn distance_targets_and_parts_are_drawn_where_they_were_measured() {
    let full = page(&FULL);
    assert_eq!(all(&full, ".distance svg").len(), 2, "one for each data plane");
    assert_eq!(all(&full, ".target").len(), FULL.targets.len());
    assert!(!all(&full, ".stack").is_empty());
    let mut bench = Bench::new();
    bench.connects("mesh", plain(DataPlane::Native), 1000.0);
    let little = page(&bench.report());
    for selector in [".distance", ".targets", ".stacks", ".answers"] {
        assert!(all(&little, selector).is_empty(), "{selector}");
    }
    assert_eq!(texts(&little, "h1"), ["What the layers cost"]);
}

#[test]
fn text_stays_text() {
    let hostile = "<script>alert(\"1\")</script> & 'x'";
    let mut bench = Bench::new();
    bench.connects(hostile, plain(DataPlane::Native), 1000.0);
    let mut report = bench.report();
    report.warnings.push(hostile.into());
    report.machine.cpu = hostile.into();
    let page = page(&report);
    assert!(all(&page, "script").is_empty());
    assert_eq!(page.errors, Vec::<String>::new());
    for selector in [".bars .name", ".conditions li", ".conditions p", ".conditions th"] {
        assert!(texts(&page, selector).iter().any(|text| text.contains(hostile)), "{selector}");
    }
}

#[test]
fn no_figure_is_drawn_outside_its_picture() {
    for element in all(&page(&FULL), "[style]") {
        for part in element.attr("style").unwrap().split(';') {
            let (_, share) = part.split_once(':').unwrap();
            let share: f64 = share.trim().trim_end_matches('%').parse().unwrap();
            assert!((0.0..=100.0).contains(&share), "{part}");
        }
    }
}
