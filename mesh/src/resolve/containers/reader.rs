//! The state while reading the containers of a pod.

use crate::{
    fault::Faults,
    model::PodIps,
    resolve::{drafts::Draft, index::Index},
};

/// Reads the containers and volumes of one pod.
pub(super) struct Reader<'a, 'b> {
    pub(super) pod: &'a Draft<'a>,
    pub(super) ips: PodIps,
    pub(super) injected: bool,
    pub(super) index: &'a Index<'a>,
    pub(super) faults: &'b mut Faults,
}

impl Reader<'_, '_> {
    pub(super) fn error(&mut self, field: &str, message: &str) {
        self.faults.error(self.pod.head, self.pod.at(field).field, message);
    }

    pub(super) fn warn(&mut self, field: &str, message: &str) {
        self.faults.warn(self.pod.head, self.pod.at(field).field, message);
    }
}
