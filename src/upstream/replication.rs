//! Which copy of the data a database's server has.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which copy of the data a database's server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Replication {
    /// The one that takes writes.
    Primary,
    /// One that follows it and takes none.
    Replica,
}

impl fmt::Display for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        })
    }
}
