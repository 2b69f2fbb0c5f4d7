//! Where a server is: a host and a port, as written.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use super::{BadUnit, as_text};

/// A host name or an IP address, and a port: `app.internal:9001`, `10.0.0.9:5432`, `[::1]:80`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: Host,
    port: u16,
}

/// The machine part of an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A literal: it never touches DNS.
    Ip(IpAddr),
    /// A name to resolve, in lower case.
    Name(Arc<str>),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: Host::Ip(address.ip()),
            port: address.port(),
        }
    }
}

impl Address {
    /// The address itself where it is one, so that nothing needs to be resolved.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ip(ip) => Some(ip),
            Host::Name(_) => None,
        }
    }

    /// The name where it is one, in lower case.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Ip(_) => None,
            Host::Name(name) => Some(name),
        }
    }

    /// The machine.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// Whether a text may be the name of a host (RFC 1123 section 2.1, and `_`, which service names use).
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A name of digits only is a mistyped IPv4 address.
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.len() <= 253 && !digits && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

impl FromStr for Address {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = |why: &str| BadUnit::new(format!("`{text}` is no address: {why}"));
        let usual = "write it as `app.internal:9001` or `10.0.0.9:9001`";
        if text.contains("://") {
            return Err(bad("leave the scheme out, as in `app.internal:9001`"));
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| bad("it needs a port, as in `app.internal:9001`"))?;
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err(bad("its port must lie between 1 and 65535")),
            Ok(port) => port,
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(v6) => Host::Ip(IpAddr::V6(
                v6.parse()
                    .map_err(|_| bad("write an IPv6 address as `[::1]:9001`"))?,
            )),
            None if host.contains(':') => return Err(bad("write an IPv6 address as `[::1]:9001`")),
            None => match host.parse() {
                Ok(ip) => Host::Ip(ip),
                Err(_) if is_name(host) => Host::Name(host.to_ascii_lowercase().into()),
                Err(_) => return Err(bad(usual)),
            },
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

as_text! {
    Address, "Address", r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_show_alike() {
        let check = |text: &str, is_ip: bool, port: u16, shown: &str| {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.ip().is_some(), address.port()), (is_ip, port), "{text}");
            assert_eq!(address.to_string(), shown);
        };
        check("app-a.internal:9001", false, 9001, "app-a.internal:9001");
        check("App_1:80", false, 80, "app_1:80");
        check("10.0.0.9:5432", true, 5432, "10.0.0.9:5432");
        check("localhost:65535", false, 65535, "localhost:65535");
        check("example.org.:443", false, 443, "example.org.:443");
        check("3com.example:1", false, 1, "3com.example:1");
        check("[::1]:80", true, 80, "[::1]:80");
        check("[0:0:0:0:0:0:0:1]:80", true, 80, "[::1]:80");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_way_to_mend_it() {
        let check = |text: &str, mend: &str| {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(mend), "{error}");
        };
        check("app", "needs a port");
        check("app:", "between 1 and 65535");
        check("a b:80", "`app.internal:9001`");
        check("999.0.0.1:80", "`10.0.0.9:9001`");
        check("app..internal:80", "`app.internal:9001`");
        check("app:0", "between 1 and 65535");
        check("app:70000", "between 1 and 65535");
        check("http://app:80", "leave the scheme out");
        check("::1:80", "`[::1]:9001`");
        check("[::g]:80", "`[::1]:9001`");
        check("10.0.0:80", "`10.0.0.9:9001`");
        check("-app:80", "`app.internal:9001`");
        check(":80", "`app.internal:9001`");
    }
}
