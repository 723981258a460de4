//! Who may have signed a server's certificate, where its URL names a file that says so. It is read for each connection: a
//! process that runs finds what has been put there since.

use std::io;

/// The file that the query of `url` names as `parameter`.
pub fn file(url: &str, parameter: &str) -> Option<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut named = form_urlencoded::parse(query.as_bytes());
    let (_, file) = named.find(|(name, _)| name == parameter)?;
    Some(file.into_owned())
}

/// The certificates (PEM) in it; none where no file is named.
///
/// # Errors
/// When the file cannot be read, or holds none.
pub async fn read(file: Option<&str>) -> io::Result<Option<String>> {
    let Some(file) = file else {
        return Ok(None);
    };
    let text = tokio::fs::read_to_string(file).await.map_err(|cause| {
        let problem = format!("certificates in {file} cannot be read: {cause}");
        io::Error::new(cause.kind(), problem)
    })?;
    if !text.contains("BEGIN CERTIFICATE") {
        let problem = format!("{file} holds no certificate");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_says_nothing_is_refused_by_its_name_until_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        let url = format!("rediss://cache:6380/0?a=b&ca={}", path.display());
        assert_eq!(file(&url, "other"), None);
        assert_eq!(read(None).await.unwrap(), None);
        let file = file(&url, "ca");
        let read = async || read(file.as_deref()).await;
        let missing = read().await.unwrap_err().to_string();
        assert!(missing.contains("ca.crt cannot be read"), "{missing}");
        std::fs::write(&path, "nothing").unwrap();
        let empty = read().await.unwrap_err().to_string();
        assert!(empty.contains("ca.crt holds no certificate"), "{empty}");
        let text = "-----BEGIN CERTIFICATE-----\n";
        std::fs::write(&path, text).unwrap();
        assert_eq!(read().await.unwrap().as_deref(), Some(text));
    }
}
