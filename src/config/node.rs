//! serde's view of a node: hands plain text to whatever type wants text, and never guesses.

mod access;

use std::collections::HashSet;

use serde::de::{Deserializer, Visitor};

pub(super) use self::access::is_ambiguous;
use self::access::{Choice, Entries, Items, Keys};
use super::{
    refusal::Refusal,
    tree::{Id, Node, Value},
};

/// A node to be read, without the nodes inside it that were pruned.
#[derive(Clone, Copy)]
pub(super) struct Reader<'t> {
    node: &'t Node,
    pruned: &'t HashSet<Id>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(node: &'t Node, pruned: &'t HashSet<Id>) -> Self {
        Self { node, pruned }
    }

    pub(super) fn child(self, node: &'t Node) -> Self {
        Self { node, ..self }
    }

    /// The text of a scalar, or what was expected instead of what is there.
    fn text(self, expected: &str) -> Result<&'t str, Refusal> {
        match &self.node.value {
            Value::Scalar { text, plain } if !(*plain && is_null(text)) => Ok(text),
            _ => Err(self.wrong(expected, "")),
        }
    }

    /// The text of a scalar that is not in quotes.
    fn plain(self, expected: &str) -> Result<&'t str, Refusal> {
        match &self.node.value {
            Value::Scalar { text, plain: true } => Ok(text),
            Value::Scalar { plain: false, .. } => Err(self.wrong(expected, "remove the quotes")),
            Value::List(_) | Value::Map(_) => Err(self.wrong(expected, "")),
        }
    }

    pub(super) fn wrong(self, expected: &str, mend: &str) -> Refusal {
        Refusal::wrong(expected, self.found(), mend).at(self.node.id)
    }

    /// What stands here, in a few words.
    fn found(self) -> String {
        match &self.node.value {
            Value::Scalar { text, plain: true } => format!("`{text}`"),
            Value::Scalar { text, plain: false } => format!("the text {text:?}"),
            Value::List(items) if items.is_empty() => "an empty list".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(entries) if entries.is_empty() => "an empty mapping".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The entries and items that were not pruned.
    fn entries(self, entries: &'t [(Node, Node)]) -> impl Iterator<Item = &'t (Node, Node)> {
        let whole =
            |(key, value): &&(Node, Node)| !self.pruned.contains(&key.id) && !self.pruned.contains(&value.id);
        entries.iter().filter(whole)
    }

    fn list<V: Visitor<'t>>(self, items: &'t [Node], visitor: V) -> Result<V::Value, Refusal> {
        let mut rest = items.iter().filter(|item| !self.pruned.contains(&item.id));
        let mut list = Items {
            reader: self,
            rest: &mut rest,
            given: 0,
        };
        let value = visitor.visit_seq(&mut list).map_err(|e| e.at(self.node.id))?;
        let given = list.given;
        match rest.count() {
            0 => Ok(value),
            more => Err(self.wrong_length(given, given + more)),
        }
    }

    pub(super) fn wrong_length(self, expected: usize, found: usize) -> Refusal {
        Refusal::wrong(items(expected), items(found), "").at(self.node.id)
    }

    fn wrong_keys(self, one: &Node, two: &Node) -> Refusal {
        let [one, two] = [one, two].map(|key| key.text().unwrap_or_default());
        Refusal::wrong(
            "one key",
            format!("`{one}` and `{two}`"),
            "keep one; each needs an entry of its own",
        )
        .at(self.node.id)
    }

    fn map<V: Visitor<'t>>(
        self,
        entries: &'t [(Node, Node)],
        keys: Keys,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let mut rest = self.entries(entries);
        let access = Entries {
            reader: self,
            rest: &mut rest,
            value: None,
            keys,
        };
        let value = self.blame(visitor.visit_map(access).map_err(|e| e.of(name)))?;
        // A type that takes a mapping for one of several kinds reads its first key only.
        match (self.entries(entries).next(), rest.next()) {
            (Some((one, _)), Some((two, _))) => Err(self.wrong_keys(one, two)),
            _ => Ok(value),
        }
    }

    /// Runs what may be refused, blaming this node unless one inside it is to blame.
    pub(super) fn blame<T>(self, result: Result<T, Refusal>) -> Result<T, Refusal> {
        result.map_err(|e| e.at(self.node.id))
    }
}

fn items(count: usize) -> String {
    format!("{count} item{}", if count == 1 { "" } else { "s" })
}

fn is_null(text: &str) -> bool {
    matches!(text, "null" | "~" | "")
}

/// A whole number in decimal digits, so that `010`, `0x1f` and `1_000` cannot mean two things.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    !digits.is_empty() && !leading_zero && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A decimal fraction or whole number; `nan` and `inf` are none.
fn number(text: &str) -> Option<f64> {
    let digits = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    text.parse().ok().filter(|n: &f64| digits && n.is_finite())
}

