//! What an exchange must look like: [`Match`] as written, [`Matcher`] compiled, [`Facts`] about an exchange.
//!
//! Every condition must hold. A matcher allocates nothing and asks what is cheap to know first.

use std::{collections::BTreeMap, net::IpAddr};

use http::{HeaderName, Method, header, request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    command::{Command, Session},
    hint::Hint,
    many::OneOrMany,
    name::{FieldName, Verb},
    pattern::{GrpcPattern, HostPattern, Network, PathPattern, Pattern},
    statement::Sql,
    wording::Wording,
};

/// What an exchange must look like, as written: every key that is there must hold, and a list holds when one of its items
/// does. Without a key it holds for everything. A TCP connection has no request, so only `client` and `tls_name` can hold
/// for it; a database session has a `user` and a `database`, and its commands what the keys after those ask for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The client's address: `10.0.0.0/8`, or one address.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub client: OneOrMany<Network>,
    /// The name that the client asked for in the TLS handshake (SNI): `*.example.com`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub tls_name: OneOrMany<HostPattern>,
    /// The request's method: `POST`, or `[POST, PUT]`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub method: OneOrMany<Verb>,
    /// The request's path: `*` is any run within a segment, `**` any run; `/orders/**` holds for `/orders` too.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub path: OneOrMany<PathPattern>,
    /// The gRPC service or method: `orders.v1.Orders`, `orders.v1.Orders/Place`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub grpc: OneOrMany<GrpcPattern>,
    /// The request's host without its port: `shop.example.com`, `*.example.com`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub host: OneOrMany<HostPattern>,
    /// The client's software, from the `User-Agent` header: `curl/*`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub user_agent: OneOrMany<Pattern>,
    /// Headers by name: `x-user: "test-*"`. `"*"` asks that the header is there, `"!*"` that it is not, `"!test-*"` that it
    /// has no such value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<FieldName, Pattern>,
    /// Parameters of the query by name, compared as they were sent: `debug: "1"`. `"*"` and `"!*"` as for headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, Pattern>,
    /// Who a database session belongs to: `web`, `!admin`. MySQL and Redis are told only once it has begun: there it holds from
    /// then on.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub user: OneOrMany<Pattern>,
    /// The database of a session: `shop`. With MySQL and Redis as for `user`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub database: OneOrMany<Pattern>,
    /// What a command asks of the data: `read`, `write`, `ddl` or `transaction`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub sql: OneOrMany<Sql>,
    /// A table that a command names: `orders`, `audit.*`. Capitals do not count; without a schema any schema will do. With
    /// Redis the first key of a command, in which capitals count: `cart:*`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub table: OneOrMany<Wording>,
    /// The text of a command: `"insert into orders *"`. Capitals and the number of blanks do not count.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub statement: OneOrMany<Wording>,
}

/// What is known about an exchange when it begins; a TCP connection has no head.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The name that the client asked for in the TLS handshake.
    pub tls_name: Option<&'a str>,
    /// The request's head.
    pub head: Option<&'a request::Parts>,
    /// The database session.
    pub session: Option<&'a Session>,
    /// The command in it.
    pub command: Option<&'a Command>,
}

impl Facts<'_> {
    /// The database session, once it is known whose it is.
    fn known_session(&self) -> Option<&Session> {
        self.session.filter(|session| session.is_known())
    }
}

/// A match, compiled: conditions that must all hold, the cheapest first.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    conditions: Box<[Condition]>,
}

/// One condition. A new matcher is a field above, a variant here, and a line in `compile` and `holds`.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Client(OneOrMany<Network>),
    Method(OneOrMany<Verb>),
    TlsName(OneOrMany<HostPattern>),
    Path(OneOrMany<PathPattern>),
    Grpc(OneOrMany<GrpcPattern>),
    Host(OneOrMany<HostPattern>),
    UserAgent(OneOrMany<Pattern>),
    Header(HeaderName, Pattern),
    Query(Box<str>, Pattern),
    User(OneOrMany<Pattern>),
    Database(OneOrMany<Pattern>),
    Statement(OneOrMany<Wording>),
    Sql(OneOrMany<Sql>),
    Table(OneOrMany<Wording>),
}

impl Match {
    /// Whether nothing is asked, so that everything holds.
    pub fn is_empty(&self) -> bool {
        self.compile().is_empty()
    }

