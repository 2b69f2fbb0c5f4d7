//! What stands where the proxy will: it leads to a server, nowhere, or astray.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Stands between two parties and can be cut: standing connections are reset, and new ones as soon as they come.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    state: watch::Sender<Leads>,
}

/// Where a relay leads.
#[derive(Clone, Copy)]
enum Leads {
    To(SocketAddr),
    Nowhere,
    /// Neither there nor back, until it leads somewhere again.
    Astray,
}

impl Relay {
    /// A relay that leads nowhere yet.
    pub(super) async fn bind() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::Sender::new(Leads::Nowhere);
        let seen = state.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, seen.clone()));
            }
        });
        Self { address, state }
    }

    pub(super) fn leads_to(&self, target: SocketAddr) {
        self.state.send_replace(Leads::To(target));
    }

    pub(super) fn cut(&self) {
        self.state.send_replace(Leads::Nowhere);
    }

    pub(super) fn hang(&self) {
        self.state.send_replace(Leads::Astray);
    }
}

async fn carry(mut client: TcpStream, mut state: watch::Receiver<Leads>) {
    // Whatever ends this without a plain end resets the client.
    socket2::SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    let leads = state.wait_for(|leads| !matches!(leads, Leads::Astray)).await;
    let Ok(Leads::To(target)) = leads.map(|leads| *leads) else {
        return;
    };
    let mut server = TcpStream::connect(target).await.unwrap();
    tokio::select! {
        biased; // once it is cut, not one byte more
        _ = state.changed() => {}
        _ = copy_bidirectional(&mut client, &mut server) => {}
    }
}
