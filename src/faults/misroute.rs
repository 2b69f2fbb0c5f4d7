//! `misroute`: traffic really goes to a wrong address.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Dial},
};
use crate::units::Address;

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
            Dial::To(self.to.clone())
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
            Dial::To("auth.invalid:443".parse().unwrap()),
        );
        check("{misroute: {to: 'auth.invalid:443', hang: true}}", Dial::Hang);
    }
}
