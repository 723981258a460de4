//! Lines of a flight's ACARS log as stored: each bound to its flight, its number and the pilot whom it speaks of.

use uuid::Uuid;

use crate::codec::error::{DecodeError, EncodeError};
use crate::codec::keys::{KeyRing, NONCE_LENGTH};
use crate::domain::ids::UserId;
use crate::domain::personal::Personal;

const LABEL: &[u8] = b"albatross log line v1";
const VERSION: u8 = 1;

/// A version byte, the nonce and the encrypted text. The same line gives the same bytes.
///
/// # Errors
/// When the ring has no key for the pilot.
pub fn seal_log_line(
    flight: Uuid,
    sequence: i32,
    pilot: UserId,
    text: &str,
    keys: &KeyRing,
) -> Result<Vec<u8>, EncodeError> {
    let key = keys.get(pilot).ok_or(EncodeError::MissingKey(pilot))?;
    let aad = associated_data(flight, sequence, pilot);
    let (nonce, ciphertext) = key
        .seal(&aad, text.as_bytes())
        .ok_or(EncodeError::Encryption)?;
    Ok([&[VERSION], nonce.as_slice(), &ciphertext].concat())
}

/// The text; erased when the ring has no key for the pilot.
///
/// # Errors
/// When it is not what was sealed as this line.
pub fn open_log_line(
    flight: Uuid,
    sequence: i32,
    pilot: UserId,
    sealed: &[u8],
    keys: &KeyRing,
) -> Result<Personal<String>, DecodeError> {
    const FIELD: &str = "log line";
    let Some(key) = keys.get(pilot) else {
        return Ok(Personal::Erased);
    };
    let aad = associated_data(flight, sequence, pilot);
    let opened = sealed.split_first().and_then(|(version, rest)| {
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LENGTH)?;
        (*version == VERSION).then_some(())?;
        key.open(&aad, nonce, ciphertext)
    });
    let plaintext = opened.ok_or(DecodeError::Tampered(FIELD))?;
    let text = std::str::from_utf8(&plaintext).map_err(|_| DecodeError::Invalid(FIELD))?;
    Ok(Personal::Known(text.to_owned()))
}

fn associated_data(flight: Uuid, sequence: i32, pilot: UserId) -> Vec<u8> {
    [
        LABEL,
        flight.as_bytes().as_slice(),
        sequence.to_be_bytes().as_slice(),
        pilot.0.as_bytes().as_slice(),
    ]
    .concat()
}
