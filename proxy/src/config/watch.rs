//! Being told of files that are moved into place.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use envoy_api::PathConfigSource;
use futures_util::StreamExt as _;
use inotify::{EventStream, Inotify, WatchDescriptor, WatchMask};

use super::ConfigError;

/// Room for a few events, whose names may be long.
const BUFFER: usize = 4096;

/// Watches folders.
pub(super) struct Watcher {
    events: EventStream<[u8; BUFFER]>,
    folders: HashMap<WatchDescriptor, PathBuf>,
}

/// Something was moved into a watched folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// The folder, as it was given.
    pub(super) folder: PathBuf,
    /// What was moved there.
    pub(super) path: PathBuf,
}

impl Moved {
    /// Whether it means that a file has to be loaded again.
    pub(super) fn concerns(&self, source: &PathConfigSource) -> bool {
        match &source.watched_directory {
            Some(watched) => watched.path == self.folder,
            None => source.path == self.path,
        }
    }
}

impl Watcher {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { events: Inotify::init()?.into_event_stream([0; BUFFER])?, folders: HashMap::new() })
    }

    /// Watches a folder, from now on. Doing so again changes nothing.
    pub(super) fn watch(&mut self, folder: &Path) -> Result<(), ConfigError> {
        // What Envoy acts on: `source/common/filesystem/inotify/watcher_impl.cc`, `MovedTo`.
        let watched = self.events.watches().add(folder, WatchMask::MOVED_TO);
        let descriptor = watched.map_err(|error| ConfigError::Watch { folder: folder.into(), error })?;
        self.folders.insert(descriptor, folder.into());
        Ok(())
    }

    /// Waits until something is moved into one of the folders.
    pub(super) async fn moved(&mut self) -> Moved {
        loop {
            let Some(Ok(event)) = self.events.next().await else {
                // The kernel has nothing more to tell. There is nothing to follow then, and nothing else to do.
                return std::future::pending().await;
            };
            if let (Some(folder), Some(name)) = (self.folders.get(&event.wd), event.name) {
                return Moved { folder: folder.clone(), path: folder.join(name) };
            }
        }
    }
}
