//! Where connections come from.

use listenfd::ListenFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio_vsock::{VMADDR_CID_ANY, VsockAddr, VsockListener};

/// A connection of any kind.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A connection as it was accepted, which can be looked at while it is served.
#[derive(Clone)]
pub struct Inbound(Arc<Mutex<Box<dyn Opened>>>);

/// What a listener gives.
trait Opened: Connection + AsFd {}
impl<T: Connection + AsFd> Opened for T {}

impl Inbound {
    /// Takes what a listener gave.
    pub fn new(stream: impl Connection + AsFd + 'static) -> Self {
        Inbound(Arc::new(Mutex::new(Box::new(stream))))
    }

    /// Whether the other side sends nothing any more.
    pub fn has_closed(&self) -> bool {
        let stream = self.stream();
        let mut sockets = [PollFd::new(&*stream, PollFlags::RDHUP)];
        let now = Timespec::default();
        poll(&mut sockets, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    fn stream(&self) -> MutexGuard<'_, Box<dyn Opened>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Inbound {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Inbound {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream().is_write_vectored()
    }
}

/// A bound address.
pub enum Listener {
    /// TCP over IPv4, IPv6 or both.
    Tcp(TcpListener),
    /// A local socket.
    Unix(UnixListener),
    /// A socket between a virtual machine and its host.
    Vsock(VsockListener),
}

impl Listener {
    /// Binds one address as `--web.listen-address` takes it. The error names the address.
    pub fn bind(address: &str) -> Result<Self, String> {
        let told = |error: String| format!("listen on {address:?}: {error}");
        if let Some(path) = address.strip_prefix("unix://") {
            return bind_unix(path).map_err(|e| told(e.to_string()));
        }
        if let Some(rest) = address.strip_prefix("vsock://") {
            let port = rest.rsplit_once(':').map_or(rest, |(_, port)| port);
            let port = port
                .parse()
                .map_err(|_| told("expected a port number after the last colon".to_owned()))?;
            return VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, port))
                .map(Listener::Vsock)
                .map_err(|e| told(e.to_string()));
        }
        let (host, port) = split(address).map_err(told)?;
        bind_tcp(host, port).map_err(|e| told(e.to_string()))
    }

    /// The sockets that the service manager passed.
    pub fn from_systemd() -> Result<Vec<Self>, String> {
        let mut passed = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..passed.len() {
            let told = |e: io::Error| format!("socket {index} of the service manager: {e}");
            listeners.push(match passed.take_tcp_listener(index) {
                Ok(Some(listener)) => from_std(listener).map_err(told)?,
                // Not a TCP socket.
                _ => match passed.take_unix_listener(index).map_err(told)? {
                    Some(listener) => {
                        listener.set_nonblocking(true).map_err(told)?;
                        Listener::Unix(UnixListener::from_std(listener).map_err(told)?)
                    }
                    None => continue,
                },
            });
        }
        if listeners.is_empty() {
            return Err("no socket activation file descriptors found".to_owned());
        }
        Ok(listeners)
    }

    /// The address as it was bound.
    pub fn address(&self) -> String {
        match self {
            Listener::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|e| e.to_string(), |a| a.to_string()),
            Listener::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|a| a.as_pathname());
                path.map_or("unix".to_owned(), |p| p.display().to_string())
            }
            Listener::Vsock(listener) => listener
                .local_addr()
                .map_or_else(|e| e.to_string(), |a| format!("vsock://:{}", a.port())),
        }
    }

    /// The next connection and who it comes from.
    pub async fn accept(&self) -> io::Result<(Inbound, String)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are written whole; waiting for more only delays them.
                stream.set_nodelay(true)?;
                Ok((Inbound::new(stream), peer.to_string()))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Inbound::new(stream), "unix".to_owned()))
            }
            Listener::Vsock(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((
                    Inbound::new(stream),
                    format!("vsock://{}:{}", peer.cid(), peer.port()),
                ))
            }
        }
    }
}

fn from_std(listener: std::net::TcpListener) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Listener::Tcp)
}

