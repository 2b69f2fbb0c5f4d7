//! Which backends are public: somebody else's servers, perhaps, which a fault must not hit by accident.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::units::{Address, BadUnit, as_text};

/// A host that faults may hit although it is public: a name or an IP address, without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicHost(Box<str>);

impl PublicHost {
    /// Whether this is the host of a backend.
    pub fn is(&self, address: &Address) -> bool {
        match address.ip() {
            Some(ip) => self.0.parse() == Ok(ip),
            None => address
                .name()
                .is_some_and(|name| name.eq_ignore_ascii_case(&self.0)),
        }
    }
}

impl FromStr for PublicHost {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let is_ip = bare.parse::<IpAddr>().is_ok();
        let is_name = !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if is_ip || is_name {
            Ok(Self(bare.into()))
        } else {
            Err(BadUnit::new(format!(
                "`{text}` is no host: write a name or an address, without a port"
            )))
        }
    }
}

impl fmt::Display for PublicHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text! {
    PublicHost, "PublicHost", r"^\[?[A-Za-z0-9._:-]+\]?$";
}

/// Ends of names that the public DNS does not know (RFC 6761, RFC 6762, RFC 8375, RFC 9476, and custom).
const PRIVATE_ENDS: [&str; 14] = [
    "localhost",
    "internal",
    "local",
    "lan",
    "home.arpa",
    "test",
    "example",
    "invalid",
    "svc",
    "cluster.local",
    "consul",
    "intranet",
    "corp",
    "private",
];

/// Whether an address may be somebody else's server: anything but loopback, private and link-local addresses, names of
/// one label (a container, a Kubernetes service) and names that the public DNS does not know.
pub fn is_public(address: &Address) -> bool {
    match address.ip() {
        Some(ip) => is_public_ip(ip),
        None => {
            let name = address
                .name()
                .unwrap_or_default()
                .trim_end_matches('.')
                .to_ascii_lowercase();
            let ends = |end: &&str| {
                name.strip_suffix(*end)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            // `app.default.svc` and `app.default` are names within a Kubernetes cluster; the second could be public.
            name.contains('.') && !PRIVATE_ENDS.iter().any(ends)
        }
    }
}

fn is_public_ip(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // 100.64.0.0/10 is shared address space (RFC 6598): carriers' and cloud providers' inside.
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified() || shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_somebody_elses_is_public() {
        let check = |address: &str, public: bool| {
            assert_eq!(is_public(&address.parse().unwrap()), public, "{address}");
        };
        check("127.0.0.1:80", false);
        check("10.1.2.3:80", false);
        check("192.168.1.1:80", false);
        check("100.64.3.4:80", false);
        check("169.254.1.1:80", false);
        check("[::1]:80", false);
        check("[fd00::1]:80", false);
        check("[::ffff:10.0.0.1]:80", false);
        check("app:80", false);
        check("app-a.internal:80", false);
        check("orders.default.svc.cluster.local:80", false);
        check("8.8.8.8:53", true);
        check("[2606:4700::1111]:443", true);
        check("shop.example.com:443", true);
        check("notinternal:80", false);
        check("my.notinternal:80", true);
    }

    #[test]
    fn a_host_is_allowed_by_name_or_address() {
        let check = |host: &str, address: &str, same: bool| {
            assert_eq!(
                host.parse::<PublicHost>().unwrap().is(&address.parse().unwrap()),
                same,
                "{host}"
            );
        };
        check("shop.example.com", "shop.example.com:443", true);
        check("Shop.Example.com", "shop.example.com:443", true);
        check("example.com", "shop.example.com:443", false);
        check("203.0.113.7", "203.0.113.7:80", true);
        check("[2001:db8::1]", "[2001:db8:0::1]:80", true);
    }
}
