//! What a health check sends and how it judges what comes back; no sockets. One file per kind.

mod grpc;
mod http;
mod tcp;
mod trouble;

pub use self::{
    grpc::GrpcProbe,
    http::HttpProbe,
    tcp::{Reading, TcpProbe},
    trouble::Trouble,
};

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
