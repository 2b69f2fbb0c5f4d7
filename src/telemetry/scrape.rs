//! The page that Prometheus reads: all numbers added up and written as OpenMetrics by `prometheus-client`, whose own
//! counters are shared atomics and would not do for the hot path.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};

use super::{
    labels::{Attempt, Class, Origin},
    metrics::{Family, Metrics},
    shard::{Sharded, Total},
};

/// The media type of [`Metrics::encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A number that somebody else keeps and that is read at the moment of the scrape, such as a backend's health.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// The name without the prefix, base unit last; samples of one name must follow one another.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Labels and their values, from names in the document.
    pub labels: Vec<(&'static str, String)>,
    /// The value now.
    pub value: f64,
}

/// Whose numbers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All.
    All,
    /// Those that a plain balancer has: nothing tells what is broken on purpose, or when that changes.
    Plain,
}

impl Metrics {
    /// The OpenMetrics text, with gauges that the caller has just read.
    pub fn encode(self: &Arc<Self>, gauges: Vec<Gauge>, extent: Extent) -> String {
        let mut registry = Registry::with_prefix("chaosproxy");
        registry.register_collector(Box::new(Scrape {
            metrics: Arc::clone(self),
            gauges,
            extent,
        }));
        let mut page = String::new();
        text::encode(&mut page, &registry).expect("writing to a string does not fail");
        page
    }
}

#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    gauges: Vec<Gauge>,
    extent: Extent,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        page.process(&self.metrics)?;
        page.listeners(&self.metrics)?;
        page.requests(&self.metrics, self.extent)?;
        page.clusters(&self.metrics)?;
        page.backends(&self.metrics)?;
        if self.extent == Extent::All {
            page.faults(&self.metrics)?;
        }
        page.gauges(&self.gauges)
    }
}

