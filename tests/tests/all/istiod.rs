//! The compiler beside the real Istio control plane: over all scenarios, by what istiod said of each (kept beside it), and
//! over manifests drawn at random, where istiod is built (`scripts/istiod`).

use std::{collections::BTreeMap, env};

use lab::{
    istiod::{self, Istiod, PodDifferences, Request},
    manifests, scenario,
};
use mesh::{
    SourceFile,
    model::{Flavor, Mesh},
};
use tests::{
    checkout,
    generate::{self, Documents},
};

fn istio(files: &[SourceFile]) -> anyhow::Result<Mesh> {
    Ok(Mesh::new(manifests::resolve(files)?.0, Flavor::Istio))
}

/// What differs without a reason, a line each; and how many differences have one.
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
    let scenarios = scenario::find(&checkout().join("scenarios"), &[]).unwrap();
    for scenario in &scenarios {
        let files = manifests::read(&[scenario.manifests()]).unwrap();
        let golden = istiod::golden(&scenario.directory, &files[0].text).unwrap();
        let answer = golden.unwrap_or_else(|| {
            panic!(
                "{}: nothing is kept of what istiod says of these manifests; run `scripts/istiod goldens`",
                scenario.name
            )
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
fn what_is_kept_of_each_scenario_is_what_istiod_says_today() {
    let Ok(program) = Istiod::find() else {
        println!("skipped: istiod is not built: run scripts/istiod");
        return;
    };
    let scenarios = scenario::find(&checkout().join("scenarios"), &[]).unwrap();
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
    assert!(stale.is_empty(), "run `scripts/istiod goldens`: istiod says otherwise today of {}", stale.join(", "));
}

/// How many manifests are drawn, and from which seed: 2,000 are, where `SIDELAB_GENERATED` says so.
fn draws() -> (u64, u64) {
    let number = |name: &str, otherwise| env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    (number("SIDELAB_GENERATED", 100), number("SIDELAB_SEED", 1))
}

/// Kinds of differences that the generator has found and nobody has fixed or explained yet. Another fails the
/// test. Some are wide: `listeners / *` is any listener that one side alone has.
const OPEN: [&str; 9] = [
    "clusters / * / load_assignment / endpoints / * / lb_endpoints / *",
    "clusters / * / metadata / filter_metadata / istio / services / server",
    "clusters / * / metadata / filter_metadata / istio / subset",
    "endpoints / * / endpoints / * / lb_endpoints / *",
    "listeners / *",
    "listeners / * / filter_chains / *",
    "listeners / * / listener_filters / *",
    "routes / *",
    "routes / * / virtual_hosts / *",
];

#[test]
fn generated_manifests_differ_from_istiod_as_the_table_says_or_as_is_known_to_be_open() {
    let Ok(program) = Istiod::find() else {
        println!("skipped: istiod is not built: run scripts/istiod");
        return;
    };
    let (count, first) = draws();
    let mut by_kind: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut refused = 0;
    let mut explained = 0;
    let seeds: Vec<u64> = (first..first + count).collect();
    for chunk in seeds.chunks(100) {
        let documents: Vec<Documents> = chunk.iter().map(|&seed| generate::manifests(seed)).collect();
        for (&seed, judged) in chunk.iter().zip(judge(&program, &documents)) {
            match judged {
                Judgement::Refused(_) => refused += 1,
                Judgement::Compared { unexplained, explained: known } => {
                    explained += known;
                    for kind in kinds(&unexplained) {
                        by_kind.entry(kind).or_default().push(seed);
                    }
                }
            }
        }
    }
    println!(
        "seeds {first} to {}: {refused} refused by one of both, {explained} differences with a reason, {} kinds without",
        first + count - 1,
        by_kind.len()
    );
    for (kind, seeds) in &by_kind {
        println!("  {kind}: {} of them, the first is {}", seeds.len(), seeds[0]);
    }
    by_kind.retain(|kind, _| !OPEN.contains(&kind.as_str()));
    let lines: Vec<String> = by_kind.iter().take(12).map(|(kind, seeds)| shrunk(&program, kind, seeds)).collect();
    assert!(
        by_kind.is_empty(),
        "{}\n{:#?}",
        lines.join("\n\n"),
        by_kind.iter().map(|(k, s)| (k, s.len())).collect::<Vec<_>>()
    );
}

enum Judgement {
    /// The compiler does not take them, or Istio's webhook refuses an object.
    Refused(#[allow(dead_code)] String),
    Compared {
        unexplained: Vec<Vec<String>>,
        explained: usize,
    },
}

fn judge(program: &Istiod, drawn: &[Documents]) -> Vec<Judgement> {
    let files: Vec<_> = drawn.iter().map(|d| [SourceFile { name: "m.yaml".into(), text: generate::yaml(d) }]).collect();
    let meshes: Vec<_> = files.iter().map(|files| istio(files)).collect();
    let requests: Vec<_> = files
        .iter()
        .zip(&meshes)
        .filter_map(|(files, mesh)| Some(Request::new(files, Some(mesh.as_ref().ok()?))))
        .collect();
    let mut answers = program.ask(&requests).unwrap().into_iter();
    let judged = meshes.iter().map(|mesh| {
        let mesh = match mesh {
            Ok(mesh) => mesh,
            Err(faults) => return Judgement::Refused(faults.to_string()),
        };
        let answer = answers.next().expect("one for each request");
        if !answer.error.is_empty() {
            return Judgement::Refused(answer.error.clone());
        }
        if let Some(object) = answer.objects.iter().find(|object| !object.allowed) {
            return Judgement::Refused(object.message.clone());
        }
        let mut found = Judgement::Compared { unexplained: vec![], explained: 0 };
        for of in istiod::differences(mesh, &answer).unwrap() {
            for judged in of.judged {
                let Judgement::Compared { unexplained, explained } = &mut found else { continue };
                match judged.known {
                    Some(_) => *explained += 1,
                    None => unexplained.push(judged.difference.path),
                }
            }
        }
        found
    });
    judged.collect()
}

/// Differences without the names in them: `clusters / * / connect_timeout`.
fn kinds(paths: &[Vec<String>]) -> Vec<String> {
    let mut kinds: Vec<String> = paths.iter().map(|path| kind(path)).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

fn kind(path: &[String]) -> String {
    let is_field = |part: &String| part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let parts: Vec<&str> = path.iter().map(|part| if is_field(part) { part.as_str() } else { "*" }).collect();
    parts.join(" / ")
}

/// The smallest manifests that show a kind of difference, with what differs.
fn shrunk(program: &Istiod, kind: &str, seeds: &[u64]) -> String {
    let seed = seeds[0];
    let shows = |candidates: &[Documents]| -> Vec<bool> {
        let shows = |judged: &Judgement| match judged {
            Judgement::Compared { unexplained, .. } => kinds(unexplained).iter().any(|found| found == kind),
            Judgement::Refused(_) => false,
        };
        judge(program, candidates).iter().map(shows).collect()
    };
    let smallest = generate::shrink(generate::manifests(seed), shows);
    let files = [SourceFile { name: "m.yaml".into(), text: generate::yaml(&smallest) }];
    let mesh = istio(&files).unwrap();
    let answer = program.ask_one(Request::new(&files, Some(&mesh))).unwrap();
    let (lines, _) = unexplained(&istiod::differences(&mesh, &answer).unwrap());
    let lines: Vec<&String> = lines.iter().take(4).collect();
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

/// For whoever looks at what was drawn: `SIDELAB_SEED=7 cargo test -p tests --test all drawn -- --nocapture --ignored`.
#[test]
#[ignore = "prints what a seed draws"]
fn drawn() {
    println!("{}", generate::yaml(&generate::manifests(draws().1)));
}
