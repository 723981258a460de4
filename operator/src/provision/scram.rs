//! SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677): PostgreSQL stores them as they are, so no password crosses the wire.

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const ITERATIONS: u32 = 4096;

/// The verifier of an ASCII password (which SASLprep would leave as it is).
pub fn verifier(password: &str, salt: &[u8; 16]) -> String {
    let salted = salted_password(password.as_bytes(), salt);
    let stored = Sha256::digest(hmac(&salted, &[b"Client Key"]));
    let server = hmac(&salted, &[b"Server Key"]);
    format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        BASE64_STANDARD.encode(salt),
        BASE64_STANDARD.encode(stored),
        BASE64_STANDARD.encode(server),
    )
}

/// PBKDF2 with one block, which is as long as the hash.
fn salted_password(password: &[u8], salt: &[u8; 16]) -> [u8; 32] {
    // Keyed once: what follows from the key alone would be half of the work of each iteration.
    let keyed = keyed(password);
    let mut block = mac(keyed.clone(), &[salt, &1u32.to_be_bytes()]);
    let mut result = block;
    for _ in 1..ITERATIONS {
        block = mac(keyed.clone(), &[&block]);
        for (sum, byte) in result.iter_mut().zip(block) {
            *sum ^= byte;
        }
    }
    result
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    mac(keyed(key), parts)
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn mac(mut mac: Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3: the verifier must explain its signatures.
    #[test]
    fn agrees_with_the_example_of_the_rfc() {
        let salt: [u8; 16] = BASE64_STANDARD
            .decode("W22ZaJ0SNY7soEsUEjb6gQ==")
            .unwrap()
            .try_into()
            .unwrap();
        let verifier = verifier("pencil", &salt);
        let server_key = BASE64_STANDARD
            .decode(verifier.rsplit(':').next().unwrap())
            .unwrap();
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = BASE64_STANDARD.encode(hmac(&server_key, &[message.as_bytes()]));
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
