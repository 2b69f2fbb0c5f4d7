//! One tree laid over another: what the upper one says counts, and all else stands as the lower one has it.
//!
//! Mappings are merged key by key, and everything else is replaced. Two things follow from what people want to change:
//! `null` takes a key away; and a mapping in the place of a list whose items have a `name` changes the items of these names.
//! What is one of several kinds (`do: {latency: ...}`) is replaced by another kind, not merged with it; the schema of the
//! type that is to be read tells where that is so.

use schemars::JsonSchema;
use serde_json::Value as Rule;

use super::{
    grammar::Grammar,
    refusal::list,
    tree::{Id, Node, Tree, Value},
};
use crate::units::nearest;

impl Tree {
    /// Lays this tree over another, where both are to be read as a `T`. What cannot be laid over anything is a flaw of the
    /// tree that comes of it, and problems go on pointing at the text and line that they are in.
    #[must_use]
    pub fn over<T: JsonSchema>(self, mut lower: Self) -> Self {
        let above = self.sources.last().map_or(0, |source| source.last);
        lower.move_ids(above);
        let grammar = Grammar::of::<T>();
        let mut layer = Layer {
            upper: &self,
            grammar: &grammar,
            flaws: Vec::new(),
        };
        let root = layer.lay(&self.root, lower.root, grammar.root());
        let flaws = layer.flaws;
        let mut merged = self;
        merged.root = root;
        merged.flaws.extend(flaws);
        merged.flaws.extend(lower.flaws);
        merged.sources.extend(lower.sources);
        merged.broken.extend(lower.broken);
        merged
    }

    /// This tree without a key of its outermost mapping.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if let Value::Map(entries) = &mut self.root.value {
            entries.retain(|(key, _)| key.text() != Some(name));
        }
        self
    }

    /// Makes room for the ids of the texts above.
    fn move_ids(&mut self, by: Id) {
        self.root.move_ids(by);
        self.broken = self.broken.iter().map(|id| id + by).collect();
        for source in &mut self.sources {
            source.last += by;
        }
    }
}

impl Node {
    fn move_ids(&mut self, by: Id) {
        self.id += by;
        match &mut self.value {
            Value::Scalar { .. } => {}
            Value::List(items) => items.iter_mut().for_each(|item| item.move_ids(by)),
            Value::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
                key.move_ids(by);
                value.move_ids(by);
            }),
        }
    }

    /// Whether it is `null`, which takes away what is below.
    fn takes_away(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "null" | "~"))
    }

    /// The `name` in a mapping.
    fn name(&self) -> Option<&str> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        let name = entries.iter().find(|(key, _)| key.text() == Some("name"));
        name.and_then(|(_, value)| value.text())
    }
}

/// A tree on its way over another.
struct Layer<'t> {
    upper: &'t Tree,
    grammar: &'t Grammar,
    flaws: Vec<super::Problem>,
}

impl Layer<'_> {
    fn lay(&mut self, upper: &Node, lower: Node, rule: &Rule) -> Node {
        let value = match (&upper.value, lower.value) {
            (Value::Map(changes), Value::Map(entries))
                if may_merge(self.grammar, rule, changes, &entries) =>
            {
                Value::Map(self.entries(changes, entries, rule))
            }
            (Value::Map(changes), Value::List(items)) => Value::List(self.items(changes, items, rule)),
            _ => return upper.clone(),
        };
        Node {
            id: upper.id,
            place: upper.place,
            value,
        }
    }

    fn entries(
        &mut self,
        changes: &[(Node, Node)],
        mut entries: Vec<(Node, Node)>,
        rule: &Rule,
    ) -> Vec<(Node, Node)> {
        for (key, change) in changes {
            let name = key.text().unwrap_or_default();
            let at = entries.iter().position(|(key, _)| key.text() == Some(name));
            match (at, change.takes_away()) {
                (Some(at), true) => drop(entries.remove(at)),
                (Some(at), false) => {
                    let (_, lower) = entries.remove(at);
                    let value = self.lay(change, lower, self.grammar.key(rule, name));
                    entries.insert(at, (key.clone(), value));
                }
                (None, true) => {
                    let known = entries.iter().filter_map(|(key, _)| key.text());
                    self.unknown(key, name, &known.collect::<Vec<_>>());
                }
                (None, false) => entries.push((key.clone(), change.clone())),
            }
        }
        entries
    }

    fn items(&mut self, changes: &[(Node, Node)], mut items: Vec<Node>, rule: &Rule) -> Vec<Node> {
        for (key, change) in changes {
            let name = key.text().unwrap_or_default();
            let at = items.iter().position(|item| item.name() == Some(name));
            match (at, change.takes_away()) {
                (Some(at), true) => drop(items.remove(at)),
                (Some(at), false) => {
                    let lower = items.remove(at);
                    items.insert(at, self.lay(change, lower, self.grammar.item(rule)));
                }
                (None, _) => {
                    let known: Vec<_> = items.iter().filter_map(Node::name).collect();
                    self.unknown(key, name, &known);
                }
            }
        }
        items
    }

    fn unknown(&mut self, key: &Node, name: &str, known: &[&str]) {
        let what = format!("there is no `{name}` in what this is laid over");
        let mend = match (nearest(name, known.iter().copied()), known) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => "its items have no names: write the whole list".to_owned(),
            (None, known) => format!("known are: {}", list(known)),
        };
        self.flaws.push(self.upper.problem_at(key.id, what, mend));
    }
}

