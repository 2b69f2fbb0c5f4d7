//! What stands, as tables. Each cell knows its column's name, since on a phone a row stands alone.

use maud::{Markup, html};

use crate::{
    admin::{
        clusters::{BackendStatus, ClusterStatus, Health},
        faults::FaultStatus,
        status::ListenerStatus,
    },
    units::Span,
};

/// Where clients connect.
pub(super) fn listeners(listeners: &[ListenerStatus]) -> Markup {
    html! {
        section {
            h2 { "Listeners" }
            table {
                thead { tr { th { "listener" } th { "address" } th { "protocol" } th class="number" { "connections" } } }
                tbody {
                    @for listener in listeners {
                        tr {
                            td data-th="listener" { (listener.name) }
                            td data-th="address" { (listener.address) }
                            td data-th="protocol" { (listener.protocol) @if listener.tls { " over TLS" } }
                            td class="number" data-th="connections" { (listener.connections) " of " (listener.connections_at_most) }
                        }
                    }
                }
            }
        }
    }
}

/// What is broken on purpose.
pub(super) fn faults(faults: &[FaultStatus]) -> Markup {
    html! {
        section {
            h2 { "Faults" }
            @if faults.is_empty() { p { "None stands." } } @else {
                table {
                    thead { tr {
                        th { "fault" } th { "does" } th { "odds" } th { "reaches" } th class="number" { "hits" } th { "ends in" }
                        th { "held by" }
                    } }
                    tbody {
                        @for fault in faults {
                            tr {
                                td data-th="fault" { strong class="bad" { (fault.name) } }
                                td data-th="does" { (fault.fault.does()) }
                                td data-th="odds" { (fault.fault.odds) }
                                td data-th="reaches" { (fault.reach) }
                                td class="number" data-th="hits" { (fault.hit_count()) }
                                td data-th="ends in" { @match fault.ends_in {
                                    Some(ends) => { (Span::secs(ends.0.as_secs())) }
                                    None => "with the document"
                                } }
                                td data-th="held by" { (fault.owner) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One cluster with its backends.
pub(super) fn cluster(cluster: &ClusterStatus) -> Markup {
    html! {
        section {
            h2 { "Cluster " (cluster.name) @if cluster.admitted.get() < 1.0 { ": " strong class="bad" { (cluster.admitted) " admitted" } } }
            table {
                thead { tr {
                    th { "backend" } th { "health" } th { "address" } th class="number" { "weight" }
                    th class="number" { "active" } th class="number" { "exchanges" } th class="number" { "failed" }
                } }
                tbody { @for one in &cluster.backends { (backend(one)) } }
            }
        }
    }
}

fn backend(backend: &BackendStatus) -> Markup {
    let (class, word) = match backend.health {
        _ if backend.drained => ("faint", "drained"),
        Health::Up => ("good", "up"),
        Health::Down => ("bad", "down"),
        Health::Ejected => ("bad", "ejected"),
        Health::Unknown => ("faint", "unknown"),
    };
    html! {
        tr {
            td data-th="backend" { (backend.name) @if backend.tier > 0 { span class="faint" { " standby" } } }
            td data-th="health" {
                span class=(class) { (word) }
                @if !backend.drained && !backend.why.is_empty() { span class="faint" { " " (backend.why) } }
            }
            td data-th="address" { (backend.address) }
            td class="number" data-th="weight" { (backend.weight) }
            td class="number" data-th="active" { (backend.active) }
            td class="number" data-th="exchanges" { (backend.exchanges) }
            td class="number" data-th="failed" { (backend.failed) }
        }
    }
}
