//! The report of connections that are held.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ErrorCount;

/// The `schema` of [`HoldReport`].
pub const HOLD_SCHEMA: &str = "sidelab.hold/v1";

/// Connections that are held open: printed when all have been tried, and again at the end.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct HoldReport {
    /// [`HOLD_SCHEMA`].
    pub schema: String,
    /// The URL that was called.
    pub url: String,
    /// When this is said.
    pub phase: HoldPhase,
    /// Connections asked for.
    pub connections: u32,
    /// Connections that stand: opened, one call answered, and not ended by the server since.
    pub standing: u32,
    /// Connections that the server ended while they were held.
    pub lost: u32,
    /// Connections that could not be opened, or whose call failed, by kind, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// What it took to open them all, in seconds.
    pub opening_seconds: f64,
    /// How long they have been held since, in seconds.
    pub held_seconds: f64,
}

/// When a [`HoldReport`] was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldPhase {
    /// Every connection has been tried; those that stand are idle from now on.
    Standing,
    /// The time is over, or a signal came; those that stood are being closed.
    Ended,
}
