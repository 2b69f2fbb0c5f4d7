//! Why a value could not be read: the error of the deserializer, and its words.

use std::fmt;

use serde::de;

use super::tree::Id;
use crate::units::nearest;

/// A refusal and the key or value that caused it.
#[derive(Debug)]
pub(super) struct Refusal {
    /// `None` until the deserializer of the node that caused it has seen it.
    pub(super) at: Option<Id>,
    pub(super) kind: Kind,
}

/// What is wrong.
#[derive(Debug)]
pub(super) enum Kind {
    /// A key that the mapping does not know.
    UnknownKey {
        name: String,
        near: Option<&'static str>,
        known: &'static [&'static str],
    },
    /// A word (or the one key of a mapping) that is none of those it may be.
    UnknownName {
        name: String,
        known: &'static [&'static str],
    },
    /// A key that the mapping must have.
    MissingKey {
        name: &'static str,
        /// The type of the mapping, where it is known.
        of: Option<&'static str>,
    },
    /// Something else than expected.
    Type {
        expected: String,
        found: String,
        mend: String,
    },
    /// A message of the type itself.
    Custom(String),
}

impl Refusal {
    /// Something else than expected was found.
    pub(super) fn wrong(
        expected: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Kind::Type {
            expected: expected.into(),
            found: found.into(),
            mend: mend.into(),
        }
        .into()
    }

    /// The same refusal, with the type of the mapping that misses a key.
    pub(super) fn of(mut self, name: &'static str) -> Self {
        if let (Kind::MissingKey { of, .. }, None) = (&mut self.kind, self.at) {
            *of = Some(name);
        }
        self
    }

    /// The same refusal, caused by this node unless a node inside it caused it.
    pub(super) fn at(self, id: Id) -> Self {
        Self {
            at: self.at.or(Some(id)),
            ..self
        }
    }
}

impl From<Kind> for Refusal {
    fn from(kind: Kind) -> Self {
        Self { at: None, kind }
    }
}

impl Kind {
    /// What is wrong and how to mend it.
    pub(super) fn words(&self) -> (String, String) {
        match self {
            Self::UnknownKey { name, near, known } => {
                (format!("unknown key `{name}`"), instead(*near, known))
            }
            Self::UnknownName { name, known } => match before_brace(name).filter(|word| known.contains(word))
            {
                Some(word) => (
                    format!("a colon is missing after `{word}`"),
                    format!("write `{word}: {{...}}`"),
                ),
                None => (
                    format!("unknown word `{name}`"),
                    instead(nearest(name, known.iter().copied()), known),
                ),
            },
            Self::MissingKey { name, .. } => missing(&[name]),
            Self::Type {
                expected,
                found,
                mend,
            } => {
                let mend = if mend.is_empty() {
                    format!("write {expected}")
                } else {
                    mend.clone()
                };
                (format!("expected {expected}, found {found}"), mend)
            }
            Self::Custom(text) => split(text),
        }
    }
}

/// The word before settings that began without a colon: then they were taken for a part of it.
fn before_brace(name: &str) -> Option<&str> {
    name.split_once('{').map(|(word, _)| word.trim_end())
}

/// The words for keys that are missing from one mapping.
pub(super) fn missing(names: &[&str]) -> (String, String) {
    let list = |form: fn(&&str) -> String| names.iter().map(form).collect::<Vec<_>>().join(" and ");
    let are = if names.len() == 1 { "is" } else { "are" };
    let what = format!("{} {are} missing", list(|name| format!("`{name}`")));
    (
        what,
        format!("add {} here", list(|name| format!("`{name}: ...`"))),
    )
}

/// Splits a message into what is wrong and how to mend it, at the first `: ` or `; ` that is not quoted.
fn split(text: &str) -> (String, String) {
    let mut quoted = false;
    for (i, c) in text.char_indices() {
        quoted ^= c == '`';
        if !quoted && (text[i..].starts_with(": ") || text[i..].starts_with("; ")) {
            return (text[..i].to_owned(), text[i + 2..].to_owned());
        }
    }
    (text.to_owned(), String::new())
}

/// How many names a message lists.
const LISTED: usize = 40;

/// Names for a message.
pub(super) fn list(known: &[&str]) -> String {
    let names: Vec<_> = known
        .iter()
        .take(LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = if known.len() > LISTED { ", ..." } else { "" };
    format!("{}{more}", names.join(", "))
}

fn instead(near: Option<&str>, known: &[&str]) -> String {
    match (near, known) {
        (_, []) => "nothing can be written here".to_owned(),
        (None, [one]) => format!("the only one is `{one}`"),
        (None, known) => format!("use one of {}", list(known)),
        (Some(near), known) => format!("did you mean `{near}`? There are {}", list(known)),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, mend) = self.kind.words();
        if mend.is_empty() {
            f.write_str(&what)
        } else {
            write!(f, "{what}: {mend}")
        }
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Kind::Custom(text.to_string()).into()
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let is_scalar = !matches!(found, de::Unexpected::Seq | de::Unexpected::Map);
        let (expected, mend) = match expected.to_string() {
            text if text == "a string" && is_scalar => ("text".to_owned(), "put it in quotes"),
            text if text == "a string" => ("text".to_owned(), ""),
            kind if kind == "enum" => ("one key that says which kind".to_owned(), ""),
            nonzero if nonzero.starts_with("a nonzero ") => ("a whole number of at least 1".to_owned(), ""),
            other => (other, ""),
        };
        Self::wrong(expected, describe(found), mend)
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Self::wrong(expected.to_string(), format!("{length} items"), "")
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Kind::UnknownName {
            name: name.to_owned(),
            known,
        }
        .into()
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        let near = nearest(name, known.iter().copied());
        Kind::UnknownKey {
            name: name.to_owned(),
            near,
            known,
        }
        .into()
    }

    fn missing_field(name: &'static str) -> Self {
        Kind::MissingKey { name, of: None }.into()
    }

    fn duplicate_field(name: &'static str) -> Self {
        Kind::Custom(format!(
            "`{name}` is written twice, perhaps under two names: keep one of them"
        ))
        .into()
    }
}

/// What was found, in the words of the document.
fn describe(found: de::Unexpected<'_>) -> String {
    use de::Unexpected as U;
    match found {
        U::Bool(b) => format!("`{b}`"),
        U::Unsigned(n) => format!("`{n}`"),
        U::Signed(n) => format!("`{n}`"),
        U::Float(n) => format!("`{n}`"),
        U::Char(c) => format!("`{c}`"),
        U::Str(text) => format!("`{text}`"),
        U::Unit | U::Option => "`null`".to_owned(),
        U::Seq => "a list".to_owned(),
        U::Map | U::StructVariant | U::NewtypeStruct => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_split_outside_of_quotes() {
        let check = |text: &str, what: &str, mend: &str| {
            assert_eq!(split(text), (what.to_owned(), mend.to_owned()));
        };
        check(
            "`300` is no duration: it needs a unit",
            "`300` is no duration",
            "it needs a unit",
        );
        check(
            "`a: b` is no name; use letters",
            "`a: b` is no name",
            "use letters",
        );
        check("address 10:53 is taken", "address 10:53 is taken", "");
    }
}
