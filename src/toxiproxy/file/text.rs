//! The text of the file, as the JSON that it should be.

use serde_json::{Deserializer, Error, Value, error::Category};

use crate::config::{Place, Problem, Problems};

/// A list as it can be written.
pub(super) const EXAMPLE: &str =
    r#"`[{"name": "redis", "listen": "127.0.0.1:26379", "upstream": "127.0.0.1:6379"}]`"#;

/// Reads the first value of a text: what follows it is ignored, as ever.
pub(super) fn value(file: &str, text: &str) -> Result<Value, Problems> {
    // Editors and shells of Windows begin a file so, or write UTF-16, of which no two bytes at the begin are UTF-8.
    if text.starts_with('\u{feff}') || text.starts_with("\u{fffd}\u{fffd}") {
        let what = "this is no JSON: the file begins with a byte order mark (BOM)";
        return Err(Problem::whole(file, what, "save it as UTF-8 without one").into());
    }
    match Deserializer::from_str(text).into_iter::<Value>().next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(syntax(file, text, &error).into()),
        None => {
            let mend = format!("write a list of proxies into it: {EXAMPLE}");
            Err(Problem::whole(file, "the file is empty", mend).into())
        }
    }
}

/// What is no JSON, in the parser's words and at its place.
fn syntax(file: &str, text: &str, error: &Error) -> Problem {
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(&*said, |(what, _)| what);
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let mend = match error.classify() {
        Category::Eof => "close what is open: `\"`, `}`, `]`",
        _ => {
            "look at what stands just before, too: JSON has a comma between two entries, and none after the last"
        }
    };
    // The parser counts bytes.
    let before = line.get(..error.column().saturating_sub(1)).unwrap_or(line);
    Problem {
        place: Some(Place {
            line: error.line().max(1),
            column: before.chars().count() + 1,
            width: 1,
        }),
        text: line.to_owned(),
        ..Problem::whole(file, format!("this is no JSON: {what}"), mend)
    }
}
