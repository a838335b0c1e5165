//! The report of idle connections.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ErrorCount;

/// The `schema` of [`HoldReport`].
pub const HOLD_SCHEMA: &str = "sidelab.hold/v1";

/// Connections that are held open. Reported once all were tried, and again at the end.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct HoldReport {
    /// [`HOLD_SCHEMA`].
    pub schema: String,
    /// The URL that was called.
    pub url: String,
    /// Which of the two reports this is.
    pub phase: HoldPhase,
    /// Number of connections requested.
    pub connections: u32,
    /// Connections that are open: one call was answered, and the server has not ended them since.
    pub standing: u32,
    /// Connections that the server ended while they were held.
    pub lost: u32,
    /// Connections that could not be opened or whose call failed, by kind, most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Time to open all of them, in seconds.
    pub opening_seconds: f64,
    /// Time since then, in seconds.
    pub held_seconds: f64,
}

/// The two reports of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldPhase {
    /// All connections were tried; those that are open are idle from now on.
    Standing,
    /// The time is over, or a signal was received; connections are being closed.
    Ended,
}
