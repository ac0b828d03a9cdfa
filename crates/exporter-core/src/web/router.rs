//! Which handler answers a path.

use super::handler::{Handler, Request, Response, text};
use http::StatusCode;
use percent::decode;
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

    /// Answers a request.
    pub async fn answer(&self, request: Request) -> Response {
        let path = decode(request.uri().path());
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

mod percent {
    use std::borrow::Cow;

    /// A path with its percent escapes replaced; malformed ones stay.
    pub fn decode(path: &str) -> Cow<'_, str> {
        if !path.contains('%') {
            return Cow::Borrowed(path);
        }
        let mut bytes = Vec::with_capacity(path.len());
        let mut rest = path.as_bytes();
        while let Some((byte, tail)) = rest.split_first() {
            rest = tail;
            let digit = |b: Option<&u8>| char::from(*b?).to_digit(16);
            match (byte, digit(tail.first()), digit(tail.get(1))) {
                (b'%', Some(high), Some(low)) => {
                    bytes.push((high * 16 + low) as u8);
                    rest = &tail[2..];
                }
                _ => bytes.push(*byte),
            }
        }
        crate::exposition::names::lossy(&bytes).into_owned().into()
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
            ("/", 404),
            ("/tree/leaf", 200),
        ] {
            let mut request = Request::new(full(""));
            *request.uri_mut() = path.parse().unwrap();
            assert_eq!(router.answer(request).await.status(), status, "{path}");
        }
    }
}
