//! Connections that take their time.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use assay_api::config::ServeConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake::{Fake, eventually};
use crate::process::{Process, end_with_parent};

/// The beginning of a request whose head never ends.
const BEGUN: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n";

/// The server of `few_file_descriptors_do_not_silence_it`: this test binary, started again with few file descriptors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the server of `few_file_descriptors_do_not_silence_it`"]
async fn server() {
    let Ok(told) = std::env::var("ASSAY_TEST_SLOW") else { return };
    end_with_parent();
    let (port, dir) = told.split_once(' ').unwrap();
    let mut config = ServeConfig::free(Path::new(dir));
    config.bind = ([127, 0, 0, 1], port.parse().unwrap()).into();
    assay_api::serve(config, Fake::new(), std::future::pending(), |_| {}).await.unwrap();
}

/// What the server answers to one request on a connection of its own; nothing if it cannot be reached.
async fn ask(port: u16, path: &str) -> String {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    };
    tokio::time::timeout(Duration::from_secs(20), asked).await.map(Result::unwrap_or_default).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_file_descriptors_do_not_silence_it() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" --exact slow::server --ignored --test-threads=1"])
        .arg(std::env::current_exe().unwrap())
        .env("ASSAY_TEST_SLOW", format!("{port} {}", dir.path().display()));
    let _server = Process::start(&mut command);
    eventually("the server listens", async || ask(port, "/livez").await.starts_with("HTTP/1.1 200")).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = stream.write_all(BEGUN).await; // it may be closed already
        slow.push(stream);
    }
    for _ in 0..10 {
        let answer = ask(port, "/livez").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
    let refused = ask(port, "/v1/models").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("too-many-connections"), "{refused:?}");
    drop(slow);
    eventually("the places are free again", async || ask(port, "/v1/models").await.starts_with("HTTP/1.1 200")).await;
}

/// Reads until the server closes the connection.
async fn to_the_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "the connection stays open");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_slow_bodies_and_silence_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = ServeConfig::free(dir.path());
    config.bind = ([127, 0, 0, 1], 0).into();
    config.http.header_timeout = Duration::from_millis(400);
    config.http.body_timeout = Duration::from_millis(400);
    config.http.write_timeout = Duration::from_millis(400);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = tokio::sync::oneshot::channel();
    let ended = async move {
        let _ = ended.await;
    };
    let server = tokio::spawn(assay_api::serve(config, Fake::new(), ended, move |address| {
        let _ = tell.send(address);
    }));
    let address = told.await.unwrap();
    let connect = async || TcpStream::connect(address).await.unwrap();

    let mut head = connect().await;
    head.write_all(BEGUN).await.unwrap();
    to_the_end(&mut head).await;

    let mut body = connect().await;
    let begun = b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \
        100\r\n\r\n{\"model\"";
    body.write_all(begun).await.unwrap();
    let answer = to_the_end(&mut body).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request-timeout"), "{answer}");

    let mut idle = connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let answer = to_the_end(&mut idle).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "it is answered, and then closed: {answer}");

    // asks and asks, and reads nothing
    let mut greedy = connect().await;
    let asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let cut = async { while greedy.write_all(&asked).await.is_ok() {} };
    assert!(
        tokio::time::timeout(Duration::from_secs(60), cut).await.is_ok(),
        "a client that reads nothing keeps its connection"
    );

    // a connection that has not said anything does not hold the server up
    let _silent = connect().await;
    end.send(()).unwrap();
    server.await.unwrap().unwrap();
}
