//! What every HTTP client of this program begins with: TLS by rustls over ring, and the certificates that the system
//! trusts.
//!
//! The certificates are read once, and a system without any is none the worse for it until an https address is asked.

use reqwest::{Client, ClientBuilder, Url};

/// The addresses that this program can ask, for messages.
pub(crate) const ADDRESSES: &str = if cfg!(feature = "tls") {
    "http:// or https://"
} else {
    "http://, since this program was built without TLS (the feature `tls`)"
};

/// Whether this program can ask an address.
pub(crate) fn is_usable(url: &Url) -> bool {
    url.scheme() == "http" || (url.scheme() == "https" && cfg!(feature = "tls"))
}

/// The settings of a client, for more to be added.
#[cfg(feature = "tls")]
pub fn client_builder() -> ClientBuilder {
    match trusting() {
        Some(config) => Client::builder().tls_backend_preconfigured(config.clone()),
        None => Client::builder(),
    }
}

/// The settings of a client, for more to be added.
#[cfg(not(feature = "tls"))]
pub fn client_builder() -> ClientBuilder {
    Client::builder()
}

/// Settings that trust what the system trusts, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name instead.
#[cfg(feature = "tls")]
fn trusting() -> Option<&'static rustls::ClientConfig> {
    static CONFIG: std::sync::OnceLock<Option<rustls::ClientConfig>> = std::sync::OnceLock::new();
    let made = CONFIG.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a certificate that the system trusts cannot be read");
        }
        let mut roots = rustls::RootCertStore::empty();
        let (trusted, ignored) = roots.add_parsable_certificates(found.certs);
        tracing::debug!(trusted, ignored, "certificates");
        // for clients that are made without these settings; an error: the program has chosen already
        let _ = rustls::crypto::ring::default_provider().install_default();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        // an error: the provider has no cipher of these versions, which ring has
        Some(config.ok()?.with_root_certificates(roots).with_no_client_auth())
    });
    made.as_ref()
}

/// Whether somebody's certificate was refused.
#[cfg(feature = "tls")]
pub fn is_refused_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // an error of the system's that holds another one names that one's source as its own, and so passes it over
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = held.map(|held| held as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    false
}

/// Whether somebody's certificate was refused.
#[cfg(not(feature = "tls"))]
pub fn is_refused_certificate(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}
