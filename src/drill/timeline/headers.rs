//! What servers say of themselves in a header of their answers: whether that is what an act waits for.
//!
//! What is said first in a drill is how things stood; only what is said after something else is news.

use std::collections::BTreeMap;

use crate::drill::{
    facts::{Observed, Stand},
    profile::Header,
    script::Script,
};

/// What backends said, by header and backend.
#[derive(Debug, Default)]
pub(super) struct Headers(BTreeMap<(Header, String), Said>);

#[derive(Debug)]
struct Said {
    first: String,
    /// Whether anything else was said since.
    changed: bool,
}

impl Headers {
    /// What the servers of a role say, where that is what is waited for: each that is up and has spoken says so, and at least
    /// one of them said something else before.
    pub(super) fn look(&mut self, script: &Script, header: &Header, seen: &Observed) -> Option<String> {
        let (mut news, mut all) = (None, true);
        for (place, now) in speaking(script, header, seen) {
            let said = self
                .0
                .entry((header.clone(), place.clone()))
                .or_insert_with(|| Said {
                    first: now.clone(),
                    changed: false,
                });
            said.changed |= said.first != *now;
            all &= match &header.is {
                Some(wanted) => wanted == now,
                None => said.first != *now,
            };
            if said.changed {
                news = Some(match said.first == *now {
                    true => format!("header `{}: {now}` again", header.name),
                    false => format!("header `{}: {now}`, `{}` before", header.name, said.first),
                });
            }
        }
        news.filter(|_| all)
    }
}

/// The backends of a header's role that are up, with what they last said.
fn speaking<'a>(
    script: &'a Script,
    header: &'a Header,
    seen: &'a Observed,
) -> impl Iterator<Item = (&'a String, &'a String)> {
    let name = header.name.to_ascii_lowercase();
    seen.headers.iter().filter_map(move |((place, said_in), value)| {
        let up = seen
            .backends
            .get(place)
            .is_some_and(|server| server.stand == Stand::Up);
        (up && *said_in == name && stands_for(script, &header.role, place)).then_some((place, value))
    })
}

/// Whether a role is bound to a backend, or to its cluster.
pub(super) fn stands_for(script: &Script, role: &str, place: &str) -> bool {
    let cluster = place.split('/').next();
    let mut places = script.places(role);
    places.any(|bound| bound == place || Some(bound) == cluster)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::{Mode, facts::Server, simulated::hung_auth};

    /// Looks at each moment in turn: what the servers say, and whether they are up. Gives the first news.
    fn news(is: Option<&str>, moments: &[[(&str, bool); 2]]) -> Option<(usize, String)> {
        let script = hung_auth("hung-auth", Mode::Rehearse, true);
        let header = Header {
            role: "http.primary".into(),
            name: "X-Config-Version".into(),
            is: is.map(str::to_owned),
        };
        let mut headers = Headers::default();
        moments.iter().enumerate().find_map(|(number, moment)| {
            let mut seen = Observed::default();
            for (place, (said, up)) in ["app/app-a", "app/app-b"].iter().zip(moment) {
                let stand = if *up { Stand::Up } else { Stand::Down };
                let server = Server {
                    stand,
                    ..Server::default()
                };
                seen.backends.insert((*place).to_owned(), server);
                if !said.is_empty() {
                    let key = ((*place).to_owned(), "x-config-version".to_owned());
                    seen.headers.insert(key, (*said).to_owned());
                }
            }
            Some((number, headers.look(&script, &header, &seen)?))
        })
    }

    fn up<'a>(a: &'a str, b: &'a str) -> [(&'a str, bool); 2] {
        [(a, true), (b, true)]
    }

    #[test]
    fn how_things_stood_is_no_news() {
        assert_eq!(
            news(Some("41"), &[up("", ""), up("41", ""), up("41", "41")]),
            None
        );
        assert_eq!(news(None, &[up("", ""), up("42", ""), up("42", "42")]), None);
    }

    #[test]
    fn it_is_seen_once_every_server_that_is_up_says_so() {
        let check = |is, moments: &[_], at, how: &str| {
            assert_eq!(news(is, moments), Some((at, how.to_owned())), "{moments:?}");
        };
        let back = "header `X-Config-Version: 41`, `42` before";
        check(
            Some("41"),
            &[up("42", "42"), up("41", "42"), up("41", "41")],
            2,
            back,
        );
        check(None, &[up("42", "42"), up("41", "42"), up("41", "41")], 2, back);
        let down = [("41", true), ("42", false)];
        check(None, &[up("42", "42"), up("42", "42"), down], 2, back);
        let again = "header `X-Config-Version: 41` again";
        check(
            Some("41"),
            &[up("41", "41"), up("42", "41"), up("41", "41")],
            2,
            again,
        );
        assert_eq!(news(Some("41"), &[up("42", "42"), up("43", "43")]), None);
    }
}
