//! The tree of a text, in which every key and value knows its place.

use std::collections::HashSet;

use super::{
    path::{Path, Step},
    problem::{Place, Problem, Problems},
};

/// Names a node of one tree, in the order written.
pub(super) type Id = u32;

/// A value, or a key, with its place.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) id: Id,
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What stands at a node.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Text as written, without its quotes. Only plain text may be read as a number, `true`, `false` or `null`.
    Scalar { text: String, plain: bool },
    /// `[a, b]` or lines with a dash.
    List(Vec<Node>),
    /// Keys (always scalars, each once) and values.
    Map(Vec<(Node, Node)>),
}

/// A text and the tree that was read from it; or several, of which each was laid over the next (see [`Tree::over`]).
#[derive(Clone, Debug)]
pub struct Tree {
    /// The texts, the uppermost first. Ids tell whose a node is: those of a text are greater than those of the texts above it.
    pub(super) sources: Vec<Source>,
    pub(super) root: Node,
    /// What was refused while the tree was built; reading goes on so that all problems are reported at once.
    pub(super) flaws: Problems,
    /// Keys and values that are part of a flaw and must not be looked at again.
    pub(super) broken: HashSet<Id>,
}

/// A text that a tree was read from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) file: String,
    pub(super) text: String,
    /// The greatest id in it.
    pub(super) last: Id,
}

impl Tree {
    /// The name of the file; of several, that of the uppermost.
    pub fn file(&self) -> &str {
        &self.sources[0].file
    }

    /// The text as it was written; of several, the uppermost.
    pub fn text(&self) -> &str {
        &self.sources[0].text
    }

    /// The names of all files, the uppermost first.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.file.as_str())
    }

    /// A problem with the value at this path, or with the closest value around it that was written.
    ///
    /// A scalar is marked itself; a mapping or list is marked at its key, where a reader would look for it.
    pub fn problem(&self, path: &Path, what: impl Into<String>, mend: impl Into<String>) -> Problem {
        let (mut mark, mut node) = (&self.root, &self.root);
        for step in path.steps() {
            let Some(next) = node.step(step) else {
                break;
            };
            (mark, node) = next;
        }
        Problem {
            path: path.to_string(),
            ..self.marked(mark, what.into(), mend.into())
        }
    }

    /// What was refused, although it left a tree.
    pub fn flaws(&self) -> impl Iterator<Item = &Problem> {
        self.flaws.iter()
    }

    /// Whether something was written at this path.
    pub fn has(&self, path: &Path) -> bool {
        self.at(path).is_some()
    }

    /// The text of the scalar at this path.
    pub fn word(&self, path: &Path) -> Option<&str> {
        self.at(path)?.text()
    }

    /// Where the scalar at this path stands.
    pub(super) fn scalar(&self, path: &Path) -> Option<Place> {
        let node = self.at(path)?;
        node.text().map(|_| node.place)
    }

    fn at(&self, path: &Path) -> Option<&Node> {
        let mut steps = path.steps().iter();
        steps.try_fold(&self.root, |node, step| node.step(step).map(|(_, next)| next))
    }

    /// A problem at one node, with the path that leads there.
    pub(super) fn problem_at(&self, id: Id, what: String, mend: String) -> Problem {
        let mut steps = Vec::new();
        let mark = self.root.find(id, &self.root, &mut steps).unwrap_or(&self.root);
        let path = Path::from_steps(steps).to_string();
        Problem {
            path,
            ..self.marked(mark, what, mend)
        }
    }

    /// A problem at a key or value, in the text that it comes from.
    fn marked(&self, mark: &Node, what: String, mend: String) -> Problem {
        let ours = self.sources.partition_point(|source| source.last < mark.id);
        let source = &self.sources[ours.min(self.sources.len() - 1)];
        located(&source.file, &source.text, mark.place, what, mend)
    }
}

impl Node {
    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The child at a step, after the key or value by which a reader knows it.
    fn step(&self, step: &Step) -> Option<(&Self, &Self)> {
        match (&self.value, step) {
            (Value::Map(entries), Step::Key(name)) => {
                let (key, value) = entries.iter().find(|(key, _)| key.text() == Some(name))?;
                Some((value.mark(key), value))
            }
            (Value::List(items), Step::Item(index)) => items.get(*index).map(|item| (item, item)),
            _ => None,
        }
    }

    /// Where a value under a key is marked.
    fn mark<'t>(&'t self, key: &'t Self) -> &'t Self {
        if self.text().is_some() { self } else { key }
    }

    /// Finds a node by its id, noting the steps that lead there; gives what is marked in its place.
    fn find<'t>(&'t self, id: Id, mark: &'t Self, steps: &mut Vec<Step>) -> Option<&'t Self> {
        if self.id == id {
            return Some(mark);
        }
        match &self.value {
            Value::Scalar { .. } => None,
            Value::List(items) => items.iter().enumerate().find_map(|(i, item)| {
                steps.push(Step::Item(i));
                item.find(id, item, steps).or_else(|| steps.pop().and(None))
            }),
            Value::Map(entries) => entries.iter().find_map(|(key, value)| {
                steps.push(Step::Key(key.text().unwrap_or_default().to_owned()));
                let found = if key.id == id {
                    Some(key)
                } else {
                    value.find(id, value.mark(key), steps)
                };
                found.or_else(|| steps.pop().and(None))
            }),
        }
    }
}

/// A problem at a place of a text.
pub(super) fn located(file: &str, text: &str, place: Place, what: String, mend: String) -> Problem {
    let line = text.lines().nth(place.line - 1).unwrap_or_default();
    Problem {
        place: Some(place),
        text: line.to_owned(),
        ..Problem::whole(file, what, mend)
    }
}
