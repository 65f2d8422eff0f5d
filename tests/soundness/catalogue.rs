//! The catalogue of attacks in docs/testing.md is true.
//!
//! Defends: that every attack that the page lists has tests that exist, or a reason why it has none; and that no test
//! carries an id without being listed there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The families, each with the numbers that its attacks have.
const FAMILIES: [(&str, &[u32]); 11] = [
    ("H", &[1, 2, 4, 5]),
    ("FS", &[1, 2, 3, 4, 5, 6, 7]),
    ("PC", &[1, 2, 3, 4, 5, 6, 7, 9]),
    ("CE", &[1, 2, 3, 4, 5, 6, 7]),
    ("LU", &[1, 2, 3, 4, 5, 7]),
    ("RQ", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("G", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ("ZK", &[1, 2, 3, 4]),
    ("EQ", &[1]),
    ("E", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("S", &[1, 2, 3, 4, 5, 6, 7]),
];

/// Where tests are.
const FOLDERS: [&str; 8] = ["circuits", "prover", "compiler", "api", "cli", "gpu", "tests", "verifier-contracts/test"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/testing.md")).expect("the page is there")
}

/// An attack, as the page has it.
struct Attack {
    id: String,
    sentence: String,
    tests: String,
}

fn is_id(text: &str) -> bool {
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let upper = !letters.is_empty() && letters.chars().all(|c| c.is_ascii_uppercase());
    upper && letters.len() < text.len() && FAMILIES.iter().any(|(family, _)| *family == letters)
}

fn attacks(page: &str) -> Vec<Attack> {
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| ")).map(cells);
    let attack = |row: Vec<String>| match <[String; 3]>::try_from(row) {
        Ok([id, sentence, tests]) if is_id(&id) => Some(Attack { id, sentence, tests }),
        _ => None,
    };
    rows.filter_map(attack).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The tests of a row: each file with its names.
fn named(tests: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut file = None;
    for text in quoted(tests) {
        if text.ends_with(".rs") || text.ends_with(".sol") || text.ends_with(".sh") {
            file = Some(text);
            files.entry(text).or_default();
        } else if let Some(file) = file {
            files.entry(file).or_default().push(text);
        }
    }
    files
}

/// The functions of a source file that a test runner runs.
fn tests_of(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let name = |line: &str, keyword: &str| {
        let after = line.split_once(keyword)?.1;
        Some(after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>())
    };
    if path.extension().is_some_and(|extension| extension == "sol") {
        let all = text.lines().filter_map(|line| name(line, "function "));
        return all.filter(|name| ["test", "invariant"].iter().any(|start| name.starts_with(start))).collect();
    }
    let mut marked = false;
    let mut tests = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some(name) = name(line, "fn ").filter(|_| marked) {
            tests.insert(name);
            marked = false;
        }
    }
    tests
}

/// The id that a test is named after.
fn id_of(test: &str) -> Option<String> {
    let rest = test.strip_prefix("test_").unwrap_or(test);
    let id = rest.split('_').next()?.to_ascii_uppercase();
    is_id(&id).then_some(id)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in
        std::fs::read_dir(folder).expect("a folder of the project").map(|entry| entry.expect("readable").path())
    {
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if entry.is_dir() && !["target", "node_modules", "out", "cache"].contains(&name) {
            sources(&entry, found);
        } else if [".rs", ".sol"].iter().any(|end| name.ends_with(end)) {
            found.push(entry);
        }
    }
}

#[test]
fn every_attack_has_a_row_with_tests_that_exist_or_a_reason() {
    let page = page();
    let attacks = attacks(&page);
    let have: Vec<&str> = attacks.iter().map(|attack| attack.id.as_str()).collect();
    let need: Vec<String> =
        FAMILIES.iter().flat_map(|(family, numbers)| numbers.iter().map(move |n| format!("{family}{n}"))).collect();
    assert_eq!(have, need, "the page lists each attack once, in this order");
    for Attack { id, sentence, tests } in &attacks {
        assert!(sentence.len() > 20 && sentence.ends_with('.'), "{id}: {sentence}");
        let files = named(tests);
        let reason =
            ["Not done: ", "Does not apply: "].iter().any(|start| tests.contains(start) && tests.ends_with('.'));
        assert!(!files.is_empty() || reason, "{id} has neither a test nor a reason");
        for (file, names) in files {
            let path = root().join(file);
            assert!(path.is_file(), "{id}: there is no {file}");
            assert!(!names.is_empty(), "{id}: {file} without a test");
            let tests = tests_of(&path);
            for name in names {
                assert!(tests.contains(name), "{id}: {file} has no test {name}");
            }
        }
    }
}

#[test]
fn every_test_that_is_named_after_an_attack_is_listed() {
    let page = page();
    let rows: BTreeMap<String, String> = attacks(&page).into_iter().map(|attack| (attack.id, attack.tests)).collect();
    let mut files = Vec::new();
    FOLDERS.iter().for_each(|folder| sources(&root().join(folder), &mut files));
    let (mut missing, mut found) = (Vec::new(), 0);
    for file in files {
        for test in tests_of(&file) {
            let Some(id) = id_of(&test) else { continue };
            found += 1;
            if !rows.get(&id).is_some_and(|tests| quoted(tests).any(|name| name == test)) {
                missing.push(format!("{id}: {}: {test}", file.display()));
            }
        }
    }
    assert!(found > 50, "{found} tests are named after an attack");
    assert!(missing.is_empty(), "docs/testing.md does not list\n{}", missing.join("\n"));
}

/// The checks above can fail.
#[test]
fn rows_are_read_as_they_are_meant() {
    let row = "| FS1 | Something is changed that counts. | `a.rs`: `one`, `two`; `b.sol`: `test_three`. Not done: the \
        rest. |\n| FS1 | x |\n| other | y | z |";
    let read = attacks(row);
    assert_eq!(read.len(), 1);
    assert_eq!(named(&read[0].tests), BTreeMap::from([("a.rs", vec!["one", "two"]), ("b.sol", vec!["test_three"])]));
    assert_eq!(id_of("test_E6_deadline").as_deref(), Some("E6"));
    assert_eq!(id_of("zk2_zeros").as_deref(), Some("ZK2"));
    assert_eq!(["test_golden", "e_mail", "fs_1", "x1_y"].map(id_of), [const { None }; 4]);
    let own = tests_of(&root().join("tests/soundness/catalogue.rs"));
    assert_eq!(own.len(), 3);
    assert!(own.contains("rows_are_read_as_they_are_meant") && !own.contains("tests_of"));
}
