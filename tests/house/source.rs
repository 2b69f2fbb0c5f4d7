//! The sources as a tree of files and modules, and what each file refers to. Comments and strings are no code.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The path of a module or an item from the root of the crate: `["faults", "hook", "Leg"]`.
pub(crate) type Name = Vec<String>;

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    /// Where it is, from the folder of the crate: `src/faults/hook.rs`.
    pub(crate) path: String,
    /// Its module.
    pub(crate) module: Name,
    /// Its text.
    pub(crate) text: String,
    /// Its code.
    pub(crate) code: TokenStream,
    /// Whether it is only there for tests.
    pub(crate) test: bool,
}

/// A mention of something else in this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// What is mentioned.
    pub(crate) name: Name,
    /// In which line.
    pub(crate) line: usize,
    /// Whether only tests mention it.
    pub(crate) test: bool,
    /// The name under which it is passed on, where it is (`pub use`).
    pub(crate) passed_on: Option<String>,
}

/// The sources of a crate.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The files, by module.
    pub(crate) files: BTreeMap<Name, File>,
    /// What each file mentions.
    pub(crate) mentions: BTreeMap<Name, Vec<Mention>>,
}

impl Tree {
    /// Reads `src` of this crate.
    pub(crate) fn of_this_crate() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        collect(&root.join("src"), &mut found);
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).expect("a source file can be read");
            let path = path.strip_prefix(root).expect("it is below the root");
            (path.to_string_lossy().into_owned(), text)
        };
        Self::of(found.into_iter().map(read))
    }

    /// Takes files as if they were those of a crate.
    pub(crate) fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            let code: TokenStream = text.parse().unwrap_or_else(|e| panic!("{path}: {e}"));
            let module = module_of(&path);
            let file = File {
                path,
                module: module.clone(),
                text,
                code,
                test: false,
            };
            tree.files.insert(module, file);
        }
        tree.mark_tests();
        let modules: Vec<Name> = tree.files.keys().cloned().collect();
        for module in modules {
            let file = &tree.files[&module];
            let mut reader = Reader {
                tree: &tree,
                out: Vec::new(),
            };
            reader.read(file.code.clone(), &file.module, file.test);
            let out = reader.out;
            tree.mentions.insert(module, out);
        }
        tree
    }

    /// A module that is declared for tests is for tests, and so is all below it.
    fn mark_tests(&mut self) {
        let mut declared = Vec::new();
        for file in self.files.values() {
            declare(file.code.clone(), &file.module, false, &mut declared);
        }
        for file in self.files.values_mut() {
            file.test = declared.iter().any(|name| file.module.starts_with(name));
        }
    }

    /// The module of the file in which a name is defined, by way of everything that passes it on.
    pub(crate) fn home(&self, name: &[String]) -> Name {
        let mut at = Name::new();
        for (i, part) in name.iter().enumerate() {
            let below: Name = at.iter().chain([part]).cloned().collect();
            if self.files.contains_key(&below) {
                at = below;
                continue;
            }
            let passed_on = self.mentions.get(&at).into_iter().flatten();
            let mut passed_on =
                passed_on.filter(|m| m.passed_on.as_deref() == Some(part) && m.name != name[..=i]);
            if let Some(found) = passed_on.next() {
                let rest = name[i + 1..].iter();
                return self.home(&found.name.iter().chain(rest).cloned().collect::<Vec<_>>());
            }
            break;
        }
        at
    }

    /// Whether a module has files below it: it is the face of a folder.
    pub(crate) fn is_face(&self, module: &[String]) -> bool {
        self.files
            .keys()
            .any(|other| other.len() > module.len() && other.starts_with(module))
    }
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    out.sort();
}

