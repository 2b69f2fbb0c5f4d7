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

/// A text and the tree that was read from it.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(super) file: String,
    pub(super) text: String,
    pub(super) root: Node,
    /// What was refused while the tree was built; reading goes on so that all problems are reported at once.
    pub(super) flaws: Problems,
    /// Keys and values that are part of a flaw and must not be looked at again.
    pub(super) broken: HashSet<Id>,
}

impl Tree {
    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A problem with the value at this path, or with the closest value around it that was written.
    ///
    /// A scalar is marked itself; a mapping or list is marked at its key, where a reader would look for it.
    pub fn problem(&self, path: &Path, what: impl Into<String>, mend: impl Into<String>) -> Problem {
        let mut place = self.root.place;
        let mut node = &self.root;
        for step in path.steps() {
            let Some((mark, next)) = node.step(step) else {
                break;
            };
            (place, node) = (mark, next);
        }
        let problem = located(&self.file, &self.text, place, what.into(), mend.into());
        Problem {
            path: path.to_string(),
            ..problem
        }
    }

    /// Whether something was written at this path.
    pub fn has(&self, path: &Path) -> bool {
        path.steps()
            .iter()
            .try_fold(&self.root, |node, step| node.step(step).map(|(_, next)| next))
            .is_some()
    }

    /// Where the scalar at this path stands.
    pub(super) fn scalar(&self, path: &Path) -> Option<Place> {
        let mut steps = path.steps().iter();
        let node = steps.try_fold(&self.root, |node, step| node.step(step).map(|(_, next)| next))?;
        node.text().map(|_| node.place)
    }

    /// A problem at one node, with the path that leads there.
    pub(super) fn problem_at(&self, id: Id, what: String, mend: String) -> Problem {
        let mut steps = Vec::new();
        let place = self
            .root
            .find(id, self.root.place, &mut steps)
            .unwrap_or(self.root.place);
        let path = Path::from_steps(steps).to_string();
        Problem {
            path,
            ..located(&self.file, &self.text, place, what, mend)
        }
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

    /// The child at a step and the place by which a reader knows it.
    fn step(&self, step: &Step) -> Option<(Place, &Self)> {
        match (&self.value, step) {
            (Value::Map(entries), Step::Key(name)) => {
                let (key, value) = entries.iter().find(|(key, _)| key.text() == Some(name))?;
                Some((value.mark(key), value))
            }
            (Value::List(items), Step::Item(index)) => items.get(*index).map(|item| (item.place, item)),
            _ => None,
        }
    }

    /// Where a value under a key is marked.
    fn mark(&self, key: &Self) -> Place {
        if self.text().is_some() {
            self.place
        } else {
            key.place
        }
    }

    /// Finds a node by its id, noting the steps that lead there; gives the place where it is marked.
    fn find(&self, id: Id, mark: Place, steps: &mut Vec<Step>) -> Option<Place> {
        if self.id == id {
            return Some(mark);
        }
        match &self.value {
            Value::Scalar { .. } => None,
            Value::List(items) => items.iter().enumerate().find_map(|(i, item)| {
                steps.push(Step::Item(i));
                item.find(id, item.place, steps).or_else(|| steps.pop().and(None))
            }),
            Value::Map(entries) => entries.iter().find_map(|(key, value)| {
                steps.push(Step::Key(key.text().unwrap_or_default().to_owned()));
                let found = if key.id == id {
                    Some(key.place)
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
