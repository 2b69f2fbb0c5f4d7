//! `/healthz`, `/readyz` and `/metrics`: for platforms and scrapers.

use std::sync::Arc;

use super::{
    Desk,
    ask::{Ask, Page, Paged},
    clearance::{Clearance, Tell},
    clusters::{self, BackendStatus, Health},
    refusal::{Kind, Refusal},
};
use crate::{
    telemetry::{CONTENT_TYPE, Extent, Gauge, Metrics},
    upstream::Replication,
};

/// A word.
pub(super) struct Plain(&'static str);

impl Tell for Plain {
    fn told(self, _: Clearance) -> Self {
        self
    }
}

impl Page for Plain {
    const MEDIA: &'static str = "text/plain; charset=utf-8";

    fn text(self) -> String {
        format!("{}\n", self.0)
    }
}

/// Numbers for Prometheus.
pub(super) struct OpenMetrics {
    metrics: Arc<Metrics>,
    gauges: Vec<Gauge>,
    extent: Extent,
}

impl Tell for OpenMetrics {
    /// The numbers of a plain balancer.
    fn told(self, _: Clearance) -> Self {
        let is_plain = |gauge: &Gauge| gauge.name != LEASE_REMAINING;
        Self {
            gauges: self.gauges.into_iter().filter(is_plain).collect(),
            extent: Extent::Plain,
            ..self
        }
    }
}

/// The one gauge that names a fault.
const LEASE_REMAINING: &str = "lease_remaining_seconds";

impl Page for OpenMetrics {
    const MEDIA: &'static str = CONTENT_TYPE;

    fn text(self) -> String {
        self.metrics.encode(self.gauges, self.extent)
    }
}

/// The process lives and answers.
pub(super) fn live(_: &Desk, _: &Ask) -> Result<Paged<Plain>, Refusal> {
    Ok(Paged(Plain("ok")))
}

/// The proxy can forward. What is broken on purpose does not count: a drill must not make the platform restart us.
pub(super) fn ready(desk: &Desk, _: &Ask) -> Result<Paged<Plain>, Refusal> {
    match desk.is_ready() {
        true => Ok(Paged(Plain("ready"))),
        false => Err(Refusal::new(
            Kind::NotReady,
            "the proxy drains: it finishes what runs and takes nothing new",
            "send traffic elsewhere",
        )),
    }
}

/// Writes the numbers.
pub(super) fn metrics(desk: &Desk, _: &Ask) -> Result<Paged<OpenMetrics>, Refusal> {
    Ok(Paged(OpenMetrics {
        metrics: desk.metrics.clone(),
        gauges: gauges(desk),
        extent: Extent::All,
    }))
}

/// Which copy of the data a database's server has; nothing where no check has told.
fn primary(backend: &BackendStatus) -> Option<Gauge> {
    let is_primary = backend.replication? == Replication::Primary;
    Some(Gauge {
        name: "backend_primary",
        help: "1 for a database's primary, 0 for a replica, as its health check says",
        labels: vec![
            ("cluster", backend.cluster.clone()),
            ("backend", backend.name.clone()),
        ],
        value: f64::from(u8::from(is_primary)),
    })
}

fn gauges(desk: &Desk) -> Vec<Gauge> {
    let clusters = clusters::all(desk);
    let backends: Vec<_> = clusters.iter().flat_map(|cluster| &cluster.backends).collect();
    let of = |name, help, value: fn(&BackendStatus) -> f64| {
        backends.iter().map(move |backend| Gauge {
            name,
            help,
            labels: vec![
                ("cluster", backend.cluster.clone()),
                ("backend", backend.name.clone()),
            ],
            value: value(backend),
        })
    };
    let mut gauges: Vec<_> = of(
        "backend_healthy",
        "1 while health checks pass or there are none",
        |backend| f64::from(u8::from(backend.health == Health::Up)),
    )
    .collect();
    gauges.extend(of(
        "backend_drained",
        "1 while taken out of service by hand",
        |backend| f64::from(u8::from(backend.drained)),
    ));
    gauges.extend(of("backend_weight", "Share against the others", |backend| {
        f64::from(backend.weight)
    }));
    gauges.extend(of(
        "backend_active_requests",
        "Exchanges that run now",
        |backend| backend.active as f64,
    ));
    gauges.extend(backends.iter().filter_map(|backend| primary(backend)));
    gauges.extend(clusters.iter().map(|cluster| Gauge {
        name: "cluster_admitted_ratio",
        help: "Share of exchanges that is taken",
        labels: vec![("cluster", cluster.name.clone())],
        value: cluster.admitted.get(),
    }));
    gauges.extend(desk.control.faults().into_iter().filter_map(|fault| {
        Some(Gauge {
            name: LEASE_REMAINING,
            help: "Until a fault ends unless its lease is renewed",
            labels: vec![("fault", fault.fault.name().to_owned())],
            value: fault.ends_in?.as_secs_f64(),
        })
    }));
    let panic = f64::from(u8::from(desk.control.panicked().is_some()));
    gauges.push(Gauge {
        name: "panic",
        help: "1 while a panic is in force",
        labels: Vec::new(),
        value: panic,
    });
    gauges
}