/// The page while it is written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn process(&mut self, metrics: &Metrics) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.0
            .encode_descriptor("build", "The running version", None, MetricType::Info)?
            .encode_info(&version)?;
        let draining = if metrics.draining.load(Relaxed) { 1.0 } else { 0.0 };
        self.gauge("draining", "1 while the proxy drains", draining)?;
        let mut reloads = self.counter("reloads", "Documents that were applied or refused")?;
        for (result, n) in [
            ("applied", &metrics.reloads_applied),
            ("refused", &metrics.reloads_refused),
        ] {
            sample(&mut reloads, &[("result", result)], n.get())?;
        }
        let dropped = metrics.access_lines_dropped.get();
        plain(
            self.counter("access_lines_dropped", "Access log lines lost to a slow disk")?,
            dropped,
        )
    }

    fn faults(&mut self, metrics: &Metrics) -> fmt::Result {
        let held = metrics.held.now() as f64;
        self.gauge("held_requests", "Exchanges that a fault holds now", held)?;
        // It counts up with every fault that comes or goes.
        self.gauge(
            "generation",
            "Number of the snapshot in force",
            metrics.generation.load(Relaxed) as f64,
        )?;
        let faults = &metrics.faults;
        self.counters("injected", "Exchanges that a fault touched", faults, |lane| {
            lane.hits.get()
        })
    }

    fn listeners(&mut self, metrics: &Metrics) -> fmt::Result {
        let all = &metrics.listeners;
        self.counters("connections", "Connections accepted", all, |lane| {
            lane.connections.came.get()
        })?;
        self.levels("open_connections", "Connections open now", all, |lane| {
            &lane.connections
        })?;
        self.counters("received_bytes", "Bytes received from clients", all, |lane| {
            lane.received.get()
        })?;
        self.counters("sent_bytes", "Bytes sent to clients", all, |lane| lane.sent.get())?;
        self.counters("accept_pauses", "Times that accepting had to stop", all, |lane| {
            lane.accept_pauses.get()
        })?;
        self.counters("tls_handshakes_failed", "TLS handshakes that failed", all, |l| {
            l.handshakes_failed.get()
        })?;
        let help = "Connections accepted from the addresses that connect most, at least so many";
        let mut clients = self.counter("client_connections", help)?;
        for ([listener], lanes) in all.all() {
            for (address, came) in lanes.busiest() {
                let address = address.to_string();
                sample(
                    &mut clients,
                    &[("listener", &*listener), ("client", &*address)],
                    came,
                )?;
            }
        }
        Ok(())
    }

    /// What the users saw. Combinations that have not occurred are left out: most never do.
    fn requests(&mut self, metrics: &Metrics, extent: Extent) -> fmt::Result {
        let mut requests = self.counter("requests", "Exchanges as the client saw them end")?;
        for (values, sharded) in metrics.requests.all() {
            for class in Class::ALL {
                for origin in Origin::ALL {
                    let n = sharded.sum(|lane| match extent {
                        Extent::All => lane.count(class, origin).get(),
                        Extent::Plain => lane.plain(class, origin),
                    });
                    if n > 0 {
                        let mut labels = labels(&metrics.requests.labels, &values);
                        labels.extend([("class", class.as_str()), ("origin", origin.as_str())]);
                        sample(&mut requests, &labels, n)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn clusters(&mut self, metrics: &Metrics) -> fmt::Result {
        let all = &metrics.clusters;
        self.counters("retries", "Attempts beyond the first", all, |lane| {
            lane.retries.get()
        })?;
        self.counters("retries_denied", "Retries over the budget", all, |lane| {
            lane.retries_denied.get()
        })?;
        self.counters(
            "without_backend",
            "Exchanges for which no backend was left",
            all,
            |l| l.without_backend.get(),
        )?;
        let help = "From a request's head to the end of its answer";
        let mut durations =
            self.0
                .encode_descriptor("request_duration_seconds", help, None, MetricType::Histogram)?;
        for (values, sharded) in all.all() {
            let total = Total::of(&sharded, |lane| &lane.duration);
            let labels = labels(&all.labels, &values);
            let mut family = durations.encode_family(&labels)?;
            family.encode_histogram::<NoLabelSet>(total.seconds, total.count, &total.buckets, None)?;
        }
        Ok(())
    }

    fn backends(&mut self, metrics: &Metrics) -> fmt::Result {
        let all = &metrics.backends;
        let mut attempts = self.counter("attempts", "Attempts at a backend, retries included")?;
        for (values, sharded) in all.all() {
            for attempt in Attempt::ALL {
                let n = sharded.sum(|lane| lane.count(attempt).get());
                if n > 0 {
                    let mut labels = labels(&all.labels, &values);
                    labels.push(("outcome", attempt.as_str()));
                    sample(&mut attempts, &labels, n)?;
                }
            }
        }
        self.counters("backend_connections", "Connections made to a backend", all, |l| {
            l.connections.came.get()
        })?;
        self.levels(
            "backend_open_connections",
            "Connections to a backend open now",
            all,
            |l| &l.connections,
        )?;
        let help = "Bytes received from a backend on TCP connections";
        self.counters("backend_received_bytes", help, all, |lane| lane.received.get())?;
        let help = "Bytes sent to a backend on TCP connections";
        self.counters("backend_sent_bytes", help, all, |lane| lane.sent.get())
    }

    fn gauges(&mut self, gauges: &[Gauge]) -> fmt::Result {
        for samples in gauges.chunk_by(|a, b| a.name == b.name) {
            let (name, help) = (samples[0].name, samples[0].help);
            let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for sample in samples {
                let labels: Vec<_> = sample
                    .labels
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                family.encode_family(&labels)?.encode_gauge(&sample.value)?;
            }
        }
        Ok(())
    }

    fn counter<'s>(&'s mut self, name: &'s str, help: &str) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Counter)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    fn counters<const N: usize, T: Default>(
        &mut self,
        name: &str,
        help: &str,
        family: &Family<N, T>,
        value: impl Fn(&T) -> u64,
    ) -> fmt::Result {
        let mut metric = self.counter(name, help)?;
        for (values, sharded) in family.all() {
            sample(&mut metric, &labels(&family.labels, &values), sharded.sum(&value))?;
        }
        Ok(())
    }

    fn levels<const N: usize, T: Default>(
        &mut self,
        name: &str,
        help: &str,
        family: &Family<N, T>,
        level: impl Fn(&T) -> &super::Level,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (values, sharded) in family.all() {
            let labels = labels(&family.labels, &values);
            metric
                .encode_family(&labels)?
                .encode_gauge(&(now(&sharded, &level) as f64))?;
        }
        Ok(())
    }
}

/// What went is read first: whatever goes meanwhile has come before, so the difference is never negative.
fn now<T>(sharded: &Sharded<T>, level: impl Fn(&T) -> &super::Level) -> u64 {
    let went = sharded.sum(|lane| level(lane).went.get());
    sharded.sum(|lane| level(lane).came.get()).saturating_sub(went)
}

fn labels<'a, const N: usize>(names: &[&'a str; N], values: &'a [String; N]) -> Vec<(&'a str, &'a str)> {
    names
        .iter()
        .copied()
        .zip(values.iter().map(String::as_str))
        .collect()
}

fn sample(metric: &mut MetricEncoder<'_>, labels: &[(&str, &str)], n: u64) -> fmt::Result {
    metric
        .encode_family(&labels)?
        .encode_counter::<NoLabelSet, u64, f64>(&n, None)
}

fn plain(mut metric: MetricEncoder<'_>, n: u64) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, u64, f64>(&n, None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn page(extent: Extent) -> String {
        let metrics = Metrics::new(2);
        let route = metrics.route("public", "orders", "app", &["app-a"]);
        for worker in [0, 1] {
            route
                .lane(worker, Some(0))
                .answered(Class::Success, Origin::Upstream);
        }
        route.lane(1, None).answered(Class::ServerError, Origin::Injected);
        metrics
            .backend("app", "app-a")
            .lane(0)
            .attempted(Attempt::Timeout);
        metrics
            .cluster("app")
            .lane(1)
            .duration
            .observe(Duration::from_millis(3));
        metrics.fault("slow \"checkout\"\n").lane(0).hits.add(4);
        metrics.held.lane(0).came.add(2);
        let healthy = |backend: &str, value| Gauge {
            name: "backend_healthy",
            help: "1 while its checks pass",
            labels: vec![("cluster", "app".into()), ("backend", backend.into())],
            value,
        };
        metrics.encode(vec![healthy("app-a", 1.0), healthy("app-b", 0.0)], extent)
    }

    #[track_caller]
    fn check(line: &str) {
        let page = page(Extent::All);
        assert!(page.lines().any(|found| found == line), "no `{line}` in\n{page}");
    }

    #[test]
    fn requests_are_added_up_over_the_workers_and_origins_told_apart() {
        let labels = r#"listener="public",route="orders",cluster="app""#;
        check(&format!(
            r#"chaosproxy_requests_total{{{labels},backend="app-a",class="2xx",origin="upstream"}} 2"#
        ));
        check(&format!(
            r#"chaosproxy_requests_total{{{labels},backend="",class="5xx",origin="injected"}} 1"#
        ));
        check(r#"chaosproxy_attempts_total{cluster="app",backend="app-a",outcome="timeout"} 1"#);
    }

    #[test]
    fn gauges_and_durations_are_there() {
        check("chaosproxy_held_requests 2.0");
        check(r#"chaosproxy_backend_healthy{cluster="app",backend="app-b"} 0.0"#);
        check(r#"chaosproxy_request_duration_seconds_sum{cluster="app"} 0.003"#);
        check(r#"chaosproxy_request_duration_seconds_bucket{le="0.0025",cluster="app"} 0"#);
        check(r#"chaosproxy_request_duration_seconds_bucket{le="0.004",cluster="app"} 1"#);
        check(r#"chaosproxy_request_duration_seconds_bucket{le="+Inf",cluster="app"} 1"#);
    }

    #[test]
    fn a_name_cannot_break_the_page() {
        check(r#"chaosproxy_injected_total{fault="slow \"checkout\"\n"} 4"#);
    }

    #[test]
    fn each_name_is_described_once_and_the_page_ends_as_openmetrics_wants() {
        let page = page(Extent::All);
        let mut described: Vec<_> = page.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let all = described.len();
        described.dedup();
        described.sort_unstable();
        described.dedup();
        assert_eq!(described.len(), all);
        assert!(page.ends_with("# EOF\n"));
    }
}
