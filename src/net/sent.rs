//! Whether the kernel has sent what was written: a RST takes back whatever still waits to be sent.

use std::{io, time::Duration};

use tokio::{net::TcpStream, time::timeout};

/// Comes once nothing that was written waits to be sent any more, or after `limit`.
pub(super) async fn sent(tcp: &TcpStream, limit: Duration) {
    // One that fails has nothing more to send.
    let _ = timeout(limit, drained(tcp)).await;
}

/// With a low-water mark of one byte a socket can be written to only while nothing waits (tcp(7), `TCP_NOTSENT_LOWAT`).
#[cfg(target_os = "linux")]
async fn drained(tcp: &TcpStream) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    socket2::SockRef::from(tcp).set_tcp_notsent_lowat(1)?;
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    tcp.async_io(tokio::io::Interest::WRITABLE, || {
        // What is known of its readiness may be from before the mark was set.
        match poll(&mut [PollFd::new(tcp, PollFlags::OUT)], Some(&now))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    })
    .await
}

/// Elsewhere nobody says so.
#[cfg(not(target_os = "linux"))]
async fn drained(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::Instant,
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn what_is_written_is_sent_once_its_reader_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut writer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut reader, _) = listener.accept().await.unwrap();
        let begun = Instant::now();
        writer.write_all(b"little").await.unwrap();
        sent(&writer, LIMIT).await;
        assert!(begun.elapsed() < LIMIT);
        // As much as goes: more than the reader's side takes by itself.
        let mut written = 6;
        while let Ok(n) = writer.try_write(&[0; 64 * 1024]) {
            written += n;
        }
        let limit = Duration::from_millis(50);
        let begun = Instant::now();
        sent(&writer, limit).await;
        assert!(begun.elapsed() >= limit, "some of {written} bytes still wait");
        let reading =
            tokio::spawn(async move { reader.read_exact(&mut vec![0; written]).await.map(|_| reader) });
        let begun = Instant::now();
        sent(&writer, LIMIT).await;
        assert!(begun.elapsed() < LIMIT);
        drop(writer);
        assert_eq!(reading.await.unwrap().unwrap().read(&mut [0]).await.unwrap(), 0);
    }
}
