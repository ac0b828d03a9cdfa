//! Just enough HTTP/1.1 to scrape a loopback endpoint.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A kept connection.
pub struct Connection {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to `HOST:PORT`.
    pub fn open(host: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Connection {
            host: host.to_owned(),
            stream: BufReader::with_capacity(64 * 1024, stream),
        })
    }

    /// Status and body of a GET, with these further header lines.
    pub fn get(&mut self, path: &str, headers: &str) -> std::io::Result<(u16, Vec<u8>)> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n",
            self.host
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|s| s.parse().ok());
        let mut length = None;
        let mut chunked = false;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let body = match (chunked, length) {
            (true, _) => self.chunks()?,
            (false, Some(length)) => self.exactly(length)?,
            (false, None) => {
                let mut body = Vec::new();
                self.stream.read_to_end(&mut body)?;
                body
            }
        };
        let status = status.ok_or_else(|| std::io::Error::other("no HTTP status line"))?;
        Ok((status, body))
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn exactly(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16)
                .map_err(std::io::Error::other)?;
            body.extend(self.exactly(size)?);
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// The text at an `http://` URL or in a file.
pub fn fetch(source: &str) -> Result<String, String> {
    let Some(rest) = source.strip_prefix("http://") else {
        return std::fs::read_to_string(source).map_err(|e| format!("{source}: {e}"));
    };
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/metrics"),
    };
    let get = || Connection::open(host)?.get(path, "Connection: close\r\n");
    let (status, body) = get().map_err(|e| format!("{source}: {e}"))?;
    if status != 200 {
        return Err(format!("{source}: status {status}"));
    }
    String::from_utf8(body).map_err(|_| format!("{source}: the answer is no UTF-8"))
}
