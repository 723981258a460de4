//! When the API server does not do its part.

/// Another writer was faster; trying again with what it wrote is all there is to do.
pub fn is_lost_race(cause: &kube::Error) -> bool {
    matches!(cause, kube::Error::Api(status) if status.is_conflict() || status.is_already_exists())
}

pub fn is_forbidden(cause: &kube::Error) -> bool {
    matches!(cause, kube::Error::Api(status) if status.is_forbidden())
}

/// The server's own words, which stay the same as long as the trouble does; the rest of an answer is of one request.
pub fn in_words(cause: &kube::Error) -> String {
    match cause {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
