//! The built-in services: who plays in them, and the document that puts the proxy before them.

use super::{Plan, StartError, Written};
use crate::{
    config,
    demo::{Cast, Demo},
};

/// Who plays in the demo: those for whom the incident has a part.
pub(super) fn cast(plan: &Plan) -> Cast {
    let incident = plan.incident.as_ref();
    let needs = |role| incident.is_some_and(|incident| incident.profile.needs.contains_key(role));
    Cast {
        auth: needs("auth.service"),
        standby: needs("http.standby"),
    }
}

/// The document of the built-in services.
pub(super) fn document(demo: &Demo) -> Result<Written, StartError> {
    let text = demo.document();
    let loaded = config::read_document("built-in", &text)?;
    Ok(Written {
        file: None,
        name: "built-in".into(),
        text,
        document: loaded.document,
    })
}
