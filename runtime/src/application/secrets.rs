//! Formats of keys, links and cookies, and the keyed digests that are stored instead of them.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::ports::clock::Entropy;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const KEY_PREFIX: &str = "albk_";
const ID_LENGTH: usize = 12;
const SECRET_LENGTH: usize = 30;
const CHECK_LENGTH: usize = 6;

/// A tenant's secret for keyed digests. A stolen database alone proves and reveals nothing.
pub struct Pepper(SecretBox<[u8; 64]>);

impl Pepper {
    pub fn new(bytes: [u8; 32]) -> Self {
        // HMAC pads a key with zeros to its block; a key of exactly one block needs no length check.
        let mut block = Box::new([0; 64]);
        block[..bytes.len()].copy_from_slice(&bytes);
        Self(SecretBox::new(block))
    }

    /// What `credentials` keeps of an API key.
    pub fn api_key_digest(&self, key: &ApiKeyText) -> [u8; 32] {
        self.mac(b"api-key:", key.text.expose_secret().as_bytes())
    }

    /// What `credentials` keeps of a one-time link.
    pub fn login_link_digest(&self, token: &LinkToken) -> [u8; 32] {
        self.mac(b"login-link:", token.text.expose_secret().as_bytes())
    }

    /// What is kept of a request whose body holds a secret.
    pub fn body_digest(&self, digest: &[u8; 32]) -> [u8; 32] {
        self.mac(b"body:", digest)
    }

    /// The unique fact that an e-mail address is taken, whatever its case and surrounding space.
    pub fn email_claim(&self, email: &str) -> Vec<u8> {
        self.mac(b"email:", normalised_email(email).as_bytes())
            .to_vec()
    }

    fn mac(&self, label: &[u8], text: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new(self.0.expose_secret().into());
        mac.update(label);
        mac.update(text);
        mac.finalize().into_bytes().into()
    }
}

/// The form of an e-mail address under which two spellings are one account.
pub fn normalised_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// `albk_<id>_<secret><check>`: a key whose checksum holds. Nothing says yet that it is a known one.
pub struct ApiKeyText {
    id: String,
    text: SecretString,
}

impl ApiKeyText {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let id = base62(entropy, ID_LENGTH);
        let secret = Zeroizing::new(base62(entropy, SECRET_LENGTH));
        let body = Zeroizing::new(format!("{KEY_PREFIX}{id}_{}", *secret));
        let text = format!("{}{}", *body, check(&body)).into();
        Self { id, text }
    }

    /// Tells a mistyped or foreign string before any look-up.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(KEY_PREFIX)?.split_once('_')?;
        let well_formed = id.len() == ID_LENGTH
            && secret.len() == SECRET_LENGTH + CHECK_LENGTH
            && is_base62(id)
            && is_base62(secret);
        if !well_formed {
            return None;
        }
        let (body, given) = text.split_at(text.len() - CHECK_LENGTH);
        (check(body) == given).then(|| Self {
            id: id.to_owned(),
            text: text.to_owned().into(),
        })
    }

    /// The public half, by which the key is looked up and named.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole key: shown once to its owner.
    pub fn into_text(self) -> SecretString {
        self.text
    }
}

/// `<id>_<secret>`: the token of a one-time log-in link.
pub struct LinkToken {
    id: String,
    text: SecretString,
}

impl LinkToken {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let id = base62(entropy, ID_LENGTH);
        let secret = Zeroizing::new(base62(entropy, SECRET_LENGTH));
        let text = format!("{id}_{}", *secret).into();
        Self { id, text }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once('_')?;
        let well_formed = id.len() == ID_LENGTH
            && secret.len() == SECRET_LENGTH
            && is_base62(id)
            && is_base62(secret);
        well_formed.then(|| Self {
            id: id.to_owned(),
            text: text.to_owned().into(),
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole token.
    pub fn into_text(self) -> SecretString {
        self.text
    }

    /// The address that logs its reader in once; the token is a fragment, so no server logs it.
    pub fn url(&self, public_url: &str) -> SecretString {
        let origin = public_url.trim_end_matches('/');
        format!("{origin}/welcome#{}", self.text.expose_secret()).into()
    }
}

/// `<id>_<secret>`: the value of a session cookie.
pub struct SessionToken(LinkToken);

impl SessionToken {
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(LinkToken::generate(entropy))
    }

    pub fn parse(text: &str) -> Option<Self> {
        LinkToken::parse(text).map(Self)
    }

    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// What `credentials` keeps of it. The token has full entropy, so a plain digest is enough.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.text.expose_secret().as_bytes()).into()
    }

