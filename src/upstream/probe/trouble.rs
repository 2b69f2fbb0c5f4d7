//! Why a health check failed.

use std::time::Duration;

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
    /// The database turned the check away, in these words.
    #[error("turned away: {0}")]
    TurnedAway(String),
    /// A fault told the check to fail.
    #[error("a fault answers its health checks")]
    Injected,
}
