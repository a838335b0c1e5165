//! What the figures say of the claims: is it twice?

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{figures::Figure, measure::Measure, series::Measured, setup::Setup, stats::Estimate};

#[cfg(test)]
mod tests;

/// What a bench says of a claim.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Answer {
    /// Such as `C10`.
    pub claim: String,
    /// Under what; in JSON its fields are the answer's. Of several round trips, the shortest.
    #[serde(flatten)]
    pub setup: Setup,
    /// How many times as much double encryption takes as mutual TLS alone.
    pub whole: Estimate,
    /// The same of what TLS adds to calls through two sidecars without it.
    pub tls: Option<Estimate>,
    /// The whole over longer ways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub farther: Vec<Farther>,
    /// In words.
    pub words: String,
}

/// The whole over a longer way.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Farther {
    /// The round trip that was added, microseconds.
    pub rtt_us: u64,
    /// How many times as much double encryption takes as mutual TLS alone.
    pub whole: Estimate,
}

/// Whether something is twice as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    /// Surely less.
    Less,
    /// The interval holds 2.
    Yes,
    /// Surely more.
    More,
    /// The interval is so wide that it may as well be no more at all.
    Unsure,
}

impl Twice {
    /// What an interval says.
    pub fn of(estimate: &Estimate) -> Self {
        match estimate {
            unsure if unsure.holds(1.0) && unsure.holds(2.0) => Self::Unsure,
            twice if twice.holds(2.0) => Self::Yes,
            less if less.high < 2.0 => Self::Less,
            _ => Self::More,
        }
    }

    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "less than twice",
            Self::Yes => "twice, within what was measured",
            Self::More => "more than twice",
            Self::Unsure => "too few rounds to say",
        }
    }
}

/// What is asked: a claim, by which figure it is answered, and what a second layer does to what.
struct Question {
    claim: &'static str,
    measure: Measure,
    figure: Figure,
    makes: &'static str,
    what: &'static str,
}

const QUESTIONS: [Question; 3] = [
    Question {
        claim: "C10",
        measure: Measure::Connect,
        figure: Figure::P50,
        makes: "the second handshake makes a new connection",
        what: "a new connection",
    },
    Question {
        claim: "C11",
        measure: Measure::Down,
        figure: Figure::Cost,
        makes: "the second layer makes the CPU of a GiB",
        what: "the CPU of a GiB",
    },
    Question {
        claim: "C12",
        measure: Measure::Idle,
        figure: Figure::Cost,
        makes: "the second layer makes the memory of an idle connection",
        what: "the memory of an idle connection",
    },
];

/// The answers to C10, C11 and C12, as far as what they need was measured.
pub fn all(measured: Measured<'_>) -> Vec<Answer> {
    let setups = measured.setups();
    let is_nearest =
        |setup: &Setup| setups.iter().all(|other| other.rtt >= setup.rtt || !setup.is_alike_but_for_rtt(*other));
    let mut answers = Vec::new();
    for setup in setups.iter().filter(|setup| is_nearest(setup)) {
        answers.extend(QUESTIONS.iter().filter_map(|question| answer(measured, *setup, &setups, question)));
    }
    answers
}

/// What a claim is about, such as `a new connection`.
pub fn subject(claim: &str) -> &'static str {
    QUESTIONS.iter().find(|question| question.claim == claim).map_or("something else", |question| question.what)
}

/// Of what "twice" holds, and of what it does not: a line each.
pub fn twice(answers: &[Answer]) -> Vec<String> {
    let list = |verdict: Twice| {
        let holds = |question: &Question, ratio: fn(&Answer) -> Option<Estimate>, prefix: &str| {
            let asked = answers.iter().filter(|answer| answer.claim == question.claim);
            let setups: Vec<String> = asked
                .filter(|answer| ratio(answer).is_some_and(|ratio| Twice::of(&ratio) == verdict))
                .map(|answer| answer.setup.to_string())
                .collect();
            (!setups.is_empty()).then(|| format!("{prefix}{} ({})", question.what, setups.join("; ")))
        };
        let whole = QUESTIONS.iter().filter_map(|question| holds(question, |answer| Some(answer.whole), ""));
        let tls = QUESTIONS.iter().filter_map(|question| holds(question, |answer| answer.tls, "what TLS adds to "));
        let things: Vec<String> = whole.chain(tls).collect();
        (!things.is_empty()).then(|| format!("{}: {}", verdict.as_str(), things.join(", ")))
    };
    [Twice::Yes, Twice::More, Twice::Less, Twice::Unsure].into_iter().filter_map(list).collect()
}

fn answer(measured: Measured<'_>, setup: Setup, setups: &[Setup], question: &Question) -> Option<Answer> {
    let ratio = |setup: Setup, names: &[&str], figures: fn(&[f64]) -> f64| {
        let values = |name: &&str| measured.values(name, setup, question.measure, question.figure);
        let values: Vec<Vec<f64>> = names.iter().map(values).collect::<Option<_>>()?;
        Estimate::of(&values.iter().map(Vec::as_slice).collect::<Vec<_>>(), figures)
    };
    let whole_at = |setup| ratio(setup, &["mesh", "double"], |m| m[1] / m[0]);
    let whole = whole_at(setup)?;
    let tls = ratio(setup, &["redirect", "mesh", "double"], |m| (m[2] - m[0]) / (m[1] - m[0]));
    let beside = setups.iter().filter(|other| other.rtt > setup.rtt && setup.is_alike_but_for_rtt(**other));
    let farther: Vec<(Duration, Estimate)> = beside.filter_map(|other| Some((other.rtt, whole_at(*other)?))).collect();
    let here = if setup.rtt.is_zero() { " here".to_owned() } else { format!(" at {:?} RTT", setup.rtt) };
    let mut words = format!("{} {}", question.makes, ratio_text(&whole, &here));
    for (rtt, whole) in &farther {
        words.push_str(&format!(", {}", ratio_text(whole, &format!(" at {rtt:?} RTT"))));
    }
    if let Some(tls) = &tls {
        words.push_str(&format!("; of what TLS adds, {}", ratio_text(tls, "")));
    }
    let rtt_us = |rtt: Duration| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
    Some(Answer {
        claim: question.claim.to_owned(),
        setup,
        whole,
        tls,
        farther: farther.into_iter().map(|(rtt, whole)| Farther { rtt_us: rtt_us(rtt), whole }).collect(),
        words,
    })
}

/// `x1.60 [1.54-1.65] here (less than twice)`.
fn ratio_text(estimate: &Estimate, place: &str) -> String {
    let Estimate { value, low, high } = estimate;
    if estimate.is_of_one_round() {
        return format!("x{value:.2}{place} (measured once: too few rounds to say)");
    }
    format!("x{value:.2} [{low:.2}-{high:.2}]{place} ({})", Twice::of(estimate).as_str())
}