macro_rules! whole_numbers {
    ($($deserialize:ident $visit:ident $int:ty;)*) => {$(
        fn $deserialize<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
            let text = self.plain("a whole number")?;
            if !is_whole(text) {
                return Err(self.wrong("a whole number", ""));
            }
            match text.parse::<$int>() {
                Ok(n) => self.blame(visitor.$visit(n)),
                // The largest number would only puzzle whoever wrote one that is too small.
                Err(_) if <$int>::MIN == 0 && text.starts_with('-') => {
                    Err(self.wrong("a whole number of at least 0", ""))
                }
                Err(_) => Err(self.wrong(&format!("a whole number from {} to {}", <$int>::MIN, <$int>::MAX), "")),
            }
        }
    )*};
}

impl<'t> Deserializer<'t> for Reader<'t> {
    type Error = Refusal;

    whole_numbers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
    }

    /// Only for types that accept several forms; the plain forms are those of JSON.
    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.value {
            Value::List(items) => self.list(items, visitor),
            Value::Map(entries) => self.map(entries, Keys::Any, "", visitor),
            Value::Scalar { text, plain: false } => self.blame(visitor.visit_borrowed_str(text)),
            Value::Scalar { text, plain: true } => self.blame(match text.as_str() {
                text if is_null(text) => visitor.visit_unit(),
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                text => match (text.parse::<u64>(), text.parse::<i64>(), number(text)) {
                    (Ok(n), ..) if is_whole(text) => visitor.visit_u64(n),
                    (_, Ok(n), _) if is_whole(text) => visitor.visit_i64(n),
                    (.., Some(n)) => visitor.visit_f64(n),
                    _ => visitor.visit_borrowed_str(text),
                },
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.plain("`true` or `false`")? {
            "true" => self.blame(visitor.visit_bool(true)),
            "false" => self.blame(visitor.visit_bool(false)),
            _ => Err(self.wrong("`true` or `false`", "")),
        }
    }

    fn deserialize_f32<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match number(self.plain("a number")?) {
            Some(n) => self.blame(visitor.visit_f64(n)),
            None => Err(self.wrong("a number", "")),
        }
    }

    fn deserialize_char<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.blame(visitor.visit_borrowed_str(self.text("text")?))
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.blame(visitor.visit_borrowed_bytes(self.text("text")?.as_bytes()))
    }

    fn deserialize_byte_buf<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.value {
            Value::Scalar { text, plain: true } if is_null(text) => self.blame(visitor.visit_none()),
            _ => self.blame(visitor.visit_some(self)),
        }
    }

    fn deserialize_unit<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.value {
            Value::Scalar { text, plain: true } if is_null(text) => self.blame(visitor.visit_unit()),
            Value::Map(entries) if entries.is_empty() => self.blame(visitor.visit_unit()),
            _ => Err(self.wrong("an empty mapping", "write `{}`")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.blame(visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.value {
            Value::List(items) => self.list(items, visitor),
            Value::Scalar { text, .. } => Err(self.wrong("a list", &format!("write it as `[{text}]`"))),
            Value::Map(_) => Err(self.wrong(
                "a list",
                "put a `- ` before each item, or `[` and `]` around them",
            )),
        }
    }

    fn deserialize_tuple<V: Visitor<'t>>(self, length: usize, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.value {
            Value::List(items) if items.len() != length => Err(self.wrong_length(length, items.len())),
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.value {
            Value::Map(entries) => self.map(entries, Keys::Free, "", visitor),
            _ => Err(self.wrong("a mapping (`name: ...`)", "")),
        }
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match (&self.node.value, known) {
            (Value::Map(entries), _) => self.map(entries, Keys::Any, name, visitor),
            (_, []) => Err(self.wrong("an empty mapping", "write `{}`")),
            (_, known) => {
                let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
                Err(self.wrong(
                    "a mapping",
                    &format!("write it with keys out of {}", names.join(", ")),
                ))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let names = || {
            known
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match &self.node.value {
            Value::Scalar { .. } => self.blame(visitor.visit_enum(Choice {
                outer: self,
                name: self,
                content: None,
            })),
            Value::List(_) => Err(self.wrong("one word", &format!("use one of {}", names()))),
            Value::Map(entries) => {
                let mut kinds = self.entries(entries);
                match (kinds.next(), kinds.next()) {
                    (Some((name, content)), None) => {
                        let (name, content) = (self.child(name), Some(self.child(content)));
                        self.blame(visitor.visit_enum(Choice {
                            outer: self,
                            name,
                            content,
                        }))
                    }
                    (Some((one, _)), Some((two, _))) => Err(self.wrong_keys(one, two)),
                    (None, _) => Err(self.wrong("one key", &format!("use one of {}", names()))),
                }
            }
        }
    }

    fn deserialize_identifier<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        // A name is text whatever it looks like: `null` as a key is no nothing.
        self.blame(visitor.visit_borrowed_str(self.node.text().unwrap_or_default()))
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.blame(visitor.visit_unit())
    }
}