/// A socket file that a former process left behind is replaced.
fn bind_unix(path: &str) -> io::Result<Listener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path).map(Listener::Unix)
        }
        result => result.map(Listener::Unix),
    }
}

/// Splits `host:port`, the host perhaps in brackets, IPv4 too.
fn split(address: &str) -> Result<(&str, &str), String> {
    if address.is_empty() {
        return Ok(("", "0"));
    }
    let missing = || "expected host:port, the port is missing".to_owned();
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or("expected a closing bracket".to_owned())?;
        return Ok((host, rest.strip_prefix(':').ok_or_else(missing)?));
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(missing)?;
    if host.contains(':') {
        return Err("too many colons; an IPv6 address stands in brackets".to_owned());
    }
    Ok((host, port))
}

fn bind_tcp(host: &str, port: &str) -> io::Result<Listener> {
    let port = port_number(port)?;
    // 0.0.0.0 is every address too, as in Go: charts pass it on hosts that are scraped over IPv6.
    if host.is_empty() || host == "0.0.0.0" {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        // A host without IPv6 has no such address family.
        return listen(any).or_else(|error| match error.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
            _ => listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        });
    }
    let address = match host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::from((ip, port)),
        Err(_) => (host, port)
            .to_socket_addrs()?
            .min_by_key(SocketAddr::is_ipv6)
            .ok_or_else(|| io::Error::other("the name has no address"))?,
    };
    listen(address)
}

fn listen(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(1024)?;
    from_std(socket.into())
}

/// A number, or the name of a service.
pub fn port_number(port: &str) -> io::Result<u16> {
    if port.is_empty() {
        return Ok(0);
    }
    if port.bytes().all(|b| b.is_ascii_digit()) {
        return port
            .parse()
            .map_err(|_| io::Error::other(format!("port {port} is above 65535")));
    }
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    let found = services.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or("");
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let number = words.next()?.strip_suffix("/tcp")?;
        (name == port || words.any(|alias| alias == port)).then(|| number.parse().ok())?
    });
    found.ok_or_else(|| io::Error::other(format!("unknown service {port:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (address, expected) in [
            (":9100", Ok(("", "9100"))),
            ("[0.0.0.0]:9100", Ok(("0.0.0.0", "9100"))),
            ("[::1]:9100", Ok(("::1", "9100"))),
            ("host.name:0", Ok(("host.name", "0"))),
            ("host:", Ok(("host", ""))),
            ("", Ok(("", "0"))),
            ("9100", Err("missing")),
            ("::1:9100", Err("colons")),
            ("[::1]9100", Err("missing")),
            ("[::1", Err("bracket")),
        ] {
            match (split(address), expected) {
                (Ok(parts), Ok(expected)) => assert_eq!(parts, expected, "{address}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{address}: {error}"),
                (got, _) => panic!("{address}: {got:?}"),
            }
        }
    }

    #[tokio::test]
    async fn bound_addresses_are_named() {
        let v4 = Listener::bind("[127.0.0.1]:0").unwrap().address();
        assert!(v4.starts_with("127.0.0.1:") && !v4.ends_with(":0"), "{v4}");
        let every = Listener::bind("[0.0.0.0]:0").unwrap().address();
        assert!(
            every.starts_with("[::]:") || every.starts_with("0.0.0.0:"),
            "{every}"
        );
        let held = Listener::bind("127.0.0.1:0").unwrap();
        let error = Listener::bind(&held.address()).err().unwrap();
        assert!(
            error.contains(&held.address()) && error.contains("in use"),
            "{error}"
        );
        let error = Listener::bind("127.0.0.1:99999").err().unwrap();
        assert!(
            error.contains("127.0.0.1:99999") && error.contains("65535"),
            "{error}"
        );
        let error = Listener::bind("localhost:no-such-service").err().unwrap();
        assert!(error.contains("unknown service"), "{error}");
        drop(held);
    }

    #[tokio::test]
    async fn a_left_socket_file_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let address = format!("unix://{}", dir.path().join("s").display());
        let first = Listener::bind(&address).unwrap();
        assert!(Listener::bind(&address).is_err());
        drop(first);
        assert!(Listener::bind(&address).is_ok());
    }
}
