//! What a route changes in a request or an answer: headers and the beginning of the path.

use http::{HeaderMap, uri::PathAndQuery};

use super::settings::{HeaderEdits, Rewrite};

impl HeaderEdits {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Takes out what is to be removed, then sets what is to be set.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(&name.0);
        }
        for (name, value) in &self.set {
            headers.insert(name.0.clone(), value.0.clone());
        }
    }
}

impl Rewrite {
    /// The target to ask the backend for; `None` where it stays as it is. A path without the prefix loses nothing, and
    /// `OPTIONS *` has no path to change.
    pub fn target(&self, target: &PathAndQuery) -> Option<PathAndQuery> {
        let path = target.path();
        if !path.starts_with('/') || (self.strip_prefix.is_none() && self.add_prefix.is_none()) {
            return None;
        }
        let strip = self
            .strip_prefix
            .as_ref()
            .and_then(|prefix| strip(path, prefix.as_str()));
        let add = self.add_prefix.as_ref().map_or("", |prefix| prefix.as_str());
        let rest = match strip.unwrap_or(path) {
            "" => "/",
            rest => rest,
        };
        let rewritten = match target.query() {
            Some(query) => format!("{add}{rest}?{query}"),
            None => format!("{add}{rest}"),
        };
        (rewritten != target.as_str())
            .then(|| rewritten.try_into().ok())
            .flatten()
    }
}

/// What is left of a path without a prefix of whole segments.
fn strip<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_prefix_is_taken_off_and_another_put_before() {
        let check = |written: serde_json::Value, target: &str, expected: Option<&str>| {
            let rewrite: Rewrite = serde_json::from_value(written).unwrap();
            let target = PathAndQuery::try_from(target).unwrap();
            assert_eq!(
                rewrite.target(&target).as_ref().map(PathAndQuery::as_str),
                expected,
                "{target}"
            );
        };
        let both = json!({"strip_prefix": "/api/", "add_prefix": "/v2"});
        check(both.clone(), "/api/users?x=1", Some("/v2/users?x=1"));
        check(both.clone(), "/api", Some("/v2/"));
        check(both.clone(), "/apis/users", Some("/v2/apis/users"));
        check(both, "*", None);
        check(json!({"strip_prefix": "/api"}), "/api/users", Some("/users"));
        check(json!({"strip_prefix": "/api"}), "/users", None);
        check(json!({"host": "shop"}), "/users", None);
    }

    #[test]
    fn headers_are_removed_then_set() {
        let edits: HeaderEdits =
            serde_json::from_value(json!({"set": {"X-A": "2"}, "remove": ["x-a", "x-b"]})).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "0"), ("x-a", "1"), ("x-b", "1"), ("x-c", "1")] {
            headers.append(name, value.parse().unwrap());
        }
        edits.apply(&mut headers);
        let left = |name| {
            headers
                .get_all(name)
                .into_iter()
                .map(|v| v.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (left("x-a"), left("x-b"), left("x-c")),
            (vec!["2"], vec![], vec!["1"])
        );
    }
}
