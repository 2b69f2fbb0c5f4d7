//! Documents for tests: one listener before one cluster, with the settings that a test is about added as YAML.

use std::net::SocketAddr;

/// A document in the making.
#[derive(Clone, Debug)]
pub struct Doc {
    protocol: &'static str,
    backends: Vec<String>,
    listener: Vec<String>,
    route: Vec<String>,
    cluster: Vec<String>,
    top: Vec<String>,
}

impl Doc {
    /// An HTTP listener `public` before a cluster `app` with these backends, called `a`, `b`, and so on.
    pub fn http(backends: &[SocketAddr]) -> Self {
        Self::of("http", backends)
    }

    /// A TCP listener `public` before a cluster `app` with these backends, called `a`, `b`, and so on.
    pub fn tcp(backends: &[SocketAddr]) -> Self {
        Self::of("tcp", backends)
    }

    /// A listener of PostgreSQL `public` before a cluster `app` with these backends, called `a`, `b`, and so on.
    pub fn postgres(backends: &[SocketAddr]) -> Self {
        Self::of("postgres", backends)
    }

    /// The same for MySQL.
    pub fn mysql(backends: &[SocketAddr]) -> Self {
        Self::of("mysql", backends)
    }

    /// The same for Redis.
    pub fn redis(backends: &[SocketAddr]) -> Self {
        Self::of("redis", backends)
    }

    fn of(protocol: &'static str, backends: &[SocketAddr]) -> Self {
        let mut doc = Self {
            protocol,
            backends: Vec::new(),
            listener: Vec::new(),
            route: Vec::new(),
            cluster: Vec::new(),
            top: Vec::new(),
        };
        for (name, address) in ('a'..).zip(backends) {
            doc.backends.push(format!("name: {name}, address: \"{address}\""));
        }
        doc
    }

    /// Adds a setting to the listener: `limits: {body: 1KiB}`.
    pub fn listener(mut self, setting: impl Into<String>) -> Self {
        self.listener.push(setting.into());
        self
    }

    /// Adds a setting to the route: `retry: {attempts: 2, on: [connect]}`.
    pub fn route(mut self, setting: impl Into<String>) -> Self {
        self.route.push(setting.into());
        self
    }

    /// Adds a setting to the cluster: `protocol: http2`.
    pub fn cluster(mut self, setting: impl Into<String>) -> Self {
        self.cluster.push(setting.into());
        self
    }

    /// Adds a setting to a backend: `b`, `weight: 3`.
    pub fn backend(mut self, name: char, setting: &str) -> Self {
        let start = format!("name: {name},");
        let backend = self.backends.iter_mut().find(|b| b.starts_with(&start)).unwrap();
        backend.push_str(", ");
        backend.push_str(setting);
        self
    }

    /// Adds a setting of the whole document: `drain: {limit: 1s}`.
    pub fn top(mut self, setting: impl Into<String>) -> Self {
        self.top.push(setting.into());
        self
    }

    /// The document as text.
    pub fn text(&self) -> String {
        let Self {
            protocol, backends, ..
        } = self;
        let lines = |indent: &str, settings: &[String]| {
            let all = settings.iter().flat_map(|setting| setting.lines());
            all.map(|line| format!("{indent}{line}\n")).collect::<String>()
        };
        let listener = lines("    ", &self.listener);
        let route = lines("        ", &self.route);
        let cluster = lines("    ", &self.cluster);
        let top = lines("", &self.top);
        let backends: String = backends.iter().map(|b| format!("      - {{{b}}}\n")).collect();
        let route = if *protocol != "http" {
            "    cluster: app\n".to_owned()
        } else {
            format!("    routes:\n      - cluster: app\n{route}")
        };
        format!(
            "listeners:\n  public:\n    bind: 127.0.0.1:0\n    protocol: {protocol}\n{listener}{route}\
             clusters:\n  app:\n{cluster}    backends:\n{backends}access_log: json\n{top}"
        )
    }
}
