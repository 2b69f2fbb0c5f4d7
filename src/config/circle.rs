//! Whether what is sent to an address comes back to the listener that sends it, at once or by way of others.

use std::{
    collections::{HashSet, VecDeque},
    iter::successors,
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
    let listen_on = |port: u16| others.iter().filter(move |hop| hop.bind.0.port() == port);
    way_back_by(name, bind, to, |port| listen_on(port).cloned().collect())
}

/// The same where those that listen on a port are asked for: whoever knows many by their ports looks at few.
pub fn way_back_by<'a>(
    name: &'a str,
    bind: Bind,
    to: &Address,
    listen_on: impl Fn(u16) -> Vec<Hop<'a>>,
) -> Option<Vec<&'a str>> {
    // What is on a way, and the place of what leads there.
    let mut steps: Vec<(&str, usize)> = vec![(name, 0)];
    let mut seen = HashSet::new();
    let mut ways = VecDeque::from([(to.clone(), 0)]);
    while let Some((to, from)) = ways.pop_front() {
        if bind.is_reached_at(&to) {
            return Some(way_of(&steps, from, name));
        }
        for hop in listen_on(to.port()) {
            if hop.bind.is_reached_at(&to) && seen.insert(hop.name) {
                steps.push((hop.name, from));
                let place = steps.len() - 1;
                ways.extend(hop.to.into_iter().map(|to| (to, place)));
            }
        }
    }
    None
}

/// Those on the way to a step, from the first one on, and where it ends.
fn way_of<'a>(steps: &[(&'a str, usize)], last: usize, end: &'a str) -> Vec<&'a str> {
    let before = |step: &usize| (*step > 0).then(|| steps[*step].1);
    let mut way: Vec<&str> = successors(Some(last), before).map(|step| steps[step].0).collect();
    way.reverse();
    way.push(end);
    way
}

impl Bind {
    /// Whether nobody can listen at both addresses at once.
    pub fn collides(self, other: Self) -> bool {
        let (one, two) = (self.0.ip(), other.0.ip());
        // A socket for `[::]` takes those of IPv4 as well.
        let stands_for = |all: IpAddr, ip: IpAddr| all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
        let is_same = one.to_canonical() == two.to_canonical();
        self.0.port() != 0
            && self.0.port() == other.0.port()
            && (is_same || stands_for(one, two) || stands_for(two, one))
    }

    /// Whether whoever dials an address reaches this listener for certain. What other names and addresses this machine has is not
    /// known.
    fn is_reached_at(self, address: &Address) -> bool {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        let dialled = match address.host() {
            // The kernel takes it for this machine.
            Host::Ip(ip) if ip.is_unspecified() => vec![if ip.is_ipv4() { v4 } else { v6 }],
            Host::Ip(ip) => vec![ip.to_canonical()],
            // Many machines know it by IPv4 alone, so that it may not lead to `::1`.
            Host::Name(name) if &**name == "localhost" => vec![v4],
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
                "localhost:80",
            ],
            &["10.0.0.1:80"],
        );
        check(
            "[::1]:80",
            &["[::1]:80", "[::]:80"],
            &["localhost:80", "127.0.0.1:80"],
        );
        check("10.0.0.1:80", &["10.0.0.1:80"], &["localhost:80"]);
        check("127.0.0.1:0", &[], &["127.0.0.1:1"]);
    }

    #[test]
    fn two_cannot_listen_at_one_address() {
        let check = |one: &str, two: &str, collide: bool| {
            let [one, two]: [Bind; 2] = [one.parse().unwrap(), two.parse().unwrap()];
            assert_eq!(one.collides(two), collide, "{one} {two}");
            assert_eq!(two.collides(one), collide, "{two} {one}");
        };
        check("127.0.0.1:80", "127.0.0.1:80", true);
        check("127.0.0.1:80", "0.0.0.0:80", true);
        check("127.0.0.1:80", "[::]:80", true);
        check("[::1]:80", "[::]:80", true);
        check("0.0.0.0:80", "[::]:80", true);
        check("[::1]:80", "0.0.0.0:80", false);
        check("[::1]:80", "127.0.0.1:80", false);
        check("127.0.0.1:80", "127.0.0.2:80", false);
        check("127.0.0.1:80", "127.0.0.1:81", false);
        check("127.0.0.1:0", "127.0.0.1:0", false);
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
    #[test]
    fn of_many_only_those_on_the_way_are_looked_at() {
        let asked = std::cell::RefCell::new(Vec::new());
        // Each leads to the next one, and the last one to `end`.
        let to = |port: u16| Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        let names: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
        let listen_on = |port: u16| {
            asked.borrow_mut().push(port);
            let name = names.get(usize::from(port)).into_iter();
            let hop = |name| Hop {
                name,
                bind: Bind(([127, 0, 0, 1], port).into()),
                to: vec![to(port + 1)],
            };
            name.map(|name| hop(&**name)).collect()
        };
        let bind = Bind(([127, 0, 0, 1], 995).into());
        let way = way_back_by("a", bind, &to(990), listen_on).unwrap();
        assert_eq!(way.join(" "), "a 990 991 992 993 994 a");
        assert_eq!(asked.take(), [990, 991, 992, 993, 994]);
        let elsewhere = Bind(([127, 0, 0, 1], 9).into());
        assert_eq!(way_back_by("a", elsewhere, &to(5000), listen_on), None);
        assert_eq!(asked.take(), [5000]);
    }
}
