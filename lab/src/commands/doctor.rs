//! `sidelab doctor`.
use super::OK;
use crate::cli::OutputArgs;
use anyhow::Result;
pub(super) fn doctor(_args: &OutputArgs) -> Result<u8> {
    Ok(OK)
}
