//! Files of a crate do not import each other in circles, so that they can be read bottom-up.
//!
//! Only `use` items that name modules of the same crate count, not paths inside code. Tests, and what only they use, are ignored.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use pretty_assertions::assert_eq;
use tests::checkout;

/// A module by its path in its crate: empty for the crate's root.
type Module = Vec<String>;

#[test]
fn files_do_not_import_from_each_other_in_circles() {
    let circles: BTreeMap<String, Vec<Vec<String>>> = crates()
        .into_iter()
        .map(|folder| (folder.clone(), circles(&checkout().join(folder).join("src"))))
        .filter(|(_, circles)| !circles.is_empty())
        .collect();
    assert_eq!(circles, BTreeMap::new());
}

#[test]
fn a_circle_through_a_reexport_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\n");
    write("a.rs", "use crate::b::{self, B};\npub struct A;\n");
    write("b.rs", "use crate::{\n    c::C,\n    A, // of a\n};\npub struct B;\n");
    write("c.rs", "use std::fmt;\n#[cfg(test)]\nmod tests {\n    use crate::A;\n}\npub struct C;\n");
    assert_eq!(circles(folder.path()), [["a", "b"]]);
    write("b.rs", "use crate::c::C;\npub struct B;\n");
    assert_eq!(circles(folder.path()), Vec::<Vec<String>>::new());
}

/// The folders of the workspace's crates.
fn crates() -> Vec<String> {
    let manifest = fs::read_to_string(checkout().join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    members.split(',').map(|member| member.trim().trim_matches('"').to_owned()).filter(|m| !m.is_empty()).collect()
}

/// The circles of files below a folder that import each other.
fn circles(sources: &Path) -> Vec<Vec<String>> {
    let mut files = BTreeMap::new();
    read(sources, &mut Vec::new(), &mut files);
    let imports: BTreeMap<&Module, BTreeSet<Module>> =
        files.iter().map(|(module, text)| (module, imports(module, text, &files))).collect();
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.keys().map(|module| (*module, reached(module, &imports))).collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (module, reach) in &reached {
        if reach.contains(module) {
            let circle = reach.iter().filter(|other| reached[**other].contains(module));
            circles
                .insert(circle.map(|other| if other.is_empty() { "lib".into() } else { other.join("::") }).collect());
        }
    }
    circles.into_iter().collect()
}

/// Reads all sources except tests, by module.
fn read(folder: &Path, at: &mut Module, files: &mut BTreeMap<Module, String>) {
    const OF_TESTS: [&str; 3] = ["tests", "testing", "fixtures"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if OF_TESTS.contains(&stem.as_str()) {
            continue;
        }
        let is_root = at.is_empty() && ["lib", "main"].contains(&stem.as_str());
        if path.is_dir() {
            at.push(stem);
            read(&path, at, files);
            at.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module: Module = at.iter().cloned().chain((!is_root).then_some(stem)).collect();
            let text = fs::read_to_string(&path).unwrap();
            files.entry(module).or_default().push_str(without_tests(&text));
        }
    }
}

/// A file's text without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// The other modules that a module imports from.
fn imports(module: &Module, text: &str, files: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let paths = uses(text).into_iter().flat_map(|(_, tree)| expand(&tree));
    let mut found: BTreeSet<Module> = paths.filter_map(|path| home(module, &path, files)).collect();
    found.remove(module);
    found
}

/// The module that defines what a path names, following re-exports.
fn home(module: &Module, path: &[String], files: &BTreeMap<Module, String>) -> Option<Module> {
    let mut path = absolute(module, path, files)?;
    // A chain of re-exports is at most as long as there are files.
    for _ in files {
        let known = (0..=path.len()).rev().find(|length| files.contains_key(&path[..*length]))?;
        let (module, rest) = (path[..known].to_vec(), path[known..].to_vec());
        let Some(name) = rest.first() else { return Some(module) };
        let exports =
            uses(&files[&module]).into_iter().filter(|(public, _)| *public).flat_map(|(_, tree)| expand(&tree));
        let again =
            exports.filter(|export| export.last() == Some(name)).find_map(|export| absolute(&module, &export, files));
        match again {
            Some(again) if again != path => path = again,
            _ => return Some(module),
        }
    }
    None
}

/// A path from the crate's root; `None` for a path into another crate.
fn absolute(module: &Module, path: &[String], files: &BTreeMap<Module, String>) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            Some([&module[..module.len().checked_sub(up)?], &path[up..]].concat())
        }
        _ => {
            let child = [&module[..], std::slice::from_ref(first)].concat();
            files.contains_key(&child).then(|| [&module[..], path].concat())
        }
    }
}

/// The `use` items of a file: whether each is a re-export, and its tree.
fn uses(text: &str) -> Vec<(bool, String)> {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text: String = lines.collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rsplit('\n').next().unwrap_or_default().trim();
        let tail = &rest[at + "use ".len()..];
        let is_item = line.is_empty() || line == "pub" || (line.starts_with("pub(") && line.ends_with(')'));
        if let (true, Some((tree, _))) = (is_item, tail.split_once(';')) {
            found.push((!line.is_empty(), tree.to_owned()));
        }
        rest = tail;
    }
    found
}

/// The paths in a tree: `a::{b, c::{d, self}}` has `a::b`, `a::c::d` and `a::c::self`.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for branch in branches(tree) {
        let (stem, inside) = match branch.split_once('{') {
            Some((stem, inside)) => (stem, inside.trim_end().strip_suffix('}')),
            None => (branch, None),
        };
        let stem = stem.split(" as ").next().unwrap_or_default();
        let stem: Vec<String> =
            stem.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        match inside {
            Some(inside) => paths.extend(expand(inside).into_iter().map(|path| [&stem[..], &path[..]].concat())),
            None if stem.is_empty() => {}
            None => paths.push(stem),
        }
    }
    paths
}

/// Splits at the outermost commas.
fn branches(tree: &str) -> Vec<&str> {
    let (mut branches, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(&tree[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    branches.push(&tree[begin..]);
    branches
}

/// All modules that a module imports from, directly or indirectly.
fn reached<'a>(module: &Module, imports: &'a BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<&'a Module> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![module]);
    let mut seen = BTreeSet::new();
    while let Some(module) = next.pop() {
        for import in imports.get(module).into_iter().flatten() {
            reached.insert(import);
            if seen.insert(import) {
                next.push(import);
            }
        }
    }
    reached
}
