//! Ports by the names of their services, as Go finds them: in this machine's list, and some by heart, as an image of a container
//! often has no list.

/// Where a machine lists services.
const LIST: &str = "/etc/services";

/// Those that Go knows by heart.
const BY_HEART: [(&str, u16); 15] = [
    ("domain", 53),
    ("ftp", 21),
    ("ftps", 990),
    ("gopher", 70),
    ("http", 80),
    ("https", 443),
    ("imap2", 143),
    ("imap3", 220),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("smtp", 25),
    ("ssh", 22),
    ("submissions", 465),
    ("telnet", 23),
];

/// The TCP port of a service, in any case of its letters.
pub(super) fn port_of(name: &str) -> Option<u16> {
    let list = std::fs::read_to_string(LIST).unwrap_or_default();
    let by_heart = || {
        BY_HEART
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    listed(&list, name).or_else(|| by_heart().map(|(_, port)| *port))
}

/// The TCP port of a service in a list: a line has a name, a port with its protocol, and other names.
fn listed(list: &str, name: &str) -> Option<u16> {
    list.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (first, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        let mut names = std::iter::once(first).chain(words);
        let is_named = names.any(|known| known.eq_ignore_ascii_case(name));
        is_named.then(|| port.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_in_the_list_by_each_of_its_names() {
        let list = "# a comment\nhttp\t80/tcp  www # WorldWideWeb\nntp 123/udp\nodd\nhttp-alt 8080/tcp\n";
        let check = |name: &str, port: Option<u16>| assert_eq!(listed(list, name), port, "{name}");
        check("http", Some(80));
        check("WWW", Some(80));
        check("http-alt", Some(8080));
        check("ntp", None);
        check("odd", None);
        check("WorldWideWeb", None);
        check("", None);
    }

    #[test]
    fn some_are_known_without_a_list() {
        assert_eq!((port_of("HTTPS"), port_of("no-such-service")), (Some(443), None));
    }
}
