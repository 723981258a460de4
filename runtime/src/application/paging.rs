//! Lists a page at a time: an opaque cursor, bound to filter and sort.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::application::error::ServiceError;
use crate::ports::read_model::{ColumnKind, Query, Row, Value};

/// Most rows of one page.
pub const MAX_PAGE: usize = 200;

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub struct Page {
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// Continues behind the last item; none at the end.
    pub next: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    /// Beginning of a digest over filter and sort.
    list: String,
    after: After,
    id: Uuid,
}

#[derive(Serialize, Deserialize)]
enum After {
    Null,
    Integer(i64),
    Text(String),
    Uuid(Uuid),
}

impl After {
    /// The value, if a column of this kind can hold it: a cursor comes back from outside.
    fn of(self, kind: ColumnKind) -> Option<Value> {
        match (kind, self) {
            (_, Self::Null) => Some(Value::Null),
            (ColumnKind::Integer, Self::Integer(value)) => Some(Value::Integer(value)),
            (ColumnKind::Text, Self::Text(value)) if !value.contains('\0') => {
                Some(Value::Text(value))
            }
            (ColumnKind::Uuid, Self::Uuid(value)) => Some(Value::Uuid(value)),
            _ => None,
        }
    }
}

impl Page {
    /// At least one row, at most [`MAX_PAGE`].
    pub fn limit(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE)
    }

    /// Where the page before has ended. `list` names all that the list depends on, `kind` is what it is sorted by.
    ///
    /// # Errors
    /// When the cursor is not one of this list's.
    pub fn after(
        &self,
        list: &str,
        kind: ColumnKind,
    ) -> Result<Option<(Value, Uuid)>, ServiceError> {
        let Some(text) = &self.cursor else {
            return Ok(None);
        };
        let cursor = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|json| serde_json::from_slice::<Cursor>(&json).ok())
            .filter(|cursor| cursor.list == digest(list));
        let after = cursor.and_then(|cursor| Some((cursor.after.of(kind)?, cursor.id)));
        after.map(Some).ok_or_else(|| {
            let detail = "Must be `next` of a page with the same filter and sort.";
            ServiceError::invalid("/cursor", "not-a-cursor", detail)
        })
    }
}

/// The value of `row` that `query` sorts by.
pub fn sort_value(query: &Query, row: &Row) -> Value {
    let columns = query.table.columns.iter().zip(&row.values);
    let mut sorted = columns.filter(|(column, _)| column.name == query.order_by);
    sorted
        .next()
        .map_or(Value::Null, |(_, value)| value.clone())
}

/// The cursor that continues `list` behind the row with this sort value and id.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn cursor(list: &str, after: Value, id: Uuid) -> Result<String, ServiceError> {
    let after = match after {
        Value::Null => After::Null,
        Value::Integer(value) => After::Integer(value),
        Value::Text(value) => After::Text(value),
        Value::Uuid(value) => After::Uuid(value),
    };
    let cursor = Cursor {
        list: digest(list),
        after,
        id,
    };
    let json =
        serde_json::to_vec(&cursor).map_err(|error| ServiceError::Corrupt(error.to_string()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}

fn digest(list: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(list.as_bytes())[..9])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(cursor: &str) -> Page {
        Page {
            limit: 10,
            cursor: Some(cursor.to_owned()),
        }
    }

    #[test]
    fn a_cursor_continues_its_own_list_only() {
        let id = Uuid::max();
        let next = cursor("open, newest first", Value::Integer(7), id).unwrap();
        let after = page(&next)
            .after("open, newest first", ColumnKind::Integer)
            .unwrap();
        assert_eq!(after, Some((Value::Integer(7), id)));
        assert!(
            page(&next)
                .after("open, oldest first", ColumnKind::Integer)
                .is_err()
        );
    }

    #[test]
    fn a_forged_cursor_is_refused() {
        for forged in ["", "x", "e30", "????", "AAAA"] {
            assert!(
                page(forged).after("list", ColumnKind::Text).is_err(),
                "{forged}"
            );
        }
    }

    #[test]
    fn a_cursor_holds_what_its_list_is_sorted_by() {
        let id = Uuid::max();
        let after =
            |value| page(&cursor("list", value, id).unwrap()).after("list", ColumnKind::Text);
        assert!(after(Value::Text("Ada".to_owned())).is_ok());
        assert!(after(Value::Null).is_ok());
        assert!(after(Value::Integer(7)).is_err());
        assert!(after(Value::Uuid(id)).is_err());
        assert!(after(Value::Text("A\0".to_owned())).is_err());
    }

    #[test]
    fn a_page_has_bounds() {
        let limit = |limit| {
            Page {
                limit,
                cursor: None,
            }
            .limit()
        };
        assert_eq!((limit(0), limit(50), limit(100_000)), (1, 50, MAX_PAGE));
    }

    fn sorted_by() -> impl Strategy<Value = (ColumnKind, Value)> {
        prop_oneof![
            Just((ColumnKind::Integer, Value::Null)),
            any::<i64>().prop_map(|it| (ColumnKind::Integer, Value::Integer(it))),
            "[^\\x00]*".prop_map(|it| (ColumnKind::Text, Value::Text(it))),
            any::<[u8; 16]>().prop_map(|it| (ColumnKind::Uuid, Value::Uuid(Uuid::from_bytes(it)))),
        ]
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was_given(
            list in any::<String>(), (kind, value) in sorted_by(), id in any::<[u8; 16]>(),
        ) {
            let id = Uuid::from_bytes(id);
            let next = cursor(&list, value.clone(), id).unwrap();
            prop_assert_eq!(page(&next).after(&list, kind).unwrap(), Some((value, id)));
        }

        #[test]
        fn whatever_comes_instead_of_a_cursor_is_refused(
            text in any::<String>(), json in any::<Vec<u8>>(), id in any::<[u8; 16]>(),
            (at, byte) in (any::<prop::sample::Index>(), any::<u8>()),
        ) {
            let given = cursor("list", Value::Integer(7), Uuid::from_bytes(id)).unwrap();
            let mut damaged = BASE64_URL_SAFE_NO_PAD.decode(given).unwrap();
            let at = at.index(damaged.len());
            damaged[at] = byte;
            for kind in [ColumnKind::Text, ColumnKind::Integer, ColumnKind::Uuid] {
                prop_assert!(page(&text).after("list", kind).is_err());
                let encoded = BASE64_URL_SAFE_NO_PAD.encode(&json);
                prop_assert!(page(&encoded).after("list", kind).is_err());
                // What was changed may still be a cursor, but of another row.
                let _ = page(&BASE64_URL_SAFE_NO_PAD.encode(&damaged)).after("list", kind);
            }
        }
    }
}
