//! Which handler answers a path.

use super::handler::{Handler, Request, Response, full, text};
use http::{HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

/// Exact paths and their handlers.
#[derive(Clone, Default)]
pub struct Router {
    routes: Vec<(String, Arc<dyn Handler>)>,
    fallback: Option<Arc<dyn Handler>>,
}

impl Router {
    /// Adds a path; an earlier handler of the same path keeps it.
    pub fn add(&mut self, path: impl Into<String>, handler: Arc<dyn Handler>) {
        self.routes.push((path.into(), handler));
    }

    /// Answers what no path answers; without it that is 404.
    pub fn set_fallback(&mut self, handler: Arc<dyn Handler>) {
        self.fallback = Some(handler);
    }

    /// Answers a request. A path with empty or dot parts is sent to what it means.
    pub async fn answer(&self, request: Request) -> Response {
        let path = path::decode(request.uri().path());
        if let Some(clean) = path::cleaned(&path) {
            return redirect(&request, &clean);
        }
        let route = self.routes.iter().find(|(known, _)| {
            // A path that ends in a slash answers for all below it.
            *known == path || (known.ends_with('/') && known != "/" && path.starts_with(known))
        });
        let handler = route.map(|(_, handler)| handler).or(self.fallback.as_ref());
        match handler {
            Some(handler) => handler.handle(request).await,
            None => text(StatusCode::NOT_FOUND, "404 page not found"),
        }
    }
}

fn redirect(request: &Request, path: &str) -> Response {
    let mut target = path::encode(path);
    if let Some(query) = request.uri().query() {
        target = target + "?" + query;
    }
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        let shown = target.replace('&', "&amp;").replace('\'', "&#39;");
        *response.body_mut() = full(format!("<a href=\"{shown}\">Moved Permanently</a>.\n\n"));
    }
    if let Ok(target) = HeaderValue::try_from(target) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

/// Paths of URLs.
pub(super) mod path {
    use percent_encoding::percent_decode_str;
    use std::borrow::Cow;

    /// Whether every percent sign begins an escape.
    pub fn is_escaped_well(path: &str) -> bool {
        let mut rest = path.as_bytes();
        while let Some(at) = memchr::memchr(b'%', rest) {
            if !matches!(rest.get(at + 1..at + 3), Some(hex) if hex.iter().all(u8::is_ascii_hexdigit))
            {
                return false;
            }
            rest = &rest[at + 3..];
        }
        true
    }

    /// A path with its percent escapes replaced; malformed ones stay.
    pub fn decode(path: &str) -> Cow<'_, str> {
        if !path.contains('%') {
            return Cow::Borrowed(path);
        }
        let bytes: Vec<u8> = percent_decode_str(path).collect();
        crate::exposition::names::lossy(&bytes).into_owned().into()
    }

    /// The path without empty and dot parts, where it has such; a slash at the end stays.
    pub fn cleaned(path: &str) -> Option<String> {
        let inner = path.strip_prefix('/')?;
        let is_clean = |(at, part): (usize, &str)| {
            !matches!(part, "." | "..") && (at == 0 || !part.is_empty())
        };
        if inner.rsplit('/').enumerate().all(is_clean) {
            return None;
        }
        let mut parts = Vec::new();
        for part in inner.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let end = if path.ends_with('/') && !parts.is_empty() {
            "/"
        } else {
            ""
        };
        Some(format!("/{}{end}", parts.join("/")))
    }

    /// A path with escapes for what may not stand in one.
    pub fn encode(path: &str) -> String {
        let mut encoded = String::with_capacity(path.len());
        for byte in path.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(char::from(byte)),
                _ if b"-_.~/$&+,:;=@!'()*".contains(&byte) => encoded.push(char::from(byte)),
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::super::handler::full;
    use super::*;

    #[tokio::test]
    async fn paths() {
        let mut router = Router::default();
        let ok: Arc<dyn Handler> = Arc::new(|_| async { text(StatusCode::OK, "ok") });
        router.add("/metrics", ok.clone());
        router.add("/tree/", ok);
        for (path, status) in [
            ("/metrics", 200),
            ("/metrics?x=1", 200),
            ("/%6detrics", 200),
            ("/metrics/", 404),
            ("/METRICS", 404),
            ("/metrics%2F", 404),
            ("/%zz", 404),
            ("//metrics", 301),
            ("/", 404),
            ("/tree/leaf", 200),
        ] {
            let mut request = Request::new(full(""));
            *request.uri_mut() = path.parse().unwrap();
            assert_eq!(router.answer(request).await.status(), status, "{path}");
        }
    }

    #[tokio::test]
    async fn unclean_paths_are_sent_to_what_they_mean() {
        let router = Router::default();
        for (path, location) in [
            ("//metrics", "/metrics"),
            ("/./metrics", "/metrics"),
            ("/x/../metrics", "/metrics"),
            ("/x/%2e%2e/metrics", "/metrics"),
            ("/../metrics?q=1&r", "/metrics?q=1&r"),
            ("//metrics/?a=b", "/metrics/?a=b"),
            ("/metrics//", "/metrics/"),
            ("/..", "/"),
            ("//%22%3Cx%3E", "/%22%3Cx%3E"),
            ("//%0d%0aX:%20y", "/%0D%0AX:%20y"),
            ("//evil.example/", "/evil.example/"),
        ] {
            for method in ["GET", "POST"] {
                let mut request = Request::new(full(""));
                *request.uri_mut() = path.parse().unwrap();
                *request.method_mut() = method.parse().unwrap();
                let response = router.answer(request).await;
                assert_eq!(response.status(), 301, "{path}");
                assert_eq!(response.headers()["location"], location, "{path}");
                let typed = response.headers().contains_key("content-type");
                assert_eq!(typed, method == "GET", "{path}");
            }
        }
    }

    #[test]
    fn escapes() {
        assert!(path::is_escaped_well("/%6detrics%2F"));
        for bad in ["/%zz", "/metrics%", "/%4"] {
            assert!(!path::is_escaped_well(bad), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_cleaned_path_is_clean(path: String) {
            let _ = path::decode(&path);
            if let Some(clean) = path::cleaned(&format!("/{path}")) {
                proptest::prop_assert_eq!(path::cleaned(&clean), None);
            }
        }
    }
}
