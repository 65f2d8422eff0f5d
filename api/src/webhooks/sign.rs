//! Signatures of Standard Webhooks (standardwebhooks.com, version 1): `webhook-id`, `webhook-timestamp`,
//! `webhook-signature`.

use alloy::primitives::B256;
use assay_prover::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What every secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret. The standard asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// A fresh secret.
pub fn secret() -> Secret<String> {
    format!("{PREFIX}{}", STANDARD.encode(&B256::random()[..SECRET_BYTES])).into()
}

/// The value of `webhook-signature` for a message that is sent at this time. `None` if the secret is none.
pub fn signature(secret: &str, id: &str, timestamp_secs: i64, body: &str) -> Option<String> {
    let key: Secret<Vec<u8>> = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?.into();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp_secs}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's reference implementations.
    #[test]
    fn the_standards_example() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let (one, two) = (secret(), secret());
        assert!(one != two && one.starts_with(PREFIX));
        assert_eq!(STANDARD.decode(&one[PREFIX.len()..]).unwrap().len(), SECRET_BYTES);
        assert_eq!(signature("no secret", "msg_1", 0, ""), None);
    }
}
