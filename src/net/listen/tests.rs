//! Ports that are taken, connections over the limit, and a process without descriptors.

use std::{cell::Cell, net::TcpStream as StdStream, rc::Rc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

use super::{acceptor::ACCEPT_PAUSE, *};
use crate::net::Sockets;

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn acceptor(permits: usize) -> (Acceptor, Permits, SocketAddr, Rc<Cell<u32>>) {
    let sockets = Sockets::bind(loopback(), 1).unwrap();
    let permits = Permits::new(permits);
    let pauses = Rc::new(Cell::new(0));
    let told = Rc::clone(&pauses);
    let post = sockets.take(0).unwrap();
    let acceptor = Acceptor::new(post, permits.clone(), move |_| told.set(told.get() + 1)).unwrap();
    (acceptor, permits, sockets.bound(), pauses)
}

#[test]
fn all_workers_share_one_port_and_each_gets_connections() {
    let listeners = bind_all(loopback(), 3).unwrap();
    let address = listeners[0].local_addr().unwrap();
    assert!(
        listeners
            .iter()
            .all(|listener| listener.local_addr().unwrap() == address)
    );
    let _clients: Vec<_> = (0..64).map(|_| StdStream::connect(address).unwrap()).collect();
    for listener in listeners {
        assert!(
            listener.accept().is_ok(),
            "the kernel spreads them by a hash: 64 leave no one out"
        );
    }
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind(loopback()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind_all(address, 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {address}: address in use: another process listens there; choose another port or stop it"
        )
    );
}

#[test]
fn a_port_that_somebody_else_would_share_is_in_use_all_the_same() {
    let ours = bind_all(loopback(), 2).unwrap();
    let address = ours[0].local_addr().unwrap();
    assert_eq!(
        bind_all(address, 1).unwrap_err().error.kind(),
        io::ErrorKind::AddrInUse
    );
    drop(ours);
    bind_all(address, 1).unwrap();
}

#[test]
fn an_address_of_another_machine_is_refused_with_a_reason() {
    let error = bind_all("192.0.2.1:8080".parse().unwrap(), 1).unwrap_err();
    assert!(error.to_string().contains("no such address"), "{error}");
}

#[tokio::test]
async fn accepted_connections_send_small_messages_at_once() {
    let (mut acceptor, _, address, _) = acceptor(1);
    let client = TcpStream::connect(address);
    let ((stream, _permit), client) = tokio::join!(acceptor.accept(), client);
    let (reader, _writer) = stream.into_split();
    let socket = reader.bare().unwrap();
    assert!(socket.tcp.nodelay().unwrap());
    assert!(SockRef::from(&socket.tcp).keepalive().unwrap());
    drop(client);
}

#[tokio::test]
async fn beyond_the_limit_a_connection_waits_and_is_served_when_one_ends() {
    let (mut acceptor, permits, address, pauses) = acceptor(1);
    let (mut first, mut second) = (
        TcpStream::connect(address).await.unwrap(),
        TcpStream::connect(address).await.unwrap(),
    );
    let (stream, permit) = acceptor.accept().await;
    let waiting = time::timeout(Duration::from_millis(30), permits.take()).await;
    assert!(waiting.is_err(), "the limit is one");
    let (next, ()) = tokio::join!(acceptor.accept(), async {
        tokio::task::yield_now().await;
        drop((stream, permit));
    });
    assert_eq!(pauses.get(), 1);
    assert_eq!(
        first.read(&mut [0; 1]).await.unwrap(),
        0,
        "the first was served to its end"
    );
    drop(next);
    assert_eq!(
        second.read(&mut [0; 1]).await.unwrap(),
        0,
        "the second was served, not dropped"
    );
}

#[tokio::test]
async fn a_connection_in_hand_survives_a_cancelled_accept() {
    let (mut acceptor, _, address, _) = acceptor(1);
    let _clients = [
        TcpStream::connect(address).await.unwrap(),
        TcpStream::connect(address).await.unwrap(),
    ];
    let (_first, permit) = acceptor.accept().await;
    for _ in 0..3 {
        assert!(
            time::timeout(Duration::from_millis(10), acceptor.accept())
                .await
                .is_err()
        );
    }
    drop(permit);
    acceptor.accept().await;
}

#[tokio::test]
async fn closing_hands_over_whoever_has_connected_already() {
    let (mut acceptor, permits, address, _) = acceptor(1);
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    let (_served, _permit) = acceptor.accept().await;
    assert!(
        time::timeout(Duration::from_millis(10), acceptor.accept())
            .await
            .is_err()
    );
    let last = acceptor.close();
    assert_eq!(
        (last.len(), permits.taken()),
        (3, 4),
        "one in hand, two in the queue"
    );
    assert!(TcpStream::connect(address).await.is_err());
    for ((mut stream, _permit), client) in last.into_iter().zip(&mut clients[1..]) {
        stream.write_u8(7).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 7);
    }
}

