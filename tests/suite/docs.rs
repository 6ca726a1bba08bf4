//! The pages under `docs` against the program: commands, flags, examples of files, links.
use crate::common::run;
use crate::walkthrough::commands;
use residua::detect::{Calibration, DetectorConfig, Dial};
use residua::model::Config;
use residua::report::Results;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What every command takes, on the page of shared flags.
const EVERYWHERE: [&str; 2] = ["--verbose", "--help"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    let path = root().join("docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The words that begin with two dashes.
fn flags(text: &str) -> BTreeSet<String> {
    let is_of_flag = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let words = text.split(|c: char| !is_of_flag(c));
    words.filter(|w| w.starts_with("--") && w.len() > 3).map(str::to_owned).collect()
}

/// Flags of the first column of the tables in a text, which are in backquotes.
fn listed(text: &str) -> BTreeSet<String> {
    let cells = text.lines().filter(|l| l.starts_with("| `--")).filter_map(|l| l.split('`').nth(1));
    cells.flat_map(flags).collect()
}

/// The commands below a command, by its help.
fn below(command: &[&str]) -> Vec<String> {
    let help = run(&[command, &["--help"]].concat()).1;
    let Some(list) = help.split("Commands:\n").nth(1) else { return Vec::new() };
    let names =
        list.lines().take_while(|l| !l.trim().is_empty()).filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    names.filter_map(|l| l.split_whitespace().next()).filter(|n| *n != "help").map(str::to_owned).collect()
}

/// Every command, and its flags by its help.
fn program() -> BTreeMap<String, BTreeSet<String>> {
    let of = |words: &[&str]| {
        let help = run(&[words, &["--help"]].concat()).1;
        // Descriptions name the flags of others; a line begins with its own.
        let own = help.lines().map(str::trim_start).filter(|l| l.starts_with('-'));
        let own = own.map(|l| l.split("  ").next().unwrap_or(l));
        own.flat_map(flags).filter(|f| !EVERYWHERE.contains(&&**f)).collect::<BTreeSet<_>>()
    };
    let mut all = BTreeMap::new();
    for name in below(&[]) {
        let more = below(&[&name]);
        for inner in &more {
            all.insert(format!("{name}-{inner}"), of(&[&name, inner]));
        }
        if more.is_empty() {
            all.insert(name.clone(), of(&[&name]));
        }
    }
    all
}

/// The sections of the page of shared flags, by the anchors of their titles.
fn shared() -> BTreeMap<String, BTreeSet<String>> {
    let text = page("commands/flags.md");
    let sections = text.split("\n## ").skip(1);
    sections.map(|s| (anchor(s.lines().next().unwrap()), listed(s))).collect()
}

/// What a title's link is called.
fn anchor(title: &str) -> String {
    let kept = title.trim().trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_command_and_every_flag_has_its_words_and_every_word_its_flag() {
    let (program, shared) = (program(), shared());
    assert!(program.len() > 12 && shared.len() > 6, "{program:?}");
    let mut used = BTreeSet::new();
    for (name, has) in &program {
        let text = page(&format!("commands/{name}.md"));
        let mut told = listed(&text);
        for (title, section) in &shared {
            if text.contains(&format!("(flags.md#{title})")) {
                used.insert(title.clone());
                told.extend(section.iter().cloned());
            }
        }
        let missing: Vec<_> = has.difference(&told).collect();
        let wrong: Vec<_> = told.difference(has).collect();
        assert!(
            missing.is_empty(),
            "docs/commands/{name}.md, or the sections of flags.md that it names, lack {missing:?}"
        );
        assert!(wrong.is_empty(), "docs/commands/{name}.md: the command has no {wrong:?}");
        for part in ["```sh", "## Flags", "## Exit codes", "See also"] {
            assert!(text.contains(part), "docs/commands/{name}.md has no {part}");
        }
        assert!(page("README.md").contains(&format!("(commands/{name}.md)")), "docs/README.md does not name {name}");
    }
    assert_eq!(used, shared.keys().cloned().collect(), "sections of flags.md that no command names");
    for entry in std::fs::read_dir(root().join("docs/commands")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let known = program.contains_key(name) || name == "flags";
        assert!(known, "{}: there is no such command", path.display());
    }
}

/// Lines that begin with `residua` in every page name commands and flags that are there.
#[test]
fn examples_name_commands_and_flags_that_exist() {
    let program = program();
    let mut lines = 0;
    for path in markdown() {
        for line in commands(&std::fs::read_to_string(&path).unwrap()) {
            let mut words = line.split_whitespace().skip(1).filter(|w| !w.starts_with('-'));
            let first = words.next().unwrap();
            let name = if first == "dte" { format!("dte-{}", words.next().unwrap()) } else { first.to_owned() };
            let has = program.get(&name).unwrap_or_else(|| panic!("{}: {line}", path.display()));
            let before_comment = line.split(" #").next().unwrap();
            let unknown: Vec<_> = flags(before_comment).into_iter().filter(|f| !has.contains(f)).collect();
            assert!(unknown.is_empty(), "{}: {line}: {unknown:?}", path.display());
            lines += 1;
        }
    }
    assert!(lines > 40, "{lines}");
}

/// The pages of the repository.
fn markdown() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let left_out = name.starts_with('.') || ["target", "residua-out", "residua-eval"].contains(&&*name);
                folders.extend((!left_out).then_some(path));
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = markdown();
    assert!(pages.len() > 20, "{pages:?}");
    let mut links = 0;
    for path in &pages {
        let text = std::fs::read_to_string(path).unwrap();
        // Code holds no links.
        let prose: String = text.split("```").step_by(2).collect();
        for rest in prose.split("](").skip(1) {
            let Some(target) = rest.split(')').next().filter(|t| !t.contains("://") && !t.is_empty()) else { continue };
            let (file, title) = target.split_once('#').map_or((target, None), |(f, t)| (f, Some(t)));
            let to = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(to.exists(), "{}: {target} leads nowhere", path.display());
            if let Some(title) = title {
                let there = std::fs::read_to_string(&to).unwrap();
                let titles = there.lines().filter(|l| l.starts_with('#')).any(|l| anchor(l) == title);
                assert!(titles, "{}: {target}: there is no such title", path.display());
            }
            links += 1;
        }
    }
    assert!(links > 80, "{links}");
}

/// The JSON blocks of docs/files.md under a title, up to the next title.
fn examples(title: &str) -> Vec<String> {
    let text = page("files.md");
    let from = text.find(&format!("\n{title}\n")).unwrap_or_else(|| panic!("no {title}"));
    let section = &text[from + 1 + title.len()..];
    let section = &section[..section.find("\n#").unwrap_or(section.len())];
    let blocks = section.split("```json\n").skip(1).filter_map(|b| b.split("```").next());
    let blocks: Vec<String> = blocks.map(str::to_owned).collect();
    assert!(!blocks.is_empty(), "{title} has no example");
    blocks
}

/// The names of an object's fields, and of those of the objects in it; of lists, those of the first element.
fn names(value: &Value, above: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = format!("{above}/{name}");
            names(value, &name, into);
            into.insert(name);
        }),
        Value::Array(list) => list.iter().take(1).for_each(|v| names(v, above, into)),
        _ => {}
    }
}

