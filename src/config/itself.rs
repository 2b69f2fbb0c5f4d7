//! Whether what is sent to an address comes back to the listener that sends it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::listener::Bind;
use crate::units::{Address, Host};

impl Bind {
    /// Whether whoever dials an address reaches this listener for certain. What other names and addresses this machine has is not
    /// known.
    pub fn is_reached_at(self, address: &Address) -> bool {
        let port = self.0.port();
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let dialled = match address.host() {
            // The kernel takes it for this machine.
            Host::Ip(ip) if ip.is_unspecified() => &here[..],
            Host::Ip(ip) => std::slice::from_ref(ip),
            Host::Name(name) if &**name == "localhost" => &here[..],
            Host::Name(_) => &[],
        };
        port != 0 && port == address.port() && dialled.iter().any(|ip| self.takes(*ip))
    }

    fn takes(self, ip: IpAddr) -> bool {
        let all = self.0.ip();
        // `[::]` stands for every address of the machine, `0.0.0.0` for those of IPv4.
        all == ip || (ip.is_loopback() && all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_knows_the_addresses_that_are_its_own() {
        let check = |bind: &str, own: &[&str], others: &[&str]| {
            let bind: Bind = bind.parse().unwrap();
            let reached = |address: &&str| bind.is_reached_at(&address.parse().unwrap());
            assert!(own.iter().all(reached), "{bind}: {own:?}");
            assert!(!others.iter().any(reached), "{bind}: {others:?}");
        };
        check(
            "127.0.0.1:80",
            &["127.0.0.1:80", "localhost:80", "0.0.0.0:80"],
            &["127.0.0.1:81", "127.0.0.2:80", "[::1]:80", "app:80"],
        );
        check(
            "0.0.0.0:80",
            &["127.0.0.1:80", "127.9.9.9:80", "localhost:80"],
            &["[::1]:80", "10.0.0.1:80"],
        );
        check("[::]:80", &["127.0.0.1:80", "[::1]:80"], &["10.0.0.1:80"]);
        check("10.0.0.1:80", &["10.0.0.1:80"], &["localhost:80"]);
        check("127.0.0.1:0", &[], &["127.0.0.1:1"]);
    }
}
