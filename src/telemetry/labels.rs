//! The words by which numbers and log lines tell exchanges apart.

use serde::Serialize;

/// Who made the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A backend.
    Upstream,
    /// A fault.
    Injected,
    /// The proxy itself.
    Proxy,
}

impl Origin {
    pub(super) const ALL: [Self; 3] = [Self::Upstream, Self::Injected, Self::Proxy];

    /// Who seems to have made it to those who must not know what was injected; `own`: it looks like the proxy's own.
    #[must_use]
    pub const fn plain(self, own: bool) -> Self {
        match self {
            Self::Injected if own => Self::Proxy,
            Self::Injected => Self::Upstream,
            seen => seen,
        }
    }

    /// The word for it in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Injected => "injected",
            Self::Proxy => "proxy",
        }
    }
}

/// The class of an answer's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The exchange ended without an answer.
    None,
    /// 1xx
    Informational,
    /// 2xx
    Success,
    /// 3xx
    Redirection,
    /// 4xx
    ClientError,
    /// 5xx
    ServerError,
}

impl Class {
    pub(super) const ALL: [Self; 6] = [
        Self::None,
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
    ];

    /// The class of a status; what HTTP does not know is no answer.
    pub const fn of(status: u16) -> Self {
        match status / 100 {
            1 => Self::Informational,
            2 => Self::Success,
            3 => Self::Redirection,
            4 => Self::ClientError,
            5 => Self::ServerError,
            _ => Self::None,
        }
    }

    /// The label: `2xx`, or `none`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

/// How one attempt at a backend ended. A request has one or, with retries, several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It answered with a status below 500, or a connection was served.
    Ok,
    /// It answered with 5xx.
    ServerError,
    /// No connection: unreachable, unresolved, or TLS failed.
    Connect,
    /// Connection refused.
    Refused,
    /// Connection lost on the way.
    Reset,
    /// No answer in time.
    Timeout,
    /// An answer that breaks the protocol.
    Garbage,
}

impl Attempt {
    pub(super) const ALL: [Self; 7] = [
        Self::Ok,
        Self::ServerError,
        Self::Connect,
        Self::Refused,
        Self::Reset,
        Self::Timeout,
        Self::Garbage,
    ];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ServerError => "5xx",
            Self::Connect => "connect",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Garbage => "garbage",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classes_of_all_statuses() {
        for (status, class) in [
            (100, "1xx"),
            (204, "2xx"),
            (304, "3xx"),
            (404, "4xx"),
            (599, "5xx"),
            (600, "none"),
            (0, "none"),
        ] {
            assert_eq!(Class::of(status).as_str(), class);
        }
    }
}