/// `src/faults/hook.rs` is `faults::hook`, `src/faults/mod.rs` is `faults`, `src/lib.rs` the root. The thin bin is a
/// module of its own: it stands above all.
fn module_of(path: &str) -> Name {
    let path = path.strip_prefix("src/").unwrap_or(path);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" => Name::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

/// The modules that are declared under `#[cfg(test)]`.
fn declare(code: TokenStream, module: &Name, test: bool, out: &mut Vec<Name>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let mut item_is_test = test;
    for (i, token) in tokens.iter().enumerate() {
        item_is_test |= is_test_attribute(&tokens, i);
        if is_word(token, "mod") {
            let name = tokens.get(i + 1).map(ToString::to_string).unwrap_or_default();
            let below: Name = module.iter().cloned().chain([name]).collect();
            match tokens.get(i + 2) {
                Some(end) if is_sign(end, ';') && item_is_test => out.push(below),
                Some(TokenTree::Group(body)) => declare(body.stream(), &below, item_is_test, out),
                _ => {}
            }
        }
        if ends_item(token) {
            item_is_test = test;
        }
    }
}

/// Whether an attribute stands here that keeps its item to tests.
fn is_test_attribute(tokens: &[TokenTree], i: usize) -> bool {
    match (&tokens[i], tokens.get(i + 1)) {
        (sign, Some(TokenTree::Group(group))) if is_sign(sign, '#') => {
            let text = group.stream().to_string().replace(' ', "");
            text.starts_with("cfg(") && text.contains("test") && !text.contains("not(test")
        }
        _ => false,
    }
}

/// Whether an item ends with this token.
fn ends_item(token: &TokenTree) -> bool {
    is_sign(token, ';') || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Whether the token is this word.
pub(crate) fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// Whether the token is this sign.
pub(crate) fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// Whether `::` stands here.
fn is_path_sign(tokens: &[TokenTree], i: usize) -> bool {
    let colon = |i: usize| tokens.get(i).is_some_and(|token| is_sign(token, ':'));
    colon(i) && colon(i + 1)
}

/// Calls `f` with every run of sibling tokens, each with whether only tests run it.
pub(crate) fn every_level(code: TokenStream, test: bool, f: &mut impl FnMut(&[TokenTree], bool)) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    f(&tokens, test);
    let mut item_is_test = test;
    for (i, token) in tokens.iter().enumerate() {
        item_is_test |= is_test_attribute(&tokens, i);
        if let TokenTree::Group(group) = token {
            every_level(group.stream(), item_is_test, f);
        }
        if ends_item(token) {
            item_is_test = test;
        }
    }
}

/// Finds what a file mentions.
struct Reader<'a> {
    tree: &'a Tree,
    out: Vec<Mention>,
}

