//! Values that are parsed once, so that nobody behind the configuration meets an invalid one.

use std::ffi::OsStr;
use std::str::FromStr;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

/// 32 secret bytes, given as standard base64.
#[derive(Clone, Debug)]
pub struct Key(Arc<SecretBox<[u8; 32]>>);

impl Key {
    pub fn bytes(&self) -> [u8; 32] {
        *self.0.expose_secret()
    }
}

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64_STANDARD.decode(text.trim());
        let bytes = Zeroizing::new(bytes.map_err(|_| "not standard base64")?);
        let key = bytes.as_slice().try_into().map_err(|_| "not 32 bytes")?;
        Ok(Self(Arc::new(SecretBox::new(Box::new(key)))))
    }
}

/// Reads a key from the command line, and names what is wrong without showing the value.
#[derive(Clone)]
pub struct KeyParser;

impl TypedValueParser for KeyParser {
    type Value = Key;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Key, Error> {
        let key = value.to_str().ok_or("not text").and_then(Key::from_str);
        key.map_err(|why| {
            let option = arg.map(ToString::to_string).unwrap_or_default();
            Error::raw(ErrorKind::ValueValidation, format!("{option}: {why}\n")).with_cmd(command)
        })
    }
}
