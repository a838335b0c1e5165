//! Programs that read a request per line, and answer each with a line.

use std::{
    io::{BufReader, Read, Write},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};
use serde::{Serialize, de::DeserializeOwned};

/// Sends requests to one process, one after the other, and returns its answers.
///
/// # Errors
/// If the program can't be run, or does not answer each request.
pub(crate) fn ask<Request, Answer>(command: &mut Command, requests: &[Request]) -> Result<Vec<Answer>>
where
    Request: Serialize + Sync,
    Answer: DeserializeOwned,
{
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("can't run {program}"))?;
    let mut stdin = child.stdin.take().context("a pipe to it")?;
    let stdout = child.stdout.take().context("a pipe from it")?;
    let mut stderr = child.stderr.take().context("a pipe from it")?;
    let (answers, stderr_text) = thread::scope(|scope| {
        // It can stop reading early: its error message is then worth more than the broken pipe.
        scope.spawn(move || requests.iter().try_for_each(|request| send(&mut stdin, request)));
        let stderr_text = scope.spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text).unwrap_or_default()
        });
        let answers = serde_json::Deserializer::from_reader(BufReader::new(stdout)).into_iter::<Answer>();
        let answers: Result<Vec<_>, _> = answers.collect();
        (answers, stderr_text.join().unwrap_or_default())
    });
    let status = child.wait()?;
    let answers = answers.with_context(|| format!("{program}: {}", stderr_text.trim()))?;
    if !status.success() || answers.len() != requests.len() {
        bail!("{program} gave {} of {} answers ({status}): {}", answers.len(), requests.len(), stderr_text.trim());
    }
    Ok(answers)
}

fn send(to: &mut impl Write, request: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *to, request)?;
    to.write_all(b"\n")
}
