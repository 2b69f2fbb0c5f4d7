//! What the schema of a type knows that serde's derived code does not tell: the rule of each part, all keys that a part requires,
//! and where a key belongs that was written somewhere else.

use std::iter::once;

use schemars::{JsonSchema, schema_for};
use serde_json::Value as Rule;

use super::tree::{Id, Node, Value};

/// The schema of what is to be read.
pub(super) struct Grammar(Rule);

/// A way to a key, as it is written: `where: {match: {path: ...}}`.
pub(super) struct Home(pub(super) String);

impl Home {
    /// The key that it begins with.
    pub(super) fn outermost(&self) -> &str {
        self.0.split(':').next().unwrap_or(&self.0)
    }
}

/// How many levels further in a key is looked for that stands where nothing knows it.
const DEEPEST: usize = 2;

impl Grammar {
    pub(super) fn of<T: JsonSchema>() -> Self {
        Self(schema_for!(T).to_value())
    }

    /// The rule of the whole.
    pub(super) const fn root(&self) -> &Rule {
        &self.0
    }

    /// The keys which a part of this name requires, if they include the one that is known to be; otherwise another type
    /// has taken the name, and that one is all that is known.
    pub(super) fn required(&self, part: &str, known: &str) -> Vec<String> {
        let is_root = self.0["title"] == part;
        let rule = if is_root { &self.0 } else { &self.0["$defs"][part] };
        let keys = rule["required"].as_array().into_iter().flatten();
        let keys: Vec<_> = keys.filter_map(Rule::as_str).map(str::to_owned).collect();
        if keys.iter().any(|key| key == known) {
            keys
        } else {
            vec![known.to_owned()]
        }
    }

    /// Where a key belongs that stands too far out. Nothing where it is known nowhere further in, or in several places that are
    /// as near.
    pub(super) fn home(&self, root: &Node, key: Id, name: &str) -> Option<Home> {
        let around = self.around(root, &self.0, key)?;
        let mut levels = (1..=DEEPEST).map(|levels| self.homes(around, name, levels));
        match levels.find(|homes| !homes.is_empty())?.as_slice() {
            [home] => Some(Home(home.clone())),
            _ => None,
        }
    }

    /// The rule of the mapping that a key stands in.
    fn around<'r>(&'r self, node: &Node, rule: &'r Rule, key: Id) -> Option<&'r Rule> {
        match &node.value {
            Value::Scalar { .. } => None,
            Value::List(items) => items
                .iter()
                .find_map(|item| self.around(item, self.item(rule), key)),
            Value::Map(entries) if entries.iter().any(|(at, _)| at.id == key) => Some(rule),
            Value::Map(entries) => entries.iter().find_map(|(at, value)| {
                self.around(value, self.key(rule, at.text().unwrap_or_default()), key)
            }),
        }
    }

    /// The ways to a key that lead so many levels further in.
    fn homes(&self, rule: &Rule, name: &str, levels: usize) -> Vec<String> {
        let mut properties = self.properties(rule);
        let Some(levels) = levels.checked_sub(1) else {
            let is_known = properties.any(|(known, _)| known == name);
            return is_known.then(|| format!("{name}: ...")).into_iter().collect();
        };
        let ways = properties.flat_map(|(known, rule)| {
            let within = self.homes(rule, name, levels).into_iter();
            let in_items = self.homes(self.item(rule), name, levels).into_iter();
            let within = within.map(move |way| format!("{known}: {{{way}}}"));
            within.chain(in_items.map(move |way| format!("{known}: [{{{way}}}]")))
        });
        ways.collect()
    }

    /// The keys that the grammar itself names, in every form that a mapping may have.
    fn properties<'r>(&'r self, rule: &'r Rule) -> Box<dyn Iterator<Item = (&'r String, &'r Rule)> + 'r> {
        let rule = self.resolved(rule);
        let here = rule["properties"].as_object().into_iter().flatten();
        Box::new(here.chain(self.forms(rule).flat_map(|form| self.properties(form))))
    }

    /// Whether a value is one of several kinds.
    pub(super) fn is_choice(&self, rule: &Rule) -> bool {
        let rule = self.resolved(rule);
        rule["oneOf"].is_array() || self.forms(rule).any(|form| self.is_choice(form))
    }

    /// The rule of the value at a key.
    pub(super) fn key<'r>(&'r self, rule: &'r Rule, name: &str) -> &'r Rule {
        let rule = self.resolved(rule);
        let here = [&rule["properties"][name], &rule["additionalProperties"]];
        let patterns = rule["patternProperties"].as_object();
        let here = here
            .into_iter()
            .chain(patterns.into_iter().flat_map(|rules| rules.values()));
        let forms = self.forms(rule).map(|form| self.key(form, name));
        here.chain(forms)
            .find(|rule| rule.is_object())
            .unwrap_or(&Rule::Null)
    }

    /// The rule of the items of a list.
    pub(super) fn item<'r>(&'r self, rule: &'r Rule) -> &'r Rule {
        let rule = self.resolved(rule);
        let forms = self.forms(rule).map(|form| self.item(form));
        let mut here = once(&rule["items"]).chain(forms);
        here.find(|rule| rule.is_object()).unwrap_or(&Rule::Null)
    }

    /// The forms that a value may have, such as one that may be left out.
    fn forms<'r>(&self, rule: &'r Rule) -> impl Iterator<Item = &'r Rule> + use<'r> {
        ["anyOf", "oneOf"]
            .into_iter()
            .filter_map(|word| rule[word].as_array())
            .flatten()
    }

    fn resolved<'r>(&'r self, rule: &'r Rule) -> &'r Rule {
        let target = rule["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
        match target.and_then(|target| self.0.pointer(target)) {
            Some(rule) => self.resolved(rule),
            None => rule,
        }
    }
}
