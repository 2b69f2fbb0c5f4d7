//! The error that a database session gets in its server's place, as a document writes it.

use std::{fmt, ops::RangeInclusive};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    route::Dialect,
    units::nearest,
    wire::{
        errors::{KnownError, Moment},
        mysql, postgres, redis,
    },
};

/// An error of a database: one of the catalogue by its name (`deadlock`), or any other by hand
/// (`{code: "42704", message: "type \"mood\" does not exist"}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum DatabaseError {
    /// One of the catalogue.
    Named(String),
    /// Any other.
    ByHand(ByHand),
}

/// An error that the catalogue does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// What software reads: the SQLSTATE of PostgreSQL, the number of MySQL, the first word of Redis.
    pub code: String,
    /// The SQLSTATE that goes with a number of MySQL. Default: `HY000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What people read.
    pub message: String,
    /// Whether the session ends with it. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fatal: bool,
}

/// How the SQLSTATEs of success begin, and those of warnings (SQL standard, part 2, section 24.1).
const SUCCESS: &str = "00";
const WARNING: &str = "01";

const NO_ERROR: &str = "SQLSTATEs that begin with `00` say that all went well, and are no error";

/// The numbers that libraries of MySQL keep for what they find themselves, as 2013, a connection that was lost.
const OF_CLIENTS: RangeInclusive<u16> = 2000..=2999;

impl ByHand {
    /// Why a server that speaks this never says so; `None`: it may.
    pub fn flaw(&self, dialect: Dialect) -> Option<&'static str> {
        let is_state = |text: &str| {
            text.len() == 5
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        let number: Option<u16> = self.code.parse().ok().filter(|number| *number > 0);
        let is_word = || !self.code.is_empty() && self.code.bytes().all(|byte| byte.is_ascii_uppercase());
        match dialect {
            _ if self.message.contains('\0') => Some("a message has no NUL"),
            Dialect::Postgres | Dialect::Redis if self.state.is_some() => {
                Some("only MySQL has a `state` beside the code")
            }
            Dialect::Postgres if !is_state(&self.code) => {
                Some("a code of PostgreSQL is a SQLSTATE of five digits and capitals, as in `40P01`")
            }
            Dialect::Postgres if self.code.starts_with(SUCCESS) => Some(NO_ERROR),
            Dialect::Postgres if self.code.starts_with(WARNING) => Some(
                "PostgreSQL says SQLSTATEs that begin with `01` in warnings alone, and never in an error",
            ),
            Dialect::Mysql if number.is_none() => {
                Some("a code of MySQL is a number up to 65535, as in `1213`")
            }
            Dialect::Mysql if !self.state.as_deref().is_none_or(is_state) => {
                Some("a state of MySQL is a SQLSTATE of five digits and capitals, as in `40001`")
            }
            Dialect::Mysql
                if self
                    .state
                    .as_deref()
                    .is_some_and(|state| state.starts_with(SUCCESS)) =>
            {
                Some(NO_ERROR)
            }
            Dialect::Mysql if number.is_some_and(|number| OF_CLIENTS.contains(&number)) => Some(
                "numbers of MySQL from 2000 to 2999 are those of clients' own errors: no server sends them",
            ),
            Dialect::Redis if !is_word() => Some("a code of Redis is one word in capitals, as in `LOADING`"),
            Dialect::Redis if self.message.contains(['\r', '\n']) => Some("an error of Redis is one line"),
            _ => None,
        }
    }
}

impl DatabaseError {
    /// The error of the catalogue that it names, in a protocol that has it.
    pub fn known(&self, dialect: Dialect) -> Option<&'static KnownError> {
        match self {
            Self::Named(name) => catalogue_of(dialect).iter().find(|error| error.name == name),
            Self::ByHand(_) => None,
        }
    }

    /// Whether it comes only once the server was asked for the session.
    pub fn is_late(&self, dialect: Dialect) -> bool {
        self.known(dialect)
            .is_some_and(|known| matches!(known.moment, Moment::Proof | Moment::Login))
    }
}

/// The errors that a protocol has.
pub const fn catalogue_of(dialect: Dialect) -> &'static [KnownError] {
    match dialect {
        Dialect::Postgres => postgres::ERRORS,
        Dialect::Mysql => mysql::ERRORS,
        Dialect::Redis => redis::ERRORS,
    }
}

/// Every name of the catalogue, in whichever protocols it is.
fn names() -> Vec<&'static str> {
    let dialects = [Dialect::Postgres, Dialect::Mysql, Dialect::Redis];
    let all = dialects
        .into_iter()
        .flat_map(catalogue_of)
        .map(|error| error.name);
    let mut names = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl<'de> Deserialize<'de> for DatabaseError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = DatabaseError;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the name of an error, as in `deadlock`, or one by hand, as in `{code: \"40P01\", message: ...}`",
        )
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<DatabaseError, E> {
        let known = names();
        if known.contains(&name) {
            return Ok(DatabaseError::Named(name.to_owned()));
        }
        let instead = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "use one of {}, or write it by hand as `{{code: ..., message: ...}}`",
                known.join(", ")
            ),
        };
        Err(E::custom(format!(
            "no database has an error called `{name}`: {instead}"
        )))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DatabaseError, A::Error> {
        ByHand::deserialize(MapAccessDeserializer::new(map)).map(DatabaseError::ByHand)
    }
}
