//! Watching folders for files that are moved into them.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use envoy_api::PathConfigSource;
use futures_util::StreamExt as _;
use inotify::{EventStream, Inotify, WatchDescriptor, WatchMask};

use super::ConfigError;

/// Size of the event buffer, enough for a few events with long names.
const BUFFER: usize = 4096;

/// Watches folders with inotify.
pub(super) struct Watcher {
    events: EventStream<[u8; BUFFER]>,
    folders: HashMap<WatchDescriptor, PathBuf>,
}

/// A file was moved into a watched folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// Path of the folder, as it was passed in.
    pub(super) folder: PathBuf,
    /// Path of the file.
    pub(super) path: PathBuf,
}

impl Moved {
    /// Whether the file from this source has to be reloaded.
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

    /// Watches a folder from now on. Idempotent.
    pub(super) fn watch(&mut self, folder: &Path) -> Result<(), ConfigError> {
        // The event that Envoy acts on: `source/common/filesystem/inotify/watcher_impl.cc`, `MovedTo`.
        let watched = self.events.watches().add(folder, WatchMask::MOVED_TO);
        let descriptor = watched.map_err(|error| ConfigError::Watch { folder: folder.into(), error })?;
        self.folders.insert(descriptor, folder.into());
        Ok(())
    }

    /// Waits until a file is moved into one of the folders.
    pub(super) async fn moved(&mut self) -> Moved {
        loop {
            let Some(Ok(event)) = self.events.next().await else {
                // Reading events failed, so there is nothing to wait for.
                return std::future::pending().await;
            };
            if let (Some(folder), Some(name)) = (self.folders.get(&event.wd), event.name) {
                return Moved { folder: folder.clone(), path: folder.join(name) };
            }
        }
    }
}
