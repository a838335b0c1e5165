//! Shell completions and manual pages.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  source <(sidelab completion bash)\n  \
                        sidelab completion zsh > \"${fpath[1]}/_sidelab\"\n  \
                        sidelab completion fish > ~/.config/fish/completions/sidelab.fish")]
pub struct CompletionArgs {
    /// The shell to complete in
    #[arg(value_enum)]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder for the pages, one per command, such as sidelab-run.1
    pub folder: PathBuf,
}
