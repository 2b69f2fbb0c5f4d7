//! Who may come in: the `Host` that was asked for, the `Origin` that a browser names, and the token.
//!
//! A web page that somebody has open must not be able to inject a fault. Rebinding a name of its own to our address
//! fails at `Host`; sending a form or a script's request here fails at `Origin`.

use std::{net::IpAddr, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, Method, Version, header, request};

use super::{
    refusal::{Kind, Refusal},
    tokens::{Caller, Role, Tokens},
};
use crate::config::{self, Problems};

/// The field in which a client says who its user is, where there are no tokens that would.
pub const USER: &str = "x-chaosproxy-user";

/// A longer name is cut: it is shown in history and journal.
const LONGEST_NAME: usize = 64;

/// What decides who may come in.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    hosts: Vec<String>,
    tokens: Option<Tokens>,
    open: bool,
}

impl Guard {
    /// A guard that knows these names of ours besides loopback and bare addresses. Without tokens everybody who
    /// reaches the port may do everything, which is why only loopback may then be bound.
    pub fn new(hosts: Vec<String>, tokens: Option<Tokens>) -> Self {
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        Self {
            hosts,
            tokens,
            open: false,
        }
    }

    /// A guard that lets in whoever reaches the port, by whatever name, except browsers on behalf of another site: Toxiproxy's
    /// clients know it by the name of a container.
    pub fn open() -> Self {
        Self {
            open: true,
            ..Self::default()
        }
    }

    /// A guard as the document wants it; its paths are relative to `folder`.
    pub fn load(admin: &config::Admin, folder: &Path) -> Result<Self, Problems> {
        let file = admin.tokens_file.as_ref().map(|file| folder.join(file));
        let tokens = file.map(|file| Tokens::load(&file)).transpose()?;
        Ok(Self::new(admin.names.clone(), tokens))
    }

    /// Whether tokens tell apart who asks.
    pub const fn has_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// Who has a token, where tokens are asked for.
    pub(super) fn people(&self) -> Option<Vec<Caller>> {
        self.tokens
            .as_ref()
            .map(|tokens| tokens.callers().cloned().collect())
    }

    /// Whether an address may be bound with this guard; says why not.
    pub fn may_bind(&self, address: IpAddr) -> Result<(), String> {
        if self.open || self.tokens.is_some() || address.is_loopback() {
            return Ok(());
        }
        Err(format!(
            "the admin API may not be bound to {address} without tokens: anybody could inject faults; \
             set `admin.tokens_file`, or bind it to 127.0.0.1"
        ))
    }

    /// Whether a request may be looked at, whoever sends it.
    pub fn pass(&self, request: &request::Parts) -> Result<(), Refusal> {
        let host = host(request);
        let is_old = request.version == Version::HTTP_10;
        if self.open && is_old && host.is_none() && !is_browser(&request.headers) {
            // No browser leaves it out, so that none is led here by a name; and HTTP/1.0 does not ask for it.
            return Ok(());
        }
        let host = host.ok_or_else(|| {
            Refusal::new(
                Kind::Misdirected,
                "the request names no host",
                "send a `Host` field",
            )
        })?;
        let any_name = self.open && !is_browser(&request.headers);
        if !any_name && !self.is_ours(name_of(host)) {
            return Err(Refusal::new(
                Kind::Misdirected,
                format!("`{host}` is no name of this proxy's admin API"),
                "ask by address or as `localhost`, or add the name to `admin.names` in the document",
            ));
        }
        if request.method.is_safe() || same_origin(&request.headers, host) {
            return Ok(());
        }
        Err(Refusal::new(
            Kind::Forbidden,
            "a browser sent this from another site",
            "send it from a page of this address, or from a client that is no browser",
        ))
    }

    /// Who sends a request, if they may do what needs this role.
    pub fn caller(&self, request: &request::Parts, needed: Role) -> Result<Caller, Refusal> {
        let Some(tokens) = &self.tokens else {
            return Ok(Caller {
                name: said_name(&request.headers),
                role: Role::Facilitator,
            });
        };
        let token = token(&request.headers, &request.method)
            .ok_or_else(|| unauthorized("the request carries no token"))?;
        let caller = tokens
            .caller(&token)
            .ok_or_else(|| unauthorized("the token is not known"))?;
        if caller.role >= needed {
            return Ok(caller.clone());
        }
        Err(Refusal::new(
            Kind::Forbidden,
            format!(
                "`{}` is {}: this needs {}",
                caller.name,
                article(caller.role),
                article(needed)
            ),
            "ask somebody who has such a token",
        ))
    }

    fn is_ours(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        // A page cannot make a browser send an address as `Host` unless it was loaded from there.
        bare.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.hosts.contains(&name)
    }
}

fn article(role: Role) -> String {
    let article = if role == Role::Observer { "an" } else { "a" };
    format!("{article} {}", role.name())
}

fn unauthorized(detail: &str) -> Refusal {
    Refusal::new(
        Kind::Unauthorized,
        detail,
        "send `Authorization: Bearer TOKEN`; on the command line set CHAOSPROXY_TOKEN or --token-file",
    )
}

/// The host that was asked for, with its port.
fn host(request: &request::Parts) -> Option<&str> {
    match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers.get(header::HOST)?.to_str().ok(),
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

/// Whether a browser sent this: they say so, and none lets a page change both fields.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
        || headers.contains_key(header::ORIGIN)
}

/// Whether no browser sent this, or one that shows a page of ours.
fn same_origin(headers: &HeaderMap, host: &str) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        authority.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    })
}

