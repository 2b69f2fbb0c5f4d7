//! Active health: its settings, and the rule by which results of checks become a verdict. The checks themselves are made
//! on the people's side, never on a worker; what is decided here is published into the backend.

use std::{
    borrow::Cow,
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de};
use tokio::time::Instant;

use super::probe::{GrpcProbe, HttpProbe, MysqlProbe, PostgresProbe, Probe, RedisProbe, TcpProbe, Trouble};
use crate::units::{BadUnit, Probability, Span, Stream};

/// Active health checks: one kind, and its pace.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct HealthSettings {
    /// What is sent and how the answer is judged.
    pub probe: Probe,
    every: Option<Span>,
    timeout: Option<Span>,
    healthy_after: Option<NonZeroU32>,
    unhealthy_after: Option<NonZeroU32>,
    jitter: Option<Probability>,
    port: Option<NonZeroU16>,
}

/// Active health checks: one of `http`, `tcp`, `grpc`, `postgres`, `mysql` and `redis`, and its pace. The first result decides at once; later ones must
/// repeat themselves.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Written {
    /// Sends a request: `http: {path: /healthz}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<HttpProbe>,
    /// Opens a connection: `tcp: {}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<TcpProbe>,
    /// Calls the gRPC health service: `grpc: {service: shop}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<GrpcProbe>,
    /// Logs in to PostgreSQL and tells a primary from a replica: `postgres: {user: probe, password_file: probe.password}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    postgres: Option<PostgresProbe>,
    /// Logs in to MySQL or MariaDB and tells a primary from a replica: `mysql: {user: probe}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    mysql: Option<MysqlProbe>,
    /// Asks Redis and tells a primary from a replica: `redis: {}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<RedisProbe>,
    /// The time from one check to the next. Default: 5s.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "some_time")]
    every: Option<Span>,
    /// How long a check may take. Default: 1s, or `every` where that is shorter.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "some_time")]
    timeout: Option<Span>,
    /// Passes in a row that make an unhealthy backend healthy. Default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy_after: Option<NonZeroU32>,
    /// Failures in a row that make a healthy backend unhealthy. Default: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    unhealthy_after: Option<NonZeroU32>,
    /// How far the time between checks strays, as a share of `every`, so that checks do not march in step. Default: 10%.
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<Probability>,
    /// The port that is checked; at one that gets no traffic a check may speak anything, elsewhere it is `tcp` or speaks what the
    /// listeners that lead here speak. Default: the backend's.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<NonZeroU16>,
}

/// Reads a time that must not be 0.
fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    match Span::deserialize(deserializer)? {
        Span::ZERO => Err(de::Error::custom("`0s` is too short: write it as `5s`")),
        span => Ok(Some(span)),
    }
}

impl TryFrom<Written> for HealthSettings {
    type Error = BadUnit;

    fn try_from(written: Written) -> Result<Self, BadUnit> {
        let kinds = [
            written.http.map(Probe::Http),
            written.tcp.map(Probe::Tcp),
            written.grpc.map(Probe::Grpc),
            written.postgres.map(Probe::Postgres),
            written.mysql.map(Probe::Mysql),
            written.redis.map(Probe::Redis),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (Some(probe), None) = (kinds.next(), kinds.next()) else {
            return Err(BadUnit::new(
                "a health check needs exactly one of http, tcp, grpc, postgres, mysql and redis, as in `http: {path: /healthz}`",
            ));
        };
        Ok(Self {
            probe,
            every: written.every,
            timeout: written.timeout,
            healthy_after: written.healthy_after,
            unhealthy_after: written.unhealthy_after,
            jitter: written.jitter,
            port: written.port,
        })
    }
}

impl From<HealthSettings> for Written {
    fn from(settings: HealthSettings) -> Self {
        let mut written = Self {
            every: settings.every,
            timeout: settings.timeout,
            healthy_after: settings.healthy_after,
            unhealthy_after: settings.unhealthy_after,
            jitter: settings.jitter,
            port: settings.port,
            ..Self::default()
        };
        match settings.probe {
            Probe::Http(probe) => written.http = Some(probe),
            Probe::Tcp(probe) => written.tcp = Some(probe),
            Probe::Grpc(probe) => written.grpc = Some(probe),
            Probe::Postgres(probe) => written.postgres = Some(probe),
            Probe::Mysql(probe) => written.mysql = Some(probe),
            Probe::Redis(probe) => written.redis = Some(probe),
        }
        written
    }
}

impl JsonSchema for HealthSettings {
    fn schema_name() -> Cow<'static, str> {
        "HealthSettings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

impl HealthSettings {
    /// The time from one check to the next, before jitter.
    pub fn every(&self) -> Duration {
        self.every.map_or(Duration::from_secs(5), Into::into)
    }

