//! Compares the compiler with the real Istio control plane: for all scenarios, by istiod's stored answers, and for random manifests,
//! if istiod is built (`scripts/istiod`).

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
};

use lab::{
    istiod::{self, Answer, Istiod, PodDifferences, Request, verdicts::disagreements},
    manifests,
};
use mesh::{
    SourceFile,
    model::{Flavor, Mesh},
};
use tests::{
    checkout,
    generate::{self, Documents},
    sidelab, text,
};

fn istio(files: &[SourceFile]) -> anyhow::Result<Mesh> {
    Ok(Mesh::new(manifests::resolve(files)?.0, Flavor::Istio))
}

/// The differences without a reason, one per line, and the number of those with one.
fn unexplained(all: &[PodDifferences]) -> (Vec<String>, usize) {
    let mut lines = vec![];
    let mut explained = 0;
    for of in all {
        for judged in &of.judged {
            match judged.known {
                Some(_) => explained += 1,
                None => lines.push(format!("{}: {}", of.pod, judged.difference)),
            }
        }
    }
    (lines, explained)
}

#[test]
fn every_scenario_differs_from_istiod_only_as_the_table_says() {
    let mut bad = vec![];
    let mut explained = 0;
    let scenarios = tests::scenarios();
    for scenario in &scenarios {
        let files = manifests::read(&[scenario.manifests()]).unwrap();
        let golden = istiod::golden(&scenario.directory, &files[0].text).unwrap();
        let answer = golden.unwrap_or_else(|| {
            panic!("{}: no answer of istiod is stored for these manifests; run `scripts/istiod goldens`", scenario.name)
        });
        let mesh = istio(&files).unwrap();
        let (lines, known) = unexplained(&istiod::differences(&mesh, &answer).unwrap());
        bad.extend(lines.into_iter().map(|line| format!("{}: {line}", scenario.name)));
        explained += known;
    }
    println!("{} scenarios: {explained} differences with a reason, {} without", scenarios.len(), bad.len());
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn diff_of_a_name_that_several_namespaces_have_shows_each_of_its_pods() {
    let compared = |more: &[&str]| {
        let output = sidelab(&[&["diff", "-f", "scenarios/matrix/manifests.yaml", "server"], more].concat());
        let printed = text(&output);
        let counted = |line: &&str| line.ends_with(" differences with a reason, 0 without");
        let pods = printed.lines().filter(counted).filter_map(|line| line.split(':').next());
        (output.status.code(), pods.map(str::to_owned).collect::<Vec<_>>(), printed)
    };
    let (code, pods, printed) = compared(&[]);
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(pods, ["server.disable", "server.permissive", "server.strict", "server.unset"]);
    assert!(printed.contains("istiod: ") && printed.contains("here:   "), "each with its reason: {printed}");
    assert_eq!(compared(&["-n", "strict"]).1, ["server.strict"]);
    let (code, _, printed) = compared(&["-n", "client"]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("no pod \"server\"") && printed.contains("server.unset"), "{printed}");
}

#[test]
fn the_stored_answers_are_those_of_the_built_istiod() {
    let Some(program) = tests::istiod() else { return };
    let scenarios = tests::scenarios();
    let mut requests = vec![];
    for scenario in &scenarios {
        let text = manifests::read(&[scenario.manifests()]).unwrap().remove(0).text;
        let files = [SourceFile { name: "manifests.yaml".into(), text }];
        let mesh = istio(&files).unwrap();
        requests.push(Request::new(&files, Some(&mesh)));
    }
    let mut stale = vec![];
    for (scenario, today) in scenarios.iter().zip(program.ask(&requests).unwrap()) {
        let text = manifests::read(&[scenario.manifests()]).unwrap().remove(0).text;
        let kept = istiod::golden(&scenario.directory, &text).unwrap();
        let as_json = |answer| serde_json::to_value(answer).unwrap();
        if kept.map(as_json) != Some(as_json(today)) {
            stale.push(scenario.name.as_str());
        }
    }
    assert!(stale.is_empty(), "run `scripts/istiod goldens`: istiod's answer has changed for {}", stale.join(", "));
}

/// The number of random manifests, and the first seed: `SIDELAB_GENERATED` sets another number.
fn draws() -> (u64, u64) {
    let number = |name: &str, otherwise| env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    (number("SIDELAB_GENERATED", 100), number("SIDELAB_SEED", 1))
}

#[test]
fn generated_manifests_differ_from_istiod_only_as_the_table_says() {
    let Some(program) = tests::istiod() else { return };
    let (count, first) = draws();
    let mut by_kind: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut refused = 0;
    let mut explained = 0;
    let seeds: Vec<u64> = (first..first + count).collect();
    for chunk in seeds.chunks(100) {
        let documents: Vec<Documents> = chunk.iter().map(|&seed| generate::manifests(seed)).collect();
        for (&seed, judged) in chunk.iter().zip(judge(&program, &documents)) {
            refused += u64::from(judged.refused);
            explained += judged.explained;
            for kind in judged.kinds {
                by_kind.entry(kind).or_default().push(seed);
            }
        }
    }
    println!(
        "seeds {first} to {}: {refused} refused by both, {explained} differences with a reason, {} kinds without",
        first + count - 1,
        by_kind.len()
    );
    for (kind, seeds) in &by_kind {
        println!("  {kind}: {} of them, the first is {}", seeds.len(), seeds[0]);
    }
    let lines: Vec<String> = by_kind.iter().take(3).map(|(kind, seeds)| shrunk(&program, kind, seeds)).collect();
    assert!(by_kind.is_empty(), "{}", lines.join("\n\n"));
}

/// The result for one set of manifests.
#[derive(Default)]
struct Judgement {
    /// Whether both sides reject an object.
    refused: bool,
    /// The kinds of differences without a reason, without names.
    kinds: BTreeSet<String>,
    /// The number of differences with a reason.
    explained: usize,
}

fn judge(program: &Istiod, drawn: &[Documents]) -> Vec<Judgement> {
    let files: Vec<_> = drawn.iter().map(|d| [SourceFile { name: "m.yaml".into(), text: generate::yaml(d) }]).collect();
    let meshes: Vec<_> = files.iter().map(|files| istio(files)).collect();
    let requests: Vec<_> =
        files.iter().zip(&meshes).map(|(files, mesh)| Request::new(files, mesh.as_ref().ok())).collect();
    let answers = program.ask(&requests).unwrap();
    files.iter().zip(&meshes).zip(&answers).map(|((files, mesh), answer)| judge_one(files, mesh, answer)).collect()
}

fn judge_one(files: &[SourceFile], mesh: &anyhow::Result<Mesh>, answer: &Answer) -> Judgement {
    let mut judged = Judgement::default();
    if !answer.error.is_empty() {
        judged.kinds.insert(format!("istiod: {}", answer.error));
        return judged;
    }
    for disagreement in disagreements(files, answer) {
        let side = if disagreement.istiod.is_some() { "istiod" } else { "here" };
        let words = disagreement.istiod.unwrap_or_else(|| disagreement.here.join("; "));
        let kind = disagreement.object.split(' ').next().unwrap_or_default();
        judged.kinds.insert(format!("{kind} is refused by one side alone: {side}: {}", without_names(&words)));
    }
    let refused_there = answer.objects.iter().any(|object| !object.allowed);
    match mesh {
        _ if !judged.kinds.is_empty() => {}
        Err(_) if refused_there => judged.refused = true,
        Err(faults) => drop(judged.kinds.insert(format!("refused here: {}", without_names(&faults.to_string())))),
        Ok(mesh) => {
            for of in istiod::differences(mesh, answer).unwrap() {
                for found in of.judged {
                    match found.known {
                        Some(_) => judged.explained += 1,
                        None => drop(judged.kinds.insert(kind(&found.difference.path))),
                    }
                }
            }
        }
    }
    judged
}

/// A message without names and numbers.
fn without_names(words: &str) -> String {
    let plain = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || matches!(c, ',' | ':' | ';'));
    words.split_whitespace().map(|word| if plain(word) { word } else { "*" }).collect::<Vec<_>>().join(" ")
}

