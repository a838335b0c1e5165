//! Curves in SVG: lines through points between two axes. Colours are the page's, by class.

use maud::{Markup, html};

/// Width and height of a picture, in its own units; it is drawn about as large in pixels.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 190.0;
/// The margin for axis labels.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 24.0;

pub(super) struct Line {
    /// Its class, which is its colour.
    pub(super) class: String,
    pub(super) points: Vec<(f64, f64)>,
    /// The tooltip.
    pub(super) name: String,
}

/// The range and labels of an axis.
pub(super) struct Axis {
    from: f64,
    to: f64,
    logarithmic: bool,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis with given ticks.
    pub(super) fn new(from: f64, to: f64, ticks: Vec<(f64, String)>) -> Self {
        Self { from, to: if to > from { to } else { from + 1.0 }, logarithmic: false, ticks }
    }

    /// An axis from 0 to at least this value.
    pub(super) fn up_to(most: f64) -> Self {
        let step = step(most / 5.0);
        let count = (most / step).ceil().max(1.0);
        let ticks = (0..=count as u32).map(|i| (f64::from(i) * step, tick_label(f64::from(i) * step)));
        Self::new(0.0, count * step, ticks.collect())
    }

    /// A logarithmic axis that contains these two values.
    pub(super) fn logarithmic(least: f64, most: f64) -> Self {
        let (from, to) = ((least * 0.8).max(1e-3), (most * 1.25).max(2e-3));
        let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
        let ticks = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(decade)));
        let ticks = ticks.filter(|tick| (from..=to).contains(tick)).map(|tick| (tick, tick_label(tick))).collect();
        Self { from, to, logarithmic: true, ticks }
    }

    /// The position of a value, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let place = |value: f64| if self.logarithmic { value.max(1e-9).log10() } else { value };
        ((place(value) - place(self.from)) / (place(self.to) - place(self.from))).clamp(0.0, 1.0)
    }
}

/// Draws lines. `label` describes the picture for screen readers.
pub(super) fn plot(label: &str, x: &Axis, y: &Axis, lines: &[Line]) -> Markup {
    let to_x = |value: f64| LEFT + x.share(value) * (WIDTH - LEFT - RIGHT);
    let to_y = |value: f64| HEIGHT - BOTTOM - y.share(value) * (HEIGHT - TOP - BOTTOM);
    let path = |line: &Line| {
        let points: Vec<String> = line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", to_x(*x), to_y(*y))).collect();
        points.join(" ")
    };
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
            @for (value, text) in &y.ticks {
                line .grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(format!("{:.1}", to_y(*value))) y2=(format!("{:.1}", to_y(*value))) {}
                text .tick x=(LEFT - 6.0) y=(format!("{:.1}", to_y(*value) + 3.5)) text-anchor="end" { (text) }
            }
            @for (value, text) in &x.ticks {
                text .tick x=(format!("{:.1}", to_x(*value))) y=(HEIGHT - 7.0) text-anchor="middle" { (text) }
            }
            @for line in lines {
                g .curve .(line.class) {
                    title { (line.name) }
                    polyline points=(path(line)) {}
                    @for (x, y) in &line.points {
                        circle cx=(format!("{:.1}", to_x(*x))) cy=(format!("{:.1}", to_y(*y))) r="2.6" {}
                    }
                }
            }
        }
    }
}

/// Rounds up to the next of 1, 2, 5, 10, 20, ...
fn step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * decade).into_iter().find(|step| *step >= least).unwrap_or(decade * 10.0)
}

/// `0.5`, `20`, `5k`.
fn tick_label(value: f64) -> String {
    if value >= 1000.0 { format!("{}k", rounded(value / 1000.0)) } else { rounded(value).to_string() }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
