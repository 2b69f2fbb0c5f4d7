//! Bulk data through pumps: paused, half-closed, taken over and cut. Every byte is accounted for by a hash.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::yield_now,
};

use super::*;
use crate::{
    net::{
        Stream,
        testing::{connection, secured},
    },
    units::{self, Dice},
};

/// Enough for several turns and phases.
const BULK: usize = 6 * 1024 * 1024;

/// More than the pipe and all socket buffers between two loopback sockets hold, so that everybody comes to wait.
const FLOOD: usize = 24 * 1024 * 1024;

type Hash = [u8; 32];

/// A client and the two connections that a proxy would have between it and a server.
async fn chain() -> (TcpStream, Stream, Stream, TcpStream) {
    let (client, near) = connection().await;
    let (server, far) = connection().await;
    (client, near, far, server)
}

/// Sends `total` random bytes in pieces of random size, now and then waiting a little, then half-closes.
async fn send(mut to: impl AsyncWrite + Unpin, mut random: units::Stream, total: usize) -> Hash {
    let block: Vec<u8> = (0..300_000).map(|_| (random.unit() * 256.0) as u8).collect();
    let mut hash = Sha256::new();
    let mut left = total;
    while left > 0 {
        let n = (1 + (random.unit() * block.len() as f64) as usize)
            .min(block.len())
            .min(left);
        let from = (random.unit() * (block.len() - n) as f64) as usize;
        let piece = &block[from..from + n];
        hash.update(piece);
        to.write_all(piece).await.unwrap();
        left -= n;
        pause(&mut random).await;
    }
    to.shutdown().await.unwrap();
    hash.finalize().into()
}

/// Reads to the end in reads of random size, now and then waiting a little.
async fn receive(mut from: impl AsyncRead + Unpin, mut random: units::Stream) -> (Hash, usize) {
    let mut hash = Sha256::new();
    let mut total = 0;
    let mut room = vec![0; 400_000];
    loop {
        let most = 1 + (random.unit() * (room.len() - 1) as f64) as usize;
        match from.read(&mut room[..most]).await.unwrap() {
            0 => return (hash.finalize().into(), total),
            n => {
                hash.update(&room[..n]);
                total += n;
            }
        }
        pause(&mut random).await;
    }
}

async fn pause(random: &mut units::Stream) {
    match random.unit() {
        odds if odds < 0.02 => tokio::time::sleep(Duration::from_millis(1)).await,
        odds if odds < 0.30 => yield_now().await,
        _ => {}
    }
}

async fn pump_on(mut reader: Reader, mut writer: Writer) -> PumpEnd {
    pump(&mut reader, &mut writer, pending(), &|| false).await
}

#[tokio::test]
async fn bulk_in_both_directions_arrives_whole_and_half_closed() {
    let (client, near, far, server) = chain().await;
    let (dice, (c_read, c_write), (s_read, s_write)) =
        (Dice::new(1), client.into_split(), server.into_split());
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let (up, down, sent_up, got_up, sent_down, got_down) = tokio::join!(
        pump_on(near_read, far_write),
        pump_on(far_read, near_write),
        send(c_write, dice.stream(1, 0), BULK),
        receive(s_read, dice.stream(2, 0)),
        send(s_write, dice.stream(3, 0), BULK / 2),
        receive(c_read, dice.stream(4, 0)),
    );
    assert!(matches!(up.how, Ended::Finished) && matches!(down.how, Ended::Finished));
    assert_eq!((up.bytes, down.bytes), (BULK as u64, BULK as u64 / 2));
    assert_eq!((sent_up, BULK), got_up);
    assert_eq!((sent_down, BULK / 2), got_down);
    #[cfg(target_os = "linux")]
    assert!(
        crate::net::splice::has_worked_here(),
        "bulk between plain sockets goes through the kernel"
    );
}

/// Pumps until the end, interrupted again and again: whoever takes over finds the bytes where the pump left them.
async fn pump_interrupted(
    mut reader: Reader,
    mut writer: Writer,
    interrupt: Rc<Notify>,
    done: Rc<Cell<bool>>,
) -> (u64, u32) {
    let (mut bytes, mut interrupts) = (0, 0);
    let random = RefCell::new(Dice::new(2).stream(4, 0));
    let is_due = || random.borrow_mut().unit() < 0.05;
    loop {
        let end = pump(&mut reader, &mut writer, interrupt.notified(), &is_due).await;
        bytes += end.bytes;
        match end.how {
            Ended::Finished => break,
            Ended::Interrupted => interrupts += 1,
            Ended::Read(error) | Ended::Write(error) => panic!("{error}"),
        }
    }
    done.set(true);
    (bytes, interrupts)
}

