//! Loading rules with `iptables-restore` and `ip6tables-restore`.

use std::{
    env,
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::{
    error::{Doing, Error, Result},
    namespace::join,
};

#[cfg(test)]
mod tests;

/// An IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// That of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The program that loads rules of this IP version.
    pub fn restore_tool(self) -> &'static str {
        match self {
            Self::V4 => "iptables-restore",
            Self::V6 => "ip6tables-restore",
        }
    }
}

/// What happens to existing rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// They stay.
    Add,
    /// Every table in the text is replaced, atomically.
    Replace,
}

/// Loads rules, in the format of `iptables-save`, into the calling thread's namespace. `namespace` is its name, for errors.
///
/// Runs one process for each IP version, in parallel: most of the time goes into waiting for the kernel to close sockets. Either all
/// rules of an IP version are in effect afterwards, or an error names the line.
pub(crate) fn load<'a>(namespace: &str, rules: impl IntoIterator<Item = (Family, &'a str)>, how: Load) -> Result<()> {
    thread::scope(|scope| {
        // Threads start in their parent's namespace.
        let loading: Vec<_> = rules
            .into_iter()
            .map(|(family, rules)| scope.spawn(move || load_all(namespace, family, rules, how)))
            .collect();
        loading.into_iter().try_for_each(join)
    })
}

/// How many rules of a table are loaded at once. The nft flavour sends a table in one message, whose size `net.core.wmem_max` limits
/// in a user namespace: a rule with a comment takes about 500 of 212,992 bytes.
const RULES_AT_ONCE: usize = 200;

fn load_all(namespace: &str, family: Family, rules: &str, how: Load) -> Result<()> {
    let mut parts = parts(rules, RULES_AT_ONCE).into_iter();
    if let Some(first) = parts.next() {
        load_one(namespace, family, &first, how)?;
    }
    parts.try_for_each(|part| load_one(namespace, family, &part, Load::Add))
}

/// Splits a text so that no table in a part has more than `most` rules. The first part declares all chains.
fn parts(rules: &str, most: usize) -> Vec<String> {
    let mut first = String::new();
    let mut others = Vec::new();
    let mut table = String::new();
    let mut taken = 0;
    for line in rules.lines() {
        let is_rule = line.starts_with("-A ") || line.starts_with("-I ");
        if line.starts_with('*') {
            table = format!("{line}\n");
            taken = 0;
        }
        taken += usize::from(is_rule);
        if !is_rule || taken <= most {
            first.push_str(line);
            first.push('\n');
            continue;
        }
        if (taken - 1).is_multiple_of(most) {
            others.push(table.clone());
        }
        if let Some(part) = others.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    let closed = others.into_iter().map(|part| format!("{part}COMMIT\n"));
    std::iter::once(first).chain(closed).collect()
}

fn load_one(namespace: &str, family: Family, rules: &str, how: Load) -> Result<()> {
    let tool = family.restore_tool();
    let mut command = Command::new(find_tool(tool)?);
    // The legacy flavour takes a lock that usually belongs to root and is shared by all namespaces. Any file that can be opened
    // will do, because nothing else loads rules into our namespaces.
    command.arg("-w").env("XTABLES_LOCKFILE", "/dev/null");
    if how == Load::Add {
        command.arg("--noflush");
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .doing(|| format!("run {tool}"))?;
    let written = match child.stdin.take() {
        Some(mut stdin) => stdin.write_all(rules.as_bytes()),
        None => Ok(()),
    };
    let output = child.wait_with_output().doing(|| format!("run {tool}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(refused(tool, namespace, rules, &stderr));
    }
    match written {
        // It need not read anything after the last COMMIT.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
    .doing(|| format!("pass rules to {tool}"))
}

/// Finds a tool on `PATH`, or in the system's sbin folders, which an ordinary user's `PATH` may lack.
pub(crate) fn find_tool(tool: &'static str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(tool))
        .find(|file| is_executable(file))
        .ok_or(Error::ToolMissing { tool, fix: "install it: the package is called `iptables` on most distributions" })
}

/// Whether `file` is a file with an execute permission.
pub(crate) fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Makes an error of a tool's output.
fn refused(tool: &'static str, namespace: &str, rules: &str, stderr: &str) -> Error {
    let line = refused_line(rules, stderr).unwrap_or(0);
    let rule = line.checked_sub(1).and_then(|index| rules.lines().nth(index)).unwrap_or("unknown");
    Error::RuleRefused {
        tool,
        namespace: namespace.to_owned(),
        line,
        rule: rule.to_owned(),
        message: stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("Try `") && !line.starts_with("Error occurred at"))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// The number of the refused line, counted from 1. Some faults are reported only at COMMIT: then it is the line that contains the
/// word that the tool quotes.
fn refused_line(rules: &str, stderr: &str) -> Option<usize> {
    let line = line_number(stderr)?;
    let before: Vec<&str> = rules.lines().take(line).collect();
    if before.last() == Some(&"COMMIT")
        && let Some(quoted) = stderr.split(['\'', '`', '"']).nth(1)
        && let Some(index) = before.iter().rposition(|rule| rule.split(' ').any(|word| word == quoted))
    {
        return Some(index + 1);
    }
    Some(line)
}

/// The number after the word "line", which both flavours print: "line 7 failed" or "at line: 7".
fn line_number(stderr: &str) -> Option<usize> {
    let mut words = stderr.split(|c: char| c.is_whitespace() || c == ':');
    words.find(|word| *word == "line")?;
    words.find(|word| !word.is_empty())?.parse().ok()
}
