//! What a health check sends and how it judges what comes back; no sockets. One file per kind.

mod grpc;
mod http;
mod tcp;

use std::time::Duration;

use ::http::HeaderValue;

pub use self::{
    grpc::GrpcProbe,
    http::HttpProbe,
    tcp::{Reading, TcpProbe},
};

/// How health checks name themselves, so that a backend's log tells them from traffic.
const USER_AGENT: HeaderValue = HeaderValue::from_static("chaosproxy-health");

/// One kind of health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A request whose answer must be as expected.
    Http(HttpProbe),
    /// A connection, and bytes where any are given.
    Tcp(TcpProbe),
    /// A call to the gRPC health service.
    Grpc(GrpcProbe),
}

/// Why a health check failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection came about.
    #[error("no connection: {0}")]
    Connect(String),
    /// The answer was not there in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection ended too early, or what came was not the protocol.
    #[error("broken answer: {0}")]
    Broken(String),
    /// The answer has a status that is not expected.
    #[error("answered {0}")]
    Status(u16),
    /// The answer lacks the expected text.
    #[error("answered without the expected text")]
    Text,
    /// The gRPC call ended with an error.
    #[error("answered gRPC status {0}")]
    Grpc(u32),
    /// The gRPC health service says that it does not serve.
    #[error("answered {0}")]
    NotServing(&'static str),
    /// A fault told the check to fail.
    #[error("injected")]
    Injected,
}
