//! Who may do what: roles, and the tokens file that gives them to people.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::config::{self, Problem, Problems};

/// What somebody may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Observer,
    /// Works the balancer, declares acts, pulls the panic cord.
    Responder,
    /// Changes the document, sets faults, resets a panic.
    Facilitator,
}

impl Role {
    /// The role's name, as the tokens file writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Responder => "responder",
            Self::Facilitator => "facilitator",
        }
    }
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name that history and journal will show.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// The tokens file as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    tokens: Vec<WrittenToken>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenToken {
    name: String,
    role: Role,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
}

/// A shorter token could be guessed.
const SHORTEST: usize = 16;

/// Tokens, kept only as digests.
#[derive(Clone, Debug)]
pub struct Tokens(Vec<Token>);

#[derive(Clone, Debug)]
struct Token {
    digest: [u8; 32],
    caller: Caller,
}

impl Tokens {
    /// Reads the tokens file.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let file = path.display().to_string();
        let text = config::read_text(path)?;
        Self::read(&file, &text)
    }

    /// Reads the text of a tokens file, or says everything that is wrong with it.
    pub fn read(file: &str, text: &str) -> Result<Self, Problems> {
        let written: Written = config::read(file, text)?;
        let mut problems = Problems::default();
        if written.tokens.is_empty() {
            problems.push(Problem::whole(
                file,
                "there is no token in it",
                "add one: `tokens: [{name: ada, role: facilitator, token: ...}]`",
            ));
        }
        let mut tokens = Vec::with_capacity(written.tokens.len());
        for token in written.tokens {
            match token.compile() {
                Ok(token) => tokens.push(token),
                Err((what, mend)) => problems.push(Problem::whole(file, what, mend)),
            }
        }
        problems.or(Self(tokens))
    }

    /// Everybody who has a token.
    pub(super) fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.0.iter().map(|token| &token.caller)
    }

    /// Whose token this is. Every token is compared to the end, so that time tells nothing.
    pub fn caller(&self, token: &str) -> Option<&Caller> {
        let digest = digest(token);
        let mut found = None;
        for token in &self.0 {
            let same: Choice = token.digest.ct_eq(&digest);
            if bool::from(same) {
                found = Some(&token.caller);
            }
        }
        found
    }
}

impl WrittenToken {
    fn compile(self) -> Result<Token, (String, String)> {
        let Self {
            name,
            role,
            token,
            sha256,
        } = self;
        let digest = match (token, sha256) {
            (Some(token), None) if token.len() >= SHORTEST => digest(&token),
            (Some(_), None) => {
                return Err((
                    format!("the token of `{name}` is shorter than {SHORTEST} characters"),
                    "make one with `openssl rand -hex 16`".to_owned(),
                ));
            }
            (None, Some(sha256)) => from_hex(&sha256).ok_or_else(|| {
                (
                    format!("the sha256 of `{name}` is not 64 hexadecimal digits"),
                    "make it with `printf %s TOKEN | sha256sum`".to_owned(),
                )
            })?,
            _ => {
                return Err((
                    format!("`{name}` needs a `token` or its `sha256`, one of the two"),
                    "write `token: ...`, or `sha256: ...` to keep the token itself out of the file"
                        .to_owned(),
                ));
            }
        };
        Ok(Token {
            digest,
            caller: Caller { name, role },
        })
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
tokens:
  - {name: ada, role: facilitator, token: correct-horse-battery}
  - {name: room, role: responder, sha256: 9f735e0df9a1ddc702bf0a1a7b83033f9f7153a00c29de82cedadc9957289b05}
";

    #[test]
    fn a_token_tells_who_sends_it_and_what_they_may_do() {
        let tokens = Tokens::read("tokens.yaml", FILE).unwrap();
        let role = |token| tokens.caller(token).map(|c| (c.name.as_str(), c.role));
        assert_eq!(role("correct-horse-battery"), Some(("ada", Role::Facilitator)));
        assert_eq!(role("testpassword"), Some(("room", Role::Responder)));
        assert_eq!(role("correct-horse-batterz"), None);
        assert_eq!(role(""), None);
    }

    #[test]
    fn what_is_wrong_with_a_tokens_file_is_said_with_its_remedy() {
        let check = |text: &str, words: &str| {
            let problems = Tokens::read("tokens.yaml", text).unwrap_err().to_string();
            assert!(problems.contains(words), "{problems}");
        };
        check("tokens: []", "no token in it");
        check(
            "tokens: [{name: a, role: observer, token: short}]",
            "openssl rand -hex 16",
        );
        check("tokens: [{name: a, role: observer, sha256: zz}]", "sha256sum");
        check("tokens: [{name: a, role: observer}]", "one of the two");
        check("tokens: [{name: a, role: boss, token: x}]", "facilitator");
    }

    #[test]
    fn each_role_may_do_what_those_before_it_may() {
        assert!(Role::Observer < Role::Responder && Role::Responder < Role::Facilitator);
    }
}
