//! Whether what is sent to an address comes back to the listener that sends it, at once or by way of others.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::listener::Bind;
use crate::units::{Address, Host};

/// Something that listens, and where all of it is sent.
#[derive(Clone, Debug)]
pub struct Hop<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Where it listens.
    pub bind: Bind,
    /// Where it leads to.
    pub to: Vec<Address>,
}

/// The shortest way by which what a listener sends to an address comes back to it: its name, those on the way, its name again.
pub fn way_back<'a>(name: &'a str, bind: Bind, to: &Address, others: &[Hop<'a>]) -> Option<Vec<&'a str>> {
    let mut seen = vec![false; others.len()];
    let mut ways = VecDeque::from([(to, vec![name])]);
    while let Some((to, way)) = ways.pop_front() {
        if bind.is_reached_at(to) {
            return Some([&way[..], &[name]].concat());
        }
        for (hop, seen) in others.iter().zip(&mut seen) {
            if !*seen && hop.bind.is_reached_at(to) {
                *seen = true;
                let way = [&way[..], &[hop.name]].concat();
                ways.extend(hop.to.iter().map(|to| (to, way.clone())));
            }
        }
    }
    None
}

impl Bind {
    /// Whether whoever dials an address reaches this listener for certain. What other names and addresses this machine has is not
    /// known.
    fn is_reached_at(self, address: &Address) -> bool {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        let dialled = match address.host() {
            // The kernel takes it for this machine.
            Host::Ip(ip) if ip.is_unspecified() => vec![if ip.is_ipv4() { v4 } else { v6 }],
            Host::Ip(ip) => vec![ip.to_canonical()],
            Host::Name(name) if &**name == "localhost" => vec![v4, v6],
            Host::Name(_) => Vec::new(),
        };
        let port = self.0.port();
        port != 0 && port == address.port() && dialled.into_iter().any(|ip| self.takes(ip))
    }

    fn takes(self, ip: IpAddr) -> bool {
        let all = self.0.ip();
        // `[::]` stands for every address of the machine, `0.0.0.0` for those of IPv4.
        all.to_canonical() == ip
            || (ip.is_loopback() && all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4()))
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
            &[
                "127.0.0.1:80",
                "localhost:80",
                "0.0.0.0:80",
                "[::ffff:127.0.0.1]:80",
            ],
            &["127.0.0.1:81", "127.0.0.2:80", "[::1]:80", "[::]:80", "app:80"],
        );
        check(
            "0.0.0.0:80",
            &["127.0.0.1:80", "127.9.9.9:80", "localhost:80", "0.0.0.0:80"],
            &["[::1]:80", "10.0.0.1:80"],
        );
        check(
            "[::]:80",
            &[
                "127.0.0.1:80",
                "127.9.9.9:80",
                "[::1]:80",
                "0.0.0.0:80",
                "[::]:80",
            ],
            &["10.0.0.1:80"],
        );
        check("10.0.0.1:80", &["10.0.0.1:80"], &["localhost:80"]);
        check("127.0.0.1:0", &[], &["127.0.0.1:1"]);
    }

    #[test]
    fn the_shortest_way_round_is_found() {
        let hop = |name, port: u16, to: &[u16]| Hop {
            name,
            bind: Bind(([127, 0, 0, 1], port).into()),
            to: to
                .iter()
                .map(|to| ([127, 0, 0, 1], *to).into())
                .map(addressed)
                .collect(),
        };
        fn addressed(socket: std::net::SocketAddr) -> Address {
            socket.into()
        }
        // `d` and `e` go round without `a`.
        let others = [
            hop("b", 2, &[3, 9]),
            hop("c", 3, &[2, 1]),
            hop("d", 4, &[5]),
            hop("e", 5, &[4]),
        ];
        let check = |to: u16, expected: Option<&str>| {
            let bind = Bind(([127, 0, 0, 1], 1).into());
            let way = way_back("a", bind, &addressed(([127, 0, 0, 1], to).into()), &others);
            assert_eq!(way.map(|way| way.join(" ")).as_deref(), expected, "{to}");
        };
        check(1, Some("a a"));
        check(2, Some("a b c a"));
        check(3, Some("a c a"));
        check(4, None);
        check(9, None);
    }
}
