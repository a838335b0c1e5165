//! Work on several things at the same time.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::Result;

#[cfg(test)]
mod tests;

/// Does the work for each item, for up to `at_once` of them at the same time. Returns the results in the order of the items.
///
/// # Errors
/// The first error in that order. Each thread ends at its first error.
pub(crate) fn each<T: Send, R: Send>(
    items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator + Send>,
    at_once: usize,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let items = items.into_iter();
    let threads = at_once.min(items.len());
    let queue = Mutex::new(items.enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        let mut done = Vec::new();
        while let Some((index, item)) = next() {
            let result = work(item);
            let failed = result.is_err();
            done.push((index, result));
            if failed {
                break;
            }
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().flat_map(join).collect::<Vec<(usize, Result<R>)>>()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