    /// How long a check may take.
    pub fn timeout(&self) -> Duration {
        let default = || Duration::from_secs(1).min(self.every());
        self.timeout.map_or_else(default, Into::into)
    }

    /// The port that is checked, where it is not the backend's.
    pub fn port(&self) -> Option<u16> {
        self.port.map(NonZeroU16::get)
    }

    fn healthy_after(&self) -> u32 {
        self.healthy_after.map_or(2, NonZeroU32::get)
    }

    /// Failures in a row that make a healthy backend unhealthy.
    pub fn unhealthy_after(&self) -> u32 {
        self.unhealthy_after.map_or(3, NonZeroU32::get)
    }

    /// How long a backend that is well again may take to show it: the passes that it needs, after a check that was still
    /// under way, at the slowest pace.
    pub fn recovery(&self) -> Duration {
        let jitter = self.jitter.map_or(0.1, Probability::get);
        (self.every().mul_f64(1.0 + jitter) + self.timeout()) * (self.healthy_after() + 1)
    }

    /// A span around `every`, as far from it as the jitter allows.
    fn pause(&self, stream: &mut Stream) -> Duration {
        let jitter = self.jitter.map_or(0.1, Probability::get);
        self.every().mul_f64(1.0 + jitter * (2.0 * stream.unit() - 1.0))
    }
}

/// What is known about a backend's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Condition {
    /// Not checked, or not yet: it counts as healthy.
    #[default]
    Unchecked,
    /// Joined a running cluster that checks its backends: it is used after its first pass.
    Joining,
    /// It passes.
    Healthy,
    /// It fails.
    Unhealthy,
}

/// A change of condition, for the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What it was.
    pub from: Condition,
    /// What it is.
    pub to: Condition,
    /// Results in a row that brought it about.
    pub after: u32,
    /// Why the last of them failed, where it did.
    pub cause: Option<Trouble>,
}

/// The health of one backend over time. It decides when to check and what the results mean; the one who checks owns it.
#[derive(Clone, Debug)]
pub struct Health {
    settings: HealthSettings,
    condition: Condition,
    /// Results in a row that speak against the condition.
    against: u32,
    due: Instant,
}

impl Health {
    /// Begins to watch a backend, from what was known before. What nothing is known about is checked at once; the others
    /// in their own time, so that a reload does not make all checks at once.
    pub fn new(settings: HealthSettings, known: Condition, now: Instant, stream: &mut Stream) -> Self {
        let wait = match known {
            Condition::Unchecked | Condition::Joining => Duration::ZERO,
            Condition::Healthy | Condition::Unhealthy => settings.every().mul_f64(stream.unit()),
        };
        Self {
            settings,
            condition: known,
            against: 0,
            due: now + wait,
        }
    }

    /// When the next check is due.
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// What is known now.
    pub const fn condition(&self) -> Condition {
        self.condition
    }

