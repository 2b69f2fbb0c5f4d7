//! A document's text without some of its parts, for those who may not know them.

use serde_json::Value;

/// The text without these keys and what stands under them; comments there go with them. What is no block YAML is written anew,
/// and nothing is left of what cannot be read.
pub fn without(text: &str, keys: &[&str]) -> String {
    let opens = |line: &str| keys.iter().any(|key| is_key(line, key));
    if text.trim_start().starts_with('{') {
        return rewritten(text, keys);
    }
    let mut dropping = false;
    let kept = text.split_inclusive('\n').filter(|line| {
        // A part ends where the next one begins; a list may stand as far to the left as its key.
        if !line.starts_with([' ', '\t', '-', '#', '\n', '\r']) {
            dropping = opens(line);
        }
        !dropping
    });
    kept.collect()
}

/// Whether a line begins the value of this key.
fn is_key(line: &str, key: &str) -> bool {
    let bare = line.trim_start_matches(['"', '\'']);
    let Some(rest) = bare.strip_prefix(key) else {
        return false;
    };
    rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':')
}

/// JSON without these keys.
fn rewritten(text: &str, keys: &[&str]) -> String {
    let Ok(Value::Object(mut parts)) = serde_json::from_str(text) else {
        return String::new();
    };
    parts.retain(|key, _| !keys.contains(&key.as_str()));
    serde_json::to_string_pretty(&parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_gone_and_the_rest_stands_as_it_stood() {
        let check = |text: &str, left: &str| assert_eq!(without(text, &["faults", "roles"]), left);
        check(
            "a: 1\nroles:\n  x: y\n\n  # why\n  z: [y]\nb:\n  roles: 2\n",
            "a: 1\nb:\n  roles: 2\n",
        );
        check("roles: {x: y}\na: 1\n", "a: 1\n");
        check("\"roles\" :\n- x\na: 1", "a: 1");
        check("a: 1\n# about b\nb: 2\n", "a: 1\n# about b\nb: 2\n");
        check("rolesx: 1\n", "rolesx: 1\n");
        check("{\"roles\": {\"x\": \"y\"}, \"a\": 1}", "{\n  \"a\": 1\n}");
        check("{roles: x}", "");
    }
}
