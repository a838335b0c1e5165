//! The real control planes, as programs that `scripts/` builds from their Go modules: how they are found and asked, and how their answers
//! are stored for machines without them.

use std::{
    env,
    fs::File,
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use mesh::SourceFile;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    data, output,
    tools::{MissingTool, Tools},
};

/// A program that `scripts/NAME` builds.
pub(crate) struct Reference {
    pub(crate) name: &'static str,
    /// The environment variable that names another binary.
    pub(crate) variable: &'static str,
    /// What to do where it is missing.
    pub(crate) fix: &'static str,
}

impl Reference {
    /// Finds the program: where its variable says, else in the project's cache.
    ///
    /// # Errors
    /// If it has not been built.
    pub(crate) fn find(&self) -> Result<PathBuf, MissingTool> {
        let program = match env::var_os(self.variable) {
            Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
            None => data::built(&Tools::find().own, self.name),
        };
        program.ok_or_else(|| MissingTool { program: self.name.into(), fix: self.fix.into() })
    }
}

/// A file of manifests in a request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Manifest {
    name: String,
    text: String,
}

impl From<&SourceFile> for Manifest {
    fn from(file: &SourceFile) -> Self {
        Self { name: file.name.clone(), text: file.text.clone() }
    }
}

/// An object, and what its server says of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Object {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// The file that contains it.
    pub file: String,
    /// The document's number in the file, from 1.
    pub document: usize,
    /// Whether the server accepts it.
    pub allowed: bool,
    /// The reason for a refusal; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Warnings about an accepted object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Reads what [`store`] wrote; `None` if there is no such file.
///
/// # Errors
/// If the file contains something else.
pub fn stored<T: DeserializeOwned>(path: &Path) -> serde_json::Result<Option<T>> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    serde_json::from_reader(BufReader::new(GzDecoder::new(file))).map(Some)
}

/// Stores an answer, as JSON in gzip's format.
///
/// # Errors
/// If the file can't be written; an existing file stays.
pub fn store(path: &Path, answer: &impl Serialize) -> Result<()> {
    let mut bytes = GzEncoder::new(vec![], Compression::best());
    serde_json::to_writer(&mut bytes, answer)?;
    Ok(output::write(path, bytes.finish()?)?)
}

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
