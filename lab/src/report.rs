//! What a run found, for people and for machines.

pub(crate) mod claims;
pub mod differences;
pub mod explain;
pub mod html;
pub mod junit;
pub mod table;
pub(crate) mod words;
