//! A stand-in until the room's own matcher is there.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an exchange must look like, as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// A compiled match.
#[derive(Clone, Debug)]
pub struct Matcher(Match);

/// Facts about an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who asks.
    pub client: IpAddr,
    /// The head, if it is HTTP.
    pub head: Option<&'a http::request::Parts>,
    /// The name asked for in the TLS handshake.
    pub tls_name: Option<&'a str>,
}

impl Match {
    /// Whether it holds for everything.
    pub fn is_empty(&self) -> bool {
        self.method.is_none() && self.user_agent.is_none()
    }

    /// Compiles it.
    pub fn compile(&self) -> Matcher {
        Matcher(self.clone())
    }
}

impl Matcher {
    /// Whether it holds.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        let Some(head) = facts.head else {
            return self.0.is_empty();
        };
        let agent = head.headers.get("user-agent").and_then(|v| v.to_str().ok());
        self.0.method.as_ref().is_none_or(|m| head.method == m.as_str())
            && self
                .0
                .user_agent
                .as_ref()
                .is_none_or(|a| agent.is_some_and(|h| h.starts_with(a.trim_end_matches('*'))))
    }
}
