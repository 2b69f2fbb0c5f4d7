//! How matches lie to each other: whether an exchange can be both, and whether one holds for whatever others hold for.
//!
//! Both are proofs: what is not certain is denied. They go by exchanges as they are: one that has a header twice which is sent once
//! as a rule, or several statements in one command, may be both of two that are apart.

use super::{
    glob::Glob,
    many::OneOrMany,
    matcher::Match,
    name::FieldName,
    pattern::{GrpcPattern, Network, PathPattern, Pattern, Values},
};

impl Match {
    /// Whether no exchange is as both ask.
    pub fn is_apart(&self, other: &Self) -> bool {
        self.is_apart_as_connection(other)
            || self.is_apart_as_request(other)
            || self.is_apart_as_command(other)
            || (self.asks_of_request() && other.asks_of_session())
            || (self.asks_of_session() && other.asks_of_request())
    }

    /// Whether every exchange is as this asks that is as all of the others ask.
    pub fn covers(&self, others: &[&Self]) -> bool {
        let within = |patterns: fn(&Self) -> &OneOrMany<Pattern>| {
            all_within(patterns(self), others, patterns, |a, b| a.covers(b, Values::One))
        };
        all_within(&self.client, others, |m| &m.client, Network::covers)
            && all_within(
                &self.tls_name,
                others,
                |m| &m.tls_name,
                |a, b| a.glob().covers(b.glob()),
            )
            && all_within(&self.method, others, |m| &m.method, PartialEq::eq)
            && all_within(&self.path, others, |m| &m.path, |a, b| a.glob().covers(b.glob()))
            && all_within(&self.grpc, others, |m| &m.grpc, |a, b| a.glob().covers(b.glob()))
            && all_within(&self.host, others, |m| &m.host, |a, b| a.glob().covers(b.glob()))
            && within(|m| &m.user_agent)
            && within(|m| &m.user)
            && within(|m| &m.database)
            && all_within(&self.sql, others, |m| &m.sql, PartialEq::eq)
            && all_within(&self.table, others, |m| &m.table, PartialEq::eq)
            && all_within(
                &self.statement,
                others,
                |m| &m.statement,
                |a, b| a.glob().covers(b.glob()),
            )
            && self.header.iter().all(|(name, mine)| {
                let asks = |other: &&Self| {
                    other
                        .header
                        .get(name)
                        .is_some_and(|their| mine.covers(their, values(name)))
                };
                others.iter().any(asks)
            })
            && self.query.iter().all(|(name, mine)| {
                let asks = |other: &&Self| {
                    other
                        .query
                        .get(name)
                        .is_some_and(|their| mine.covers(their, Values::Many))
                };
                others.iter().any(asks)
            })
    }

    fn is_apart_as_connection(&self, other: &Self) -> bool {
        let apart = |a: &Network, b: &Network| !a.covers(b) && !b.covers(a);
        all_apart(&self.client, &other.client, apart)
            || all_apart(&self.tls_name, &other.tls_name, |a, b| {
                a.glob().is_apart(b.glob())
            })
    }

    fn is_apart_as_request(&self, other: &Self) -> bool {
        let mut fields = self.header.iter();
        let mut parameters = self.query.iter();
        let field = |(name, mine): (&FieldName, &Pattern)| {
            let their = other.header.get(name);
            their.is_some_and(|their| mine.is_apart(their, values(name)))
        };
        let parameter = |(name, mine): (&String, &Pattern)| {
            let their = other.query.get(name);
            their.is_some_and(|their| mine.is_apart(their, Values::Many))
        };
        all_apart(&self.method, &other.method, |a, b| a != b)
            || self.is_apart_by_path(other)
            || all_apart(&self.host, &other.host, |a, b| a.glob().is_apart(b.glob()))
            || all_apart(&self.user_agent, &other.user_agent, one_apart)
            || fields.any(field)
            || parameters.any(parameter)
    }

