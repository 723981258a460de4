//! Personal texts to sealed messages and back, each bound to its event, its subject and its field.

use std::cell::RefCell;
use std::collections::BTreeSet;

use albatross_proto::v1::Sealed;
use uuid::Uuid;

use crate::codec::error::{DecodeError, EncodeError};
use crate::codec::keys::KeyRing;
use crate::domain::ids::UserId;
use crate::domain::personal::Personal;

const LABEL: &[u8] = b"albatross sealed text v1";

/// Seals the texts of one event.
pub struct Sealing<'a> {
    pub event_id: Uuid,
    pub subject: Option<UserId>,
    pub keys: &'a KeyRing,
}

impl Sealing<'_> {
    /// `field` is part of the stored format: it stays the same for good, whatever tag holds the message.
    pub fn seal(
        &self,
        field: &'static str,
        text: &Personal<String>,
    ) -> Result<Option<Sealed>, EncodeError> {
        let subject = self.subject.ok_or(EncodeError::NoSubject)?;
        let mut sealed = Sealed {
            subject: subject.0.as_bytes().to_vec(),
            ..Sealed::default()
        };
        if let Personal::Known(text) = text {
            let key = self
                .keys
                .get(subject)
                .ok_or(EncodeError::MissingKey(subject))?;
            let aad = associated_data(self.event_id, subject, field);
            let (nonce, ciphertext) = key
                .seal(&aad, text.as_bytes())
                .ok_or(EncodeError::Encryption)?;
            sealed.nonce = nonce.to_vec();
            sealed.ciphertext = ciphertext;
        }
        Ok(Some(sealed))
    }

    pub fn seal_optional(
        &self,
        field: &'static str,
        text: Option<&Personal<String>>,
    ) -> Result<Option<Sealed>, EncodeError> {
        match text {
            Some(text) => self.seal(field, text),
            None => Ok(None),
        }
    }
}

/// Opens the texts of one event, and notes the subjects whose keys were not on the ring.
pub struct Opening<'a> {
    pub event_id: Uuid,
    pub keys: &'a KeyRing,
    pub missing: RefCell<BTreeSet<UserId>>,
}

impl Opening<'_> {
    pub fn open(
        &self,
        field: &'static str,
        sealed: Option<Sealed>,
    ) -> Result<Personal<String>, DecodeError> {
        let sealed = sealed.ok_or(DecodeError::Missing(field))?;
        let subject =
            Uuid::from_slice(&sealed.subject).map_err(|_| DecodeError::Invalid("subject"))?;
        let subject = UserId(subject);
        if sealed.ciphertext.is_empty() {
            return Ok(Personal::Erased);
        }
        let Some(key) = self.keys.get(subject) else {
            self.missing.borrow_mut().insert(subject);
            return Ok(Personal::Erased);
        };
        let aad = associated_data(self.event_id, subject, field);
        let plaintext = key
            .open(&aad, &sealed.nonce, &sealed.ciphertext)
            .ok_or(DecodeError::Tampered(field))?;
        let text = std::str::from_utf8(&plaintext).map_err(|_| DecodeError::Invalid(field))?;
        Ok(Personal::Known(text.to_owned()))
    }

    pub fn open_optional(
        &self,
        field: &'static str,
        sealed: Option<Sealed>,
    ) -> Result<Option<Personal<String>>, DecodeError> {
        match sealed {
            Some(sealed) => self.open(field, Some(sealed)).map(Some),
            None => Ok(None),
        }
    }
}

fn associated_data(event_id: Uuid, subject: UserId, field: &str) -> Vec<u8> {
    [
        LABEL,
        event_id.as_bytes().as_slice(),
        subject.0.as_bytes().as_slice(),
        field.as_bytes(),
    ]
    .concat()
}
