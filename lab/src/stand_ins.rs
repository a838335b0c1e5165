//! Programs that run instead of images: those named on the command line, and stand-ins.

use std::{collections::BTreeMap, env, fmt::Write, fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use mesh::{
    model::{Container, Resolved},
    stand_in::{self, Vacancy},
};
use serde::{Deserialize, Serialize};

use crate::{
    cli::{StandInArgs, StandInChoice},
    terminal::noteln,
};

#[cfg(test)]
mod tests;

/// The options `--image`, `--images` and `--stand-in`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Images {
    /// The command of each image, by the image's name as given.
    commands: BTreeMap<String, Vec<String>>,
    choice: StandInChoice,
}

impl Images {
    /// Reads the options.
    ///
    /// # Errors
    /// If the file can't be read, or a line is not `NAME=COMMAND`.
    pub fn from_args(args: &StandInArgs) -> Result<Self> {
        let mut commands = BTreeMap::new();
        if let Some(path) = &args.images {
            let text = fs::read_to_string(path).with_context(|| format!("--images: can't read {}", path.display()))?;
            for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())) {
                if !line.is_empty() && !line.starts_with('#') {
                    let (name, command) = read(line).with_context(|| format!("{}:{number}", path.display()))?;
                    commands.insert(name, command);
                }
            }
        }
        for line in &args.image {
            let (name, command) = read(line).context("--image")?;
            commands.insert(name, command);
        }
        Ok(Self { commands, choice: args.stand_in })
    }

    /// Sets the commands of the named images, and puts stand-ins into the containers whose programs this host does not have. Returns
    /// those containers.
    ///
    /// # Errors
    /// With `--stand-in none`, if this host lacks a container's program.
    pub fn apply(&self, mesh: &mut Arc<Resolved>) -> Result<Vec<Vacancy>> {
        for name in self.commands.keys() {
            if !mesh.pods.iter().flat_map(|pod| &pod.containers).any(|container| is_named(&container.image, name)) {
                noteln!("--image {name}: no container has this image");
            }
        }
        self.fill(mesh)
    }

    /// [`apply`](Self::apply), for a mesh whose options were checked before.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn fill(&self, mesh: &mut Arc<Resolved>) -> Result<Vec<Vacancy>> {
        let mesh = Arc::make_mut(mesh);
        for container in mesh.pods.iter_mut().flat_map(|pod| &mut pod.containers) {
            let Some((_, command)) = self.commands.iter().find(|(name, _)| is_named(&container.image, name)) else {
                continue;
            };
            container.command.clone_from(command);
        }
        let vacancies = vacancies(mesh);
        if self.choice == StandInChoice::None && !vacancies.is_empty() {
            bail!("{}", refusal(mesh, &vacancies));
        }
        stand_in::fill(mesh, &vacancies);
        Ok(vacancies)
    }
}

/// The containers whose programs this host does not have.
pub fn vacancies(mesh: &Resolved) -> Vec<Vacancy> {
    stand_in::vacancies(mesh, &runs)
}

/// Prints the stand-ins to standard error, one line per image. `of` is a prefix, such as the scenario.
pub fn print(mesh: &Resolved, vacancies: &[Vacancy], of: &str) {
    let text = list(mesh, vacancies);
    if !text.is_empty() {
        noteln!("{of}images are not run; these have stand-ins instead (--image NAME=COMMAND runs another):\n{text}");
    }
}

/// One line per image: its pods, and the ports of its stand-in with their protocols.
fn list(mesh: &Resolved, vacancies: &[Vacancy]) -> String {
    let mut by_image: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for Vacancy { pod, container, stand_in } in vacancies {
        let container = &mesh.pods[*pod].containers[*container];
        let image = if stand_in.image.is_empty() { container.name.as_str() } else { stand_in.image.as_str() };
        let ports: Vec<_> = stand_in.ports.iter().map(|(port, speaks)| format!("{port} {speaks}")).collect();
        let does = if ports.is_empty() { "listens nowhere".into() } else { format!("listens on {}", ports.join(", ")) };
        by_image.entry((image, does)).or_default().push(&mesh.pods[*pod].workload);
    }
    let mut text = String::new();
    for ((image, does), mut pods) in by_image {
        pods.dedup();
        let others = if pods.len() > 3 { format!(" and {} more", pods.len() - 3) } else { String::new() };
        pods.truncate(3);
        let _ = writeln!(text, "  {image} ({}{others}): {does}", pods.join(", "));
    }
    text.truncate(text.trim_end().len());
    text
}

fn refusal(mesh: &Resolved, vacancies: &[Vacancy]) -> String {
    let lines = vacancies.iter().map(|Vacancy { pod, container, .. }| {
        let Container { source, image, name, command, .. } = &mesh.pods[*pod].containers[*container];
        match command.first() {
            None => format!("{source}: images are not run: container {name} has image {image:?} and no `command`"),
            Some(program) => format!("{source}: container {name} runs {program:?}, which this host does not have"),
        }
    });
    let mut lines: Vec<_> = lines.collect();
    lines.dedup();
    lines.join("\n") + "\nname a program of this host with --image NAME=COMMAND, or leave out --stand-in none"
}

/// Reads `NAME=COMMAND`.
fn read(line: &str) -> Result<(String, Vec<String>)> {
    let (name, command) =
        line.split_once('=').with_context(|| format!("{line:?} is not NAME=COMMAND, such as redis=redis-server"))?;
    let words = words(command).with_context(|| format!("{line:?}: a quote is not closed"))?;
    if name.trim().is_empty() || words.is_empty() {
        bail!("{line:?} is not NAME=COMMAND, such as redis=redis-server");
    }
    Ok((name.trim().to_owned(), words))
}

/// Splits a command into words, as a shell does; quotes keep words together. `None` if a quote is not closed.
fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Whether a name refers to an image: it is all of it, all without tag and digest, or the last part of its path.
fn is_named(image: &str, name: &str) -> bool {
    let untagged = image.split('@').next().unwrap_or(image);
    let untagged = match untagged.rsplit_once(':') {
        // A colon before a slash is a registry's port.
        Some((before, tag)) if !tag.contains('/') => before,
        _ => untagged,
    };
    image == name || untagged == name || untagged.rsplit('/').next() == Some(name)
}

/// Whether this host has a program.
fn runs(program: &str) -> bool {
    let is_program =
        |path: &Path| fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        return is_program(Path::new(program));
    }
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| is_program(&folder.join(program)))
}