    /// The name of a gRPC method is a path.
    fn is_apart_by_path(&self, other: &Self) -> bool {
        let theirs = other.paths();
        self.paths().iter().any(|mine| {
            theirs.iter().any(|their| {
                let apart = |a: &&Glob| their.iter().all(|b| a.is_apart(b));
                !mine.is_empty() && !their.is_empty() && mine.iter().all(apart)
            })
        })
    }

    fn paths(&self) -> [Vec<&Glob>; 2] {
        [
            self.path.iter().map(PathPattern::glob).collect(),
            self.grpc.iter().map(GrpcPattern::glob).collect(),
        ]
    }

    /// A command may name tables of both; so of these nothing is said.
    fn is_apart_as_command(&self, other: &Self) -> bool {
        all_apart(&self.user, &other.user, one_apart)
            || all_apart(&self.database, &other.database, one_apart)
            || all_apart(&self.sql, &other.sql, |a, b| a != b)
            || all_apart(&self.statement, &other.statement, |a, b| {
                a.glob().is_apart(b.glob())
            })
    }

    /// Whether it asks for something that requests of HTTP alone have.
    pub fn asks_of_request(&self) -> bool {
        let lists = [self.method.is_empty(), self.path.is_empty(), self.grpc.is_empty()];
        let more = [
            self.host.is_empty(),
            self.user_agent.is_empty(),
            self.header.is_empty(),
        ];
        lists.into_iter().chain(more).any(|is_empty| !is_empty) || !self.query.is_empty()
    }

    /// Whether it asks for something that sessions of a database and their commands alone have.
    pub fn asks_of_session(&self) -> bool {
        let session = [self.user.is_empty(), self.database.is_empty()];
        let command = [
            self.sql.is_empty(),
            self.table.is_empty(),
            self.statement.is_empty(),
        ];
        session.into_iter().chain(command).any(|is_empty| !is_empty)
    }
}

/// Fields that come in several lines as a matter of course: cookies do in HTTP/2, and the others are lists.
const IN_SEVERAL_LINES: [&str; 8] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "cookie",
    "forwarded",
    "via",
    "x-forwarded-for",
];

fn values(name: &FieldName) -> Values {
    match IN_SEVERAL_LINES.contains(&name.0.as_str()) {
        true => Values::Many,
        false => Values::One,
    }
}

fn one_apart(one: &Pattern, other: &Pattern) -> bool {
    one.is_apart(other, Values::One)
}

/// Whether nothing is as both lists ask; one that was left out asks for nothing.
fn all_apart<T>(mine: &OneOrMany<T>, theirs: &OneOrMany<T>, apart: impl Fn(&T, &T) -> bool) -> bool {
    !mine.is_empty()
        && !theirs.is_empty()
        && mine
            .iter()
            .all(|mine| theirs.iter().all(|their| apart(mine, their)))
}

