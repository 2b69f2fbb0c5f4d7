//! A fault as it is written: in the document, in a profile, in the API and on the command line.

use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Do, hook::Leg};
use crate::{
    route::{matcher::Match, name::FieldName},
    units::{Probability, Span},
};

/// A fault: where, how often, what, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which traffic it stands in; left out: all traffic.
    #[serde(default, skip_serializing_if = "is_default")]
    pub r#where: Where,
    /// The share of exchanges that it hits, decided once per exchange: `20%`. Default: 100%.
    #[serde(default, skip_serializing_if = "is_default")]
    pub odds: Probability,
    /// What decides in the exchange's place, so that the same user is always in or always out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// What happens: one kind with its settings.
    pub r#do: Do,
    /// How long it lives; required for faults set by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#for: Option<Span>,
    /// Hits only the first so many exchanges that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<NonZeroU64>,
    /// Hits only this one of the exchanges that match, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<NonZeroU64>,
    /// Hits only every so manieth of the exchanges that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<NonZeroU64>,
    /// Hits the platform's probes (`kube-probe/*`) too. Default: they are spared.
    #[serde(default, skip_serializing_if = "is_default")]
    pub probes: bool,
}

/// Which traffic a fault stands in; all that is named must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Where {
    /// Traffic of this listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// Traffic that took this route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Traffic to this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Traffic to this backend: `app-a`, or `app/app-a` where several clusters have one of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Traffic to what the document binds to this role: `http.source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The side of the proxy. Default: `upstream` where a cluster, backend or role is named, else `client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<Leg>,
    /// What the exchange itself must look like.
    #[serde(default, skip_serializing_if = "Match::is_empty")]
    pub r#match: Match,
}

/// What is always in or always out together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// Exchanges with the same value of this header field.
    Header(FieldName),
    /// Exchanges with the same value of this cookie.
    Cookie(String),
    /// Exchanges of the same client address.
    Client,
}

impl Where {
    /// The side of the proxy that is written, or where the names point.
    pub fn leg(&self) -> Leg {
        let names_backends = self.cluster.is_some() || self.backend.is_some() || self.role.is_some();
        match self.leg {
            Some(leg) => leg,
            None if names_backends => Leg::Upstream,
            None => Leg::Client,
        }
    }
}

impl Entry {
    /// A fault of this kind in all traffic, always.
    pub fn new(r#do: Do) -> Self {
        Self {
            r#where: Where::default(),
            odds: Probability::ALWAYS,
            sticky: None,
            r#do,
            r#for: None,
            first: None,
            nth: None,
            every: None,
            probes: false,
        }
    }

    /// What it does, on one line, as it could be written.
    pub fn does(&self) -> String {
        let value = serde_json::to_value(&self.r#do).unwrap_or_default();
        match value.as_object().and_then(|kinds| kinds.iter().next()) {
            Some((kind, settings)) => match settings.as_object() {
                Some(settings) if settings.is_empty() => kind.clone(),
                _ => format!("{kind}: {}", flow(settings)),
            },
            None => flow(&value),
        }
    }
}

/// YAML in its flow form.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let pairs: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{key}: {}", flow(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a setting is what it would be if it were left out; such settings are not written.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
