//! Runs python/test.sh with what cargo built beside this test: the extension, and the command.

use std::path::Path;
use std::process::Command;

#[test]
fn the_package_and_its_example() {
    let here = std::env::current_exe().unwrap();
    let built = here.parent().unwrap();
    let (library, program) = (built.join("libassay_client_native.so"), built.join("../assay"));
    for file in [&library, &program] {
        assert!(
            file.exists(),
            "{} is not there: run `cargo test --release --workspace`, which builds it",
            file.display()
        );
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("test.sh");
    if Command::new("python3").arg("--version").output().is_err() {
        return println!("SKIPPED: there is no python3");
    }
    let output = Command::new(script).env("ASSAY", program).env("ASSAY_PYTHON_LIBRARY", library).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}{err}");
    assert!(output.status.success(), "{out}{err}");
}
