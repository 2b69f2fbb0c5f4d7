//! `bad_reload`: a broken document goes live without validation. Traffic never asks this kind; `control` does.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{
    doc::{Doc, Hook},
    hook::Acts,
};

/// Puts a broken document live through the reload path without validation, until it is rolled back: with a slip of the pen,
/// or with a text in the place of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum BadReload {
    /// A slip of the pen that any document can have; `where: {role: ...}` says whose.
    Misspell(Misspell),
    /// A text in the place of another, each time that stands there, or of the whole document where that is empty.
    Replace {
        /// The text whose place is taken.
        find: String,
        /// The text that takes the place.
        replace: String,
    },
}

/// What a slip of the pen makes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Misspell {
    /// The routes lead to a cluster that there is not: 500 from a proxy that is up, before servers that are.
    Cluster,
    /// The backends stand where nobody listens: connections are refused, health checks too.
    Address,
}

/// Puts a broken document live: `misspell`, or `replace` with `find`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Written {
    /// What a slip of the pen makes wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    misspell: Option<Misspell>,
    /// The text that takes the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    replace: Option<String>,
    /// The text in the document whose place is taken, each time it stands there. Default: the whole document.
    #[serde(skip_serializing_if = "String::is_empty")]
    find: String,
}

impl TryFrom<Written> for BadReload {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match (written.misspell, written.replace) {
            (Some(what), None) if written.find.is_empty() => Ok(Self::Misspell(what)),
            (None, Some(replace)) => Ok(Self::Replace {
                find: written.find,
                replace,
            }),
            _ => Err("a bad reload has either `misspell: cluster` (or `address`), or `replace` with `find`"),
        }
    }
}

impl From<BadReload> for Written {
    fn from(bad: BadReload) -> Self {
        match bad {
            BadReload::Misspell(what) => Self {
                misspell: Some(what),
                ..Self::default()
            },
            BadReload::Replace { find, replace } => Self {
                misspell: None,
                replace: Some(replace),
                find,
            },
        }
    }
}

impl JsonSchema for BadReload {
    fn schema_name() -> Cow<'static, str> {
        "BadReload".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

/// The page of `bad_reload`.
pub(super) const DOC: Doc = Doc {
    kind: "bad_reload",
    does: "Puts a broken document live through the reload path without validation, until it is rolled back; exchanges are not counted for it",
    acts_at: &[Hook::Control],
    settings: &[
        (
            "misspell",
            "a slip of the pen: `cluster` lets the routes of a role lead to a cluster that there is not (500), `address` lets its backends stand where nobody listens",
        ),
        ("replace", "or a text that takes the place of another"),
        (
            "find",
            "the text in the document whose place is taken (the whole document)",
        ),
    ],
    examples: &[
        r#"{where: {role: http.primary}, do: {bad_reload: {misspell: cluster}}}"#,
        r#"{do: {bad_reload: {find: "cluster: app", replace: "cluster: ap"}}}"#,
    ],
};

impl Acts for BadReload {
    fn doc(&self) -> &'static Doc {
        &DOC
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::yaml;

    #[test]
    fn it_is_a_slip_of_the_pen_or_a_text_for_another() {
        let read = |text: &str| serde_json::from_value::<BadReload>(yaml(text));
        assert_eq!(
            read("{misspell: address}").unwrap(),
            BadReload::Misspell(Misspell::Address)
        );
        let (find, replace) = (String::new(), "x".to_owned());
        assert_eq!(
            read("{replace: x}").unwrap(),
            BadReload::Replace { find, replace }
        );
        for wrong in [
            "{}",
            "{find: x}",
            "{misspell: cluster, replace: x}",
            "{misspell: cluster, find: x}",
        ] {
            assert!(read(wrong).unwrap_err().to_string().contains("either"), "{wrong}");
        }
    }
}
