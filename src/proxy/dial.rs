//! A connection to a backend from nothing: the address, PROXY protocol and TLS where the cluster asks for them, and the
//! faults of the upstream leg in between.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::{
    error::{Failure, Reason},
    standing::BackendId,
};
use crate::{
    faults::{Dial, Fault, Handshake, Plan},
    net::{Addresses, DialError, Dialer, Stream, Terms, proxy_protocol},
    route::Dialect,
    snapshot::Target,
    units::Host,
    upstream::{Connected, settings::ProxyProtocol},
    wire::postgres::{SSL_REQUEST, YES},
};

/// A cluster's backend as the upstream leg needs it, and for whom.
pub struct Way<'a> {
    /// The cluster.
    pub target: &'a Target,
    /// The backend's place in it.
    pub index: usize,
    /// The number of the exchange, by which the addresses of a name take turns.
    pub number: u64,
    /// Who is served and where it connected to, where the backend is told by PROXY protocol.
    pub ends: (SocketAddr, Option<SocketAddr>),
    /// The database that it speaks, which may want to be asked for TLS first.
    pub dialect: Option<Dialect>,
}

impl Way<'_> {
    /// Which backend it is.
    pub fn id(&self) -> BackendId {
        self.target.backend_id(self.index)
    }

    /// A connection of a client's own cannot be shared, as PROXY protocol names one client; nor can one that a fault leads
    /// astray, which must not serve anybody who is spared.
    pub fn may_share(&self, plan: &Plan) -> bool {
        self.target.settings.proxy_protocol.is_none() && !plan.leads_astray()
    }
}

/// Dials a backend, or wherever a fault misleads the call to.
pub async fn dial(way: &Way<'_>, place: Connected, plan: &mut Plan) -> Result<Stream, Failure> {
    let limit = way.target.settings.connect_timeout();
    let begun = Instant::now();
    let dialler = Dialer {
        limit,
        most_age: way.target.settings.dns.at_most(),
    };
    let turn = usize::try_from(way.number).unwrap_or(0);
    let addresses = &way.target.addresses[way.index];
    let (dial, fault) = plan.dial();
    let injected = fault.is_some();
    let dialled = match (dial, fault) {
        (Dial::Hang, Some(fault)) => {
            let waited = tokio::time::timeout(limit, fault.lifted()).await;
            if waited.is_err() {
                return Err(Failure::injected(Reason::Resolve, fault.name()));
            }
            dialler.dial(addresses, turn).await
        }
        (Dial::To(wrong), _) => {
            let directory = &way.target.directory;
            dialler
                .dial(&directory.follow(&wrong, Terms::default()), turn)
                .await
        }
        _ => dialler.dial(addresses, turn).await,
    };
    let mut stream = dialled.map_err(|error| Failure {
        injected,
        ..dial_failure(&error)
    })?;
    stream.keep(place);
    let lost = |error: std::io::Error| Failure::real(Reason::UpstreamReset, error);
    if let Some(version) = way.target.settings.proxy_protocol {
        let version = match version {
            ProxyProtocol::V1 => proxy_protocol::Version::V1,
            ProxyProtocol::V2 => proxy_protocol::Version::V2,
        };
        let pair = way.ends.1.map(|local| (way.ends.0, local));
        stream
            .write_all(&proxy_protocol::encode(version, pair))
            .await
            .map_err(lost)?;
    }
    let left = limit
        .saturating_sub(begun.elapsed())
        .max(Duration::from_millis(1));
    match way.dialect {
        _ if way.target.tls.is_none() => return Ok(stream),
        // Its server speaks first, and in clear: TLS begins between greeting and login.
        Some(Dialect::Mysql) => return Ok(stream),
        Some(Dialect::Postgres) => ask_for_tls(&mut stream, left).await?,
        Some(Dialect::Redis) | None => {}
    }
    secure(way.target, way.index, stream, plan, left).await
}

/// Begins TLS with a backend, where the cluster asks for it, or what a fault makes of it.
pub async fn secure(
    target: &Target,
    index: usize,
    stream: Stream,
    plan: &mut Plan,
    limit: Duration,
) -> Result<Stream, Failure> {
    let Some(tls) = &target.tls else {
        return Ok(stream);
    };
    let begun = Instant::now();
    if let (shown, Some(fault)) = plan.handshake() {
        let settings = target.settings.tls.as_ref();
        let verifies = settings.is_none_or(|tls| tls.verify != Some(false));
        suffer(shown, &fault, verifies, limit).await?;
    }
    let left = limit
        .saturating_sub(begun.elapsed())
        .max(Duration::from_millis(1));
    let host = host_of(&target.addresses[index]);
    tls.connect(stream, &host, left)
        .await
        .map_err(|error| Failure::real(Reason::TlsHandshake, error))
}

/// Asks a server of PostgreSQL for TLS, as its protocol wants it.
pub(super) async fn ask_for_tls(stream: &mut Stream, limit: Duration) -> Result<(), Failure> {
    let asked = async {
        stream.write_all(&SSL_REQUEST).await?;
        stream.read_u8().await
    };
    match tokio::time::timeout(limit, asked).await {
        Ok(Ok(YES)) => Ok(()),
        Ok(Ok(_)) => Err(Failure::real(Reason::TlsHandshake, "the server speaks no TLS")),
        Ok(Err(error)) => Err(Failure::real(Reason::UpstreamReset, error)),
        Err(_) => Err(Failure::real(
            Reason::ConnectTimeout,
            "the server does not say whether it speaks TLS",
        )),
    }
}

/// A handshake under a fault: what the backend shows is no good, or it shows nothing.
async fn suffer(shown: Handshake, fault: &Fault, verifies: bool, limit: Duration) -> Result<(), Failure> {
    let wrong = |reason| Err(Failure::injected(reason, fault.name()));
    match shown {
        Handshake::Hang => match tokio::time::timeout(limit, fault.lifted()).await {
            Ok(()) => Ok(()),
            Err(_) => wrong(Reason::ConnectTimeout),
        },
        Handshake::Sound => Ok(()),
        // Who does not look at certificates does not mind a bad one.
        _ if !verifies => Ok(()),
        _ => wrong(Reason::TlsHandshake),
    }
}

/// The host of a backend's address, without its port.
pub fn host_of(addresses: &Addresses) -> String {
    match addresses.address().host() {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.to_string(),
    }
}

fn dial_failure(error: &DialError) -> Failure {
    let reason = match error {
        DialError::Refused(_) => Reason::ConnectRefused,
        DialError::Timeout { .. } => Reason::ConnectTimeout,
        DialError::Resolve(_) => Reason::Resolve,
        DialError::Tls(_) => Reason::TlsHandshake,
        DialError::Exhausted(_) => Reason::Exhausted,
        _ => Reason::Unreachable,
    };
    Failure::real(reason, error)
}