    /// Learns the result of a check and sets the time of the next; tells when the condition changed.
    pub fn learn(
        &mut self,
        now: Instant,
        result: Result<(), Trouble>,
        stream: &mut Stream,
    ) -> Option<Transition> {
        self.due = now + self.settings.pause(stream);
        let (to, needed) = match (self.condition, &result) {
            (Condition::Healthy, Ok(())) | (Condition::Unhealthy, Err(_)) => {
                self.against = 0;
                return None;
            }
            (Condition::Unhealthy, Ok(())) => (Condition::Healthy, self.settings.healthy_after()),
            (Condition::Healthy, Err(_)) => (Condition::Unhealthy, self.settings.unhealthy_after()),
            (Condition::Unchecked | Condition::Joining, Ok(())) => (Condition::Healthy, 1),
            (Condition::Unchecked | Condition::Joining, Err(_)) => (Condition::Unhealthy, 1),
        };
        self.against += 1;
        (self.against >= needed).then(|| Transition {
            from: std::mem::replace(&mut self.condition, to),
            to,
            after: std::mem::take(&mut self.against),
            cause: result.err(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::units::Dice;

    fn settings(written: Value) -> HealthSettings {
        serde_json::from_value(written).unwrap()
    }

    fn failure() -> Result<(), Trouble> {
        Err(Trouble::Status(503))
    }

    #[test]
    fn what_is_written_reads_back() {
        let check = |written: Value| {
            assert_eq!(serde_json::to_value(settings(written.clone())).unwrap(), written);
        };
        check(json!({"tcp": {}}));
        check(json!({"grpc": {"service": "shop"}, "port": 9090}));
        check(json!({"postgres": {"user": "probe", "database": "shop", "password": "x"}}));
        check(json!({"mysql": {"user": "probe", "password_file": "probe.password"}, "every": "2s"}));
        check(json!({"redis": {}}));
        check(json!({
            "http": {"path": "/healthz", "expect": [200, "300-308"], "host": "shop", "headers": {"x-a": "1"}},
            "every": "2s", "timeout": "1s", "healthy_after": 2, "unhealthy_after": 3, "jitter": "20%",
        }));
    }

    #[test]
    fn a_check_is_of_exactly_one_kind() {
        for written in [
            json!({}),
            json!({"every": "1s"}),
            json!({"tcp": {}, "http": {}}),
            json!({"redis": {}, "tcp": {}}),
        ] {
            let error = serde_json::from_value::<HealthSettings>(written).unwrap_err();
            assert!(error.to_string().contains("exactly one of"), "{error}");
        }
        assert!(serde_json::from_value::<HealthSettings>(json!({"tcp": {}, "every": "0s"})).is_err());
        assert!(serde_json::from_value::<HealthSettings>(json!({"tcp": {}, "port": 0})).is_err());
    }

    /// Feeds results (`+` a pass, `-` a failure) and shows the condition after each.
    fn conditions(known: Condition, results: &str) -> String {
        let (now, mut stream) = (Instant::now(), Dice::new(1).stream(0, 0));
        let mut health = Health::new(settings(json!({"tcp": {}})), known, now, &mut stream);
        let mut show = |result| {
            health.learn(now, if result == '+' { Ok(()) } else { failure() }, &mut stream);
            match health.condition() {
                Condition::Healthy => 'H',
                Condition::Unhealthy => 'U',
                Condition::Unchecked | Condition::Joining => '?',
            }
        };
        results.chars().map(&mut show).collect()
    }

    #[test]
    fn the_first_result_decides_and_later_ones_must_repeat_themselves() {
        use Condition::{Healthy, Joining, Unchecked, Unhealthy};
        let check = |known, results, expected| {
            assert_eq!(conditions(known, results), expected, "{known:?} {results}");
        };
        check(Unchecked, "+", "H");
        check(Unchecked, "-", "U");
        check(Joining, "-++", "UUH");
        check(Healthy, "--+--", "HHHHH");
        check(Healthy, "---+-++", "HHUUUUH");
        check(Unhealthy, "+-++", "UUUH");
    }

    #[test]
    fn a_transition_says_what_brought_it_about() {
        let (now, mut stream) = (Instant::now(), Dice::new(1).stream(0, 0));
        let mut health = Health::new(settings(json!({"tcp": {}})), Condition::Healthy, now, &mut stream);
        assert_eq!(health.learn(now, failure(), &mut stream), None);
        assert_eq!(health.learn(now, failure(), &mut stream), None);
        let transition = Transition {
            from: Condition::Healthy,
            to: Condition::Unhealthy,
            after: 3,
            cause: Some(Trouble::Status(503)),
        };
        assert_eq!(health.learn(now, failure(), &mut stream), Some(transition));
    }

    proptest! {
        #[test]
        fn the_next_check_lies_within_the_jitter(seed: u64, jitter in 0..=100_u32) {
            let (now, mut stream) = (Instant::now(), Dice::new(seed).stream(0, 0));
            let settings = settings(json!({"tcp": {}, "every": "10s", "jitter": format!("{jitter}%")}));
            let mut health = Health::new(settings, Condition::Unchecked, now, &mut stream);
            prop_assert_eq!(health.due(), now);
            health.learn(now, Ok(()), &mut stream);
            let stray = (health.due() - now).as_secs_f64() - 10.0;
            prop_assert!(stray.abs() <= f64::from(jitter) / 10.0 + 1e-6, "{stray}");
        }
    }
}
