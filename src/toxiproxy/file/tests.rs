//! What is said of files that are not as they should be.

use super::*;

/// What is said of a text: the line and what is marked in it, what is wrong, how to mend it.
fn said(text: &str) -> Vec<String> {
    let (file, _) = File::read("t.json", text.as_bytes());
    let all = file.told.problems.iter().chain(&file.told.doubts);
    let shown = |problem: &Problem| {
        let marked = problem.place.map(|place| {
            let marked = problem.text.chars().skip(place.column - 1).take(place.width);
            format!("{} {} ", place.line, marked.collect::<String>())
        });
        let marked = marked.unwrap_or_default();
        format!("{marked}| {} | {}", problem.what, problem.mend)
    };
    all.map(shown).collect()
}

/// What is said of two proxies, of which the second has more fields.
fn second(more: &str) -> Vec<String> {
    let first = r#"{"name": "a", "upstream": "b:1"}"#;
    said(&format!("[\n\t{first},\n\t{{\"Upstream\": \"b:1\", {more}}}\n]"))
}

#[test]
fn what_is_no_json_is_told_at_its_place() {
    let check = |text: &str, start: &str| {
        let said = said(text);
        assert!(said.len() == 1 && said[0].starts_with(start), "{said:?}");
    };
    check("", "| the file is empty | write a list of proxies into it: `[{");
    for marked in ["\u{feff}[]", "\u{fffd}\u{fffd}[]"] {
        let mend =
            "this is no JSON: the file begins with a byte order mark (BOM) | save it as UTF-8 without one";
        check(marked, &format!("| {mend}"));
    }
    check(
        "[\n  {\"name\": \"ä\" \"b\"}\n]",
        "2 \" | this is no JSON: expected `,` or `}` | look at what stands just before, too",
    );
    check("[{},\n]", "2 ] | this is no JSON: trailing comma | look at");
    check(
        "[{",
        "1 { | this is no JSON: EOF while parsing an object | close what is open",
    );
    check(
        "{\"a\": {}}",
        "1 { | a list of proxies is needed, not an object | write it as `[{",
    );
}

#[test]
fn what_is_wrong_with_a_proxy_names_it_and_its_place() {
    let check = |more: &str, expected: &str| assert_eq!(second(more), [expected], "{more}");
    check(
        r#""name": "b", "Enabled": "yes""#,
        "3 \"yes\" | proxy `b`: `enabled` must be true or false, not a string | write `true` or `false`, without quotes",
    );
    check(
        r#""name": 1"#,
        "3 1 | proxy 2: `name` must be a string, not the number 1 | write a text, in quotes",
    );
    check(
        r#""name": "a""#,
        "3 \"a\" | proxy `a` is there twice: proxy 1 is called so, too | give each a name of its own, or take one out",
    );
    check(
        r#""name": "b", "toxics": [{"type": "latncy"}]"#,
        "3 \"latncy\" | proxy `b`: invalid toxic type | did you mean `latency`?",
    );
    check(
        r#""name": "b", "toxics": [{"type": "noop"}, {"type": "noop"}]"#,
        "3 { | proxy `b` has two toxics called `noop_downstream` | give one a name of its own, as in `\"name\": \"slow\"`",
    );
    check(
        r#""name": "b", "toxics": [{"type": "timeout", "stream": "up"}]"#,
        "3 \"up\" | proxy `b`: stream was invalid, can be either upstream or downstream | write `upstream` or `downstream`",
    );
    check(
        r#""name": "b", "toxics": [{"type": "bandwidth", "attributes": {"rate": -1}}]"#,
        "3 -1 | proxy `b`: `rate` must be at least 0 | write a whole number of at least 0, without quotes",
    );
    check(
        r#""name": "b", "toxics": [{"type": "latency", "attributes": {"latency": "1"}}]"#,
        "3 \"1\" | proxy `b`: `latency` must be a whole number of at most 64 bits, not a string | write a whole number, without quotes",
    );
    let toxics = r#"[{"type": "latncy"}, {"type": "noop"}, {"type": "noop", "stream": "up"}]"#;
    assert_eq!(
        second(&format!("\"name\": \"b\", \"toxics\": {toxics}")).len(),
        2,
        "each is told"
    );
}

#[test]
fn what_is_missing_is_told_for_each_proxy() {
    assert_eq!(
        said("[{}, {\"name\": \"b\"}, 1]"),
        [
            "1 { | proxy 1 has no name | add one, as in `\"name\": \"redis\"`",
            "1 { | proxy `b` has no upstream | add where it leads to, as in `\"upstream\": \"127.0.0.1:6379\"`",
            &format!("1 1 | proxy 3: an object is needed, not the number 1 | write the list as {EXAMPLE}"),
        ]
    );
}

#[test]
fn what_is_ignored_is_told() {
    let check = |more: &str, expected: &str| {
        let more = format!("\"name\": \"b\", {more}");
        assert_eq!(second(&more), [expected], "{more}");
    };
    check(
        r#""enabeld": false"#,
        "3 false | proxy `b`: nobody knows `enabeld`, so that it is ignored | did you mean `enabled`?",
    );
    check(
        r#""toxics": [{"type": "latency", "attributes": {"latncy": 5}}]"#,
        "3 5 | proxy `b`: nobody knows `latncy`, so that it is ignored | did you mean `latency`?",
    );
    check(
        r#""toxics": [{"type": "noop", "attributes": {"x": 5}}]"#,
        "3 5 | proxy `b`: nobody knows `x`, so that it is ignored | take it out: there is nothing to set",
    );
    check(
        r#""toxics": [{"type": "latency", "latency": 5}]"#,
        "3 5 | proxy `b`: nobody knows `latency`, so that it is ignored | take it out, or use one of \
         name, type, stream, direction, toxicity, attributes",
    );
    check(
        r#""enabled": true, "enabled": false"#,
        "3 \"enabled\" | `enabled` is written twice, and the last one counts | keep one of the two; the first is on line 3",
    );
    check(
        r#""listen": ":1", "Listen": ":2""#,
        "3 \":2\" | proxy `b`: `Listen` is `listen`, written twice, and the last one counts | keep one of the two",
    );
    let shown = r#""name": "b", "Logger": {}, "toxics": [
        {"type": "bandwidth", "attributes": {"rate": 1, "shared": true}}]"#;
    assert_eq!(second(shown), [""; 0]);
}

#[test]
fn an_upstream_that_is_no_address_is_told() {
    assert_eq!(
        said(r#"[{"name": "b", "upstream": "redis"}, {"name": "c", "upstream": ":1"}]"#),
        [
            "1 \"redis\" | proxy `b` resets its connections: `redis` is no address: it needs a port, as in `app.internal:9001` \
          | write the address of the server, as in `127.0.0.1:6379`"
        ]
    );
}

#[test]
fn how_many_are_there_is_told() {
    let told = |text: &str, there| File::read("t.json", text.as_bytes()).0.told(there).sum;
    assert_eq!(told("[{}, {}]", Some(1)), "1 of the file's 2 proxies are there");
    assert_eq!(
        told("[{}, {}]", None),
        "none of the file's 2 proxies is there: one that is wrong keeps all of them away"
    );
    assert_eq!(told("[{}]", None), "the file's only proxy is not there");
    assert_eq!(told("[{}", None), "none of the file's proxies is there");
}

#[test]
fn what_yaml_cannot_be_is_read_without_places() {
    let said = said(r#"[{"name": "a", "upstream": "b:1", "x": "\/"}, {"name": "\ud83d\ude00"}]"#);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("proxy `😀` has no upstream"), "{said:?}");
}