/// Whether two mappings are two sayings of one thing: not so where they choose two different kinds.
fn may_merge(grammar: &Grammar, rule: &Rule, changes: &[(Node, Node)], entries: &[(Node, Node)]) -> bool {
    let kind = |entries: &[(Node, Node)]| entries.first().and_then(|(key, _)| key.text()).map(str::to_owned);
    !grammar.is_choice(rule) || kind(changes) == kind(entries)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::{config::read_tree, units::Span};

    #[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Play {
        title: String,
        cast: BTreeMap<String, Person>,
        scenes: Vec<Scene>,
        lines: Vec<String>,
        ends: Option<End>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Person {
        age: u8,
        home: String,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Scene {
        name: String,
        lasts: Span,
        #[serde(default)]
        ends: Option<End>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum End {
        Well(Person),
        Badly { why: String },
    }

    const LOWER: &str = "\
title: first
cast:
  ann: {age: 7, home: Rome}
  ben: {age: 8}
scenes:
  - {name: one, lasts: 1m, ends: {well: {age: 1, home: Rome}}}
  - name: two
    lasts: 2m
lines: [a, b]
ends: {badly: {why: rain}}
";

    fn laid(upper: &str) -> Result<Play, String> {
        let lower = Tree::parse("lower.yaml", LOWER).unwrap();
        let tree = Tree::parse("upper.yaml", upper).unwrap().over::<Play>(lower);
        read_tree(&tree).map_err(|problems| {
            let lines = problems.iter().map(|p| {
                let place = p.place.unwrap();
                format!(
                    "{}:{}:{} {}; {}",
                    p.file, place.line, place.column, p.what, p.mend
                )
            });
            lines.collect::<Vec<_>>().join("\n")
        })
    }

    #[test]
    fn mappings_are_merged_and_everything_else_is_replaced() {
        let play = laid("title: second\ncast: {ann: {age: 9}, cid: {home: Oslo}}\nlines: [c]").unwrap();
        assert_eq!(
            (play.title.as_str(), play.lines.as_slice()),
            ("second", ["c".to_owned()].as_slice())
        );
        let ann = &play.cast["ann"];
        assert_eq!((ann.age, ann.home.as_str()), (9, "Rome"));
        assert_eq!(play.cast.keys().collect::<Vec<_>>(), ["ann", "ben", "cid"]);
        assert_eq!(play.scenes.len(), 2);
    }

    #[test]
    fn null_takes_away() {
        let play = laid("cast: {ben: null}\nscenes: {one: ~}\nends: null").unwrap();
        assert_eq!((play.cast.len(), play.scenes.len(), play.ends), (1, 1, None));
        assert_eq!(
            laid("cast: {bea: null, zoe: null}").unwrap_err(),
            "upper.yaml:1:8 there is no `bea` in what this is laid over; did you mean `ben`?\n\
             upper.yaml:1:19 there is no `zoe` in what this is laid over; known are: `ann`, `ben`"
        );
    }

    #[test]
    fn items_with_a_name_are_changed_by_it_and_keep_their_order() {
        let play = laid("scenes: {one: {lasts: 5m, ends: {well: {age: 2}}}}").unwrap();
        let [one, two] = play.scenes.as_slice() else {
            panic!("{play:?}")
        };
        assert_eq!((one.lasts, two.lasts), (Span::secs(300), Span::secs(120)));
        let home = "Rome".to_owned();
        assert_eq!(one.ends, Some(End::Well(Person { age: 2, home })));
        assert!(
            laid("scenes: {three: {lasts: 5m}}")
                .unwrap_err()
                .contains("known are: `one`, `two`")
        );
        assert!(
            laid("lines: {a: b}")
                .unwrap_err()
                .contains("write the whole list")
        );
    }

    #[test]
    fn another_kind_takes_the_place_of_the_one_below() {
        let play = laid("scenes: {one: {ends: {badly: {why: snow}}}}\nends: {well: {age: 3}}").unwrap();
        assert_eq!(
            play.scenes[0].ends,
            Some(End::Badly {
                why: "snow".to_owned()
            })
        );
        let home = String::new();
        assert_eq!(play.ends, Some(End::Well(Person { age: 3, home })));
    }

    #[test]
    fn problems_point_at_the_text_that_they_are_in() {
        let found =
            laid("scenes: {two: {name: 2, lasts: 5}}\ncast: {ann: {age: x}}\nlines: [[]]").unwrap_err();
        assert!(found.contains("upper.yaml:1:32 `5` is no duration"), "{found}");
        assert!(
            found.contains("upper.yaml:2:19 expected a whole number, found `x`"),
            "{found}"
        );
        let lower = Tree::parse("lower.yaml", &LOWER.replace("age: 8", "age: 300")).unwrap();
        let base = Tree::parse("base.yaml", "cast: {ann: {age: 1, colour: red}}\nlines: x").unwrap();
        let tree = Tree::parse("upper.yaml", "title: third\nlines: []").unwrap();
        let tree = tree.over::<Play>(lower.over::<Play>(base));
        let problems = read_tree::<Play>(&tree).unwrap_err().to_string();
        assert!(
            problems.contains("base.yaml:1:22: unknown key `colour`"),
            "{problems}"
        );
        assert!(
            problems.contains("lower.yaml:4:14: expected a whole number from 0 to 255"),
            "{problems}"
        );
        assert_eq!(
            tree.files().collect::<Vec<_>>(),
            ["upper.yaml", "lower.yaml", "base.yaml"]
        );
    }
}
