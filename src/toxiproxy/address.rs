//! Where a proxy listens, as written and as found: Toxiproxy's rules for it are those of Go.

use std::{net::SocketAddr, time::Duration};

use crate::net::listen::everywhere;

/// A name that is not found by then is not found.
const LOOKUP: Duration = Duration::from_secs(5);

/// A host and a port, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    host: &'a str,
    port: u16,
}

/// Finds the address that is meant.
///
/// # Errors
/// What is wrong, in the words of Go, without what it was for.
pub async fn find(written: &str) -> Result<SocketAddr, String> {
    let Parts { host, port } = part(written)?;
    if host.is_empty() || host == "0.0.0.0" || host == "::" {
        return Ok(everywhere(port));
    }
    if let Ok(ip) = host.parse() {
        return Ok(SocketAddr::new(ip, port));
    }
    let found = tokio::time::timeout(LOOKUP, tokio::net::lookup_host((host, port))).await;
    let found: Vec<SocketAddr> = found.ok().and_then(Result::ok).into_iter().flatten().collect();
    let v4 = found.iter().find(|address| address.is_ipv4());
    v4.or(found.first())
        .copied()
        .ok_or_else(|| format!("lookup {host}: no such host"))
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
        Err(_) => Err(format!("lookup tcp/{port}: unknown port")),
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
        check("localhost:80", "127.0.0.1:80").await;
        check("127.0.0.1", "address 127.0.0.1: missing port in address").await;
        check("::1:80", "address ::1:80: too many colons in address").await;
        check("[::1", "address [::1: missing ']' in address").await;
        check("[::1]", "address [::1]: missing port in address").await;
        check("127.0.0.1:99999", "address 99999: invalid port").await;
        check("127.0.0.1:-1", "address -1: invalid port").await;
        check("127.0.0.1:http!", "lookup tcp/http!: unknown port").await;
        check("no such host:80", "lookup no such host: no such host").await;
    }
}
