//! A real nginx: started, killed, asked to leave, started again on the same port.

use std::{
    net::SocketAddr,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::{eventually, free, http};

/// One server, which answers everything with its name.
pub struct Nginx {
    /// Where it listens.
    pub address: SocketAddr,
    folder: TempDir,
    child: Option<Child>,
}

impl Nginx {
    /// Starts a server.
    pub async fn start(name: &str) -> Self {
        let (address, folder) = (free(), TempDir::new().unwrap());
        std::fs::write(
            folder.path().join("nginx.conf"),
            configuration(name, address, &folder),
        )
        .unwrap();
        let mut nginx = Self {
            address,
            folder,
            child: None,
        };
        nginx.come_back().await;
        nginx
    }

    /// Starts it again where it was.
    pub async fn come_back(&mut self) {
        let child = Command::new("nginx")
            .arg("-c")
            .arg(self.folder.path().join("nginx.conf"))
            .arg("-e")
            .arg(self.folder.path().join("error.log"))
            .stderr(Stdio::null())
            // A group of its own, so that it can be killed with its workers.
            .process_group(0)
            .spawn();
        self.child = Some(child.expect("nginx is installed: tests/run sees to that"));
        let address = self.address;
        eventually(
            "nginx answers",
            || async move { http::get(address, "/").await.ok() },
        )
        .await;
    }

    /// Kills master and workers in the middle of whatever they do.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process_group(pid(&child), Signal::KILL);
            let _ = child.wait();
        }
    }

    /// Asks it to finish what runs, and waits until it has.
    pub async fn quit(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_process(pid(&child), Signal::QUIT).unwrap();
            tokio::task::spawn_blocking(move || child.wait().unwrap())
                .await
                .unwrap();
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn configuration(name: &str, address: SocketAddr, folder: &TempDir) -> String {
    let folder = folder.path().display();
    format!(
        "daemon off; worker_processes 1; worker_shutdown_timeout 5s; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off; default_type text/plain;
    keepalive_timeout 60s; keepalive_requests 1000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen {address};
        location / {{ return 200 \"{name}\\n\"; }}
    }}
}}
"
    )
}
