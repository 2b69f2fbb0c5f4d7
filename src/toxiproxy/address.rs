//! Where a proxy listens, as written and as found: Toxiproxy's rules for it are those of Go.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::task::JoinSet;

use super::service;
use crate::net::listen::everywhere;

/// A name that is not found by then is not found.
const LOOKUP: Duration = Duration::from_secs(5);

/// A host and a port, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    host: &'a str,
    port: u16,
}

impl Parts<'_> {
    /// The address, where no name has to be looked up for it.
    fn known(&self) -> Option<SocketAddr> {
        if self.host.is_empty() {
            return Some(everywhere(self.port));
        }
        // `::ffff:127.0.0.1` is an address of IPv4, which no socket that is for IPv6 alone can be bound to.
        let ip = self.host.parse::<IpAddr>().ok()?.to_canonical();
        Some(match ip.is_unspecified() {
            true => everywhere(self.port),
            false => SocketAddr::new(ip, self.port),
        })
    }

    /// What a name was found to be, its zone included, with the port.
    fn at(&self, found: Option<SocketAddr>) -> Result<SocketAddr, String> {
        let with_port = |mut found: SocketAddr| {
            found.set_port(self.port);
            found
        };
        found
            .map(with_port)
            .ok_or_else(|| format!("lookup {}: no such host", self.host))
    }
}

/// Finds the address that is meant.
///
/// # Errors
/// What is wrong, in the words of Go, without what it was for.
pub async fn find(written: &str) -> Result<SocketAddr, String> {
    let parts = part(written)?;
    match parts.known() {
        Some(address) => Ok(address),
        None => parts.at(look_up(parts.host).await),
    }
}

/// The same for many: each name is looked up once, and all at the same time, so that many take no longer than one.
pub(super) async fn find_all(written: &[&str]) -> Vec<Result<SocketAddr, String>> {
    let parts: Vec<Result<Parts<'_>, String>> = written.iter().map(|written| part(written)).collect();
    let parts = parts
        .into_iter()
        .map(|parts| parts.map(|parts| (parts.known(), parts)));
    let parts: Vec<_> = parts.collect();
    let unknown = parts.iter().flatten().filter(|(known, _)| known.is_none());
    let names: BTreeSet<&str> = unknown.map(|(_, parts)| parts.host).collect();
    let mut looking = JoinSet::new();
    for name in names {
        let name = name.to_owned();
        looking.spawn(async move { (look_up(&name).await, name) });
    }
    let mut found: HashMap<String, Option<SocketAddr>> = HashMap::new();
    while let Some(looked) = looking.join_next().await {
        found.extend(looked.ok().map(|(address, name)| (name, address)));
    }
    let address = |(known, parts): (Option<SocketAddr>, Parts<'_>)| match known {
        Some(address) => Ok(address),
        None => parts.at(found.get(parts.host).copied().flatten()),
    };
    parts.into_iter().map(|parts| parts.and_then(address)).collect()
}

async fn look_up(host: &str) -> Option<SocketAddr> {
    let found = tokio::time::timeout(LOOKUP, tokio::net::lookup_host((host, 0))).await;
    let found: Vec<SocketAddr> = found.ok().and_then(Result::ok).into_iter().flatten().collect();
    let v4 = found.iter().find(|address| address.is_ipv4());
    v4.or(found.first()).copied()
}

fn part(written: &str) -> Result<Parts<'_>, String> {
    if written.is_empty() {
        return Ok(Parts { host: "", port: 0 });
    }
    let wrong = |why: &str| Err(format!("address {written}: {why}"));
    let (host, port) = match written.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            None => return wrong("missing ']' in address"),
            Some((host, port)) => (host, port.strip_prefix(':')),
        },
        None => match written.rsplit_once(':') {
            None => return wrong("missing port in address"),
            Some((host, _)) if host.contains(':') => return wrong("too many colons in address"),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let Some(port) = port else {
        return wrong("missing port in address");
    };
    if port.is_empty() {
        return Ok(Parts { host, port: 0 });
    }
    match port.parse::<i64>() {
        Ok(number) => u16::try_from(number)
            .map(|port| Parts { host, port })
            .map_err(|_| format!("address {port}: invalid port")),
        Err(_) => service::port_of(port)
            .map(|port| Parts { host, port })
            .ok_or_else(|| format!("lookup tcp/{port}: unknown port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_found_or_refused_in_the_words_of_go() {
        let check = async |written: &str, expected: &str| {
            let found = match find(written).await {
                Ok(address) => address.to_string(),
                Err(error) => error,
            };
            assert_eq!(found, expected, "{written}");
        };
        let any = |port: u16| everywhere(port).to_string();
        check("127.0.0.1:80", "127.0.0.1:80").await;
        check("[::1]:80", "[::1]:80").await;
        check("", &any(0)).await;
        check(":", &any(0)).await;
        check(":80", &any(80)).await;
        check("0.0.0.0:80", &any(80)).await;
        check("[::]:80", &any(80)).await;
        check("[::ffff:127.0.0.1]:80", "127.0.0.1:80").await;
        check("[::ffff:0.0.0.0]:80", &any(80)).await;
        check("[0:0:0:0:0:0:0:0]:80", &any(80)).await;
        // The loopback device has the number 1.
        check("[fe80::1%lo]:80", "[fe80::1%1]:80").await;
        check("localhost:80", "127.0.0.1:80").await;
        check("127.0.0.1", "address 127.0.0.1: missing port in address").await;
        check("::1:80", "address ::1:80: too many colons in address").await;
        check("[::1", "address [::1: missing ']' in address").await;
        check("[::1]", "address [::1]: missing port in address").await;
        check("127.0.0.1:99999", "address 99999: invalid port").await;
        check("127.0.0.1:-1", "address -1: invalid port").await;
        check("127.0.0.1:http!", "lookup tcp/http!: unknown port").await;
        check("no such host:80", "lookup no such host: no such host").await;
        check("127.0.0.1:HTTP", "127.0.0.1:80").await;
        check(":https", &any(443)).await;
    }

    #[tokio::test]
    async fn many_are_found_as_one_is() {
        let written = [
            "127.0.0.1:80",
            "localhost:81",
            "localhost:82",
            "nonsense",
            "no such host:80",
            "",
        ];
        let mut each = Vec::new();
        for written in written {
            each.push(find(written).await);
        }
        assert_eq!(find_all(&written).await, each);
    }
}
