//! `misroute`: traffic really goes to a wrong address.

use std::{fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Dial},
};
use crate::units::{BadUnit, as_text};

/// Sends traffic to a wrong address, which is really resolved and really dialled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Misroute {
    /// The wrong address: `auth.invalid:443`.
    pub to: Address,
    /// The resolution of its name never comes back. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hang: bool,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Arc<str>);

impl FromStr for Address {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
                Ok(Self(text.into()))
            }
            _ => Err(BadUnit::new(format!(
                "`{text}` is no address: write it as `host:port`, as in `auth.invalid:443`"
            ))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text! {
    Address, "Address", "^.+:[0-9]+$";
}

/// The page of `misroute`.
pub(super) const DOC: Doc = Doc {
    kind: "misroute",
    does: "Sends traffic to a wrong address: really resolved, really refused, or its resolution hangs",
    acts_at: &[Hook::Dial],
    settings: &[
        ("to", "the wrong address"),
        ("hang", "the resolution of its name never comes back (false)"),
    ],
    examples: &[
        r#"{where: {cluster: auth}, do: {misroute: {to: "auth.invalid:443"}}}"#,
        r#"{where: {cluster: auth}, do: {misroute: {to: "auth.invalid:443", hang: true}}}"#,
    ],
};

impl Acts for Misroute {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn dial(&self) -> Dial {
        if self.hang {
            Dial::Hang
        } else {
            Dial::To(Arc::clone(&self.to.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::faults::trial::{fault, plan};

    #[test]
    fn the_address_is_dialled_until_the_fault_is_lifted() {
        let check = |kind: &str, dial: Dial| {
            let faults = [fault(kind, Instant::now())];
            let mut plan = plan(&faults, 1);
            assert_eq!(plan.dial().0, dial);
            faults[0].lift();
            assert_eq!(plan.dial().0, Dial::Backend);
        };
        check(
            "{misroute: {to: 'auth.invalid:443'}}",
            Dial::To("auth.invalid:443".into()),
        );
        check("{misroute: {to: 'auth.invalid:443', hang: true}}", Dial::Hang);
    }
}
