//! Load on a lab that is disturbed meanwhile: certificates are replaced, policies, listeners and clusters change, processes stop,
//! disk and descriptors run out. Nothing may be altered, and nothing may be lost that a disturbance does not explain.
//!
//! What is disturbed follows from a seed (`plan`); what is explained is a pure function of requests and times (`judge`).

mod disturb;
mod judge;
mod lab;
mod memory;
mod options;
mod plan;
mod report;
mod traffic;

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ::lab::interrupt;
use anyhow::{Context, Result};

use disturb::Disturber;
use judge::Window;
use lab::ChaosLab;
use memory::Memory;
use plan::Plan;
use traffic::Traffic;

pub use options::Options;
pub use report::{Report, table};

/// The time between the beginnings of two disturbances. Certificates are replaced every fourth time.
const STEP: Duration = Duration::from_millis(2500);

/// Brings a lab up, loads and disturbs it, and reports what was lost. A signal ends it early and in order.
///
/// # Errors
/// If the lab can't be brought up, or a disturbance can't be carried out.
pub fn run(options: &Options) -> Result<Report> {
    let lab = ChaosLab::up(&options.data_plane)?;
    let mut memory = Memory::default();
    let traffic = Traffic::start(&lab, options)?;
    let mut disturber = Disturber::new(&lab);
    let mut windows: Vec<Window> = Vec::new();
    let begun = Instant::now();
    for (number, disturbance) in Plan::new(options.seed).enumerate() {
        let due = begun + STEP * u32::try_from(number)?;
        if due.duration_since(begun) + STEP > options.length {
            break;
        }
        pause_until(due);
        if interrupt::is_asked() {
            break;
        }
        if options.data_plane == "envoy" && !disturbance.envoy_survives() {
            continue;
        }
        let began_ns = now_ns();
        (options.progress)(&format!("{} {:>5.0?} {disturbance}", options.data_plane, begun.elapsed()));
        disturber.carry_out(disturbance).with_context(|| format!("{disturbance}{}", lab.last_words()))?;
        windows.push(Window { disturbance, began_ns, ended_ns: now_ns() });
        memory.sample(&lab)?;
    }
    (options.progress)(&format!("{} {:>5.0?} PERMISSIVE, to end with", options.data_plane, begun.elapsed()));
    disturber.calm().context("at the end")?;
    if !interrupt::is_asked() {
        pause_until(begun + options.length);
    }
    let length = begun.elapsed().min(options.length);
    (options.progress)(&format!("{} {:>5.0?} the loads end", options.data_plane, begun.elapsed()));
    let loads = traffic.end()?;
    (options.progress)(&format!("{} {:>5.0?} the loads have ended", options.data_plane, begun.elapsed()));
    memory.sample(&lab)?;
    let report = Report::new(options, length, &loads, &windows, &memory);
    lab.down()?;
    Ok(report)
}

fn pause_until(time: Instant) {
    // A schedule is not a wait for something.
    #[allow(clippy::disallowed_methods, reason = "disturbances come at their times, whatever happens")]
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

/// Nanoseconds since 1970.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().try_into().unwrap_or(u64::MAX)
}
