//! `sidelab delay`.

use std::sync::mpsc;

use anyhow::{Context, Result};
use netns::Lab;

use super::{OK, labs};
use crate::cli::DelayArgs;

pub(super) fn delay(args: &DelayArgs) -> Result<u8> {
    let id = labs::meant(args.lab.lab.as_deref())?;
    let lab = Lab::open(&id)?;
    let (tell, told) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Nobody listens any more when it ends already.
        let _ = tell.send(());
    })
    .context("can't handle Ctrl-C")?;
    let delay = lab.delay(args.rtt / 2)?;
    anstream::println!("a round trip between pods of lab {id} takes {:?} longer, until Ctrl-C", args.rtt);
    told.recv().context("nobody listens to Ctrl-C")?;
    drop(delay);
    anstream::println!("lab {id} is as before");
    Ok(OK)
}
