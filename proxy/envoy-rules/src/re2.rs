//! Regular expressions as Envoy's engine, RE2, reads them, for the `regex` crate, which reads some of them otherwise
//! (<https://github.com/google/re2/wiki/Syntax>).
//!
//! The two engines accept the same language: no back-references, no look-around. What they read differently is translated:
//! braces that are no repetition are literal, `[` and `&&` in a class are literal, `\d`, `\w`, `\s` and `\b` know ASCII alone,
//! `\Q...\E` quotes. What RE2 refuses is refused: a repetition of a repetition, more than 1,000 repetitions, unknown flags. `\C`, a single byte, is
//! refused, though RE2 knows it.

use std::{iter::Peekable, str::Chars};

use regex::{Regex, RegexBuilder};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Why a text is not a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Re2Error {
    /// A repetition follows another one.
    #[error("bad repetition operator: a repetition follows another one")]
    RepeatedRepetition,
    /// A repetition of more than 1,000.
    #[error("bad repetition operator: more than 1000 repetitions")]
    TooMany,
    /// Another fault, in the words of the engine.
    #[error("{0}")]
    Syntax(String),
}

/// A regular expression that a whole text matches (`RE2::FullMatch`).
///
/// # Errors
/// If RE2 would not compile it.
pub fn full_match(pattern: &str) -> Result<Regex, Re2Error> {
    build(&format!("^(?:{})$", translated(pattern)?))
}

/// A regular expression that matches anywhere.
///
/// # Errors
/// If RE2 would not compile it.
pub fn anywhere(pattern: &str) -> Result<Regex, Re2Error> {
    build(&translated(pattern)?)
}

/// Replaces all matches (`RE2::GlobalReplace`); in the substitution `\1` is the first group, `\0` the match, `\\` a backslash.
pub fn replace_all(regex: &Regex, text: &str, substitution: &str) -> String {
    let replaced = regex.replace_all(text, |found: &regex::Captures<'_>| {
        let mut new = String::new();
        let mut rest = substitution.chars();
        while let Some(c) = rest.next() {
            match (c, c == '\\') {
                (_, true) => match rest.next() {
                    Some(digit @ '0'..='9') => {
                        let group = digit.to_digit(10).unwrap_or_default() as usize;
                        new.push_str(found.get(group).map_or("", |group| group.as_str()));
                    }
                    Some(other) => new.push(other),
                    None => {}
                },
                (c, false) => new.push(c),
            }
        }
        new
    });
    replaced.into_owned()
}

fn build(translated: &str) -> Result<Regex, Re2Error> {
    let built = RegexBuilder::new(translated).build();
    built.map_err(|error| match error {
        regex::Error::Syntax(text) => {
            // The last line says what is wrong; those before it draw where.
            let last = text.lines().last().unwrap_or_default();
            Re2Error::Syntax(last.trim_start_matches("error: ").to_owned())
        }
        error => Re2Error::Syntax(error.to_string()),
    })
}

/// The expression in the syntax of the `regex` crate.
fn translated(pattern: &str) -> Result<String, Re2Error> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    let mut after_repetition = false;
    while let Some(c) = chars.next() {
        let repetition = match c {
            '*' | '+' | '?' => true,
            '{' => counted(&chars)?,
            _ => false,
        };
        if repetition {
            if after_repetition {
                return Err(Re2Error::RepeatedRepetition);
            }
            out.push(c);
            if c == '{' {
                out.extend(chars.by_ref().take_while(|c| *c != '}'));
                out.push('}');
            }
            // One that takes as little as it can.
            out.extend(chars.next_if_eq(&'?'));
            after_repetition = true;
            continue;
        }
        after_repetition = false;
        match c {
            '\\' => escape(&mut chars, &mut out)?,
            '[' => class(&mut chars, &mut out)?,
            '{' | '}' => out.extend(['\\', c]),
            '(' => {
                out.push('(');
                group(&mut chars, &mut out)?;
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Whether what comes after `{` makes it a repetition.
fn counted(rest: &Peekable<Chars<'_>>) -> Result<bool, Re2Error> {
    let inside: String = rest.clone().take_while(|c| *c != '}').collect();
    let is_closed = rest.clone().any(|c| c == '}');
    let (least, most) = inside.split_once(',').unwrap_or((&inside, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_closed || !is_number(least) || !(most.is_empty() || is_number(most)) {
        return Ok(false);
    }
    let too_many = |text: &str| text.parse::<u32>().map_or(!text.is_empty(), |count| count > 1000);
    if too_many(least) || too_many(most) { Err(Re2Error::TooMany) } else { Ok(true) }
}

/// What follows a backslash outside of a class.
fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), Re2Error> {
    let Some(c) = chars.next() else { return Err(Re2Error::Syntax("trailing backslash".into())) };
    match c {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        's' => out.push_str(r"[\t\n\f\r ]"),
        'S' => out.push_str(r"[^\t\n\f\r ]"),
        'b' => out.push_str(r"(?-u:\b)"),
        'B' => out.push_str(r"(?-u:\B)"),
        'C' => return Err(Re2Error::Syntax(r"\C (a single byte) is not supported here".into())),
        'Q' => {
            let mut quoted = String::new();
            while let Some(c) = chars.next() {
                if c == '\\' && chars.peek() == Some(&'E') {
                    chars.next();
                    break;
                }
                quoted.push(c);
            }
            out.push_str(&regex::escape(&quoted));
        }
        // Not an anchor of words, as the crate reads them.
        '<' | '>' => out.push(c),
        c => out.extend(['\\', c]),
    }
    Ok(())
}

/// A class, after its `[`.
fn class(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), Re2Error> {
    out.push('[');
    out.extend(chars.next_if_eq(&'^'));
    let mut is_first = true;
    loop {
        let Some(c) = chars.next() else { return Err(Re2Error::Syntax("missing closing ]".into())) };
        match c {
            ']' if !is_first => {
                out.push(']');
                return Ok(());
            }
            ']' => out.push_str(r"\]"),
            '[' if chars.peek() == Some(&':') => {
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' | '&' | '~' => out.extend(['\\', c]),
            '-' if chars.peek() == Some(&'-') => out.push_str(r"\-"),
            '\\' => match chars.next() {
                Some('d') => out.push_str("0-9"),
                Some('w') => out.push_str("0-9A-Za-z_"),
                Some('s') => out.push_str(r"\t\n\f\r "),
                Some(negated @ ('D' | 'W' | 'S')) => {
                    let mut inner = String::new();
                    escape(&mut [negated].iter().collect::<String>().chars().peekable(), &mut inner)?;
                    out.push_str(&inner);
                }
                Some('<') => out.push('<'),
                Some('>') => out.push('>'),
                Some(c) => out.extend(['\\', c]),
                None => return Err(Re2Error::Syntax("missing closing ]".into())),
            },
            c => out.push(c),
        }
        is_first = false;
    }
}

/// What follows `(`: flags, of which RE2 knows four, or a name.
fn group(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), Re2Error> {
    if chars.next_if_eq(&'?').is_none() {
        return Ok(());
    }
    out.push('?');
    let mut rest = chars.clone();
    let flags: String = rest.by_ref().take_while(|c| c.is_ascii_alphabetic() || *c == '-').collect();
    let is_name = flags.starts_with('P') || flags.is_empty();
    if !is_name && flags.chars().any(|c| !"imsU-".contains(c)) {
        return Err(Re2Error::Syntax(format!("invalid or unsupported Perl syntax: (?{flags}")));
    }
    Ok(())
}
