//! The state that a lab's handles share.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use crate::{
    error::{Doing, Result},
    namespace::{self, Namespace},
    spawner::Spawner,
    state::{Entry, Journal},
};

/// State that the handles of one lab share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    pub(crate) journal: Journal,
    pub(crate) spawner: Spawner,
    pub(crate) stays_up: bool,
    /// Whether processes keep running when their handles are dropped.
    pub(crate) left_up: AtomicBool,
}

impl Shared {
    pub(crate) fn new(id: String, dir: &Path, stays_up: bool, left_up: bool) -> Result<Self> {
        Ok(Self {
            id,
            dir: dir.to_owned(),
            journal: Journal::open(dir)?,
            spawner: Spawner::start().doing(|| "start a thread".to_owned())?,
            stays_up,
            left_up: AtomicBool::new(left_up),
        })
    }

    /// The namespace of the node, or of the pod `name`.
    pub(crate) fn namespace(&self, name: &str) -> Namespace {
        Namespace::new(format!("{}-{name}", self.id), namespace::folder(&self.dir).join(name))
    }

    /// Records that a namespace is about to be created.
    pub(crate) fn record_namespace(&self, name: &str) -> Result<()> {
        let namespace = self.namespace(name);
        self.journal.record(&Entry::Namespace {
            name: namespace.name().to_owned(),
            path: namespace::folder(&self.dir).join(name),
        })
    }
}
