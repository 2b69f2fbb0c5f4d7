//! A tree to a typed value, with every problem at once.
//!
//! serde's derived code stops at its first error. [`read_tree`] notes the error, prunes the key or value where it
//! arose, and reads again, so that the next error shows itself; what is only a consequence of something pruned is not
//! reported. Types need no knowledge of this: any `Deserialize` works, and what its messages say is kept.
//!
//! A custom message (from `FromStr`, say) may hold its remedy after a `: ` or `; `: "`300` is no duration: it needs a
//! unit" is shown as what is wrong and how to mend it.

use std::{
    cell::LazyCell,
    collections::{HashMap, HashSet},
};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{
    grammar::Grammar,
    node::Reader,
    problem::{MOST, Problems},
    refusal::{Kind, Refusal, missing},
    tree::{Id, Node, Tree, Value},
};

/// Reads a text (YAML or JSON) as a `T`, or says everything that is wrong with it.
pub fn read<T: DeserializeOwned + JsonSchema>(file: &str, text: &str) -> Result<T, Problems> {
    read_tree(&Tree::parse(file, text)?)
}

/// Reads a tree as a `T`. Keep the tree to show where later checks found something.
pub fn read_tree<T: DeserializeOwned + JsonSchema>(tree: &Tree) -> Result<T, Problems> {
    let (value, problems) = salvage(tree);
    match value {
        Some(value) => problems.or(value),
        None => Err(problems),
    }
}

/// Reads what can be read: the value without the parts that are wrong, and what is wrong with them. `None` when
/// too much is wrong, never without a problem.
pub fn salvage<T: DeserializeOwned + JsonSchema>(tree: &Tree) -> (Option<T>, Problems) {
    let mut pruned = Pruned {
        nodes: tree.broken.clone(),
        meant: HashMap::new(),
    };
    let mut problems = tree.flaws.clone();
    let grammar: LazyCell<Grammar> = LazyCell::new(Grammar::of::<T>);
    // Each pass prunes one node; consequences prune without a problem, but at most once per level of a problem.
    for _ in 0..MOST * super::yaml::DEEPEST {
        if problems.len() >= MOST {
            break;
        }
        let refusal = match T::deserialize(Reader::new(&tree.root, &pruned.nodes)) {
            Ok(value) => return (Some(value), problems),
            Err(refusal) => refusal,
        };
        let at = refusal.at.unwrap_or(tree.root.id);
        if problems.is_empty() || !pruned.explain(tree, at, &refusal) {
            let (what, mend) = pruned.words(tree, at, &refusal.kind, &grammar);
            problems.push(tree.problem_at(at, what, mend));
        }
        if at == tree.root.id || !pruned.nodes.insert(at) {
            break;
        }
        pruned.note_meaning(tree, at, &refusal.kind, &grammar);
    }
    (None, problems)
}

/// What is left out when a tree is read again.
struct Pruned {
    nodes: HashSet<Id>,
    /// What an unknown key was probably meant to be, or to stand in.
    meant: HashMap<Id, String>,
}

impl Pruned {
    fn note_meaning(&mut self, tree: &Tree, at: Id, kind: &Kind, grammar: &LazyCell<Grammar>) {
        let Kind::UnknownKey { name, near, .. } = kind else {
            return;
        };
        let meant = match near {
            Some(near) => Some((*near).to_owned()),
            None => grammar
                .home(&tree.root, at, name)
                .map(|home| home.outermost().to_owned()),
        };
        self.meant.extend(meant.map(|meant| (at, meant)));
    }

    /// Whether a refusal is only a consequence of what was left out.
    fn explain(&self, tree: &Tree, at: Id, refusal: &Refusal) -> bool {
        let Some(node) = find(&tree.root, at) else {
            return false;
        };
        match (&refusal.kind, &node.value) {
            (_, Value::Scalar { .. }) | (Kind::UnknownKey { .. } | Kind::UnknownName { .. }, _) => false,
            (Kind::MissingKey { name, .. }, Value::Map(entries)) => self.has_lost(entries, name),
            (Kind::MissingKey { .. }, Value::List(_)) => false,
            (Kind::Custom(text), Value::Map(entries)) => self.has_lost_what_is_named(entries, text),
            (Kind::Type { .. } | Kind::Custom(_), Value::List(_) | Value::Map(_)) => self.hurts(node),
        }
    }

    /// Whether something was left out that a type's message on a whole mapping may be about: under a key that the message
    /// names, or under one that nothing knows.
    fn has_lost_what_is_named(&self, entries: &[(Node, Node)], message: &str) -> bool {
        let words = message.split(|c: char| !c.is_alphanumeric() && c != '_');
        entries.iter().any(|(key, value)| {
            let in_value = self.nodes.contains(&value.id) || self.hurts(value);
            self.nodes.contains(&key.id) || in_value && words.clone().any(|word| key.text() == Some(word))
        })
    }

