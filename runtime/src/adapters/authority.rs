//! Who may have signed a server's certificate, where its URL names a file that says so.

use crate::ports::event_store::StoreError;

/// The certificates (PEM) in the file that the query of `url` names as `parameter`.
///
/// # Errors
/// When the file cannot be read, or holds none.
pub fn authority(url: &str, parameter: &str) -> Result<Option<String>, StoreError> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut named = form_urlencoded::parse(query.as_bytes());
    let Some((_, file)) = named.find(|(name, _)| name == parameter) else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&*file)
        .map_err(|cause| format!("{parameter}: {file} cannot be read: {cause}"))?;
    if !text.contains("BEGIN CERTIFICATE") {
        return Err(format!("{parameter}: {file} holds no certificate").into());
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_nothing_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        let url = format!("rediss://cache:6380/0?a=b&ca={}", file.display());
        assert_eq!(authority(&url, "other").unwrap(), None);
        let missing = authority(&url, "ca").unwrap_err().to_string();
        assert!(missing.contains("ca.crt cannot be read"), "{missing}");
        std::fs::write(&file, "nothing").unwrap();
        let empty = authority(&url, "ca").unwrap_err().to_string();
        assert!(empty.contains("ca.crt holds no certificate"), "{empty}");
        let text = "-----BEGIN CERTIFICATE-----\n";
        std::fs::write(&file, text).unwrap();
        assert_eq!(authority(&url, "ca").unwrap().as_deref(), Some(text));
    }
}
