//! Text to a tree in which every key and value knows its place: the strict subset of YAML 1.2 that means the same to
//! every reader. Knows nothing of what the keys mean.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::{
    path::{Path, Step},
    problem::{MOST, Place, Problem, Problems},
    syntax,
    tree::{Id, Node, Source, Tree, Value, located},
};

/// A larger document is refused: the largest real ones are a tenth of it, and reading must stay instant.
pub const LARGEST: usize = 1 << 20;

/// Deeper nesting is refused: the grammar needs about ten levels, and readers recurse.
pub const DEEPEST: usize = 64;

impl Tree {
    /// Reads a text. What makes a tree impossible (syntax, size, depth) is an error; what is refused but leaves a tree
    /// (a key written twice, an anchor, a tag) is kept in it and reported by [`super::read()`].
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        if text.len() > LARGEST {
            let what = format!("the document has more than the {LARGEST} bytes allowed");
            return Err(Problem::whole(file, what, "split it, or generate less").into());
        }
        let mut builder = Builder::new(file, text);
        let root = builder.run();
        let Builder {
            mut flaws,
            broken,
            next: last,
            ..
        } = builder;
        let source = Source {
            file: file.to_owned(),
            text: text.to_owned(),
            last,
        };
        match root {
            Ok(root) => Ok(Self {
                sources: vec![source],
                root,
                flaws,
                broken,
            }),
            Err(problems) => {
                flaws.extend(problems);
                Err(flaws)
            }
        }
    }
}

/// A collection whose end has not come yet.
enum Open {
    List {
        id: Id,
        place: Place,
        items: Vec<Node>,
    },
    Map {
        id: Id,
        place: Place,
        entries: Vec<(Node, Node)>,
        seen: HashMap<String, usize>,
        key: Option<Node>,
    },
}

/// Builds the tree from events, without recursion so that no text can exhaust the stack.
struct Builder<'t> {
    file: &'t str,
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    open: Vec<Open>,
    root: Option<Node>,
    next: Id,
    flaws: Problems,
    broken: HashSet<Id>,
}