/// The fields of an example must be those of a file.
fn assert_same_fields(example: &str, file: &Path, but: &[&str]) {
    let (mut told, mut there) = (BTreeSet::new(), BTreeSet::new());
    names(&serde_json::from_str(example).unwrap(), "", &mut told);
    names(&serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap(), "", &mut there);
    for set in [&mut told, &mut there] {
        set.retain(|name| !but.iter().any(|b| name.starts_with(b)));
    }
    assert_eq!(told, there, "docs/files.md against {}", file.display());
}

#[test]
fn examples_of_files_are_read_by_the_program() {
    for title in [
        "### AnoDDPM",
        "### pDDPM",
        "### AdvRAD",
        "### Pinaya et al.",
        "### DiffAD",
        "### Xu et al.",
        "### DDAD",
        "### DTE",
    ] {
        for example in examples(title) {
            DetectorConfig::parse(example.as_bytes()).unwrap_or_else(|e| panic!("{title}: {e}"));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let write = |title: &str| {
        let path = dir.path().join("file.json");
        std::fs::write(&path, &examples(title)[0]).unwrap();
        path
    };
    let results = Results::read(&write("## results.json")).unwrap();
    assert_eq!((results.records.len(), results.volumes.len(), results.failures.len()), (1, 1, 1));
    DetectorConfig::recorded(&results.records[0].parameters).unwrap();
    assert_eq!(Calibration::open(&write("## calibration.json")).unwrap().images(), 4);
    assert_eq!(Dial::open(&write("## quality.json")).unwrap().rows.len(), 1);
    let unet = Config::parse("config.json", examples("## config.json of a UNet")[0].as_bytes()).unwrap();
    assert_eq!(unet.text("_class_name").unwrap(), Some("UNet2DModel"));
}

#[test]
fn examples_of_files_have_the_fields_that_the_program_writes() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let ok = |args: &[&str]| {
        let (code, out, err) = run(args);
        assert_eq!(code, 0, "{args:?}: {out}{err}");
        out
    };
    std::fs::write(at("table.csv"), "a,b,label\n1,2,0\n2,1,0\n1,1,0\n2,2,0\n1.5,2,0\n40,50,1\n").unwrap();
    ok(&["dte", "fit", &at("table.csv"), "--out", &at("fitted"), "--device", "cpu"]);
    let estimator = &examples("## config.json of a fitted estimator")[0];
    assert_same_fields(estimator, &dir.path().join("fitted/config.json"), &[]);
    ok(&["eval", &at("table.csv"), "--model", &at("fitted"), "--out", &at("tables"), "--device", "cpu"]);
    assert_same_fields(&examples("### eval.json of tables")[0], &dir.path().join("tables/eval.json"), &[]);

    let model = crate::common::folder::model(&dir);
    std::fs::remove_file(model.join("detector.json")).unwrap();
    let settings = &examples("### AnoDDPM")[0];
    let small = settings.replace("diffusion_pytorch_model", "model").replace("\"lambda\": 150", "\"lambda\": 20");
    std::fs::write(model.join("detector.json"), small.replace("64, \"height\": 64", "32, \"height\": 32")).unwrap();
    let samples = root().join("weights/texture/samples");
    let samples = samples.to_str().unwrap();
    let quick = ["--model", &at("model"), "--steps", "1", "--runs", "1", "--device", "cpu", "--out"];
    ok(&[&["eval", samples][..], &quick, &[&at("images")]].concat());
    let file = dir.path().join("images/eval.json");
    assert_same_fields(&examples("### eval.json of images")[0], &file, &["/source/parameters"]);
    let attacked = ["--attack-steps", "1", "--draws", "1", "--fresh-draws", "1"];
    let smoothed = ["--draws", "16", "--first-draws", "2", "--radii", "0.05", "--alpha", "0.01", "--threshold", "0.1"];
    // A score with a gradient, for as long as it takes.
    let own = std::fs::read_to_string(model.join("detector.json")).unwrap();
    let greatest = own.replace(r#""kind": "top", "fraction": 0.05"#, r#""kind": "max""#);
    std::fs::write(model.join("detector.json"), greatest).unwrap();
    for (command, flags, title) in
        [("attack", &attacked[..], "## attack.json"), ("certify", &smoothed, "## certify.json")]
    {
        ok(&[&[command, samples][..], &quick, &[&at(command)], flags].concat());
        let file = dir.path().join(format!("{command}/{command}.json"));
        assert_same_fields(&examples(title)[0], &file, &["/source/parameters", "/failures/"]);
    }
    std::fs::write(model.join("detector.json"), own).unwrap();
    let good = Path::new(samples).join("good/brick-1.png");
    ok(&[&["detect", good.to_str().unwrap()][..], &quick, &[&at("found")]].concat());
    let file = dir.path().join("found/results.json");
    // What this run has none of.
    assert_same_fields(&examples("## results.json")[0], &file, &["/volumes", "/failures/", "/records/p_value"]);
}
