//! Compares the results of two data planes with each other, and differences with the accepted ones.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    planes::{self, Kind},
    rows::{self, Row},
    wire::Patience,
};

/// The facts about a row's result.
pub(crate) type Facts = Vec<(&'static str, String)>;

/// Plays rows on a kind of data plane, and returns the facts of each.
pub(crate) type Play = fn(Kind, &Path, &[Row], Patience) -> Vec<Facts>;

/// Plays the rows on both data planes. Fails on differences that are not accepted, and on accepted ones that did not occur.
pub(crate) fn compare(file: &str, text: &str, play: Play) {
    let Some(envoy) = planes::envoy() else { return };
    let accepted: BTreeMap<String, String> = rows::rows(include_str!("accepted.rows"))
        .into_iter()
        .filter_map(|row| {
            let name = row.name.strip_prefix(file)?.strip_prefix(": ")?.to_owned();
            Some((name, row.columns.join(" | ")))
        })
        .collect();
    let rows = rows::rows(text);
    let differing = |rows: Vec<Row>, patience| -> Vec<(Row, Facts, Facts)> {
        if rows.is_empty() {
            return Vec::new();
        }
        let (native, real) = thread::scope(|scope| {
            let native = scope.spawn(|| play(Kind::Native, &envoy, &rows, patience));
            let real = scope.spawn(|| play(Kind::Envoy, &envoy, &rows, patience));
            (native.join().unwrap(), real.join().unwrap())
        });
        let both = native.into_iter().zip(real);
        rows.into_iter().zip(both).filter(|(_, (a, b))| a != b).map(|(row, (a, b))| (row, a, b)).collect()
    };
    let count = rows.len();
    let first = differing(rows, Patience::SHORT);
    let again = first.into_iter().map(|(row, ..)| row).collect();
    let found = differing(again, Patience::LONG);

    let (known, new): (Vec<_>, Vec<_>) = found.iter().partition(|(row, ..)| accepted.contains_key(&row.name));
    for (row, native, envoy) in &new {
        println!("== {file}: {}", row.name);
        for ((what, native), (_, envoy)) in native.iter().zip(envoy).filter(|(a, b)| a != b) {
            println!("   {what}\n      native {native}\n      envoy  {envoy}");
        }
    }
    let gone: Vec<_> = accepted.keys().filter(|name| !known.iter().any(|(row, ..)| row.name == **name)).collect();
    for name in &gone {
        println!("== {file}: {name}: accepted as different, and is not");
    }
    println!("{file}: {count} rows, {} differences accepted, {} others", known.len(), new.len() + gone.len());
    assert!(new.is_empty() && gone.is_empty(), "{file}: {} differences", new.len() + gone.len());
}

/// Plays each row, given with its number, several at a time, and returns the results in the order of the rows.
pub(crate) fn on_lanes<T: Send>(lanes: usize, rows: &[Row], play: impl Fn(&Row, usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..lanes {
            let (next, done, play) = (&next, &done, &play);
            scope.spawn(move || {
                while let Some((i, row)) = {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    rows.get(i).map(|row| (i, row))
                } {
                    let result = play(row, i);
                    done.lock().unwrap().push((i, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}
