//! Which of the incidents that ship comes, left to a seed.

use crate::{
    admin::bindings,
    config::Document,
    drill::{
        Script, Settings,
        profile::Profile,
        profiles::{SHIPPED, wheel},
    },
};

/// One of the incidents that ship, by a seed: any in front of the built-in services, and one that fits in front of others.
///
/// # Errors
/// When none fits the document.
pub fn turn_wheel(document: Option<&Document>, seed: u64) -> Result<Profile, String> {
    let bindings = document.map(bindings);
    let fits = |profile: &Profile| {
        let fit = |bindings| Script::new(profile.clone(), bindings, Settings::default()).is_ok();
        bindings.as_ref().is_none_or(fit)
    };
    wheel(seed, fits).ok_or_else(|| {
        let names: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
        format!(
            "no incident that ships fits the document: bind the roles that one of them needs ({})",
            names.join(", ")
        )
    })
}