    /// Puts the conditions in the order in which they are cheap to ask.
    pub fn compile(&self) -> Matcher {
        fn list<T: Clone>(
            items: &OneOrMany<T>,
            condition: fn(OneOrMany<T>) -> Condition,
        ) -> Option<Condition> {
            (!items.is_empty()).then(|| condition(items.clone()))
        }
        let lists = [
            list(&self.client, Condition::Client),
            list(&self.method, Condition::Method),
            list(&self.tls_name, Condition::TlsName),
            list(&self.path, Condition::Path),
            list(&self.grpc, Condition::Grpc),
            list(&self.host, Condition::Host),
            list(&self.user_agent, Condition::UserAgent),
            list(&self.user, Condition::User),
            list(&self.database, Condition::Database),
            list(&self.statement, Condition::Statement),
            list(&self.sql, Condition::Sql),
            list(&self.table, Condition::Table),
        ];
        let headers = self
            .header
            .iter()
            .map(|(name, pattern)| Condition::Header(name.0.clone(), pattern.clone()));
        let query = self
            .query
            .iter()
            .map(|(name, pattern)| Condition::Query(name.as_str().into(), pattern.clone()));
        Matcher {
            conditions: lists.into_iter().flatten().chain(headers).chain(query).collect(),
        }
    }
}

impl Matcher {
    /// Whether nothing is asked, so that everything holds.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether it asks something of a command, which a session as a whole does not know.
    pub fn needs_command(&self) -> bool {
        self.conditions.iter().any(|c| {
            matches!(
                c,
                Condition::Statement(_) | Condition::Sql(_) | Condition::Table(_)
            )
        })
    }

    /// The first table that it asks for and a command names.
    pub fn table<'c>(&self, command: &'c Command) -> Option<&'c str> {
        self.conditions
            .iter()
            .find_map(|condition| condition.table(command))
    }

    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// What it asks for at the least.
    pub fn hint(&self) -> Hint {
        Hint::of(self)
    }

    /// Whether every condition holds.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(facts))
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Client(networks) => networks.iter().any(|network| network.holds(facts.client)),
            Self::TlsName(names) => facts
                .tls_name
                .is_some_and(|name| names.iter().any(|pattern| pattern.holds(name))),
            Self::User(patterns) => facts
                .known_session()
                .is_some_and(|session| any(patterns, &session.user)),
            Self::Database(patterns) => facts
                .known_session()
                .is_some_and(|session| any(patterns, &session.database)),
            Self::Statement(_) | Self::Sql(_) | Self::Table(_) => facts
                .command
                .is_some_and(|command| self.holds_for_command(command)),
            _ => facts.head.is_some_and(|head| self.holds_for(head)),
        }
    }

    fn holds_for_command(&self, command: &Command) -> bool {
        match self {
            Self::Statement(wordings) => wordings.iter().any(|wording| wording.holds(command.wording())),
            Self::Sql(kinds) => kinds.iter().any(|kind| command.meaning().is(*kind)),
            Self::Table(tables) => tables.iter().any(|table| command.meaning().names(table)),
            _ => false,
        }
    }

    /// The first table that it asks for and a command names.
    fn table<'c>(&self, command: &'c Command) -> Option<&'c str> {
        match self {
            Self::Table(tables) => tables.iter().find_map(|table| command.meaning().named(table)),
            _ => None,
        }
    }

    fn holds_for(&self, head: &request::Parts) -> bool {
        let path = head.uri.path();
        match self {
            Self::Method(verbs) => verbs.iter().any(|verb| verb.0 == head.method),
            Self::Path(paths) => paths.iter().any(|pattern| pattern.holds(path)),
            Self::Grpc(calls) => is_grpc(head) && calls.iter().any(|pattern| pattern.holds(path)),
            Self::Host(hosts) => {
                host(head).is_some_and(|host| hosts.iter().any(|pattern| pattern.holds(host)))
            }
            Self::UserAgent(patterns) => patterns
                .iter()
                .any(|pattern| pattern.holds(header_values(head, &header::USER_AGENT))),
            Self::Header(name, pattern) => pattern.holds(header_values(head, name)),
            Self::Query(name, pattern) => pattern.holds(query_values(head, name)),
            _ => false,
        }
    }
}

fn any(patterns: &OneOrMany<Pattern>, value: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| pattern.holds(std::iter::once(value.as_bytes())))
}

/// The host that a request asks for, without its port: of its target where that names one (absolute form, HTTP/2), of its
/// `Host` header otherwise.
pub fn host(head: &request::Parts) -> Option<&str> {
    let written = match head.uri.host() {
        Some(host) => return Some(host),
        None => head.headers.get(header::HOST)?.to_str().ok()?,
    };
    // The colons of `[::1]` are no port's.
    let name_ends = written.rfind(']').unwrap_or(0);
    match written[name_ends..].find(':') {
        Some(colon) => Some(&written[..name_ends + colon]),
        None => Some(written),
    }
}

/// Whether a request is a gRPC call.
pub fn is_grpc(head: &request::Parts) -> bool {
    let content_type = head.headers.get(header::CONTENT_TYPE);
    head.method == Method::POST && content_type.is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"))
}

fn header_values<'a>(head: &'a request::Parts, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    head.headers
        .get_all(name)
        .into_iter()
        .map(http::HeaderValue::as_bytes)
}

fn query_values<'a>(head: &'a request::Parts, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = head.uri.query().into_iter().flat_map(|query| query.split('&'));
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value.as_bytes())
}

#[cfg(test)]
mod tests;
