//! `bad_reload`: a broken document goes live without validation. Traffic never asks this kind; `control` does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    doc::{Doc, Hook},
    hook::Acts,
};

/// Puts a broken document live through the reload path without validation, until it is rolled back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BadReload {
    /// The text that takes the place.
    pub replace: String,
    /// The text in the document whose place is taken, each time it stands there. Default: the whole document.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub find: String,
}

/// The page of `bad_reload`.
pub(super) const DOC: Doc = Doc {
    kind: "bad_reload",
    does: "Puts a broken document live through the reload path without validation, until it is rolled back",
    acts_at: &[Hook::Control],
    settings: &[
        ("replace", "the text that takes the place"),
        (
            "find",
            "the text in the document whose place is taken (the whole document)",
        ),
    ],
    examples: &[r#"{do: {bad_reload: {find: "cluster: app", replace: "cluster: ap"}}}"#],
};

impl BadReload {
    /// The broken document; `None` when the text to be replaced does not stand in it.
    pub fn broken(&self, document: &str) -> Option<String> {
        if self.find.is_empty() {
            return Some(self.replace.clone());
        }
        document
            .contains(&self.find)
            .then(|| document.replace(&self.find, &self.replace))
    }
}

impl Acts for BadReload {
    fn doc(&self) -> &'static Doc {
        &DOC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_where_it_stands_or_not_at_all() {
        let check = |find: &str, broken: Option<&str>| {
            let reload = BadReload {
                find: find.into(),
                replace: "ap".into(),
            };
            assert_eq!(reload.broken("cluster: app").as_deref(), broken, "{find}");
        };
        check("app", Some("cluster: ap"));
        check("", Some("ap"));
        check("db", None);
    }
}
