//! What a tenant's pods were last handed to reach servers by. It is on record beside the operator, since whoever may write in
//! the tenant's namespace may write the copies there.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// URLs, which hold passwords, by Secret and variable.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HandedUrls(BTreeMap<String, String>);

impl HandedUrls {
    pub fn get(&self, secret: &str, variable: &str) -> Option<&str> {
        self.0.get(&key(secret, variable)).map(String::as_str)
    }

    pub fn insert(&mut self, secret: &str, variable: &str, url: String) {
        self.0.insert(key(secret, variable), url);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for HandedUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn key(secret: &str, variable: &str) -> String {
    format!("{secret}/{variable}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_password() {
        let mut urls = HandedUrls::default();
        urls.insert("api", "DATABASE_URL", "postgres://u:secret@h/d".to_owned());
        assert_eq!(format!("{urls:?}"), r#"{"api/DATABASE_URL"}"#);
    }
}
