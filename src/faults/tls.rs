//! `tls`: the handshake shows a certificate that is no good, or nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    doc::{Doc, Hook},
    hook::{Acts, Handshake},
};

/// What the TLS handshake shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// A certificate that has run out.
    Expired,
    /// A certificate for another name.
    WrongName,
    /// A certificate that nobody vouches for.
    Untrusted,
    /// Nothing, until the fault is lifted.
    Hang,
}

/// The page of `tls`.
pub(super) const DOC: Doc = Doc {
    kind: "tls",
    does: "Shows a certificate that has run out, names another or has no standing, or hangs in the handshake",
    acts_at: &[Hook::Connection],
    settings: &[("", "what is shown: expired, wrong_name, untrusted or hang")],
    examples: &[
        r#"{where: {listener: public}, do: {tls: expired}}"#,
        r#"{where: {cluster: app}, do: {tls: hang}}"#,
    ],
};

impl Acts for Tls {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn handshake(&self) -> Handshake {
        match self {
            Self::Expired => Handshake::Expired,
            Self::WrongName => Handshake::WrongName,
            Self::Untrusted => Handshake::Untrusted,
            Self::Hang => Handshake::Hang,
        }
    }
}
