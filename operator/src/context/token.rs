//! API keys, log-in links and passwords: how they are made, and what of them the runtime learns.

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::context::system::{Entropy, random};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 12;
/// 30 characters of base62 are 178 bits.
const SECRET_LENGTH: usize = 30;
const CHECK_LENGTH: usize = 6;
const PASSWORD_LENGTH: usize = 32;

/// A secret with a public part by which it is looked up.
#[derive(Debug, Clone)]
pub struct Token {
    pub id: String,
    /// The whole text, which is what its holder presents.
    pub text: SecretString,
}

/// A new API key: `albk_<id>_<secret><check>`, where a typo shows in the check.
pub fn api_key(entropy: &dyn Entropy) -> Token {
    let id = base62(entropy, ID_LENGTH);
    let body = format!("albk_{id}_{}", base62(entropy, SECRET_LENGTH));
    let text = format!("{body}{}", check(&body));
    Token {
        id,
        text: text.into(),
    }
}

/// A new one-time log-in link's token: `<id>_<secret>`.
pub fn login_link(entropy: &dyn Entropy) -> Token {
    let id = base62(entropy, ID_LENGTH);
    let text = format!("{id}_{}", base62(entropy, SECRET_LENGTH));
    Token {
        id,
        text: text.into(),
    }
}

/// The public part of an API key or a link's token.
pub fn id_of(text: &SecretString) -> Option<&str> {
    let text = text.expose_secret();
    text.strip_prefix("albk_")
        .unwrap_or(text)
        .split_once('_')
        .map(|(id, _)| id)
}

/// A password for a server account: letters and digits, so that no URL needs to escape it.
pub fn password(entropy: &dyn Entropy) -> SecretString {
    base62(entropy, PASSWORD_LENGTH).into()
}

/// 32 random bytes, base64.
pub fn key(entropy: &dyn Entropy) -> SecretString {
    BASE64_STANDARD.encode(random::<32>(entropy)).into()
}

/// What the runtime stores of an API key.
pub fn api_key_digest(pepper: &[u8], key: &SecretString) -> String {
    digest(pepper, "api-key:", key)
}

/// What the runtime stores of a log-in link.
pub fn login_link_digest(pepper: &[u8], token: &SecretString) -> String {
    digest(pepper, "login-link:", token)
}

/// SHA-256 of `bytes` in hexadecimal, its first 16 digits.
pub fn fingerprint(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn digest(pepper: &[u8], domain: &str, secret: &SecretString) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(pepper).expect("HMAC takes a key of any length");
    mac.update(domain.as_bytes());
    mac.update(secret.expose_secret().as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

fn base62(entropy: &dyn Entropy, length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in random::<64>(entropy) {
            // 248 is the largest multiple of 62 in a byte: what is above would favour some characters.
            if byte < 248 && text.len() < length {
                text.push(char::from(BASE62[usize::from(byte % 62)]));
            }
        }
    }
    text
}

fn check(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECK_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::context::system::SystemEntropy;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fixture {
        pepper: String,
        api_key: String,
        api_key_id: String,
        api_key_digest: String,
        login_link_token: String,
        login_link_id: String,
        login_link_digest: String,
    }

    fn fixture() -> Fixture {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/fixtures/key-format.json"
        );
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn keys_and_links_are_as_the_runtime_reads_them() {
        let fixture = fixture();
        let pepper = BASE64_STANDARD.decode(&fixture.pepper).unwrap();
        let (body, sum) = fixture
            .api_key
            .split_at(fixture.api_key.len() - CHECK_LENGTH);
        assert_eq!(check(body), sum);
        let key = fixture.api_key.into();
        assert_eq!(id_of(&key), Some(fixture.api_key_id.as_str()));
        assert_eq!(api_key_digest(&pepper, &key), fixture.api_key_digest);
        let link = fixture.login_link_token.into();
        assert_eq!(id_of(&link), Some(fixture.login_link_id.as_str()));
        assert_eq!(login_link_digest(&pepper, &link), fixture.login_link_digest);
    }

    #[test]
    fn a_new_key_has_the_agreed_shape_and_no_twin() {
        let key = api_key(&SystemEntropy);
        let text = key.text.expose_secret();
        assert_eq!(text.len(), 5 + ID_LENGTH + 1 + SECRET_LENGTH + CHECK_LENGTH);
        let (body, sum) = text.split_at(text.len() - CHECK_LENGTH);
        assert_eq!(check(body), sum);
        assert_eq!(id_of(&key.text), Some(key.id.as_str()));
        assert_ne!(text, api_key(&SystemEntropy).text.expose_secret());
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let key = api_key(&SystemEntropy);
        assert!(!format!("{key:?}").contains(key.text.expose_secret()));
    }
}
