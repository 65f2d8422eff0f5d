//! https, against a server with a certificate that only its maker trusts: who is told to trust it buys, and everybody
//! else is told why not.

use crate::tool::{Running, assay, command, fixture, model, s};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// Takes TLS off what comes for `localhost`, and passes it on. Returns its port and the file of the certificate that
/// vouches for it.
async fn terminate(to: String, dir: &Path) -> (u16, PathBuf) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).unwrap();
    let trusted = dir.join("authority.pem");
    std::fs::write(&trusted, certificate.pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &rcgen::Issuer::new(authority, authority_key)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let private = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], private).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, to) = (acceptor.clone(), to.clone());
            tokio::spawn(async move {
                // an error: the client does not trust the certificate
                let Ok(mut inside) = acceptor.accept(stream).await else { return };
                let mut outside = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    (port, trusted)
}

/// Runs a command that trusts a file's certificates, or the system's.
async fn run(arguments: Vec<String>, trusted: Option<PathBuf>) -> Output {
    let done = tokio::task::spawn_blocking(move || {
        let mut command = command();
        command.env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
        command.args(arguments).envs(trusted.map(|file| ("SSL_CERT_FILE", file)));
        command.output().unwrap()
    });
    done.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_behind_tls_is_bought_from() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (_server, ready) = tokio::task::block_in_place(|| {
        let mut server = command();
        server.args(["--json", "serve", "--free", "--models", s(model()), "--bind", "127.0.0.1:0", "--data", s(&data)]);
        Running::start(server.stderr(std::process::Stdio::null()))
    });
    let inside = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let (port, trusted) = terminate(inside, dir.path()).await;
    let service = format!("https://localhost:{port}");
    let (key, input, proof) = (model().with_extension("key"), fixture("digit_7.json"), dir.path().join("proof.json"));
    let buy = ["request", "--service", &service, "--key", s(&key), "--input", s(&input), "--free", "-o", s(&proof)]
        .map(str::to_owned);

    let refused = run(buy.to_vec(), None).await;
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{text}");
    assert!(text.contains("invalid peer certificate") && text.contains("docs/cli.md#https"), "{text}");

    let bought = run(buy.to_vec(), Some(trusted.clone())).await;
    assert!(bought.status.success(), "{}", String::from_utf8_lossy(&bought.stderr));
    let verified = assay(["verify", s(&proof), "--model", s(&key)]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    // a node of a chain is asked over the same TLS: this is none, but it is heard
    let balance =
        ["balance", "--rpc", &service, "--market", "0x0000000000000000000000000000000000000001", "--private-key"];
    let balance: Vec<String> =
        balance.into_iter().chain([assay_api::chain::dev::DEV_KEYS[2]]).map(str::to_owned).collect();
    let text = String::from_utf8_lossy(&run(balance.clone(), Some(trusted)).await.stderr).into_owned();
    assert!(!text.contains("certificate") && text.contains("error"), "{text}");
    let text = String::from_utf8_lossy(&run(balance, None).await.stderr).into_owned();
    assert!(text.contains("invalid peer certificate") && text.contains("docs/cli.md#https"), "{text}");
}
