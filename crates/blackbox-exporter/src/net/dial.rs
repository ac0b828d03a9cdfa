//! Connections and datagrams to addresses that are known.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// Connects once, perhaps from a given address.
pub async fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(address).await?;
    // It fails where the peer is gone already, which whoever talks to it finds out.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A socket whose datagrams go to one address, perhaps from a given one, and come from there only.
pub async fn datagrams(address: SocketAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((source.unwrap_or(any), 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// Parses a `source_ip_address`; the empty text is none.
pub fn source(text: &str) -> Result<Option<IpAddr>, String> {
    match text {
        "" => Ok(None),
        text => match text.parse() {
            Ok(address) => Ok(Some(address)),
            Err(_) => Err(format!("error parsing source ip address {text:?}")),
        },
    }
}
