//! The page at `/`, and the paths that probes call.

use super::handler::{Handler, Request, Response, full, text};
use http::{HeaderValue, StatusCode, header};
use std::fmt::Write;

/// What the landing page shows.
#[derive(Clone, Debug)]
pub struct Landing {
    /// Title and heading.
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// Version line.
    pub version: String,
    /// Colour of the header, `#e6522c` in most exporters.
    pub colour: &'static str,
    /// Paths from the root and what they are called.
    pub links: Vec<(String, &'static str)>,
}

impl Landing {
    /// The usual colour.
    pub const COLOUR: &'static str = "#e6522c";

    /// The page. Links are relative, so that they work behind a path prefix.
    pub fn html(&self) -> String {
        let mut links = String::new();
        for (path, text) in &self.links {
            let path = escape(path.trim_start_matches('/'));
            // Writing to a String cannot fail.
            let _ = writeln!(
                links,
                "      <li><a href=\"{path}\">{}</a></li>",
                escape(text)
            );
        }
        let name = escape(self.name);
        let (description, version) = (escape(self.description), escape(&self.version));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n  <head>\n    <meta charset=\"UTF-8\">\n    \
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n    \
             <title>{name}</title>\n    <style>body {{ font-family: sans-serif; margin: 0 }} \
             header {{ background: {}; color: #fff; padding: 1px 1em }} main {{ padding: 1em }}\
             </style>\n  </head>\n  <body>\n    <header><h1>{name}</h1></header>\n    <main>\n    \
             <p>{description}</p>\n    <p>Version: ({version})</p>\n    <ul>\n{links}    </ul>\n    \
             </main>\n  </body>\n</html>\n",
            self.colour
        )
    }

    /// Serves the page.
    pub fn handler(self) -> impl Handler {
        let page = self.html();
        move |_: Request| {
            let mut response = Response::new(full(page.clone()));
            let html = HeaderValue::from_static("text/html; charset=UTF-8");
            response.headers_mut().insert(header::CONTENT_TYPE, html);
            async move { response }
        }
    }
}

/// Answers 200, at no cost.
pub fn healthy() -> impl Handler {
    |_: Request| async { text(StatusCode::OK, "OK") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_for_markup() {
        let landing = Landing {
            name: "X",
            description: "a < b",
            version: "1".to_owned(),
            colour: Landing::COLOUR,
            links: vec![("/me\"trics".to_owned(), "Metrics")],
        };
        let html = landing.html();
        assert!(
            html.contains("a &lt; b") && html.contains("href=\"me&quot;trics\""),
            "{html}"
        );
    }
}
