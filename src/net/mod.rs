//! The only room that opens sockets.
//!
//! A listener ([`listen`]) accepts a [`Stream`]; a dialler ([`dial`]) connects one to addresses that [`resolve`] keeps
//! fresh; [`tls`] and [`proxy_protocol`] dress it; [`pipe`] moves its bytes. Nothing here knows routes, clusters or
//! faults: what another task may do to a standing connection it does through a [`Handle`].

mod descriptors;
pub mod dial;
mod encrypted;
pub mod gather;
mod half;
pub mod listen;
pub mod pipe;
pub mod pool;
pub mod proxy_protocol;
pub mod resolve;
mod sent;
mod socket;
mod sockets;
#[cfg(target_os = "linux")]
mod splice;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod tls;

pub use descriptors::raise_descriptors;
pub use dial::{DialError, Dialer};
pub use listen::{Acceptor, Admitted, Permits, Post};
pub use resolve::{Addresses, Directory, Terms};
pub use socket::Handle;
pub use sockets::Sockets;
pub use stream::{Reader, Stream, Writer};
pub use tls::{Alpn, BadCertificate, ClientTls, Impostor, ServerTls, TlsError, TlsFacts};
