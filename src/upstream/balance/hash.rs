//! The same key goes to the same backend, by rendezvous: each candidate scores for the key, the best has it (Thaler and
//! Ravishankar, 1998; by weight as in Schindelhauer and Schomaker, SPAA 2005). When one fails, each of its keys moves on to
//! its own second best and no other key moves, without a table to build; so too when one joins or grows.

use std::{net::IpAddr, sync::Arc};

use http::{header, request};

use super::super::{backend::Backend, field::Field, settings::HashOn};
use crate::{
    route::Facts,
    units::{Dice, Stream, stable_hash},
};

/// What the key is taken from, and what each backend is known by.
#[derive(Debug)]
pub(crate) struct Hash {
    on: HashOn,
    seeds: Box<[u64]>,
}

impl Hash {
    pub(super) fn new(on: &HashOn, backends: &[Arc<Backend>]) -> Self {
        let seed = |backend: &Arc<Backend>| stable_hash(backend.address().to_string().as_bytes());
        Self {
            on: on.clone(),
            seeds: backends.iter().map(seed).collect(),
        }
    }

    pub(super) fn key(&self, facts: &Facts<'_>) -> Option<u64> {
        let bytes = match &self.on {
            HashOn::Client => {
                return Some(match facts.client.to_canonical() {
                    IpAddr::V4(ip) => stable_hash(&ip.octets()),
                    IpAddr::V6(ip) => stable_hash(&ip.octets()),
                });
            }
            HashOn::Header(name) => facts.head?.headers.get(&name.0)?.as_bytes(),
            HashOn::Cookie(name) => cookie(facts.head?, name)?,
        };
        Some(stable_hash(bytes))
    }

    pub(super) fn choose(&self, field: &Field<'_>, key: Option<u64>, stream: &mut Stream) -> usize {
        let Some(key) = key else {
            return field.draw(stream);
        };
        // The logarithm of an even number over the share: the largest is each one's as often as its share says.
        let score = |index: usize| Dice::new(key).roll(self.seeds[index], 0).ln() / field.share(index) as f64;
        let best = field
            .set
            .iter()
            .map(|index| (index, score(index)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or_else(|| field.draw(stream), |(index, _)| index)
    }
}

/// The value of a cookie (RFC 6265 section 4.2.1), as it was sent.
fn cookie<'a>(head: &'a request::Parts, name: &str) -> Option<&'a [u8]> {
    let headers = head.headers.get_all(header::COOKIE).into_iter();
    let pairs = headers.flat_map(|header| header.as_bytes().split(|b| *b == b';'));
    pairs
        .filter_map(|pair| {
            pair.trim_ascii()
                .strip_prefix(name.as_bytes())?
                .strip_prefix(b"=")
        })
        .next()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_key_is_taken_from_client_header_or_cookie() {
        let head = |name: &str, value: &str| {
            Request::builder()
                .header(name, value)
                .body(())
                .unwrap()
                .into_parts()
                .0
        };
        let key = |on: &HashOn, client: &str, head: &request::Parts| {
            let facts = Facts {
                client: client.parse().unwrap(),
                tls_name: None,
                head: Some(head),
                session: None,
                command: None,
            };
            Hash::new(on, &[]).key(&facts)
        };
        let cookies = head("cookie", "xsession=no; session=abc; other=1");
        let session = HashOn::Cookie("session".into());
        assert_eq!(key(&session, "10.0.0.1", &cookies), Some(stable_hash(b"abc")));
        assert_eq!(key(&session, "10.0.0.1", &head("cookie", "other=1")), None);
        let user = HashOn::Header("X-User".parse().unwrap());
        assert_eq!(
            key(&user, "10.0.0.1", &head("x-user", "7")),
            Some(stable_hash(b"7"))
        );
        assert_eq!(key(&user, "10.0.0.1", &cookies), None);
        assert_eq!(
            key(&HashOn::Client, "::ffff:10.0.0.1", &cookies),
            key(&HashOn::Client, "10.0.0.1", &cookies)
        );
        assert_ne!(
            key(&HashOn::Client, "10.0.0.2", &cookies),
            key(&HashOn::Client, "10.0.0.1", &cookies)
        );
    }
}
