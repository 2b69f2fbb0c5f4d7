//! A backend in the test's own hands: a TCP server whose every connection runs a given task.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A server that ends with the test.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Origin {
    /// Serves each connection with `serve`.
    pub async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Self { address, task }
    }

    /// Sends back what comes.
    pub async fn echo() -> Self {
        Self::start(|mut stream| async move {
            let (mut reader, mut writer) = stream.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
            let _ = writer.shutdown().await;
        })
        .await
    }

    /// Answers every request at once with a few bytes, and keeps its connections.
    pub async fn quick() -> Self {
        Self::start(|mut stream| async move {
            while read_head(&mut stream).await {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    /// Answers every request with a few bytes after it has thought for so long.
    pub async fn slow(thinks: std::time::Duration) -> Self {
        Self::start(move |mut stream| async move {
            while read_head(&mut stream).await {
                tokio::time::sleep(thinks).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    /// Answers every request with a body that has no end: a line every few milliseconds.
    pub async fn endless() -> Self {
        Self::start(|mut stream| async move {
            if !read_head(&mut stream).await {
                return;
            }
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut sent = stream.write_all(head).await;
            while sent.is_ok() {
                sent = stream.write_all(b"5\r\ntick\n\r\n").await;
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a request without a body; false at the end of the connection.
pub async fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}