impl Reader<'_> {
    fn read(&mut self, code: TokenStream, module: &Name, test: bool) {
        let tokens: Vec<TokenTree> = code.into_iter().collect();
        let mut item_is_test = test;
        let mut i = 0;
        while let Some(token) = tokens.get(i) {
            item_is_test |= is_test_attribute(&tokens, i);
            let next = match token {
                _ if is_word(token, "pub") => self.visibility(&tokens, i, module, item_is_test),
                // `use<'_>` of a type names what it captures.
                _ if is_word(token, "use") && !tokens.get(i + 1).is_some_and(|next| is_sign(next, '<')) => {
                    self.import(&tokens, i, module, item_is_test, false)
                }
                _ if is_word(token, "mod") => self.inner(&tokens, i, module, item_is_test),
                TokenTree::Ident(_) => self.path(&tokens, i, module, item_is_test),
                TokenTree::Group(group) => {
                    self.read(group.stream(), module, item_is_test);
                    i + 1
                }
                _ => i + 1,
            };
            if ends_item(&tokens[next - 1]) {
                item_is_test = test;
            }
            i = next;
        }
    }

    /// `pub`, `pub(in crate::cli)`: the scope is no mention.
    fn visibility(&mut self, tokens: &[TokenTree], i: usize, module: &Name, test: bool) -> usize {
        let scope =
            matches!(tokens.get(i + 1), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Parenthesis);
        let next = i + 1 + usize::from(scope);
        match tokens.get(next) {
            Some(token) if is_word(token, "use") => self.import(tokens, next, module, test, true),
            _ => next,
        }
    }

    /// `mod name { .. }` is part of this file, and `mod name;` a file of its own.
    fn inner(&mut self, tokens: &[TokenTree], i: usize, module: &Name, test: bool) -> usize {
        match (tokens.get(i + 1), tokens.get(i + 2)) {
            (Some(name), Some(TokenTree::Group(body))) => {
                let below: Name = module.iter().cloned().chain([name.to_string()]).collect();
                self.read(body.stream(), &below, test);
                i + 3
            }
            _ => i + 1,
        }
    }

    /// `use a::{b, c::d as e};`
    fn import(&mut self, tokens: &[TokenTree], i: usize, module: &Name, test: bool, public: bool) -> usize {
        let length = tokens[i..].iter().position(|token| is_sign(token, ';'));
        let end = i + length.unwrap_or(tokens.len() - i - 1);
        self.imports(&tokens[i + 1..end], &[], module, test, public);
        end + 1
    }

    fn imports(&mut self, tokens: &[TokenTree], before: &[String], module: &Name, test: bool, public: bool) {
        let trees = tokens.split(|token| is_sign(token, ','));
        for tree in trees.filter(|tree| !tree.is_empty()) {
            let line = tree.first().map_or(0, line_of);
            let mut name = before.to_vec();
            let mut alias = None;
            for (i, token) in tree.iter().enumerate() {
                match token {
                    TokenTree::Ident(_) if i > 0 && is_word(&tree[i - 1], "as") => {
                        alias = Some(token.to_string());
                    }
                    _ if is_word(token, "as") => {}
                    _ if is_word(token, "self") && !name.is_empty() => {}
                    TokenTree::Ident(ident) => name.push(ident.to_string()),
                    TokenTree::Group(group) => {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.imports(&inner, &name, module, test, public);
                        name.clear();
                        break;
                    }
                    TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                }
            }
            let alias = alias.or_else(|| name.last().cloned()).filter(|_| public);
            self.mention(&name, line, module, test, alias);
        }
    }

    /// A path in code. One that begins with neither `crate`, `super` nor `self` is an import's or a child's name, and no
    /// mention of its own.
    fn path(&mut self, tokens: &[TokenTree], mut i: usize, module: &Name, test: bool) -> usize {
        let line = line_of(&tokens[i]);
        let mut name = vec![tokens[i].to_string()];
        i += 1;
        while is_path_sign(tokens, i) {
            let Some(TokenTree::Ident(part)) = tokens.get(i + 2) else {
                break;
            };
            name.push(part.to_string());
            i += 3;
        }
        let rooted = matches!(name[0].as_str(), "crate" | "super" | "self" | "chaosproxy");
        if rooted && name.len() > 1 {
            self.mention(&name, line, module, test, None);
        }
        i
    }

    fn mention(
        &mut self,
        written: &[String],
        line: usize,
        module: &Name,
        test: bool,
        passed_on: Option<String>,
    ) {
        let mut at = module.clone();
        let mut rest = written.iter().peekable();
        let Some(first) = rest.peek() else { return };
        match first.as_str() {
            "crate" | "chaosproxy" => {
                at.clear();
                rest.next();
            }
            "self" => drop(rest.next()),
            "super" => {
                while rest.next_if(|part| *part == "super").is_some() {
                    at.pop();
                }
            }
            child => {
                at.push(child.to_owned());
                let is_child = self.tree.files.contains_key(&at);
                at.pop();
                if !is_child {
                    return;
                }
            }
        }
        at.extend(rest.cloned());
        self.out.push(Mention {
            name: at,
            line,
            test,
            passed_on,
        });
    }
}

/// The line in which a token begins.
pub(crate) fn line_of(token: &TokenTree) -> usize {
    token.span().start().line
}
