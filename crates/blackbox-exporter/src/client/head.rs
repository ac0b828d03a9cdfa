//! The head of an answer, with the length that its version of HTTP gives the body.

use http::{HeaderMap, Method, Version, header, response};

/// Status, version and headers of an answer.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// Major and minor version of HTTP.
    pub version: (u8, u8),
    /// Headers.
    pub headers: HeaderMap,
    /// Length of the body in bytes, -1 where it ends when it ends.
    pub content_length: i64,
}

impl Head {
    /// Of an answer to a method. `exact` is the length of its body as far as the library knows it.
    pub fn new(parts: response::Parts, method: &Method, exact: Option<u64>) -> Self {
        let version = match parts.version {
            Version::HTTP_10 => (1, 0),
            Version::HTTP_11 => (1, 1),
            Version::HTTP_2 => (2, 0),
            _ => (0, 9),
        };
        let mut head = Head {
            status: parts.status.as_u16(),
            version,
            headers: parts.headers,
            content_length: -1,
        };
        head.content_length = head.length(*method == Method::HEAD, exact);
        head
    }

    /// RFC 9112, section 6.3
    fn length(&self, is_head: bool, exact: Option<u64>) -> i64 {
        let is_first = self.version < (2, 0);
        let lacks_body = matches!(self.status, 100..200 | 204 | 304) && !is_head;
        if is_first && lacks_body {
            return 0;
        }
        if is_first && self.headers.contains_key(header::TRANSFER_ENCODING) {
            return -1;
        }
        let told = self.headers.get(header::CONTENT_LENGTH);
        let told = told.and_then(|v| v.to_str().ok()?.trim().parse().ok());
        told.unwrap_or(match exact {
            Some(0) if !is_head => 0,
            _ => -1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    #[test]
    fn lengths() {
        let get = &Method::GET;
        for (version, status, method, headers, exact, length) in [
            (
                Version::HTTP_11,
                200,
                get,
                &[("content-length", "4")][..],
                Some(4),
                4,
            ),
            (
                Version::HTTP_11,
                200,
                get,
                &[("transfer-encoding", "chunked")],
                None,
                -1,
            ),
            (Version::HTTP_10, 200, get, &[], None, -1),
            (
                Version::HTTP_11,
                204,
                get,
                &[("content-length", "4")],
                Some(0),
                0,
            ),
            (
                Version::HTTP_11,
                304,
                &Method::HEAD,
                &[("content-length", "4")],
                Some(0),
                4,
            ),
            (Version::HTTP_11, 200, &Method::HEAD, &[], Some(0), -1),
            (Version::HTTP_2, 200, get, &[], Some(0), 0),
            (
                Version::HTTP_2,
                204,
                get,
                &[("content-length", "4")],
                Some(0),
                4,
            ),
            (Version::HTTP_2, 200, get, &[], None, -1),
        ] {
            let mut response = Response::builder().version(version).status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            let parts = response.body(()).unwrap().into_parts().0;
            let head = Head::new(parts, method, exact);
            assert_eq!(
                head.content_length, length,
                "{version:?} {status} {headers:?}"
            );
        }
    }
}