impl<'t> Builder<'t> {
    fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            parser: Parser::new_from_str(text),
            open: Vec::new(),
            root: None,
            next: 0,
            flaws: Problems::default(),
            broken: HashSet::new(),
        }
    }

    fn run(&mut self) -> Result<Node, Problems> {
        while let Some(event) = self.parser.next_event() {
            let (event, span) = event.map_err(|e| self.syntax(&e))?;
            self.event(event, place(&span))?;
        }
        self.root.take().ok_or_else(|| {
            let mend = "write one, or let `chaosproxy init` do it";
            Problem::whole(self.file, "the document is empty", mend).into()
        })
    }

    fn event(&mut self, event: Event<'t>, place: Place) -> Result<(), Problems> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                let what = "a second document starts here";
                return Err(self.problem(place, what, "put it into a file of its own").into());
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(place, anchor, tag.is_some());
                self.scalar(text.into_owned(), style == ScalarStyle::Plain, place);
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(place, anchor, tag.is_some());
                let id = self.id();
                self.enter(
                    Open::List {
                        id,
                        place,
                        items: Vec::new(),
                    },
                    place,
                )?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(place, anchor, tag.is_some());
                let id = self.id();
                let (entries, seen) = (Vec::new(), HashMap::new());
                self.enter(
                    Open::Map {
                        id,
                        place,
                        entries,
                        seen,
                        key: None,
                    },
                    place,
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
            Event::Alias(_) => {
                self.flaw(
                    place,
                    "an alias (`*name`) is not read",
                    "write the value out; quote text that starts with `*`",
                );
                let node = self.node(
                    place,
                    Value::Scalar {
                        text: String::new(),
                        plain: false,
                    },
                );
                self.broken.insert(node.id);
                self.add(node);
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => {}
        }
        Ok(())
    }

    fn refuse_extras(&mut self, place: Place, anchor: usize, tag: bool) {
        if anchor != 0 {
            self.flaw(
                place,
                "an anchor (`&name`) is not read",
                "remove it and write each value out",
            );
        }
        if tag {
            self.flaw(
                place,
                "a tag (`!name`) is not read",
                "remove it; put text that looks like a number in quotes",
            );
        }
    }

    fn scalar(&mut self, text: String, plain: bool, place: Place) {
        let empty = plain && text.is_empty();
        let clock = if plain { clock_time(&text) } else { None };
        let node = self.node(place, Value::Scalar { text, plain });
        let key = match self.open.last() {
            Some(Open::Map { key: Some(key), .. }) => Some((key.id, key.place)),
            _ => None,
        };
        if let (true, Some((id, place))) = (empty, key) {
            let mend = "write one, `{}` for an empty mapping, or remove the key";
            self.flaw(place, "this key has no value", mend);
            self.broken.insert(id);
        } else if empty && !self.open.is_empty() {
            self.flaw(place, "a value is missing here", "write one, or remove the item");
            self.broken.insert(node.id);
        } else if let Some(number) = clock {
            let what = format!("a clock time, which other readers take for the number {number}");
            let mend = "write a duration with its unit (`10m`), or put the text in quotes";
            self.flaw(place, &what, mend);
            self.broken.insert(node.id);
        }
        self.add(node);
    }

    fn enter(&mut self, open: Open, place: Place) -> Result<(), Problems> {
        if self.open.len() == DEEPEST {
            let what = format!("this is nested more than {DEEPEST} levels deep");
            return Err(self
                .problem(place, &what, "check the brackets and the indentation")
                .into());
        }
        self.open.push(open);
        Ok(())
    }

    fn leave(&mut self) {
        let node = match self.open.pop() {
            Some(Open::List { id, place, items }) => Node {
                id,
                place,
                value: Value::List(items),
            },
            Some(Open::Map {
                id, place, entries, ..
            }) => Node {
                id,
                place,
                value: Value::Map(entries),
            },
            None => return,
        };
        self.add(node);
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map {
                key: awaited @ None, ..
            }) => *awaited = Some(node),
            Some(Open::Map {
                key, entries, seen, ..
            }) => {
                let Some(key) = key.take() else { return };
                let name = key.text().map(str::to_owned);
                let first = name.as_ref().and_then(|name| seen.get(name).copied());
                if let (Some(name), None) = (&name, first) {
                    seen.insert(name.clone(), key.place.line);
                }
                let (id, place) = (key.id, key.place);
                entries.push((key, node));
                self.refuse_key(id, place, name.as_deref(), first);
            }
        }
    }

    /// A key must be text, and stand once; `first` is the line where it stood before.
    fn refuse_key(&mut self, id: Id, place: Place, name: Option<&str>, first: Option<usize>) {
        match (name, first) {
            (Some(name), Some(line)) => {
                let what = format!("`{name}` is written twice");
                self.flaw(
                    place,
                    &what,
                    &format!("keep one of the two; the first is on line {line}"),
                );
            }
            (None, _) => self.flaw(place, "a key must be text", "put the key in quotes"),
            (Some(_), None) => return,
        }
        self.broken.insert(id);
    }

    fn id(&mut self) -> Id {
        self.next += 1;
        self.next
    }

    fn node(&mut self, place: Place, value: Value) -> Node {
        Node {
            id: self.id(),
            place,
            value,
        }
    }

    fn flaw(&mut self, place: Place, what: &str, mend: &str) {
        // A hostile text could have more flaws than there is time to show.
        if self.flaws.len() < MOST {
            let problem = self.problem(place, what, mend);
            self.flaws.push(problem);
        }
    }

    fn problem(&self, place: Place, what: &str, mend: &str) -> Problem {
        let path = self.path().to_string();
        Problem {
            path,
            ..located(self.file, self.text, place, what.to_owned(), mend.to_owned())
        }
    }

    /// The way to the value that is being read.
    fn path(&self) -> Path {
        let step = |open: &Open| match open {
            Open::List { items, .. } => Some(Step::Item(items.len())),
            Open::Map { key, .. } => key
                .as_ref()
                .and_then(Node::text)
                .map(|key| Step::Key(key.to_owned())),
        };
        Path::from_steps(self.open.iter().filter_map(step).collect())
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let open = self.open.last().map(|open| match open {
            Open::List { place, .. } | Open::Map { place, .. } => *place,
        });
        syntax::problem(self.file, self.text, error, open)
    }
}

fn place(span: &Span) -> Place {
    let (start, end) = (span.start, span.end);
    // What goes on for several lines is marked at its first character.
    let width = if start.line() == end.line() {
        end.col().saturating_sub(start.col()).max(1)
    } else {
        1
    };
    Place {
        line: start.line(),
        column: start.col() + 1,
        width,
    }
}

/// The number that a YAML 1.1 reader takes `19:14` for (1154, in base 60).
pub(super) fn clock_time(text: &str) -> Option<u64> {
    let (first, rest) = text.split_once(':')?;
    let digits = |part: &str, most: usize| {
        let fits = (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| part.parse::<u64>().ok()).flatten()
    };
    rest.split(':').try_fold(digits(first, 4)?, |number, part| {
        let part = digits(part, 2).filter(|n| *n < 60)?;
        // There are no limits to how many parts somebody writes.
        Some(number.saturating_mul(60).saturating_add(part))
    })
}
