use super::*;
use crate::config::{Protocol, read, read_document};

const DOCUMENT: &str = "\
listeners:
  public: {bind: 127.0.0.1:8080, routes: [{name: orders, match: {path: /orders/**}, cluster: app}], cluster: pay}
  raw: {bind: 127.0.0.1:8081, protocol: tcp, cluster: db}
clusters:
  app: {backends: [{name: a, address: app-a.internal:1}, {name: b, address: app-b.internal:1}]}
  db: {backends: [{name: a, address: db.internal:1}]}
  pay: {backends: [{address: api.payments.com:443}]}
roles: {http.source: app/a, db.source: db}
";

/// What is wrong with a fault set by hand, given what is in its `where`.
fn wrong(place: &str) -> Vec<String> {
    let document = read_document("a.yaml", DOCUMENT).unwrap().document;
    let entry: Entry = read(
        "fault",
        &format!("{{where: {place}, do: {{reset: {{}}}}, for: 1m}}"),
    )
    .unwrap();
    check_fault_by_hand(&document, &entry)
        .into_iter()
        .map(|found| found.what)
        .collect()
}

#[test]
fn a_fault_that_can_hit_something_is_taken() {
    for place in [
        "{cluster: app}",
        "{backend: a}",
        "{backend: app/a}",
        "{route: orders}",
        "{listener: public, route: orders, cluster: app, backend: b}",
        "{role: http.source}",
        "{role: db.source, backend: a}",
        "{listener: raw, match: {client: 10.0.0.0/8}}",
        "{cluster: app, match: {path: /orders/x}}",
    ] {
        assert_eq!(wrong(place), Vec::<String>::new(), "{place}");
    }
}

#[test]
fn a_fault_that_can_hit_nothing_is_refused() {
    for place in [
        "{listener: raw, cluster: app}",
        "{route: orders, cluster: db}",
        "{cluster: db, backend: b}",
        "{role: http.source, backend: b}",
        "{role: db.source, cluster: app}",
        "{backend: a, leg: client}",
        "{listener: raw, match: {path: /x}}",
        "{cluster: app, match: {path: /x}}",
        "{route: public/1, match: {path: /orders/7}}",
    ] {
        let wrong = wrong(place);
        assert!(
            matches!(wrong.as_slice(), [one] if one.contains("hit nothing") || one.contains("never holds")),
            "{place}: {wrong:?}"
        );
    }
}

#[test]
fn a_fault_must_not_hit_somebody_elses_server_by_accident() {
    for place in [
        "{}",
        "{cluster: pay}",
        "{listener: public}",
        "{route: public/1}",
        "{match: {path: /x}}",
    ] {
        assert_eq!(
            wrong(place),
            ["the fault can hit `api.payments.com:443`, which may be somebody else's server"],
            "{place}"
        );
    }
}

#[test]
fn a_fault_set_by_hand_needs_an_end() {
    let document = read_document("a.yaml", DOCUMENT).unwrap().document;
    let entry: Entry = read("fault", "{where: {cluster: app}, do: {reset: {}}}").unwrap();
    let found = check_fault_by_hand(&document, &entry);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].what, "a fault set by hand needs an end");
    assert_eq!(check_fault(&document, &Path::default(), &entry), []);
}

#[test]
fn an_error_that_the_protocol_does_not_have_is_refused() {
    const DATABASES: &str = "\
listeners:
  cache: {bind: 127.0.0.1:8080, protocol: redis, cluster: cache}
  books: {bind: 127.0.0.1:8081, protocol: mysql, cluster: books}
  web: {bind: 127.0.0.1:8082, cluster: web}
  shop: {bind: 127.0.0.1:8083, protocol: postgres, cluster: shop}
clusters:
  shop: {backends: [{address: shop.internal:1}]}
  cache: {backends: [{address: cache.internal:1}]}
  books: {backends: [{address: books.internal:1}]}
  web: {backends: [{address: web.internal:1}]}
";
    let document = read_document("a.yaml", DATABASES).unwrap().document;
    let wrong = |cluster: &str, kind: &str| {
        let place = if cluster.is_empty() {
            String::new()
        } else {
            format!("cluster: {cluster}")
        };
        let text = format!("{{where: {{{place}}}, do: {kind}, for: 1m}}");
        check_fault_by_hand(&document, &read("fault", &text).unwrap())
    };
    for kind in [
        "deadlocks",
        "missing_database",
        "missed_migration",
        "{slow_queries: {add: 2s, statement_timeout: 1s}}",
        "{abort: {error: deadlock}}",
    ] {
        let found = wrong("cache", kind);
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
        assert!(
            found[0].what.contains("Redis has no such error"),
            "{kind}: {found:?}"
        );
        assert!(
            found[0].mend.contains("read_only, master_down"),
            "{kind}: {found:?}"
        );
        for other in ["books", ""] {
            assert_eq!(wrong(other, kind), [], "{kind} at {other:?}");
        }
    }
    for kind in [
        "read_only",
        "failover",
        "bad_credentials",
        "{slow_queries: {add: 2s}}",
        "{slow_queries: {add: 1s, statement_timeout: 2s}}",
        "{abort: {error: busy}}",
        "{abort: {error: {code: ERR, message: no}}}",
    ] {
        assert_eq!(wrong("cache", kind), [], "{kind}");
    }
    assert_eq!(wrong("web", "{abort: {status: 500, error: deadlock}}"), []);
    for (cluster, error, flaw) in [
        ("cache", "{code: \"\", message: no}", "one word in capitals"),
        ("cache", "{code: ERR, message: \"a\\nb\"}", "one line"),
        ("books", "{code: 40P01, message: no}", "a number up to 65535"),
        ("books", "{code: \"99999\", message: no}", "a number up to 65535"),
        ("books", "{code: \"1213\", state: \"4\", message: no}", "SQLSTATE"),
        ("books", "{code: \"1213\", message: \"a\\0\"}", "no NUL"),
        ("books", "{code: \"0\", message: no}", "a number up to 65535"),
        (
            "books",
            "{code: \"1213\", state: \"00000\", message: no}",
            "no error",
        ),
        ("books", "{code: \"2013\", message: no}", "clients' own"),
        ("shop", "{code: \"00000\", message: no}", "no error"),
        ("shop", "{code: \"01000\", message: no}", "in warnings alone"),
        (
            "shop",
            "{code: \"40P01\", state: \"40P01\", message: no}",
            "only MySQL has a `state`",
        ),
        (
            "cache",
            "{code: ERR, state: \"40001\", message: no}",
            "only MySQL has a `state`",
        ),
    ] {
        let found = wrong(cluster, &format!("{{abort: {{error: {error}}}}}"));
        assert!(
            matches!(&*found, [one] if one.what.contains(flaw)),
            "{error}: {found:?}"
        );
    }
    for (cluster, error) in [
        ("books", "{code: \"1213\", state: \"40001\", message: \"a\\nb\"}"),
        // MySQL says these two in strict mode, and of a cursor that is read beyond its end.
        (
            "books",
            "{code: \"1265\", state: \"01000\", message: Data truncated}",
        ),
        ("books", "{code: \"1329\", state: \"02000\", message: No data}"),
        (
            "shop",
            "{code: \"02000\", message: specified row no longer exists}",
        ),
    ] {
        assert_eq!(
            wrong(cluster, &format!("{{abort: {{error: {error}}}}}")),
            [],
            "{error}"
        );
    }
    // Of what is named HTTP gets nothing, and Redis has no such error.
    let text = "{where: {leg: client}, do: {abort: {error: deadlock}}, for: 1m}";
    let mut few = document.clone();
    for (name, listener) in document.listeners.iter() {
        if !matches!(listener.protocol, Protocol::Http | Protocol::Redis) {
            few.listeners.remove(name);
        }
    }
    let found = check_fault_by_hand(&few, &read("fault", text).unwrap());
    assert!(
        matches!(&*found, [one] if one.what.contains("Redis has no such error")),
        "{found:?}"
    );
    let starting = "{failover: {meets: starting_up}}";
    let found = wrong("books", starting);
    assert!(
        matches!(&*found, [one] if one.what.contains("MySQL has no such error") && one.mend.contains("`meets`")),
        "{found:?}"
    );
    assert_eq!((wrong("cache", starting), wrong("", starting)), (vec![], vec![]));
    let found = wrong("books", "{abort: {error: cross_slot}}");
    assert!(
        matches!(&*found, [one] if one.what.contains("MySQL has no such error")),
        "{found:?}"
    );
}
