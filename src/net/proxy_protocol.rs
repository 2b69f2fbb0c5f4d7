//! PROXY protocol, versions 1 and 2: who the client is, told by the balancer in front of us and to the backend behind us.
//!
//! Reading is strict, as the specification asks: a listener that expects a header accepts nothing without one, since
//! anybody could otherwise claim any address. The crate `ppp` knows the two formats.

use std::{io, net::SocketAddr, time::Duration};

use bytes::{Buf, BytesMut};
use ppp::{PartialResult, v1, v2};
use tokio::{io::AsyncReadExt, time};

use super::Stream;

/// The format of a header that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Why a connection did not begin with a proper header.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It took too long.
    #[error("no PROXY protocol header within {}", crate::units::Span(*.0))]
    Timeout(Duration),
    /// It ended or broke first.
    #[error("connection lost before its PROXY protocol header: {0}")]
    Lost(io::Error),
    /// It began with something else.
    #[error("no valid PROXY protocol header: {0}")]
    Malformed(String),
}

/// A header with its optional extensions is refused when longer; those in use stay far below.
pub const LONGEST_HEADER: usize = 4096;

/// Reads the header that a connection must begin with, and gives the connection the addresses in it.
///
/// A header that names nobody (`UNKNOWN`, `LOCAL`: the balancer's own health check) leaves the addresses as they are.
pub async fn read_header(stream: &mut Stream, limit: Duration) -> Result<(), HeaderError> {
    let mut seen = BytesMut::new();
    let reading = async {
        loop {
            if let Some(header) = parse(&seen).map_err(HeaderError::Malformed)? {
                return Ok(header);
            }
            let n = stream.read_buf(&mut seen).await.map_err(HeaderError::Lost)?;
            if n == 0 {
                return Err(HeaderError::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    };
    let header = time::timeout(limit, reading)
        .await
        .unwrap_or(Err(HeaderError::Timeout(limit)))?;
    seen.advance(header.length);
    stream.unread(seen.freeze());
    if let Some((client, server)) = header.addresses {
        stream.rename(client, server);
    }
    Ok(())
}

/// The header to send to a backend: client and the address it connected to, or nobody for a connection of our own.
pub fn encode(version: Version, addresses: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let addresses = addresses.map(|(client, server)| same_family(client, server));
    match version {
        Version::V1 => addresses
            .map_or(v1::Addresses::Unknown, v1::Addresses::from)
            .to_string()
            .into_bytes(),
        Version::V2 => {
            let (command, addresses) = match addresses {
                Some(pair) => (v2::Command::Proxy, v2::Addresses::from(pair)),
                None => (v2::Command::Local, v2::Addresses::Unspecified),
            };
            let protocol = addresses_protocol(&addresses);
            v2::Builder::with_addresses(v2::Version::Two | command, protocol, addresses)
                .build()
                .expect("addresses fit a header")
        }
    }
}

fn addresses_protocol(addresses: &v2::Addresses) -> v2::Protocol {
    match addresses {
        v2::Addresses::Unspecified => v2::Protocol::Unspecified,
        _ => v2::Protocol::Stream,
    }
}

/// A header has one family for both addresses: with one of each, the IPv4 one is written in its IPv6 form.
fn same_family(client: SocketAddr, server: SocketAddr) -> (SocketAddr, SocketAddr) {
    let widen = |address: SocketAddr| match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        SocketAddr::V6(_) => address,
    };
    if client.is_ipv4() == server.is_ipv4() {
        (client, server)
    } else {
        (widen(client), widen(server))
    }
}

/// A whole header at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    length: usize,
    addresses: Option<(SocketAddr, SocketAddr)>,
}

/// Reads a header off the start of `bytes`; `None` as long as it may still become one.
fn parse(bytes: &[u8]) -> Result<Option<Header>, String> {
    let header = if bytes.first() == v2::PROTOCOL_PREFIX.first() {
        parse_v2(bytes)
    } else {
        parse_v1(bytes)
    }?;
    match header {
        None if bytes.len() >= LONGEST_HEADER => Err(format!("longer than {LONGEST_HEADER} bytes")),
        other => Ok(other),
    }
}

/// How a text header begins, and the length of the longest (107 bytes by the specification).
const START: &[u8] = b"PROXY ";
const LONGEST_LINE: usize = 107;

fn parse_v1(bytes: &[u8]) -> Result<Option<Header>, String> {
    let line = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if !line.ends_with(b"\n") {
        // The crate judges some half lines too early.
        let may_become_one =
            line.len() < LONGEST_LINE && (line.starts_with(START) || START.starts_with(line));
        return if may_become_one {
            Ok(None)
        } else {
            Err("it does not begin with `PROXY `".into())
        };
    }
    match v1::Header::try_from(line) {
        Ok(header) => {
            let addresses = match header.addresses {
                v1::Addresses::Tcp4(a) => Some(pair(
                    (a.source_address, a.source_port),
                    (a.destination_address, a.destination_port),
                )),
                v1::Addresses::Tcp6(a) => Some(pair(
                    (a.source_address, a.source_port),
                    (a.destination_address, a.destination_port),
                )),
                v1::Addresses::Unknown => None,
            };
            Ok(Some(Header {
                length: header.header.len(),
                addresses,
            }))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn parse_v2(bytes: &[u8]) -> Result<Option<Header>, String> {
    let header = match v2::Header::try_from(bytes) {
        Ok(header) => header,
        Err(v2::ParseError::Partial(_, length)) if length > LONGEST_HEADER => {
            return Err(format!("longer than {LONGEST_HEADER} bytes"));
        }
        Err(error) if error.is_incomplete() => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let addresses = match (header.command, header.protocol, header.addresses) {
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv4(a)) => Some(pair(
            (a.source_address, a.source_port),
            (a.destination_address, a.destination_port),
        )),
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv6(a)) => Some(pair(
            (a.source_address, a.source_port),
            (a.destination_address, a.destination_port),
        )),
        (v2::Command::Proxy, v2::Protocol::Datagram, _) => return Err("it speaks of datagrams".into()),
        _ => None,
    };
    Ok(Some(Header {
        length: header.len(),
        addresses,
    }))
}

fn pair(client: impl Into<SocketAddr>, server: impl Into<SocketAddr>) -> (SocketAddr, SocketAddr) {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    (canonical(client.into()), canonical(server.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::testing::connection;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// The header's length and the addresses in it; `None` when it may still come; a part of the complaint.
    type Expected<'a> = Result<Option<(usize, Option<(&'a str, &'a str)>)>, &'a str>;

    fn check(bytes: &[u8], expected: Expected<'_>) {
        let found = parse(bytes);
        let expected = expected.map(|header| {
            header.map(|(length, pair)| Header {
                length,
                addresses: pair.map(|(c, s)| (address(c), address(s))),
            })
        });
        match (found, expected) {
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (found, expected) => assert_eq!(found, expected.map_err(Into::into), "{bytes:?}"),
        }
    }

    #[test]
    fn a_line_of_text_names_client_and_server() {
        check(
            b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\nGET /",
            Ok(Some((45, Some(("192.0.2.1:50000", "198.51.100.2:443"))))),
        );
        check(
            b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n",
            Ok(Some((40, Some(("[2001:db8::1]:1", "[2001:db8::2]:2"))))),
        );
        check(b"PROXY UNKNOWN\r\nx", Ok(Some((15, None))));
        check(b"PROXY UNKNOWN anything at all\r\n", Ok(Some((31, None))));
    }

    #[test]
    fn a_header_that_may_still_come_is_waited_for() {
        check(b"", Ok(None));
        check(b"PRO", Ok(None));
        check(b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r", Ok(None));
        check(&v2::PROTOCOL_PREFIX[..5], Ok(None));
    }

    #[test]
    fn anything_else_is_refused() {
        check(b"GET / HTTP/1.1\r\n", Err("PROXY"));
        check(b"PROXY TCP4\r\n", Err("address"));
        check(b"PROXY TCP4 1.2.3.4 999.2.3.4 1 2\r\n", Err("destination"));
        check(b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", Err(""));
        check(&[b'P'; 200], Err(""));
        check(b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c", Err("ersion"));
        check(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", Err("longer"));
        check(
            b"\r\n\r\n\0\r\nQUIT\n\x21\x12\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02",
            Err("datagram"),
        );
    }

    #[test]
    fn what_is_sent_is_read_again() {
        let pairs = [
            ("192.0.2.1:50000", "198.51.100.2:443"),
            ("[2001:db8::1]:1", "[2001:db8::2]:65535"),
            ("192.0.2.1:50000", "[2001:db8::2]:443"),
        ];
        for version in [Version::V1, Version::V2] {
            for (client, server) in pairs {
                let sent = encode(version, Some((address(client), address(server))));
                check(&sent, Ok(Some((sent.len(), Some((client, server))))));
            }
            let sent = encode(version, None);
            check(&sent, Ok(Some((sent.len(), None))));
        }
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_header(v2: bool, named: bool, cut in 0usize..60) {
            let version = if v2 { Version::V2 } else { Version::V1 };
            let pair = (address("192.0.2.1:50000"), address("198.51.100.2:443"));
            let sent = encode(version, named.then_some(pair));
            let cut = cut.min(sent.len());
            let early = parse(&sent[..cut]).unwrap();
            prop_assert_eq!(early.is_some(), cut == sent.len());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
            let _ = parse(&[v2::PROTOCOL_PREFIX, &bytes].concat());
            let _ = parse(&[b"PROXY ", &bytes[..]].concat());
        }
    }

    #[tokio::test]
    async fn the_bytes_after_the_header_are_still_there() {
        use tokio::io::AsyncWriteExt;
        let (mut client, mut server) = connection().await;
        client
            .write_all(b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\nhello")
            .await
            .unwrap();
        client.shutdown().await.unwrap();
        read_header(&mut server, Duration::from_secs(5)).await.unwrap();
        let mut rest = String::new();
        server.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "hello");
        assert_eq!(server.peer(), address("192.0.2.1:50000"));
        assert_eq!(server.local(), Some(address("198.51.100.2:443")));
    }

    #[tokio::test]
    async fn a_silent_client_is_not_waited_for_longer_than_the_limit() {
        let (_client, mut server) = connection().await;
        let error = read_header(&mut server, Duration::from_millis(20))
            .await
            .unwrap_err();
        assert!(matches!(error, HeaderError::Timeout(_)));
    }
}