async fn interrupt_often(interrupt: Rc<Notify>, done: Rc<Cell<bool>>, mut random: units::Stream) {
    while !done.get() {
        interrupt.notify_one();
        for _ in 0..(random.unit() * 6.0) as u32 {
            yield_now().await;
        }
        if random.unit() < 0.02 {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

async fn survives_takeovers(client: TcpStream, near: Stream, far: Stream, server: TcpStream, total: usize) {
    let dice = Dice::new(2);
    let (interrupt, done) = (Rc::new(Notify::new()), Rc::new(Cell::new(false)));
    let ((near_read, _near_write), (_far_read, far_write)) = (near.into_split(), far.into_split());
    let ((bytes, interrupts), (), sent, got) = tokio::join!(
        pump_interrupted(near_read, far_write, Rc::clone(&interrupt), Rc::clone(&done)),
        interrupt_often(interrupt, done, dice.stream(1, 0)),
        send(client, dice.stream(2, 0), total),
        receive(server, dice.stream(3, 0)),
    );
    assert_eq!((sent, total), got);
    assert_eq!(bytes, total as u64);
    assert!(interrupts > 5, "only {interrupts}");
}

#[tokio::test]
async fn a_direction_that_is_taken_over_again_and_again_loses_no_byte() {
    let (client, near, far, server) = chain().await;
    survives_takeovers(client, near, far, server, 3 * BULK).await;
}

/// Resolves once bytes have moved and then stood still for a while: everybody is waiting for the server to read.
async fn blocked(far: &crate::net::Handle) {
    let (mut seen, mut still) = (0, 0);
    while seen == 0 || still < 30 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        still = if far.sent() == seen { still + 1 } else { 0 };
        seen = far.sent();
    }
}

#[tokio::test]
async fn what_stands_in_the_kernels_pipe_is_handed_back_at_a_takeover() {
    let (client, near, far, mut server) = chain().await;
    let handle = far.handle();
    let ((mut reader, _keep), (_also, mut writer)) = (near.into_split(), far.into_split());
    let sending = tokio::spawn(send(client, Dice::new(3).stream(1, 0), FLOOD));

    let end = pump(&mut reader, &mut writer, blocked(&handle), &|| false).await;
    assert!(matches!(end.how, Ended::Interrupted));
    assert_eq!(end.bytes, handle.sent());
    assert!(
        reader.bare().is_none(),
        "it holds bytes that were read but not written"
    );

    let receiving = tokio::spawn(async move { receive(&mut server, Dice::new(3).stream(2, 0)).await });
    let rest = tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    writer.shutdown().await.unwrap();
    assert_eq!(end.bytes + rest, FLOOD as u64);
    assert_eq!((sending.await.unwrap(), FLOOD), receiving.await.unwrap());
}

#[tokio::test]
async fn encrypted_bytes_are_copied_and_survive_takeovers_too() {
    let (client, near) = connection().await;
    let (far, behind) = secured().await;
    let (server, bare) = connection().await;
    // far --TLS--> behind, and behind is pumped in the clear to the server.
    let ((behind_read, _w), (_r, bare_write)) = (behind.into_split(), bare.into_split());
    let (end, ()) = tokio::join!(
        pump_on(behind_read, bare_write),
        survives_takeovers(client, near, far, server, BULK),
    );
    assert!(matches!(end.how, Ended::Finished));
}

#[tokio::test]
async fn small_messages_go_back_and_forth_after_a_bulky_phase() {
    let (mut client, near, far, mut server) = chain().await;
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let talk = async {
        let bulk = vec![7; 4 * 1024 * 1024];
        let mut got = vec![0; bulk.len()];
        let (sent, read) = tokio::join!(client.write_all(&bulk), server.read_exact(&mut got));
        sent.unwrap();
        read.unwrap();
        for round in 0..100_u8 {
            client.write_all(&[round; 64]).await.unwrap();
            server.read_exact(&mut got[..64]).await.unwrap();
            assert_eq!(got[..64], [round; 64]);
            server.write_all(&got[..64]).await.unwrap();
            client.read_exact(&mut got[..64]).await.unwrap();
        }
        client.shutdown().await.unwrap();
        server.shutdown().await.unwrap();
    };
    let (up, down, ()) = tokio::join!(pump_on(near_read, far_write), pump_on(far_read, near_write), talk);
    assert_eq!((up.bytes, down.bytes), (4 * 1024 * 1024 + 6400, 6400));
}

#[tokio::test]
async fn a_reset_ends_the_pump_with_an_error_of_the_side_it_came_from() {
    let (client, near, far, server) = chain().await;
    let ((near_read, _keep), (_also, far_write)) = (near.into_split(), far.into_split());
    client.set_zero_linger().unwrap();
    drop(client);
    let end = pump_on(near_read, far_write).await;
    assert!(matches!(end.how, Ended::Read(error) if error.kind() == io::ErrorKind::ConnectionReset));
    drop(server);
}

#[tokio::test]
async fn a_writer_that_is_gone_ends_the_pump() {
    let (mut client, near, far, server) = chain().await;
    let ((near_read, _keep), (_also, far_write)) = (near.into_split(), far.into_split());
    server.set_zero_linger().unwrap();
    drop(server);
    let flood = async {
        // Ends with an error once the pump has let go, or when the buffers are full and the pump is gone.
        while client.write_all(&[0; 4096]).await.is_ok() {}
    };
    tokio::select! {
        end = pump_on(near_read, far_write) => assert!(matches!(end.how, Ended::Write(_)), "{end:?}"),
        () = flood => unreachable!("the pump reads as long as it runs"),
    }
}

#[tokio::test]
async fn what_was_read_too_early_comes_first() {
    let (mut client, mut near, far, mut server) = chain().await;
    near.unread(Bytes::from_static(b"early "));
    let ((near_read, _keep), (_also, far_write)) = (near.into_split(), far.into_split());
    client.write_all(b"late").await.unwrap();
    client.shutdown().await.unwrap();
    pump_on(near_read, far_write).await;
    let mut got = String::new();
    server.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "early late");
}
