//! A TCP connection of which a test sees every byte.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{PATIENCE, within};

/// How a connection was ended by the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// FIN.
    Closed,
    /// RST.
    Reset,
}

/// A connection, and what has been heard on it and not yet been taken.
pub struct Raw {
    stream: TcpStream,
    heard: Vec<u8>,
    /// A reset is told once, to whichever call comes first: one that a send has taken is not told to the read after it.
    was_told_of_a_reset: bool,
}

impl Raw {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(within("a connection", TcpStream::connect(address)).await.unwrap())
    }

    /// Listens to a connection that stands.
    pub fn over(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            heard: Vec::new(),
            was_told_of_a_reset: false,
        }
    }

    /// Connects, says something, and returns everything that comes until the other side closes.
    pub async fn ask(address: SocketAddr, what: &str) -> String {
        let mut raw = Self::connect(address).await;
        raw.say(what).await;
        raw.rest().await.0
    }

    /// Connects, says something, and tells what came back and how it ended; a reset may be as early as the connection.
    pub async fn fate(address: SocketAddr, what: &str) -> (String, End) {
        let Ok(stream) = within("a connection", TcpStream::connect(address)).await else {
            return (String::new(), End::Reset);
        };
        let mut raw = Self::over(stream);
        raw.try_say(what).await;
        raw.rest().await
    }

    /// Sends.
    pub async fn say(&mut self, what: impl AsRef<[u8]>) {
        within("room to send", self.stream.write_all(what.as_ref()))
            .await
            .unwrap();
    }

    /// Sends, whether or not anybody takes it.
    pub async fn try_say(&mut self, what: impl AsRef<[u8]>) {
        let sent = within("room to send", self.stream.write_all(what.as_ref())).await;
        self.note(sent);
    }

    /// Ends the sending side.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Ends the sending side, whether or not the connection still stands.
    pub async fn try_finish(&mut self) {
        let finished = self.stream.shutdown().await;
        self.note(finished);
    }

    fn note(&mut self, result: std::io::Result<()>) {
        let is_reset = result.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
        self.was_told_of_a_reset |= is_reset;
    }

    /// Takes what comes up to and including a mark.
    pub async fn until(&mut self, mark: &str) -> String {
        let listen = async {
            loop {
                let found = self
                    .heard
                    .windows(mark.len())
                    .position(|part| part == mark.as_bytes());
                if let Some(at) = found {
                    let rest = self.heard.split_off(at + mark.len());
                    return String::from_utf8(std::mem::replace(&mut self.heard, rest)).unwrap();
                }
                let n = self.stream.read_buf(&mut self.heard).await.unwrap();
                assert!(
                    n > 0,
                    "ended before {mark:?}: {:?}",
                    String::from_utf8_lossy(&self.heard)
                );
            }
        };
        match tokio::time::timeout(PATIENCE, listen).await {
            Ok(part) => part,
            Err(_) => panic!(
                "waited in vain for {mark:?}; heard {:?}",
                String::from_utf8_lossy(&self.heard)
            ),
        }
    }

    /// Takes the head of a message.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Takes exactly so many bytes.
    pub async fn exactly(&mut self, n: usize) -> Vec<u8> {
        let listen = async {
            while self.heard.len() < n {
                assert!(
                    self.stream.read_buf(&mut self.heard).await.unwrap() > 0,
                    "ended early"
                );
            }
        };
        within("bytes", listen).await;
        let rest = self.heard.split_off(n);
        std::mem::replace(&mut self.heard, rest)
    }

    /// Takes everything that comes until the other side ends the connection, and how it did.
    pub async fn rest(&mut self) -> (String, End) {
        let (bytes, end) = self.rest_bytes().await;
        (String::from_utf8_lossy(&bytes).into_owned(), end)
    }

    /// The same as bytes.
    pub async fn rest_bytes(&mut self) -> (Vec<u8>, End) {
        let listen = async {
            loop {
                match self.stream.read_buf(&mut self.heard).await {
                    Ok(0) if self.was_told_of_a_reset => return End::Reset,
                    Ok(0) => return End::Closed,
                    Ok(_) => {}
                    Err(_) => return End::Reset,
                }
            }
        };
        let end = within("the end of the connection", listen).await;
        (std::mem::take(&mut self.heard), end)
    }

    /// Whatever has come by now.
    pub fn peek(&mut self) -> &[u8] {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = self.stream.try_read(&mut buffer) {
            self.heard.extend_from_slice(&buffer[..n]);
        }
        &self.heard
    }

    /// The connection itself.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }
}

/// For a look that does not wait.
const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Ends a connection with a RST, once all that was said is out: it takes back what is not.
pub async fn reset(stream: TcpStream) {
    let socket = socket2::SockRef::from(&stream);
    socket.set_tcp_notsent_lowat(1).unwrap();
    while poll(&mut [PollFd::new(&stream, PollFlags::OUT)], Some(&NOW)).unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}
