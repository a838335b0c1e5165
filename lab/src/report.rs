//! What a run found, for people and for machines.

pub mod explain;
pub mod html;
pub mod junit;
pub mod table;
