//! The file of `--config`: the list that `/populate` takes, written by hand. What is wrong is shown where it stands, and what is
//! ignored, as Toxiproxy ignores what it does not know, is told.

use std::collections::HashMap;

use serde_json::{Deserializer, Error, Value, error::Category};

use super::{
    fields::{Fields, kind},
    populate::Asked,
    reply::Refusal,
    toxic::{self, Toxic, Wanted},
};
use crate::{
    config::{Path, Place, Problem, Problems, Tree},
    units::nearest,
};

/// What a proxy can have; Toxiproxy itself shows `Logger`.
const OF_PROXY: &[&str] = &[
    "name",
    "listen",
    "upstream",
    "enabled",
    "toxics",
    "tls",
    "upstream_tls",
    "Logger",
];

/// What a toxic can have.
const OF_TOXIC: &[&str] = &["name", "type", "stream", "direction", "toxicity", "attributes"];

const EXAMPLE: &str = r#"`[{"name": "redis", "listen": "127.0.0.1:26379", "upstream": "127.0.0.1:6379"}]`"#;

/// What there is to say about a file.
#[derive(Debug, Default)]
pub struct Told {
    /// What is wrong: not all of the proxies are there.
    pub problems: Problems,
    /// What was written and is ignored.
    pub doubts: Problems,
}

/// A file that is read.
#[derive(Debug)]
pub(super) struct File<'t> {
    name: &'t str,
    /// Knows where everything stands; `None` where it cannot read the text, which JSON may be even so.
    tree: Option<Tree>,
    pub(super) told: Told,
}

impl<'t> File<'t> {
    /// Reads the list. Where anything is wrong, none of it is to be used.
    pub(super) fn read(name: &'t str, text: &[u8]) -> (Self, Vec<Asked>) {
        let text = String::from_utf8_lossy(text);
        let mut file = Self {
            name,
            tree: Tree::parse(name, &text).ok(),
            told: Told::default(),
        };
        let asked = value(name, &text).and_then(|value| file.list(value));
        let asked = asked.unwrap_or_else(|problems| {
            file.told.problems.extend(problems);
            Vec::new()
        });
        (file, asked)
    }

    fn list(&mut self, value: Value) -> Result<Vec<Asked>, Problems> {
        let entries = match value {
            Value::Array(entries) => entries,
            Value::Null => Vec::new(),
            other => {
                let what = format!("a list of proxies is needed, not {}", kind(&other));
                return Err(self.wrong(&Path::default(), what, format!("write it as {EXAMPLE}")));
            }
        };
        let mut all: Vec<Asked> = Vec::new();
        let mut first: HashMap<String, usize> = HashMap::new();
        for (place, entry) in (1..).zip(entries) {
            match self.proxy(place, entry, &first) {
                Ok(asked) => {
                    first.insert(asked.name.clone(), place);
                    all.push(asked);
                }
                Err(problems) => self.told.problems.extend(problems),
            }
        }
        Ok(all)
    }

    /// Reads one proxy, counted from 1, beside those that came first.
    fn proxy(
        &mut self,
        place: usize,
        entry: Value,
        first: &HashMap<String, usize>,
    ) -> Result<Asked, Problems> {
        let path = Path::default().item(place - 1);
        let fields = Fields::of(entry);
        let fields = self.sound(&path, &format!("proxy {place}"), &Fields::default(), fields)?;
        let who = match fields.text("name") {
            Ok(Some(name)) if !name.is_empty() => called(&name),
            _ => format!("proxy {place}"),
        };
        self.look_over(&path, &who, &fields, OF_PROXY);
        let mut asked = self.sound(&path, &who, &fields, Asked::read(&fields))?;
        if asked.name.is_empty() {
            let mend = "add one, as in `\"name\": \"redis\"`";
            return Err(self.wrong(&path, format!("{who} has no name"), mend));
        }
        if let Some(first) = first.get(&asked.name) {
            let what = format!("{who} is there twice: proxy {first} is called so, too");
            let mend = "give each a name of its own, or take one out";
            return Err(self.wrong(&path.key(written(&fields, "name")), what, mend));
        }
        if asked.upstream.is_empty() {
            let mend = "add where it leads to, as in `\"upstream\": \"127.0.0.1:6379\"`";
            return Err(self.wrong(&path, format!("{who} has no upstream"), mend));
        }
        asked.toxics = self.toxics(&path, &asked, &fields)?;
        Ok(asked)
    }