/// Whether the list of one of the others asks for nothing that this one does not take.
fn all_within<T>(
    mine: &OneOrMany<T>,
    others: &[&Match],
    theirs: fn(&Match) -> &OneOrMany<T>,
    covers: impl Fn(&T, &T) -> bool,
) -> bool {
    let is_within = |other: &&Match| {
        let theirs = theirs(other);
        let taken = |their: &T| mine.iter().any(|mine| covers(mine, their));
        !theirs.is_empty() && theirs.iter().all(taken)
    };
    mine.is_empty() || others.iter().any(is_within)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(written: &Value) -> Match {
        serde_json::from_value(written.clone()).unwrap()
    }

    #[test]
    fn matches_that_no_exchange_holds_together_are_apart() {
        let check = |one: Value, other: Value, apart: bool| {
            let (a, b) = (read(&one), read(&other));
            assert_eq!(a.is_apart(&b), apart, "{one} {other}");
            assert_eq!(b.is_apart(&a), apart, "{other} {one}");
        };
        check(json!({"path": "/a"}), json!({"path": "/b"}), true);
        check(
            json!({"path": ["/a", "/b"]}),
            json!({"path": ["/c", "/b"]}),
            false,
        );
        check(
            json!({"path": "/a", "method": "GET"}),
            json!({"path": "/a"}),
            false,
        );
        check(
            json!({"path": "/a", "method": "GET"}),
            json!({"method": "POST"}),
            true,
        );
        check(json!({"path": "/a"}), json!({"method": "POST"}), false);
        check(
            json!({"path": "/shop.Orders/Place"}),
            json!({"grpc": "shop.Carts"}),
            true,
        );
        check(
            json!({"client": "10.0.0.0/8"}),
            json!({"client": "10.1.0.0/16"}),
            false,
        );
        check(
            json!({"client": "10.0.0.0/8"}),
            json!({"client": "11.0.0.1"}),
            true,
        );
        check(
            json!({"host": "*.EXAMPLE.com"}),
            json!({"host": "a.example.org"}),
            true,
        );
        check(
            json!({"header": {"x-user": "test-*"}}),
            json!({"header": {"X-User": "!test-*"}}),
            true,
        );
        check(
            json!({"header": {"x-user": "a"}}),
            json!({"header": {"x-role": "b"}}),
            false,
        );
        check(
            json!({"query": {"debug": "*"}}),
            json!({"query": {"debug": "!*"}}),
            true,
        );
        check(
            json!({"query": {"id": "1"}}),
            json!({"query": {"id": "2"}}),
            false,
        );
        check(
            json!({"header": {"x-user": "a"}}),
            json!({"header": {"x-user": "b"}}),
            true,
        );
        check(
            json!({"header": {"cookie": "a=1"}}),
            json!({"header": {"cookie": "b=1"}}),
            false,
        );
        check(json!({"user": "web"}), json!({"user": "!web"}), true);
        check(json!({"user": "!admin"}), json!({"user": "!root"}), false);
        check(json!({"sql": "read"}), json!({"sql": ["write", "ddl"]}), true);
        check(json!({"table": "orders"}), json!({"table": "stock"}), false);
        check(json!({"user": "web"}), json!({"path": "/**"}), true);
        check(json!({"client": "10.0.0.1"}), json!({"user": "web"}), false);
    }

    #[test]
    fn a_match_covers_what_is_within_it() {
        let check = |one: Value, others: Value, covers: bool| {
            let others: Vec<Match> = others.as_array().unwrap().iter().map(read).collect();
            let others: Vec<_> = others.iter().collect();
            assert_eq!(read(&one).covers(&others), covers, "{one} {others:?}");
        };
        check(json!({}), json!([]), true);
        check(json!({"path": "/a"}), json!([]), false);
        check(json!({"path": "/a/**"}), json!([{"path": ["/a", "/a/b"]}]), true);
        check(json!({"path": "/a/**"}), json!([{"path": ["/a", "/b"]}]), false);
        check(
            json!({"path": "/a", "method": "GET"}),
            json!([{"path": "/a"}]),
            false,
        );
        check(
            json!({"path": "/a", "method": "GET"}),
            json!([{"path": "/a"}, {"method": "get"}]),
            true,
        );
        check(
            json!({"client": "10.0.0.0/8"}),
            json!([{"client": "10.1.0.0/16"}]),
            true,
        );
        check(
            json!({"header": {"x-a": "*"}}),
            json!([{"header": {"x-a": "1"}}]),
            true,
        );
        check(
            json!({"header": {"x-a": "!1"}}),
            json!([{"header": {"x-a": "2"}}]),
            true,
        );
        check(
            json!({"header": {"x-a": "!1"}}),
            json!([{"header": {"x-a": "!*"}}]),
            true,
        );
        check(
            json!({"header": {"x-a": "1"}}),
            json!([{"header": {"x-a": "!2"}}]),
            false,
        );
        check(
            json!({"header": {"cookie": "!a=1"}}),
            json!([{"header": {"cookie": "b=1"}}]),
            false,
        );
        check(json!({"sql": ["read", "write"]}), json!([{"sql": "read"}]), true);
        check(json!({"table": "orders"}), json!([{"table": "orders"}]), true);
    }
}
