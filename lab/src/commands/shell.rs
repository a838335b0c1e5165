//! `sidelab completion` and `sidelab man`.

use std::fs;

use anyhow::{Context, Result};
use clap::CommandFactory;

use super::OK;
use crate::{
    cli::{Cli, CompletionArgs, ManArgs},
    terminal::print_bytes,
};

pub(super) fn completion(args: &CompletionArgs) -> Result<u8> {
    let mut command = Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "sidelab", &mut script);
    print_bytes(&script)?;
    Ok(OK)
}

pub(super) fn man(args: &ManArgs) -> Result<u8> {
    let folder = args.folder.display();
    fs::create_dir_all(&args.folder).with_context(|| format!("{folder}: can't be created"))?;
    clap_mangen::generate_to(Cli::command(), &args.folder).with_context(|| format!("{folder}: can't be written to"))?;
    Ok(OK)
}