    fn toxics(&mut self, path: &Path, asked: &Asked, fields: &Fields) -> Result<Vec<Toxic>, Problems> {
        let who = called(&asked.name);
        let entries = self.sound(path, &who, fields, fields.list("toxics"))?;
        let path = path.key(written(fields, "toxics"));
        let mut proxy = asked.proxy();
        for (i, entry) in entries.unwrap_or_default().into_iter().enumerate() {
            let path = path.item(i);
            let fields = self.sound(&path, &who, &Fields::default(), Fields::of(entry))?;
            self.look_over(&path, &who, &fields, OF_TOXIC);
            let wanted = self.sound(&path, &who, &fields, Wanted::read(&fields))?;
            if proxy.place_of(&wanted.name).is_ok() {
                let what = format!("{who} has two toxics called `{}`", wanted.name);
                let mend = "give one a name of its own, as in `\"name\": \"slow\"`";
                return Err(self.wrong(&path, what, mend));
            }
            let attributes = wanted.attributes.clone();
            let path = path.key(written(&fields, "attributes"));
            self.look_over(&path, &who, &attributes, &wanted.known());
            proxy.add(self.sound(&path, &who, &attributes, wanted.make())?);
        }
        Ok(proxy.toxics)
    }

    /// What was read, or why it was not.
    fn sound<T>(
        &self,
        path: &Path,
        who: &str,
        fields: &Fields,
        read: Result<T, Refusal>,
    ) -> Result<T, Problems> {
        read.map_err(|refusal| {
            let what = format!("{who}: {}", refusal.what());
            match refusal.field {
                Some(field) => self.wrong(&path.key(written(fields, &field)), what, mend(&field, fields)),
                None => self.wrong(path, what, format!("write the list as {EXAMPLE}")),
            }
        })
    }

    /// Tells the keys that nobody knows.
    fn look_over(&mut self, path: &Path, who: &str, fields: &Fields, known: &[&str]) {
        let strange = |key: &&str| !known.iter().any(|one| one.eq_ignore_ascii_case(key));
        for key in fields.keys().filter(strange) {
            let mend = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "take it out: there is nothing to set".to_owned(),
                None => format!("take it out, or use one of {}", known.join(", ")),
            };
            let what = format!("{who}: nobody knows `{key}`, so that it is ignored");
            let doubt = self.problem(&path.key(key), what, mend);
            self.told.doubts.push(doubt);
        }
    }

    /// Tells why a proxy that was read well, counted from 0, is not there.
    pub(super) fn refused(&mut self, place: usize, name: &str, refusal: &Refusal) {
        let path = Path::default().item(place);
        let (path, mend) = match refusal.field.as_deref() {
            Some(field @ "upstream") => (path.key(field), "write the address of the server"),
            Some(field) => (
                path.key(field),
                "write an address of this machine that is free, as in `127.0.0.1:26379`",
            ),
            None => (path, "mend that first"),
        };
        let what = format!(
            "{}: {}; proxies after it are not there either",
            called(name),
            refusal.what()
        );
        let problem = self.problem(&path, what, mend);
        self.told.problems.push(problem);
    }

    fn wrong(&self, path: &Path, what: impl Into<String>, mend: impl Into<String>) -> Problems {
        self.problem(path, what, mend).into()
    }

    fn problem(&self, path: &Path, what: impl Into<String>, mend: impl Into<String>) -> Problem {
        match &self.tree {
            Some(tree) => tree.problem(path, what, mend),
            None => Problem {
                path: path.to_string(),
                ..Problem::whole(self.name, what, mend)
            },
        }
    }
}

/// Reads the first value of a text: what follows it is ignored, as ever.
fn value(file: &str, text: &str) -> Result<Value, Problems> {
    match Deserializer::from_str(text).into_iter::<Value>().next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(syntax(file, text, &error).into()),
        None => {
            let mend = format!("write a list of proxies into it: {EXAMPLE}");
            Err(Problem::whole(file, "the file is empty", mend).into())
        }
    }
}

/// What is no JSON, in the parser's words and at its place.
fn syntax(file: &str, text: &str, error: &Error) -> Problem {
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(&*said, |(what, _)| what);
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let mend = match error.classify() {
        Category::Eof => "close what is open: `\"`, `}`, `]`",
        _ => {
            "look at what stands just before, too: JSON has a comma between two entries, and none after the last"
        }
    };
    // The parser counts bytes.
    let before = line.get(..error.column().saturating_sub(1)).unwrap_or(line);
    Problem {
        place: Some(Place {
            line: error.line().max(1),
            column: before.chars().count() + 1,
            width: 1,
        }),
        text: line.to_owned(),
        ..Problem::whole(file, format!("this is no JSON: {what}"), mend)
    }
}

fn called(name: &str) -> String {
    format!("proxy `{name}`")
}

/// A key in the letters in which it is written.
fn written<'a>(fields: &'a Fields, key: &'a str) -> &'a str {
    fields
        .keys()
        .filter(|one| one.eq_ignore_ascii_case(key))
        .last()
        .unwrap_or(key)
}

/// How a field is mended.
fn mend(field: &str, fields: &Fields) -> String {
    let types: Vec<&str> = toxic::types().collect();
    let kind = fields.text("type").ok().flatten().unwrap_or_default();
    match field {
        "type" => match nearest(&kind, types.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of {}", types.join(", ")),
        },
        "stream" => "write `upstream` or `downstream`".to_owned(),
        _ => format!("write another value, or leave `{field}` out"),
    }
}

#[cfg(test)]
mod tests;