/// The token of a request. A browser sends a `Basic` password by itself, also on behalf of another site, so that
/// one only reads.
fn token(headers: &HeaderMap, method: &Method) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") && method.is_safe() {
        let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
        return decoded.split_once(':').map(|(_, password)| password.to_owned());
    }
    None
}

/// The name that a client gives where no token gives one; it is shown, so it is kept short and plain.
fn said_name(headers: &HeaderMap) -> String {
    let said = headers
        .get(USER)
        .and_then(|name| name.to_str().ok())
        .unwrap_or_default();
    let name: String = said
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_NAME)
        .collect();
    if name.is_empty() { "local".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(method: Method, fields: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::builder().method(method).uri("/api/v1/status");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_our_own_names_are_answered() {
        let guard = Guard::new(vec!["Proxy.Internal".to_owned()], None);
        let check = |host: &str, passes: bool| {
            let verdict = guard.pass(&request(Method::GET, &[("host", host)]));
            assert_eq!(verdict.is_ok(), passes, "{host}");
        };
        check("localhost:8474", true);
        check("LOCALHOST", true);
        check("127.0.0.1:8474", true);
        check("[::1]:8474", true);
        check("[::1]", true);
        check("10.1.2.3:8474", true);
        check("proxy.internal:8474", true);
        check("evil.example:8474", false);
        check("localhost.evil.example", false);
        check("127.0.0.1.evil.example", false);
        assert!(guard.pass(&request(Method::GET, &[])).is_err());
    }

    #[test]
    fn an_open_guard_takes_any_name_but_from_no_browser() {
        let guard = Guard::open();
        let check = |fields: &[(&str, &str)], passes: bool| {
            let verdict = guard.pass(&request(Method::POST, fields));
            assert_eq!(verdict.is_ok(), passes, "{fields:?}");
        };
        check(&[("host", "toxiproxy:8474")], true);
        check(
            &[("host", "toxiproxy:8474"), ("user-agent", "toxiproxy-cli/2.12")],
            true,
        );
        check(&[("host", "evil.example"), ("user-agent", "Mozilla/5.0")], false);
        check(
            &[("host", "evil.example"), ("origin", "http://evil.example")],
            false,
        );
        check(&[("host", "localhost"), ("user-agent", "Mozilla/5.0")], true);
        assert!(guard.may_bind("0.0.0.0".parse().unwrap()).is_ok());
    }

    #[test]
    fn an_open_guard_asks_for_no_name_where_http_does_not() {
        let check = |guard: &Guard, version: Version, fields: &[(&str, &str)], passes: bool| {
            let mut nameless = request(Method::POST, fields);
            nameless.version = version;
            assert_eq!(guard.pass(&nameless).is_ok(), passes, "{version:?} {fields:?}");
        };
        check(&Guard::open(), Version::HTTP_10, &[], true);
        check(&Guard::open(), Version::HTTP_11, &[], false);
        check(
            &Guard::open(),
            Version::HTTP_10,
            &[("origin", "http://evil.example")],
            false,
        );
        check(&Guard::default(), Version::HTTP_10, &[], false);
    }

    #[test]
    fn another_site_changes_nothing() {
        let guard = Guard::default();
        let check = |method: Method, origin: &str, passes: bool| {
            let fields = [("host", "localhost:8474"), ("origin", origin)];
            let verdict = guard.pass(&request(method, &fields));
            assert_eq!(verdict.is_ok(), passes, "{origin}");
        };
        check(Method::POST, "http://localhost:8474", true);
        check(Method::POST, "http://localhost:3000", false);
        check(Method::POST, "https://evil.example", false);
        check(Method::DELETE, "null", false);
        check(Method::GET, "https://evil.example", true);
    }

    #[test]
    fn a_token_gives_its_role_and_no_more() {
        let file = "tokens: [{name: room, role: responder, token: 0123456789abcdef}]";
        let guard = Guard::new(Vec::new(), Some(Tokens::read("tokens.yaml", file).unwrap()));
        let status = |method: Method, authorization: Option<&str>, needed: Role| {
            let fields: Vec<_> = authorization.map(|a| ("authorization", a)).into_iter().collect();
            match guard.caller(&request(method, &fields), needed) {
                Ok(caller) => caller.name,
                Err(refusal) => refusal.status.to_string(),
            }
        };
        let bearer = Some("Bearer 0123456789abcdef");
        let basic = Some("Basic eDowMTIzNDU2Nzg5YWJjZGVm");
        assert_eq!(status(Method::POST, bearer, Role::Responder), "room");
        assert_eq!(status(Method::POST, bearer, Role::Facilitator), "403");
        assert_eq!(status(Method::GET, basic, Role::Observer), "room");
        assert_eq!(status(Method::POST, basic, Role::Observer), "401");
        assert_eq!(status(Method::GET, Some("Bearer wrong"), Role::Observer), "401");
        assert_eq!(status(Method::GET, None, Role::Observer), "401");
    }

    #[test]
    fn without_tokens_only_loopback_is_bound_and_a_client_says_who_it_is() {
        let guard = Guard::default();
        assert!(guard.may_bind("127.0.0.1".parse().unwrap()).is_ok());
        assert!(
            guard
                .may_bind("0.0.0.0".parse().unwrap())
                .unwrap_err()
                .contains("tokens_file")
        );
        let who = |fields: &[(&str, &str)]| {
            guard
                .caller(&request(Method::POST, fields), Role::Facilitator)
                .unwrap()
                .name
        };
        assert_eq!(who(&[]), "local");
        assert_eq!(who(&[(USER, " ada ")]), "ada");
    }
}
