//! Answers in Toxiproxy's form.

use serde::Serialize;

/// An answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body, where there is one.
    pub media: Option<&'static str>,
    /// Where to go instead.
    pub location: Option<String>,
    /// The body.
    pub body: String,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The version that is answered for: the Ruby client reads from it which methods there are.
pub const VERSION: &str = "2.12.0";

impl Reply {
    const fn empty(status: u16) -> Self {
        Self {
            status,
            media: None,
            location: None,
            body: String::new(),
        }
    }

    fn text(status: u16, body: &str) -> Self {
        Self {
            media: Some(TEXT),
            body: format!("{body}\n"),
            ..Self::empty(status)
        }
    }

    /// Something was done, and this came of it.
    pub(super) fn json(status: u16, of: &impl Serialize) -> Self {
        Self {
            media: Some(JSON),
            // What is written here has no map with keys that are no text, which is all that could fail.
            body: serde_json::to_string(of).unwrap_or_default(),
            ..Self::empty(status)
        }
    }

    /// Something was done, and there is nothing to say about it.
    pub(super) const fn done() -> Self {
        Self::empty(204)
    }

    /// The version that is answered for.
    pub(super) fn version() -> Self {
        Self {
            media: Some("application/json;charset=utf-8"),
            body: format!("{{\"version\": \"{VERSION}\"}}\n"),
            ..Self::empty(200)
        }
    }

    /// There is nothing at this path.
    pub(super) fn unknown() -> Self {
        Self::text(404, "404 page not found")
    }

    /// There is something at this path, but not for this method.
    pub(super) const fn wrong_method() -> Self {
        Self::empty(405)
    }

    /// A browser asks.
    pub(super) fn browser() -> Self {
        Self::text(403, "User agent not allowed")
    }

    /// Something stood in the way before it was even looked at.
    pub fn refused(status: u16, message: &str) -> Self {
        Refusal::new(status, message).into()
    }

    /// The path has a better form.
    pub(super) fn moved(location: String) -> Self {
        Self {
            location: Some(location),
            ..Self::empty(301)
        }
    }
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    /// The field that is meant, where one is: a file is read by people, who want to be shown it.
    pub(super) field: Option<String>,
}

/// How a message begins that speaks of what was sent.
const BODY: &str = "bad request body: ";

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            field: None,
        }
    }

    /// The body is not what it should be.
    pub(super) fn bad(what: impl std::fmt::Display) -> Self {
        Self::new(400, format!("{BODY}{what}"))
    }

    /// The same, of one field.
    pub(super) fn about(self, field: &str) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..self
        }
    }

    /// What is wrong, whatever it was written in.
    pub(super) fn what(&self) -> &str {
        self.message.strip_prefix(BODY).unwrap_or(&self.message)
    }

    /// The same where nothing was sent that could be wrong: what one of the proxies that are there already meets.
    pub(super) fn of_proxy(self, name: &str) -> Self {
        match self.message.strip_prefix(BODY) {
            Some(what) => Self {
                message: format!("proxy {name}: {what}"),
                ..self
            },
            None => self,
        }
    }

    pub(super) fn no_proxy() -> Self {
        Self::new(404, "proxy not found")
    }

    pub(super) fn no_toxic() -> Self {
        Self::new(404, "toxic not found")
    }

    /// The same for one of several proxies, counted from 1.
    pub(super) fn at(self, place: usize) -> Self {
        Self {
            message: format!("{} at proxy {place}", self.message),
            ..self
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        #[derive(Serialize)]
        struct Shown<'a> {
            error: &'a str,
            status: u16,
        }
        let shown = Shown {
            error: &refusal.message,
            status: refusal.status,
        };
        let json = Self::json(refusal.status, &shown);
        Self {
            media: Some(TEXT),
            body: format!("{}\n", json.body),
            ..json
        }
    }
}
