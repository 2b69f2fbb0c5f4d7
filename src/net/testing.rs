//! What the tests of this room share: connected pairs on loopback.

use tokio::net::{TcpListener, TcpStream};

use super::Stream;

/// A listener on a free port of loopback.
pub(super) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A client's bare socket and the proxy's end of the same connection.
pub(super) async fn connection() -> (TcpStream, Stream) {
    let listener = listener().await;
    let (client, accepted) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    let (tcp, peer) = accepted.unwrap();
    (client.unwrap(), Stream::new(tcp, peer))
}