/// A difference without the names in it: `clusters / * / connect_timeout`.
fn kind(path: &[String]) -> String {
    let is_field = |part: &String| part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let parts: Vec<&str> = path.iter().map(|part| if is_field(part) { part.as_str() } else { "*" }).collect();
    parts.join(" / ")
}

/// The smallest manifests that show a kind of difference, with the difference.
fn shrunk(program: &Istiod, kind: &str, seeds: &[u64]) -> String {
    let seed = seeds[0];
    let shows = |candidates: &[Documents]| -> Vec<bool> {
        judge(program, candidates).iter().map(|judged| judged.kinds.contains(kind)).collect()
    };
    let smallest = generate::shrink(generate::manifests(seed), shows);
    let files = [SourceFile { name: "m.yaml".into(), text: generate::yaml(&smallest) }];
    let mesh = istio(&files);
    let answer = program.ask(&[Request::new(&files, mesh.as_ref().ok())]).unwrap().remove(0);
    let mut lines: Vec<String> = disagreements(&files, &answer).iter().map(ToString::to_string).collect();
    match &mesh {
        Ok(mesh) => lines.extend(unexplained(&istiod::differences(mesh, &answer).unwrap()).0),
        Err(faults) => lines.push(format!("refused here: {faults}")),
    }
    lines.truncate(4);
    format!("{kind}: {} of the seeds, {seed} among them:\n{}\n{lines:#?}", seeds.len(), generate::yaml(&smallest))
}

#[test]
fn docs_list_every_known_difference() {
    use mesh::differences::{Section, markdown};
    let docs = std::fs::read_to_string(checkout().join("docs/differences.md")).unwrap();
    for section in [Section::StockEnvoy, Section::Lab] {
        assert!(
            docs.contains(&markdown(section)),
            "docs/differences.md should have this table:\n{}",
            markdown(section)
        );
    }
}

/// A tool, not a claim: `SIDELAB_SEED=7 cargo test -p tests --test all drawn -- --nocapture --ignored`.
#[test]
#[ignore = "run by hand: prints what a seed draws, and where istiod differs"]
fn drawn() {
    let files = [SourceFile { name: "m.yaml".into(), text: generate::yaml(&generate::manifests(draws().1)) }];
    println!("{}", files[0].text);
    let (Ok(mesh), Some(program)) = (istio(&files), tests::istiod()) else { return };
    let answer = program.ask_one(Request::new(&files, Some(&mesh))).unwrap();
    let (lines, explained) = unexplained(&istiod::differences(&mesh, &answer).unwrap());
    println!("{explained} differences with a reason\n{}", lines.join("\n"));
}
