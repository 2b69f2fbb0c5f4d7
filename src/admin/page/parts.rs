//! What stands, as tables.

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
                            td { (listener.name) }
                            td { (listener.address) }
                            td { (listener.protocol) @if listener.tls { " over TLS" } }
                            td class="number" { (listener.connections) " of " (listener.connections_at_most) }
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
                        th { "fault" } th { "odds" } th class="number" { "hits" } th { "ends in" } th { "held by" }
                    } }
                    tbody {
                        @for fault in faults {
                            tr {
                                td { strong class="bad" { (fault.name) } }
                                td { (fault.fault.odds) }
                                td class="number" { @if fault.fault.r#do.touches_exchanges() { (fault.hits) } @else { "–" } }
                                td { @match fault.ends_in {
                                    Some(ends) => { (Span::secs(ends.0.as_secs())) }
                                    None => "with the document"
                                } }
                                td { (fault.owner) }
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
            td { (backend.name) @if backend.tier > 0 { span class="faint" { " standby" } } }
            td {
                span class=(class) { (word) }
                @if !backend.drained && !backend.why.is_empty() { span class="faint" { " " (backend.why) } }
            }
            td { (backend.address) }
            td class="number" { (backend.weight) }
            td class="number" { (backend.active) }
            td class="number" { (backend.exchanges) }
            td class="number" { (backend.failed) }
        }
    }
}
