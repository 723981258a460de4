//! The web page, embedded in the binary: hashed assets for ever, everything else fresh.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::http::problem::Problem;

#[derive(RustEmbed)]
#[folder = "ui/dist"]
struct Dist;

const INDEX: &str = "index.html";
/// Vite puts files here whose names hold a hash of their content.
const HASHED: &str = "assets/";

/// Serves a file of the web page; any other page address is the web page's own to route.
pub async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let reads = method == Method::GET || method == Method::HEAD;
    match Dist::get(path) {
        file if !reads && (file.is_some() || is_page(path)) => {
            Problem::method_not_allowed("GET, HEAD").into_response()
        }
        Some(file) if !path.is_empty() => serve(path, &file, &headers),
        _ if is_page(path) => match Dist::get(INDEX) {
            Some(index) => serve(INDEX, &index, &headers),
            None => Problem::not_found().into_response(),
        },
        _ => Problem::not_found().into_response(),
    }
}

/// Neither the API nor a file: files have an extension.
fn is_page(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    !["api", "internal", "problems", "assets"].contains(&first) && !last.contains('.')
}

fn serve(path: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = etag(&file.metadata.sha256_hash());
    let caching = if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.trim_start_matches("W/") == tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(file.data.clone()));
        if let Ok(kind) = HeaderValue::from_str(file.metadata.mimetype()) {
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        response
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}

fn etag(hash: &[u8; 32]) -> String {
    let short: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{short}\"")
}

#[cfg(test)]
mod tests {
    use http::header::ALLOW;

    use super::*;

    async fn get(path: &str, headers: HeaderMap) -> Response {
        page(Method::GET, path.parse().unwrap(), headers).await
    }

    #[tokio::test]
    async fn every_page_address_answers_with_the_index() {
        for path in ["/", "/pireps", "/pireps/1/track", "/welcome"] {
            let response = get(path, HeaderMap::new()).await;
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
            assert!(
                response.headers()[CONTENT_TYPE]
                    .as_bytes()
                    .starts_with(b"text/html")
            );
        }
    }

    #[tokio::test]
    async fn pages_are_read_and_not_written() {
        let post = async |path: &str| {
            let response = page(Method::POST, path.parse().unwrap(), HeaderMap::new()).await;
            let allow = response.headers().get(ALLOW).cloned();
            (response.status().as_u16(), allow)
        };
        let allowed = Some("GET, HEAD".parse().unwrap());
        for path in ["/", "/pireps", "/index.html"] {
            assert_eq!(post(path).await, (405, allowed.clone()), "{path}");
        }
        for path in ["/api/v1/nothing", "/assets/gone.js"] {
            assert_eq!(post(path).await, (404, None), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_not_found() {
        for path in [
            "/api/v1/nothing",
            "/assets/gone.js",
            "/favicon.gone",
            "/../Cargo.toml",
        ] {
            assert_eq!(get(path, HeaderMap::new()).await.status(), 404, "{path}");
        }
    }

    #[tokio::test]
    async fn an_unchanged_page_is_not_sent_again() {
        let first = get("/", HeaderMap::new()).await;
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, first.headers()[ETAG].clone())]);
        assert_eq!(get("/", headers).await.status(), 304);
    }
}
