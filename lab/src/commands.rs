//! The commands: each reads its input, calls the rest of the program, and prints.

mod bench;
mod capture;
pub(crate) mod change;
mod claims;
mod config;
mod cp;
mod delay;
mod describe;
pub(crate) mod diagnose;
mod diff;
pub(crate) mod doctor;
mod edit;
mod explain;
pub(crate) mod fault;
mod get;
pub(crate) mod import;
mod inspect;
mod istiod;
mod labs;
mod listing;
mod logs;
mod metrics;
mod opened;
mod port_forward;
mod proxy_config;
mod proxy_status;
pub(crate) mod rotate;
mod run;
mod shell;
pub(crate) mod up;
pub(crate) mod validate;
mod watch;

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::{
    cli::{Cli, Command},
    logging,
    sidecar::TooFewInotifyInstances,
    terminal::{noteln, out, outln},
    tools::MissingTool,
};

/// Everything as expected.
const OK: u8 = 0;
/// A verdict failed.
const FAILED: u8 = 1;
/// Usage error, or invalid input.
const USAGE: u8 = 2;
/// This host lacks something.
const HOST: u8 = 3;
/// Ended by Ctrl-C: 128 + SIGINT, as in shells.
const INTERRUPTED: u8 = 130;

/// Runs a command, and returns its exit code.
pub fn dispatch(cli: Cli) -> ExitCode {
    cli.color.write_global();
    let result = logging::init().map_err(Into::into).and_then(|()| command(cli.command));
    let code = result.unwrap_or_else(|error| {
        noteln!("{ERROR}error{ERROR:#}: {}", message_of(&error));
        code_of(&error)
    });
    ExitCode::from(code)
}

fn command(command: Command) -> Result<u8> {
    match command {
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Validate(args) => validate::validate(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Diagnose(args) => diagnose::diagnose(&args),
        Command::Import(args) => import::import(&args),
        Command::Config(args) => config::config(&args),
        Command::Istiod(args) => istiod::istiod(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Scenarios(args) => listing::scenarios(&args),
        Command::Claims(args) => claims::claims(&args),
        Command::Run(args) => run::run(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Up(args) => up::up(&args),
        Command::Apply(args) => change::apply(&args),
        Command::Delete(args) => change::delete(&args),
        Command::Edit(args) => edit::edit(&args),
        Command::Rotate(args) => rotate::rotate(&args),
        Command::Get(args) => get::get(&args),
        Command::Describe(args) => describe::describe(&args),
        Command::ProxyConfig(args) => proxy_config::proxy_config(&args),
        Command::ProxyStatus(args) => proxy_status::proxy_status(&args),
        Command::Certs(args) => proxy_config::certs(&args),
        Command::Capture(args) => capture::capture(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::PortForward(args) => port_forward::port_forward(&args),
        Command::Exec(args) => inspect::exec(&args),
        Command::Cp(args) => cp::cp(&args),
        Command::Logs(args) => logs::logs(&args),
        Command::Metrics(args) => metrics::metrics(&args),
        Command::Delay(args) => delay::delay(&args),
        Command::Fault(args) => fault::fault(&args),
        Command::Down(args) => up::down(&args),
        Command::Completion(args) => shell::completion(&args),
        Command::Man(args) => shell::man(&args),
    }
}

/// Prints what the command line requests instead of a command, such as `--help`, or why it is invalid.
pub fn print_usage(answer: &clap::Error) -> ExitCode {
    let text = answer.render();
    if answer.use_stderr() {
        noteln!("{}", text.ansi().to_string().trim_end());
        return ExitCode::from(USAGE);
    }
    let printed = out!("{}", text.ansi());
    ExitCode::from(printed.map_or_else(
        |error| {
            noteln!("{ERROR}error{ERROR:#}: {error}");
            USAGE
        },
        |()| OK,
    ))
}

const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();

/// An error and its causes, outermost first, without repeating a cause that an error already quotes.
fn message_of(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

fn code_of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<crate::run::Interrupted>() {
            return INTERRUPTED;
        }
        if let Some(error) = cause.downcast_ref::<netns::Error>() {
            return if labs::is_wrong_use(error) { USAGE } else { HOST };
        }
        if cause.is::<MissingTool>() || cause.is::<TooFewInotifyInstances>() {
            return HOST;
        }
    }
    USAGE
}

fn print_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    outln!("{text}")?;
    Ok(())
}
