//! What looks, before a drill, at all that it needs: offered to who leads drills, while none runs.

use maud::{Markup, html};

use crate::{
    admin::{ask::Ask, tokens::Role},
    drill::{Remote, profiles::SHIPPED},
};

/// Whether it can be asked for now; nothing for those who do not lead drills.
pub(super) fn offer(ask: &Ask, drill: Option<&Remote>) -> Option<bool> {
    (ask.caller.role == Role::Facilitator).then(|| drill.is_none_or(Remote::is_over))
}

/// Asks for a drill that is thought of; the script shows what was found below it.
pub(super) fn check(offer: Option<bool>) -> Markup {
    html! {
        section id="check" hidden data-offered[offer == Some(true)] {
            // The names of incidents are not for those from whom one is kept.
            @if offer.is_some() { (form()) }
        }
    }
}

fn form() -> Markup {
    html! {
        h2 { "Before a drill" }
        form {
            select name="profile" aria-label="the incident" {
                @for shipped in SHIPPED { option { (shipped.name) } }
            }
            select name="mode" aria-label="who drives" {
                @for (mode, words) in MODES { option value=(mode) { (words) } }
            }
            label title="Over one fault that hits nothing, and only where nothing else is under way" {
                input type="checkbox" name="panic"; " press Panic for a moment, too"
            }
            button type="submit" title="Looking changes nothing" { "Check" }
            output {}
        }
        table hidden { tbody {} }
        p class="faint" { "A profile of your own: " code { "chaosproxy drill check FILE" } "." }
    }
}

/// Who drives, as the API writes it: people first, since what they need is most of what is looked at.
const MODES: [(&str, &str); 3] = [
    ("rehearse", "people act"),
    ("step", "the facilitator leads"),
    ("replay", "a replay"),
];
