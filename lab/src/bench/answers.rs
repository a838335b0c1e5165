//! Answers the claims with figures: does double encryption double the cost?

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{figures::Figure, measure::Measure, series::Measured, setup::Setup, stats::Estimate};

#[cfg(test)]
mod tests;

/// A bench's answer to a claim.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Answer {
    /// Such as `C10`.
    pub claim: String,
    /// The conditions, flattened in JSON, with the shortest of several round trips.
    #[serde(flatten)]
    pub setup: Setup,
    /// The cost of double encryption as a multiple of mutual TLS alone.
    pub whole: Estimate,
    /// The same for what TLS adds to calls through two sidecars.
    pub tls: Option<Estimate>,
    /// `whole` with longer round trips.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub farther: Vec<Farther>,
    pub words: String,
}

/// The ratio with a longer round trip.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Farther {
    /// The round trip that was added, microseconds.
    pub rtt_us: u64,
    /// The cost of double encryption as a multiple of mutual TLS alone.
    pub whole: Estimate,
}

/// Whether something is twice as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    /// The interval is below 2.
    Less,
    /// The interval contains 2.
    Yes,
    /// The interval is above 2.
    More,
    /// The interval contains 2 and 1.
    Unsure,
}

impl Twice {
    pub fn classify(estimate: &Estimate) -> Self {
        match estimate {
            unsure if unsure.contains(1.0) && unsure.contains(2.0) => Self::Unsure,
            twice if twice.contains(2.0) => Self::Yes,
            less if less.high < 2.0 => Self::Less,
            _ => Self::More,
        }
    }

    /// The verdict in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "less than twice",
            Self::Yes => "twice, within what was measured",
            Self::More => "more than twice",
            Self::Unsure => "too few rounds to say",
        }
    }
}

/// A question: the claim, the figure that answers it, and the wording.
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

/// The answers to C10, C11 and C12, as far as the necessary figures were measured.
pub fn compute(measured: Measured<'_>) -> Vec<Answer> {
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

/// What doubles, and what does not: one line each.
pub fn twice(answers: &[Answer]) -> Vec<String> {
    let list = |verdict: Twice| {
        let holds = |question: &Question, ratio: fn(&Answer) -> Option<Estimate>, prefix: &str| {
            let asked = answers.iter().filter(|answer| answer.claim == question.claim);
            let setups: Vec<String> = asked
                .filter(|answer| ratio(answer).is_some_and(|ratio| Twice::classify(&ratio) == verdict))
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
        Estimate::from_medians(&values.iter().map(Vec::as_slice).collect::<Vec<_>>(), figures)
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
    if estimate.is_from_one_round() {
        return format!("x{value:.2}{place} (measured once: too few rounds to say)");
    }
    format!("x{value:.2} [{low:.2}-{high:.2}]{place} ({})", Twice::classify(estimate).as_str())
}
