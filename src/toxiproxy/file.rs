//! The file of `--config`: the list that `/populate` takes, written by hand. What is wrong is shown where it stands, and what is
//! ignored, as Toxiproxy ignores what it does not know, is told.

mod text;

use std::collections::HashMap;

use serde_json::Value;

use self::text::{EXAMPLE, value};
use super::{
    fields::{Fields, kind},
    populate::Asked,
    registry::{Proxy, upstream},
    reply::Refusal,
    toxic::{self, Toxic, Wanted},
};
use crate::{
    config::{Path, Problem, Problems, Tree},
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

/// What there is to say about a file.
#[derive(Debug, Default)]
pub struct Told {
    /// What is wrong: not all of the proxies are there.
    pub problems: Problems,
    /// What was hardly meant so: ignored, written twice, no address.
    pub doubts: Problems,
    /// How many of the proxies are there.
    pub sum: String,
}

/// A file that is read.
#[derive(Debug)]
pub(super) struct File<'t> {
    name: &'t str,
    /// Knows where everything stands; `None` where it cannot read the text, which JSON may be even so.
    tree: Option<Tree>,
    /// How many proxies it lists.
    all: usize,
    told: Told,
}

impl<'t> File<'t> {
    /// Reads the list; none of it where anything is wrong.
    pub(super) fn read(name: &'t str, text: &[u8]) -> (Self, Option<Vec<Asked>>) {
        let text = String::from_utf8_lossy(text);
        let mut file = Self {
            name,
            tree: Tree::parse(name, &text).ok(),
            all: 0,
            told: Told::default(),
        };
        match value(name, &text).and_then(|value| file.list(value)) {
            Ok(asked) if file.told.problems.is_empty() => return (file, Some(asked)),
            Ok(_) => {}
            Err(problems) => file.told.problems.extend(problems),
        }
        (file, None)
    }

    /// What there is to say, after so many proxies came to be there; `None` if the file as a whole could not be used.
    pub(super) fn told(self, there: Option<usize>) -> Told {
        let sum = match (there, self.all) {
            (Some(1), 1) => "the file's only proxy is there".to_owned(),
            (_, 1) => "the file's only proxy is not there".to_owned(),
            (Some(there), all) => format!("{there} of the file's {all} proxies are there"),
            (None, 0) => "none of the file's proxies is there".to_owned(),
            (None, all) => {
                format!("none of the file's {all} proxies is there: one that is wrong keeps all of them away")
            }
        };
        Told { sum, ..self.told }
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
        self.all = entries.len();
        // JSON may say a key twice, which is all that the tree refuses of what JSON can say.
        let twice = self.tree.iter().flat_map(Tree::flaws).map(|flaw| Problem {
            what: format!("{}, and the last one counts", flaw.what),
            ..flaw.clone()
        });
        self.told.doubts.extend(twice);
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
        if let Err(error) = upstream(&asked.upstream) {
            let what = format!("{who} resets its connections: {error}");
            let mend = "write the address of the server, as in `127.0.0.1:6379`";
            let doubt = self.problem(&path.key(written(&fields, "upstream")), what, mend);
            self.told.doubts.push(doubt);
        }
        asked.toxics = self.toxics(&path, &asked, &fields)?;
        Ok(asked)
    }

    fn toxics(&mut self, path: &Path, asked: &Asked, fields: &Fields) -> Result<Vec<Toxic>, Problems> {
        let who = called(&asked.name);
        let entries = self.sound(path, &who, fields, fields.list("toxics"))?;
        let path = path.key(written(fields, "toxics"));
        let mut proxy = asked.proxy();
        let mut wrong = Problems::default();
        for (i, entry) in entries.unwrap_or_default().into_iter().enumerate() {
            match self.toxic(&path.item(i), &who, entry, &proxy) {
                Ok(toxic) => proxy.add(toxic),
                Err(problems) => wrong.extend(problems),
            }
        }
        wrong.or(proxy.toxics)
    }

    /// Reads one toxic, beside those that came first.
    fn toxic(&mut self, path: &Path, who: &str, entry: Value, beside: &Proxy) -> Result<Toxic, Problems> {
        let fields = self.sound(path, who, &Fields::default(), Fields::of(entry))?;
        self.look_over(path, who, &fields, OF_TOXIC);
        let wanted = self.sound(path, who, &fields, Wanted::read(&fields))?;
        if beside.place_of(&wanted.name).is_ok() {
            let what = format!("{who} has two toxics called `{}`", wanted.name);
            let mend = "give one a name of its own, as in `\"name\": \"slow\"`";
            return Err(self.wrong(path, what, mend));
        }
        let attributes = wanted.attributes.clone();
        let path = path.key(written(&fields, "attributes"));
        self.look_over(&path, who, &attributes, &wanted.known());
        self.sound(&path, who, &attributes, wanted.make())
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

    /// Tells the keys that nobody knows, and those that are there in other letters, too.
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
        for (i, key) in fields.keys().enumerate() {
            if let Some(first) = fields
                .keys()
                .take(i)
                .find(|first| first.eq_ignore_ascii_case(key))
            {
                let what = format!("{who}: `{key}` is `{first}`, written twice, and the last one counts");
                let doubt = self.problem(&path.key(key), what, "keep one of the two");
                self.told.doubts.push(doubt);
            }
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
        let more = match place + 1 < self.all {
            true => "; proxies after it are not there either",
            false => "",
        };
        let what = format!("{}: {}{more}", called(name), refusal.what());
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
        "enabled" | "shared" => "write `true` or `false`, without quotes".to_owned(),
        "toxicity" => "write a number from 0 to 1, without quotes".to_owned(),
        "name" | "listen" | "upstream" | "direction" => "write a text, in quotes".to_owned(),
        "toxics" => "write a list, as in `[{\"type\": \"noop\"}]`".to_owned(),
        "attributes" => "write an object, as in `{\"latency\": 300}`".to_owned(),
        _ => match toxic::holds(field) {
            Some(number) => format!("write {number}, without quotes"),
            None => format!("write another value, or leave `{field}` out"),
        },
    }
}

#[cfg(test)]
mod tests;