    pub fn into_text(self) -> SecretString {
        self.0.text
    }
}

/// Compares two digests in constant time.
pub fn same_digest(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

fn check(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes()) as usize;
    let mut digits = [b'0'; CHECK_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest % 62];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

fn base62(entropy: &dyn Entropy, length: usize) -> String {
    // Bytes above the last multiple of 62 are dropped: every character is equally likely.
    const FAIR: u8 = 62 * 4;
    let mut text = String::with_capacity(length);
    let mut bytes = Zeroizing::new([0u8; 32]);
    while text.len() < length {
        entropy.fill(bytes.as_mut());
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        let missing = length - text.len();
        text.extend(
            fair.map(|byte| char::from(ALPHABET[usize::from(byte % 62)]))
                .take(missing),
        );
    }
    text
}

fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use base64::prelude::{BASE64_STANDARD, Engine};
    use proptest::prelude::*;

    use super::*;

    /// Counts up through a fixed sequence of bytes.
    #[derive(Default)]
    struct Sequence(AtomicU64);

    impl Entropy for Sequence {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                let step = self.0.fetch_add(1, Ordering::Relaxed);
                *byte = (step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
            }
        }
    }

    #[derive(serde::Deserialize)]
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

    #[test]
    fn key_format_is_the_one_that_the_operator_writes() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../../tests/fixtures/key-format.json")).unwrap();
        let pepper: [u8; 32] = BASE64_STANDARD
            .decode(fixture.pepper)
            .unwrap()
            .try_into()
            .unwrap();
        let pepper = Pepper::new(pepper);
        let key = ApiKeyText::parse(&fixture.api_key).unwrap();
        assert_eq!(key.id(), fixture.api_key_id);
        assert_eq!(
            BASE64_STANDARD.encode(pepper.api_key_digest(&key)),
            fixture.api_key_digest
        );
        let link = LinkToken::parse(&fixture.login_link_token).unwrap();
        assert_eq!(link.id(), fixture.login_link_id);
        assert_eq!(
            BASE64_STANDARD.encode(pepper.login_link_digest(&link)),
            fixture.login_link_digest
        );
    }

    #[test]
    fn generated_keys_parse_and_differ() {
        let entropy = Sequence::default();
        let one = ApiKeyText::generate(&entropy).into_text();
        let other = ApiKeyText::generate(&entropy).into_text();
        assert!(ApiKeyText::parse(one.expose_secret()).is_some());
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert_eq!(one.expose_secret().len(), 5 + 12 + 1 + 30 + 6);
    }

    #[test]
    fn a_single_typo_is_told_without_a_look_up() {
        let key = ApiKeyText::generate(&Sequence::default()).into_text();
        let key = key.expose_secret();
        for position in KEY_PREFIX.len()..key.len() {
            let mut typo = key.to_owned().into_bytes();
            typo[position] = if typo[position] == b'x' { b'y' } else { b'x' };
            let typo = String::from_utf8(typo).unwrap();
            assert!(
                typo == key || ApiKeyText::parse(&typo).is_none(),
                "{position}"
            );
        }
    }

    #[test]
    fn an_email_is_claimed_whatever_its_case() {
        let pepper = Pepper::new([7; 32]);
        let claim = pepper.email_claim("ada@skyways.example");
        assert_eq!(claim, pepper.email_claim("  Ada@SkyWays.example\t"));
        assert_ne!(claim, pepper.email_claim("bob@skyways.example"));
        assert_ne!(
            claim,
            Pepper::new([8; 32]).email_claim("ada@skyways.example")
        );
    }

    #[test]
    fn a_link_keeps_its_token_out_of_the_path() {
        let token = LinkToken::generate(&Sequence::default());
        let url = token.url("https://skyways.example/");
        let (page, fragment) = url.expose_secret().split_once('#').unwrap();
        assert_eq!(page, "https://skyways.example/welcome");
        assert!(LinkToken::parse(fragment).is_some());
    }

    proptest! {
        #[test]
        fn parsers_survive_any_text(text in "\\PC*") {
            ApiKeyText::parse(&text);
            ApiKeyText::parse(&format!("albk_{text}"));
            LinkToken::parse(&text);
            SessionToken::parse(&text);
        }
    }
}