/// Two workers on one listener, on the runtime of the test.
fn two_acceptors() -> (Acceptor, Acceptor, SocketAddr) {
    let sockets = Sockets::bind(loopback(), 2).unwrap();
    let permits = Permits::new(100);
    let acceptor = |worker| Acceptor::new(sockets.take(worker).unwrap(), permits.clone(), |_| {}).unwrap();
    (acceptor(0), acceptor(1), sockets.bound())
}

#[tokio::test]
async fn those_that_stay_are_spread_evenly_over_the_workers_and_each_is_served() {
    let (mut first, mut second, address) = two_acceptors();
    let (mut clients, mut served) = (Vec::new(), [Vec::new(), Vec::new()]);
    for n in 0..12 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_u8(n).await.unwrap();
        clients.push(client);
        let (worker, (mut stream, permit)) = tokio::select! {
            accepted = first.accept() => (0, accepted),
            accepted = second.accept() => (1, accepted),
        };
        assert_eq!(stream.read_u8().await.unwrap(), n);
        served[worker].push((stream, permit));
        assert!(served[0].len().abs_diff(served[1].len()) <= 2);
    }
    assert!(
        served[0].len().abs_diff(served[1].len()) <= 1,
        "{}",
        served[0].len()
    );
}

#[tokio::test]
async fn a_worker_that_closes_takes_what_it_was_handed_and_no_more() {
    let (mut first, second, address) = two_acceptors();
    let mut clients = Vec::new();
    let mut served = Vec::new();
    // The first accepts until one is on its way to the second.
    while second.waiting() == 0 {
        clients.push(TcpStream::connect(address).await.unwrap());
        if let Ok(one) = time::timeout(Duration::from_millis(20), first.accept()).await {
            served.push(one);
        }
    }
    let last = second.close();
    assert_eq!(last.len() + served.len(), clients.len(), "none is lost");
    clients.push(TcpStream::connect(address).await.unwrap());
    served.push(first.accept().await);
}

#[tokio::test]
async fn a_raised_limit_lets_those_in_who_wait() {
    let permits = Permits::new(1);
    let _held = permits.take().await;
    let (_second, ()) = tokio::join!(permits.take(), async { permits.resize(2) });
    assert_eq!(permits.taken(), 2);
    permits.resize(0);
    assert!(permits.try_take().is_none());
}

/// Runs in a process of its own: the limit would starve the other tests.
#[test]
fn a_process_without_descriptors_stops_accepting_and_recovers() {
    const CHILD: &str = "CHAOSPROXY_TEST_WITHOUT_DESCRIPTORS";
    if std::env::var_os(CHILD).is_some() {
        return without_descriptors();
    }
    let name = "net::listen::tests::a_process_without_descriptors_stops_accepting_and_recovers";
    let this = std::env::current_exe().unwrap();
    let child = std::process::Command::new(this)
        .args([name, "--exact"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
}

fn without_descriptors() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut acceptor, _, address, pauses) = acceptor(100);
        let mut clients: Vec<_> = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        // Takes all descriptors that are left.
        let lower = rustix::process::Rlimit {
            current: Some(200),
            maximum: Some(200),
        };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, lower).unwrap();
        let mut hoard = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        let starved = time::timeout(ACCEPT_PAUSE * 3, acceptor.accept()).await;
        assert!(starved.is_err());
        assert_eq!(pauses.get(), 1, "said once, not at each try");
        drop(hoard);
        for _ in 0..3 {
            acceptor.accept().await;
        }
    });
}
