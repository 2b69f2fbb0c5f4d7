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
        "3 \"yes\" | proxy `b`: `enabled` must be true or false, not a string | write another value, or leave `enabled` out",
    );
    check(
        r#""name": 1"#,
        "3 1 | proxy 2: `name` must be a string, not the number 1 | write another value, or leave `name` out",
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
        "3 -1 | proxy `b`: `rate` must be at least 0 | write another value, or leave `rate` out",
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
    let shown = r#""name": "b", "Logger": {}, "toxics": [
        {"type": "bandwidth", "attributes": {"rate": 1, "shared": true}}]"#;
    assert_eq!(second(shown), [""; 0]);
}

#[test]
fn what_yaml_cannot_be_is_read_without_places() {
    let said = said(r#"[{"name": "a", "upstream": "b:1", "x": "\/"}, {"name": "\ud83d\ude00"}]"#);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("proxy `😀` has no upstream"), "{said:?}");
}
