//! What a listener tells backends and clients about the way through the proxy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is told to backends and clients about the way through the proxy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Headers {
    /// What becomes of what a client says about the hops before it (`Forwarded`, `X-Forwarded-*`). Default: `append`.
    pub forwarded: Forwarded,
    /// Which headers tell the backend about the client. Default: `x_forwarded`.
    pub forwarded_as: ForwardedAs,
    /// The name under which the proxy adds itself to `Via`. Default: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// What becomes of `X-Request-Id`. Default: `keep`.
    pub request_id: RequestId,
    /// Whether an answer of the proxy itself says why in `X-Chaosproxy-Reason`. Default: true.
    pub reason: bool,
}

impl Default for Headers {
    fn default() -> Self {
        Self {
            forwarded: Forwarded::default(),
            forwarded_as: ForwardedAs::default(),
            via: None,
            request_id: RequestId::default(),
            reason: true,
        }
    }
}

/// What becomes of what a client says about the hops before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forwarded {
    /// The client's address is added to it: behind a balancer that is trusted.
    #[default]
    Append,
    /// It is thrown away and the client's address written: at the edge.
    Replace,
    /// It is thrown away and nothing written.
    Drop,
}

/// Which headers tell the backend about the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForwardedAs {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// Both.
    Both,
}

/// What becomes of `X-Request-Id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestId {
    /// The client's is kept; a request without one gets one.
    #[default]
    Keep,
    /// Each request gets a new one.
    Replace,
    /// It is passed on as it came, or not at all.
    Pass,
}