    /// Whether a key was written, if perhaps not rightly, and left out.
    fn has_lost(&self, entries: &[(Node, Node)], name: &str) -> bool {
        entries.iter().any(|(key, value)| {
            let left_out = self.nodes.contains(&key.id) || self.nodes.contains(&value.id);
            left_out
                && (key.text() == Some(name) || self.meant.get(&key.id).is_some_and(|meant| meant == name))
        })
    }

    /// The words for a refusal; for a missing key, with those of the others that the same mapping misses, and for one that nothing
    /// knows here, with where it belongs.
    fn words(&self, tree: &Tree, at: Id, kind: &Kind, grammar: &LazyCell<Grammar>) -> (String, String) {
        match (kind, find(&tree.root, at).map(|node| &node.value)) {
            (Kind::MissingKey { name, of: Some(of) }, Some(Value::Map(entries))) => {
                let written = |name: &str| entries.iter().any(|(key, _)| key.text() == Some(name));
                let keys = grammar.required(of, name);
                let absent = keys
                    .iter()
                    .map(String::as_str)
                    .filter(|key| !written(key) && !self.has_lost(entries, key));
                missing(&absent.collect::<Vec<_>>())
            }
            (Kind::UnknownKey { name, near: None, .. }, _) => {
                let (what, instead) = kind.words();
                let home = grammar.home(&tree.root, at, name);
                (
                    what,
                    home.map_or(instead, |home| format!("it belongs further in: `{}`", home.0)),
                )
            }
            (kind, _) => kind.words(),
        }
    }

    /// Whether something inside a node was left out.
    fn hurts(&self, node: &Node) -> bool {
        let gone = |node: &Node| self.nodes.contains(&node.id) || self.hurts(node);
        match &node.value {
            Value::Scalar { .. } => false,
            Value::List(items) => items.iter().any(gone),
            Value::Map(entries) => entries
                .iter()
                .any(|(key, value)| self.nodes.contains(&key.id) || gone(value)),
        }
    }
}

