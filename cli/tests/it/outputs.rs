//! Where output goes: a file that is replaced, a link that stays, a pipe that is written through, stdout.
#![cfg(unix)]

use crate::tool::{assay, command, fails, fixture, model, s};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Stdio;

fn prove_to(output: &Path) -> std::process::Output {
    let done = assay(["prove", s(model()), "--input", s(&fixture("digit_7.json")), "-o", s(output), "--inner"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done
}

fn is_proof(text: &[u8]) -> bool {
    serde_json::from_slice::<Value>(text).is_ok_and(|file| file["kind"] == "inner" && file["proof"].is_string())
}

#[test]
fn what_is_no_regular_file_is_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let [file, link, pipe, null] = ["file", "link", "pipe", "null"].map(|name| dir.path().join(name));
    fs::write(&file, "old").unwrap();
    symlink(&file, &link).unwrap();
    prove_to(&link);
    assert!(link.is_symlink() && is_proof(&fs::read(&file).unwrap()), "the link still leads to the file");

    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    prove_to(&pipe);
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo() && is_proof(&reader.join().unwrap()));

    symlink("/dev/null", &null).unwrap();
    prove_to(&null);
    assert!(null.is_symlink() && fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn a_dash_is_stdout() {
    let done = prove_to(Path::new("-"));
    assert!(is_proof(&done.stdout), "stdout is the proof file and nothing else");
    assert!(String::from_utf8_lossy(&done.stderr).contains("proof  "), "what is said goes to stderr");
    let made = assay(["srs", "dev", "--log", "4", "-o", "-"]);
    assert!(made.status.success() && made.stdout.starts_with(b"ASSAYSRS"));
    fails(2, ["setup", s(model()), "-o", "-"]);
    assert!(!Path::new("-").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for arguments in [&["inspect", s(model())][..], &["--json", "inspect", s(model())], &["operators"]] {
        let mut child = command().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && !said.contains("panicked"), "{said}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = command().args(["inspect", s(model())]).stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(4), "a full disk is one");
    assert!(String::from_utf8_lossy(&done.stderr).contains("cannot write to stdout"));
}
