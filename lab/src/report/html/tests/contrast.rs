//! Whether text contrasts with its background (WCAG 2.2, success criterion 1.4.3: 4.5 to 1).

use std::collections::BTreeMap;

use super::super::BASE;

/// Text colours, and the backgrounds of each.
const PAIRS: [(&str, &[&str]); 10] = [
    ("ink", &["page", "card", "pod", "node", "faint", "mark", "bad-bg"]),
    ("soft", &["page", "card", "pod", "faint", "mark"]),
    ("link", &["page", "card"]),
    ("ok", &["page", "card", "pod"]),
    ("bad", &["page", "card", "pod", "bad-bg", "mtls", "tls"]),
    ("mtls-ink", &["mtls"]),
    ("tls-ink", &["tls"]),
    ("http-ink", &["http"]),
    ("h2-ink", &["h2"]),
    ("tcp-ink", &["tcp"]),
];

#[test]
fn text_stands_out_in_light_and_in_dark() {
    let dark_from = BASE.find("prefers-color-scheme: dark").unwrap();
    let end = BASE.find("* { box-sizing").unwrap();
    let light = colours(&BASE[..dark_from]);
    let dark = colours(&BASE[dark_from..end]);
    assert!(light.keys().eq(dark.keys()), "a colour is missing in light or in dark");
    for (scheme, colours) in [("light", light), ("dark", dark)] {
        for (text, backgrounds) in PAIRS {
            for background in backgrounds {
                let ratio = contrast(colours[text], colours[*background]);
                assert!(ratio >= 4.5, "{scheme}: {text} on {background} is {ratio:.2} to 1");
            }
        }
    }
}

/// `--name: #rrggbb;` and `--name: #rgb;` as red, green and blue.
fn colours(style: &str) -> BTreeMap<&str, [f64; 3]> {
    let declarations =
        style.split(['{', ';', '}']).filter_map(|part| part.trim().strip_prefix("--")?.split_once(": #"));
    declarations
        .map(|(name, hex)| {
            let wide: String =
                if hex.len() == 3 { hex.chars().flat_map(|digit| [digit, digit]).collect() } else { hex.into() };
            let part = |i: usize| f64::from(u8::from_str_radix(&wide[i..i + 2], 16).unwrap()) / 255.0;
            (name, [part(0), part(2), part(4)])
        })
        .collect()
}

/// As WCAG defines it, from 1 to 21.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let linear = |c: f64| if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        let [red, green, blue] = colour.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}
