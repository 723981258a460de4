//! Data keys of persons, and the tenant key that wraps them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::codec::error::DecodeError;
use crate::domain::ids::UserId;

/// Length of a tenant key and of a data key, in bytes.
pub const KEY_LENGTH: usize = 32;
/// Length of an AES-GCM nonce, in bytes.
pub const NONCE_LENGTH: usize = 12;

const WRAPPING_VERSION: u8 = 1;
const WRAPPING_LABEL: &[u8] = b"albatross wrapped data key v1";

type Nonce = [u8; NONCE_LENGTH];

/// AES-256-GCM with a nonce that follows from key, associated data and plaintext (as in SIV modes):
/// a nonce repeats only if all three do, so neither randomness nor a counter has to be trusted.
struct SealingKey {
    cipher: Aes256Gcm,
    nonces: Zeroizing<[u8; KEY_LENGTH]>,
}

impl SealingKey {
    fn derive(secret: &[u8; KEY_LENGTH]) -> Self {
        let encryption = Zeroizing::new(mac(secret, &[b"albatross encryption key v1"]));
        Self {
            cipher: Aes256Gcm::new((&*encryption).into()),
            nonces: Zeroizing::new(mac(secret, &[b"albatross nonce key v1"])),
        }
    }

    fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Option<(Nonce, Vec<u8>)> {
        let length = (aad.len() as u64).to_be_bytes();
        let digest = mac(&self.nonces, &[&length, aad, plaintext]);
        let mut nonce = [0; NONCE_LENGTH];
        nonce.copy_from_slice(&digest[..NONCE_LENGTH]);
        let payload = Payload {
            msg: plaintext,
            aad,
        };
        let ciphertext = self.cipher.encrypt((&nonce).into(), payload).ok()?;
        Some((nonce, ciphertext))
    }

    fn open(&self, aad: &[u8], nonce: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let nonce: Nonce = nonce.try_into().ok()?;
        let payload = Payload {
            msg: ciphertext,
            aad,
        };
        let plaintext = self.cipher.decrypt((&nonce).into(), payload).ok()?;
        Some(Zeroizing::new(plaintext))
    }
}

fn mac(key: &[u8; KEY_LENGTH], parts: &[&[u8]]) -> [u8; KEY_LENGTH] {
    // HMAC pads a key with zeros to its block; a key of exactly one block needs no length check.
    let mut block = Zeroizing::new([0; 64]);
    block[..KEY_LENGTH].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Encrypts one person's texts.
pub struct DataKey(SealingKey);

impl DataKey {
    pub fn new(secret: &[u8; KEY_LENGTH]) -> Self {
        Self(SealingKey::derive(secret))
    }

    /// Nonce and ciphertext; none only for a text beyond the cipher's 64 GiB.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Option<(Nonce, Vec<u8>)> {
        self.0.seal(aad, plaintext)
    }

    /// None when any of it was changed.
    pub fn open(&self, aad: &[u8], nonce: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.open(aad, nonce, ciphertext)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// Wraps data keys, so that the database alone opens nothing.
pub struct TenantKey(SealingKey);

impl TenantKey {
    pub fn new(secret: &[u8; KEY_LENGTH]) -> Self {
        Self(SealingKey::derive(secret))
    }

    /// A version byte, the nonce and the encrypted key, bound to its subject.
    pub fn wrap(&self, subject: UserId, data_key: &[u8; KEY_LENGTH]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = self.0.seal(&wrapping_aad(subject), data_key)?;
        Some([&[WRAPPING_VERSION], nonce.as_slice(), &ciphertext].concat())
    }

    /// # Errors
    /// When it was not wrapped by this tenant key for this subject.
    pub fn unwrap(&self, subject: UserId, wrapped: &[u8]) -> Result<DataKey, DecodeError> {
        let opened = wrapped.split_first().and_then(|(version, rest)| {
            let (nonce, ciphertext) = rest.split_at_checked(NONCE_LENGTH)?;
            (*version == WRAPPING_VERSION).then_some(())?;
            self.0.open(&wrapping_aad(subject), nonce, ciphertext)
        });
        let opened = opened.ok_or(DecodeError::WrappedKey)?;
        let secret: &[u8; KEY_LENGTH] = opened
            .as_slice()
            .try_into()
            .map_err(|_| DecodeError::WrappedKey)?;
        Ok(DataKey::new(secret))
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantKey(..)")
    }
}

fn wrapping_aad(subject: UserId) -> Vec<u8> {
    [WRAPPING_LABEL, subject.0.as_bytes().as_slice()].concat()
}

/// Data keys that were loaded before coding begins.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(HashMap<UserId, Arc<DataKey>>);

impl KeyRing {
    pub fn insert(&mut self, subject: UserId, key: Arc<DataKey>) {
        self.0.insert(subject, key);
    }

    /// Adds another ring's keys.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn remove(&mut self, subject: UserId) {
        self.0.remove(&subject);
    }

    pub fn get(&self, subject: UserId) -> Option<&Arc<DataKey>> {
        self.0.get(&subject)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
