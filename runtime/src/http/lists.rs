//! What all lists have in common.

use crate::application::paging::{MAX_PAGE, Page};
use crate::http::problem::{FieldError, Problem, kind};

const DEFAULT_PAGE: usize = 50;

/// Which part of a list is wanted.
///
/// # Errors
/// 422 when the limit is out of bounds.
pub fn page(limit: Option<usize>, cursor: Option<String>) -> Result<Page, Problem> {
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if limit == 0 || limit > MAX_PAGE {
        return Err(Problem::new(kind::VALIDATION).error(FieldError::parameter(
            "limit",
            "out-of-range",
            format!("must be from 1 to {MAX_PAGE}"),
        )));
    }
    Ok(Page { limit, cursor })
}
