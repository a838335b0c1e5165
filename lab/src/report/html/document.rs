//! The common frame of all pages: a document that needs no script and fetches nothing.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Colours in light and in dark, type, tables: of every page.
pub(crate) const BASE: &str = include_str!("base.css");

/// A page: its title, additional styles, and body.
pub(crate) fn document(title: &str, style: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(BASE)) (PreEscaped(style)) }
            }
            body { (body) }
        }
    }
    .into_string()
}

/// The foot of every page.
pub(crate) fn foot(version: &str) -> Markup {
    html! { footer { p { "Written by sidelab " (version) ". This page is self-contained." } } }
}
