//! What a run found, for people and for machines.

pub mod explain;
pub mod junit;
pub mod table;
