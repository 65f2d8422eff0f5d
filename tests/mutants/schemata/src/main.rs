//! Writes every change of a source file into it at once, each behind a switch, so that one build has all of them.
//!
//!     schemata ROOT SWITCH FIRST FILE [SKIPPED,…]
//!
//! rewrites `ROOT/FILE` and prints a line of JSON for each change, `{id, file, line, source, before, after}`, numbered
//! from FIRST; `source` is the whole line. `SWITCH(id)` is the path of a function that says whether a change is on.
//! Skipped ids are numbered, but not made. Bodies of functions are changed, but not tests, constants and what stands in
//! macros.

mod changes;

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, switch, first, file, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: schemata ROOT SWITCH FIRST FILE [SKIPPED,…]");
        std::process::exit(2);
    };
    let skipped = rest.iter().flat_map(|list| list.split(',')).filter_map(|id| id.parse().ok()).collect();
    let path = Path::new(root).join(file);
    let source = std::fs::read_to_string(&path).expect("the file can be read");
    let mut parsed = syn::parse_file(&source).expect("the file is Rust");
    let switch = syn::parse_str(switch).expect("the switch is a path");
    let made = changes::make(&mut parsed, switch, first.parse().expect("the first id is a number"), skipped);
    for change in made {
        let changes::Change { id, line, before, after } = change;
        let text = source.lines().nth(line - 1).unwrap_or_default().trim();
        println!("{}", serde_json::json!({ "id": id, "file": file, "line": line, "source": text, "before": before, "after": after }));
    }
    std::fs::write(path, prettyplease::unparse(&parsed)).expect("the file can be written");
}
