//! A lab that is up: what it was made from, and how it changes while it runs.

pub(crate) mod change;
pub(crate) mod faults;
mod pods;
pub(crate) mod record;
pub(crate) mod roll;
pub(crate) mod rotate;
mod turn;

pub(crate) use self::turn::Turn;
