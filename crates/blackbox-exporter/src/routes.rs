//! External URL and route prefix: where the paths lie.

use crate::net::address::split_host_port;
use crate::url::{Url, escape, unescape};
use exporter_core::web::{Handler, Request, Response, Server, full, text};
use http::{HeaderValue, StatusCode, header};

/// Where the exporter is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From outside.
    pub external: Url,
    /// Begins and ends with a slash.
    pub prefix: String,
}

impl Place {
    /// Reads the two flags. Without a URL one is made of the host's name and the first address.
    ///
    /// # Errors
    /// A sentence.
    pub fn new(
        external: &str,
        prefix: &str,
        listen: &[String],
        systemd: bool,
    ) -> Result<Self, String> {
        let external = external_url(external, listen, systemd)
            .map_err(|e| format!("failed to determine external URL: {e}"))?;
        let prefix = match prefix {
            "" => unescape(&external.path),
            given => given.to_owned(),
        };
        let prefix = match prefix.trim_matches('/') {
            "" => "/".to_owned(),
            inner => format!("/{inner}/"),
        };
        Ok(Place { external, prefix })
    }

    /// A path below the prefix.
    pub fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What stands around the paths: redirects to the prefix where there is one, and `index` for all
    /// that is below it and has no handler of its own.
    pub fn frame(&self, server: Server, index: impl Handler) -> Server {
        if self.prefix == "/" {
            return server.fallback(index);
        }
        let bare = self.prefix.trim_end_matches('/').to_owned();
        let prefix = escape(&self.prefix, b"");
        let below = move |request: &Request| match request.uri().query() {
            Some(query) => format!("{prefix}?{query}"),
            None => prefix.clone(),
        };
        let external = self.external.to_string();
        let outside = move |_: &Request| external.clone();
        server
            .route(bare, redirect(StatusCode::MOVED_PERMANENTLY, below))
            .route("/", redirect(StatusCode::FOUND, outside))
            .route(self.prefix.clone(), index)
            .fallback(|_: Request| async { text(StatusCode::NOT_FOUND, "404 page not found") })
    }
}

fn redirect(
    status: StatusCode,
    location: impl Fn(&Request) -> String + Send + Sync + 'static,
) -> impl Handler {
    move |request: Request| {
        let mut response = Response::new(full(""));
        *response.status_mut() = status;
        if let Ok(location) = HeaderValue::try_from(location(&request)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        async move { response }
    }
}

fn external_url(text: &str, listen: &[String], systemd: bool) -> Result<Url, String> {
    if text.is_empty() {
        if systemd {
            return Err("--web.systemd-socket needs --web.external-url".to_owned());
        }
        if listen.len() > 1 {
            tracing::info!("Inferring external URL from the first of several listen addresses");
        }
        let first = listen.first().map_or("", String::as_str);
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy();
        let (_, port) = split_host_port(first)?;
        return Url::parse(&format!("http://{name}:{port}"));
    }
    if text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
        return Err("URL must not begin or end with quotes".to_owned());
    }
    let mut url = Url::parse(text)?;
    let path = url.path.trim_end_matches('/').to_owned();
    url.path = match path.as_str() {
        "" => path,
        absolute if absolute.starts_with('/') => path,
        relative => format!("/{relative}"),
    };
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let prefix = |external: &str, prefix: &str| {
            Place::new(external, prefix, &[":9115".to_owned()], false).map(|p| p.prefix)
        };
        for (external, given, expected) in [
            ("", "", "/"),
            ("http://h/a/b/", "", "/a/b/"),
            ("http://h/a", "/", "/"),
            ("http://h/a", "x//", "/x/"),
            ("x", "", "/x/"),
            ("http://h/a%20b", "", "/a b/"),
        ] {
            assert_eq!(
                prefix(external, given).as_deref(),
                Ok(expected),
                "{external} {given}"
            );
        }
        assert!(prefix("'x'", "").is_err());
        assert!(Place::new("", "", &["vsock://:1".to_owned()], false).is_err());
        assert!(Place::new("", "", &[":1".to_owned()], true).is_err());
    }
}
