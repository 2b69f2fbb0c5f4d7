//! The password that health checks prove who they are with.

use std::sync::Arc;

use super::{Obstacle, Target};
use crate::{config::Path, upstream::ClusterSettings};

/// The password of a cluster's health check: as it was where the check is the same, as written, or from its file.
pub(super) fn password(
    folder: &std::path::Path,
    cluster: &str,
    settings: &ClusterSettings,
    before: Option<&Arc<Target>>,
) -> Result<Option<Arc<str>>, Obstacle> {
    if let Some(same) = before.filter(|before| before.settings.health == settings.health) {
        return Ok(same.password.clone());
    }
    let probe = settings.health.as_ref().map(|health| &health.probe);
    let Some((kind, login)) = probe.and_then(|probe| Some((probe.name(), probe.login()?))) else {
        return Ok(None);
    };
    let Some(file) = login.password_file else {
        return Ok(login.password.map(Into::into));
    };
    match std::fs::read_to_string(folder.join(file)) {
        // An editor ends the last line.
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).into())),
        Err(error) => Err(Obstacle {
            path: Path::of(["clusters", cluster, "health", kind, "password_file"]),
            what: format!("{}: {error}", file.display()),
            error: None,
        }),
    }
}
