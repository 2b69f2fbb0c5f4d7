//! The wording of commands: patterns for which neither capitals nor the number of blanks count.

use std::{fmt, str::FromStr};

use super::glob::{Case, Glob};
use crate::units::{BadUnit, as_text};

/// Text of a command or a name in it, where `*` stands for any run and capitals do not count: `"insert into orders *"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    text: Box<str>,
    glob: Glob,
    exact: Glob,
}

impl Wording {
    /// Whether the text is of this form.
    pub fn holds(&self, text: &str) -> bool {
        self.glob.matches(text.as_bytes())
    }

    /// Whether the text is of this form, capitals and blanks as they are written.
    pub fn holds_exactly(&self, text: &str) -> bool {
        self.exact.matches(text.as_bytes())
    }

    /// Its form, where neither capitals nor the number of blanks count.
    pub(super) const fn glob(&self) -> &Glob {
        &self.glob
    }
}

impl FromStr for Wording {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return Err(BadUnit::new(
                "an empty text matches nothing: leave the key out".to_owned(),
            ));
        }
        Ok(Self {
            glob: Glob::text(&words.join(" "), Case::Ignored),
            exact: Glob::text(text, Case::Counts),
            text: text.into(),
        })
    }
}

impl fmt::Display for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

as_text! {
    Wording, "Wording", r"\S";
}
