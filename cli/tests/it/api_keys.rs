//! Keys of a service's clients, made and revoked beside the running service.

use crate::tool::{Running, command, fails, fixture, json, model, s};
use std::process::Stdio;

#[test]
fn keys_are_made_and_revoked_while_the_service_runs() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let missing = fails(4, ["api-keys", "list", "--data", s(&data)]);
    assert!(missing.contains("jobs.sqlite is not there"), "{missing}");
    let mut server = command();
    server.args([
        "--json",
        "serve",
        "--models",
        s(model()),
        "--free",
        "--require-key",
        "--bind",
        "127.0.0.1:0",
        "--data",
        s(&data),
    ]);
    let (_server, ready) = Running::start(server.stderr(Stdio::null()));
    let url = ready["url"].as_str().unwrap();
    let (key_file, input) = (model().with_extension("key"), fixture("digit_7.json"));
    let request = |key: &str| {
        let mut request = command();
        request.args(["request", "--service", url, "--key", s(&key_file), "--input", s(&input), "--free"]);
        request.env("ASSAY_API_KEY", key).output().unwrap()
    };
    let refused = request("");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Authorization: Bearer"), "{refused:?}");

    let made = json(0, ["api-keys", "create", "Ann's shop", "--per-day", "1", "--data", s(&data)]);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(made["scopes"], serde_json::json!(["predict", "read", "webhooks"]));
    let bought = request(key);
    assert!(bought.status.success(), "{}", String::from_utf8_lossy(&bought.stderr));
    let spent = request(key);
    assert!(String::from_utf8_lossy(&spent.stderr).contains("1 predictions a day"), "{spent:?}");

    let listed = json(0, ["api-keys", "list", "--data", s(&data)]);
    assert_eq!((&listed["keys"][0]["id"], &listed["keys"][0]["name"]), (&made["id"], &made["name"]));
    assert!(!listed.to_string().contains(key), "no list shows what opens it");
    assert!(json(0, ["api-keys", "revoke", id, "--data", s(&data)])["revoked_ms"].is_i64());
    assert_eq!(request(key).status.code(), Some(1));
    assert!(fails(3, ["api-keys", "revoke", "none", "--data", s(&data)]).contains("no key has this id"));
    assert!(fails(2, ["api-keys", "create", "x", "--scope", "all", "--data", s(&data)]).contains("predict, read"));
}

#[test]
fn origins_are_checked_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let arguments =
        ["serve", "--models", s(model()), "--free", "--cors-origin", "shop.example", "--data", s(dir.path())];
    assert!(fails(2, arguments).contains("is no origin"));
}
