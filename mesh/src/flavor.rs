//! What differs between the two meshes.

use crate::model::Flavor;

/// The decisions of the compiler that the two meshes take differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decisions {}

impl Decisions {
    /// A mesh's decisions.
    pub fn of(_flavor: Flavor) -> Self {
        Self {}
    }
}
