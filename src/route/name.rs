//! Parts of a request as people name them: methods, headers, paths. Read from text once, valid ever after.

use std::{fmt, str::FromStr};

use http::{HeaderName, HeaderValue, Method, uri::PathAndQuery};

use crate::units::{BadUnit, as_text};

/// The method of a request: `POST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verb(pub Method);

/// The name of a header: `x-user`. Capitals do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName(pub HeaderName);

/// A path with its query, as it stands in a request: `/healthz?deep=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(pub PathAndQuery);

/// The value of a header: visible text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldValue(pub HeaderValue);

impl FromStr for Verb {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        // A method may begin so, and none does: whoever writes it means all others.
        let method = Method::from_bytes(text.to_ascii_uppercase().as_bytes())
            .ok()
            .filter(|_| !text.starts_with('!'));
        let method = method.ok_or_else(|| {
            BadUnit::new(format!(
                "`{text}` is no method: write those that are meant, as `GET` or `[GET, POST]`"
            ))
        })?;
        Ok(Self(method))
    }
}

impl FromStr for FieldName {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        text.parse().map(Self).map_err(|_| {
            BadUnit::new(format!(
                "`{text}` is no header name: write it as `x-user`, without the colon"
            ))
        })
    }
}

impl FromStr for Target {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let target = text.parse().ok().filter(|_| text.starts_with('/'));
        target.map(Self).ok_or_else(|| {
            BadUnit::new(format!(
                "`{text}` is no path: write it as `/healthz` or `/healthz?deep=1`"
            ))
        })
    }
}

impl FromStr for FieldValue {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        HeaderValue::from_str(text)
            .ok()
            .filter(|_| text.is_ascii())
            .map(Self)
            .ok_or_else(|| {
                BadUnit::new(format!(
                    "`{text}` is no header value: write it in one line of ASCII"
                ))
            })
    }
}

impl Ord for FieldName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl PartialOrd for FieldName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// The beginning of a path, without the slash that would follow it: `/api`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(Box<str>);

impl PathPrefix {
    /// The text, which begins with a slash and does not end with one.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathPrefix {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let fits = text.starts_with('/') && text.parse::<PathAndQuery>().is_ok();
        if fits && !text.contains(['?', '*']) && text.len() > 1 {
            Ok(Self(text.trim_end_matches('/').into()))
        } else {
            Err(BadUnit::new(format!("`{text}` is no prefix: write it as `/api`")))
        }
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text! {
    Verb, "Verb", r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
    FieldName, "FieldName", r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
    Target, "Target", r"^/";
    FieldValue, "FieldValue", r"^[\t -~]*$";
    PathPrefix, "PathPrefix", r"^/[^?#*]+$";
}