fn find(node: &Node, id: Id) -> Option<&Node> {
    if node.id == id {
        return Some(node);
    }
    match &node.value {
        Value::Scalar { .. } => None,
        Value::List(items) => items.iter().find_map(|item| find(item, id)),
        Value::Map(entries) => entries
            .iter()
            .find_map(|(key, value)| find(key, id).or_else(|| find(value, id))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::units::{Probability, Span};

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Tale {
        title: String,
        #[serde(default)]
        scenes: Vec<Scene>,
        #[serde(default)]
        cast: BTreeMap<String, Role>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Scene {
        lasts: Span,
        #[serde(default)]
        odds: Probability,
        r#do: Option<Deed>,
        curve: Option<Vec<(Span, f64)>>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Role {
        on: Option<bool>,
        age: Option<u8>,
        alias: Option<String>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Deed {
        Rest,
        Walk(Walk),
        Say { text: String },
    }

    #[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Walk {
        far: bool,
    }

    fn tale(text: &str) -> Result<Tale, Problems> {
        read("tale.yaml", text)
    }

    /// Each problem as `line:column what`.
    fn problems(text: &str) -> Vec<String> {
        let problems = tale(text).unwrap_err();
        let shown = problems.iter().map(|p| {
            let place = p.place.unwrap();
            format!("{}:{} {}", place.line, place.column, p.what)
        });
        shown.collect()
    }

    #[test]
    fn yaml_and_json_read_to_the_same_value() {
        let yaml = "title: no\nscenes:\n- {lasts: 10m, odds: 0.2, do: rest}\n- lasts: 1s\n  do: {walk: {far: true}}\n  curve: [[0s, 0.5], [1m, 1]]\ncast:\n  ann: {on: true, age: 7, alias: null}\n";
        let json = r#"{"title": "no", "scenes": [{"lasts": "10m", "odds": "20%", "do": "rest"},
            {"lasts": "1s", "do": {"walk": {"far": true}}, "curve": [["0s", 0.5], ["1m", 1]]}],
            "cast": {"ann": {"on": true, "age": 7}}}"#;
        assert_eq!(tale(yaml).unwrap(), tale(json).unwrap());
        assert_eq!(tale(yaml).unwrap(), serde_json::from_str(json).unwrap());
    }

    #[test]
    fn json_indented_with_tabs_reads() {
        assert!(tale("{\n\t\"title\": \"a\",\n\t\"scenes\": []\n}\n").is_ok());
    }

    #[test]
    fn a_word_alone_is_a_kind_with_nothing_set() {
        let deed = |text: &str| {
            tale(&format!("{{title: a, scenes: [{{lasts: 1s, do: {text}}}]}}"))
                .map(|mut t| t.scenes.remove(0).r#do)
        };
        assert_eq!(deed("walk").unwrap(), Some(Deed::Walk(Walk::default())));
        assert_eq!(deed("{walk: {}}").unwrap(), Some(Deed::Walk(Walk::default())));
        assert_eq!(deed("{rest: {}}").unwrap(), Some(Deed::Rest));
        assert_eq!(
            deed("say").unwrap_err().iter().next().unwrap().what,
            "`text` is missing"
        );
    }

    #[test]
    fn all_problems_are_told_at_once_and_none_twice() {
        let text = "\
titel: a
scenes:
  - {lasts: 300, odds: 200%}
  - {lasts: 1s, do: {wlak: {}}, colour: red}
  - {lasts: 1s, do: {rest: {}, walk: {}}, curve: [[1s], [1s, x]]}
  - odds: 1
  - {lasts: 1s, lasts: 2s}
cast:
  ann: {on: yes, age: 300}
  ben: 5
  no: {}
";
        assert_eq!(
            problems(text),
            [
                "1:1 unknown key `titel`",
                "3:13 `300` is no duration",
                "3:24 `200%` is no share",
                "4:22 unknown word `wlak`",
                "4:33 unknown key `colour`",
                "5:17 expected one key, found `rest` and `walk`",
                "5:51 expected 2 items, found 1 item",
                "5:62 expected a number, found `x`",
                "6:5 `lasts` is missing",
                "7:17 `lasts` is written twice",
                "9:13 expected `true` or `false`, found `yes`",
                "9:23 expected a whole number from 0 to 255, found `300`",
                "10:8 expected a mapping, found `5`",
                "11:3 `no` as a name is a number, true, false or nothing to other readers",
            ]
        );
    }

    #[test]
    fn text_that_looks_like_something_else_stays_text() {
        let title = |text: &str| tale(&format!("title: {text}")).unwrap().title;
        for text in [
            "no",
            "300",
            "true",
            "1e3",
            "0x1f",
            "2024-01-17",
            "~user",
            "a: b".replace(": ", ":").as_str(),
        ] {
            assert_eq!(title(text), text);
        }
    }

    #[test]
    fn numbers_that_mean_two_things_are_refused() {
        for age in ["010", "0x1f", "1_0", "+7", "7.0", "1e1", "\"7\"", "-1", "null "] {
            let text = format!("title: a\ncast: {{ann: {{age: {age}}}}}");
            assert_eq!(tale(&text).is_ok(), age == "null ", "{age}");
        }
    }

    #[test]
    fn what_other_readers_take_for_something_else_is_refused() {
        let check = |text: &str, what: &str| assert_eq!(problems(text), [what], "{text}");
        check(
            "title: 19:14",
            "1:8 a clock time, which other readers take for the number 1154",
        );
        check(
            &format!("title: 19{}", ":14".repeat(12)),
            "1:8 a clock time, which other readers take for the number 18446744073709551615",
        );
        check("title: &a b", "1:8 an anchor (`&name`) is not read");
        check("title: !!str b", "1:8 a tag (`!name`) is not read");
        check("title:\n", "1:1 this key has no value");
        check("title: null", "1:8 expected text, found `null`");
        check("title: a\n---\ntitle: b", "2:1 a second document starts here");
        check("title: a\n? [b]\n: c", "2:3 a key must be text");
        check(
            "title: a\ncast: {500: {}}",
            "2:8 `500` as a name is a number, true, false or nothing to other readers",
        );
    }

    #[test]
    fn an_alias_is_refused() {
        let expected = [
            "1:8 an anchor (`&name`) is not read",
            "2:9 an alias (`*name`) is not read",
        ];
        assert_eq!(problems("title: &a b\nscenes: *a"), expected);
    }

    #[test]
    fn endless_depth_and_size_are_refused_without_a_crash() {
        let deep = "[".repeat(200);
        assert_eq!(problems(&deep), ["1:65 this is nested more than 64 levels deep"]);
        let nested: String = (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert_eq!(
            problems(&nested),
            ["65:65 this is nested more than 64 levels deep"]
        );
        let large = tale(&"#".repeat(super::super::LARGEST + 1)).unwrap_err();
        assert!(
            large.to_string().contains("more than the 1048576 bytes allowed"),
            "{large}"
        );
    }

    #[test]
    fn no_more_problems_are_told_than_anyone_reads() {
        let many: String = (0..500).map(|n| format!("k{n}: 1\n")).collect();
        assert_eq!(tale(&many).unwrap_err().len(), MOST);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in r"([a-z]{1,3}|[-:{}\[\],&*!|>'%@`?#~ \n\t]|: |- |\n  |title|scenes|lasts){0,40}") {
            let _ = tale(&text);
        }
    }
}
