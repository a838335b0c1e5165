//! What a run found, for people and for machines.

pub(crate) mod claims;
pub mod differences;
pub mod explain;
pub(crate) mod failure;
pub mod github;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod table;
pub(crate) mod words;
