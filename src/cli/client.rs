//! The admin API's client: one request, one answer, and words for what goes wrong.

use std::{fmt::Write as _, io, path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::TcpStream, time};

use super::trouble::Trouble;
use crate::admin::{PROBLEM_JSON, Refusal, USER};

/// Where the proxy is, and who asks.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Where the proxy is")]
pub(super) struct Whereabouts {
    /// The address of the proxy's admin API
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CHAOSPROXY_ADMIN",
        hide_env_values = true,
        default_value = "127.0.0.1:8474"
    )]
    pub(super) admin: String,
    /// The file that holds your token; CHAOSPROXY_TOKEN may hold the token itself
    #[arg(
        long,
        value_name = "FILE",
        env = "CHAOSPROXY_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(super) token_file: Option<PathBuf>,
}

/// Connecting to a port on this machine or network takes no longer.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// The proxy gives up after ten seconds itself; a little more, so that its own words arrive.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);

/// No answer of ours is larger, and an answer of somebody else's shall not fill the memory.
const LARGEST_ANSWER: usize = 64 << 20;

/// The port where none is said: Toxiproxy's, so that its clients find it.
const PORT: &str = "8474";

/// What may stand in a segment of a path as it is (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name as a segment of a path.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// Asks the admin API.
#[derive(Clone, Debug)]
pub(super) struct Client {
    address: String,
    token: Option<String>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: StatusCode,
    /// The body.
    pub(super) body: Bytes,
    problem: bool,
}

impl Client {
    /// A client for a proxy.
    pub(super) fn new(whereabouts: &Whereabouts) -> Result<Self, Trouble> {
        let token = match &whereabouts.token_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(|e| Trouble::file("read", path, &e))?),
            None => std::env::var("CHAOSPROXY_TOKEN").ok(),
        };
        let token = token
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty());
        Ok(Self {
            address: address(&whereabouts.admin),
            token,
        })
    }

    /// Where it asks.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.send(Method::GET, path, None).await?.read()
    }

    /// Does something with these settings.
    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Trouble> {
        let body = serde_json::to_vec(body).map_err(|error| {
            Trouble::new(format!("the request is no JSON: {error}"), "report this as a bug")
        })?;
        self.send(Method::POST, path, Some(("application/json", body.into())))
            .await?
            .read()
    }

    /// Takes something away.
    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.send(Method::DELETE, path, None).await?.read()
    }

    /// Sends a request and gives whatever comes back.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Reply, Trouble> {
        let request = self.request(method, path, body)?;
        let stream = time::timeout(CONNECT_LIMIT, TcpStream::connect(&self.address))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| self.unreachable(&error))?;
        match time::timeout(ANSWER_LIMIT, exchange(TokioIo::new(stream), request)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(Trouble::new(
                format!("what answers at {} is no admin API: {error}", self.address),
                "name the admin port with --admin or CHAOSPROXY_ADMIN",
            )),
            Err(_) => Err(Trouble::new(
                format!(
                    "no answer from {} within {}s",
                    self.address,
                    ANSWER_LIMIT.as_secs()
                ),
                "look at the proxy's log and at the load of its machine",
            )),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Request<Full<Bytes>>, Trouble> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.address)
            .header(
                header::USER_AGENT,
                concat!("chaosproxy/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        } else if let Ok(user) = std::env::var("USER") {
            request = request.header(USER, user);
        }
        if let Some((media, _)) = &body {
            request = request.header(header::CONTENT_TYPE, *media);
        }
        let body = body.map(|(_, bytes)| bytes).unwrap_or_default();
        request.body(Full::new(body)).map_err(|error| {
            Trouble::usage(
                format!("the request cannot be made: {error}"),
                "check --admin and the token",
            )
        })
    }

    fn unreachable(&self, error: &io::Error) -> Trouble {
        Trouble::new(
            format!("nothing answers at {}: {}", self.address, plain(error)),
            "is chaosproxy running? start it with `chaosproxy --config FILE`, or name its admin port with --admin",
        )
    }
}

async fn exchange<I>(io: I, request: Request<Full<Bytes>>) -> Result<Reply, String>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let (mut sender, connection) = http1::handshake(io).await.map_err(|e| causes(&e))?;
    let reply = async {
        let (head, body) = sender
            .send_request(request)
            .await
            .map_err(|e| causes(&e))?
            .into_parts();
        let media = head
            .headers
            .get(header::CONTENT_TYPE)
            .map(http::HeaderValue::as_bytes);
        let body = Limited::new(body, LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|e| causes(e.as_ref()))?;
        let problem = media == Some(PROBLEM_JSON.as_bytes());
        Ok(Reply {
            status: head.status,
            body: body.to_bytes(),
            problem,
        })
    };
    let mut reply = std::pin::pin!(reply);
    tokio::select! {
        // The reply first: once it is whole, it does not matter how the connection ends.
        biased;
        reply = reply.as_mut() => reply,
        _ = connection => reply.await,
    }
}

/// An error without its number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => format!("no connection within {}s", CONNECT_LIMIT.as_secs()),
        _ => error.to_string(),
    }
}

/// An error with all its causes.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

impl Reply {
    /// The answer, or the refusal as trouble.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        serde_json::from_slice(self.good()?).map_err(|error| {
            Trouble::new(
                format!("the answer cannot be read: {error}"),
                "use the same version of chaosproxy on both sides",
            )
        })
    }

    /// The answer as text, or the refusal as trouble.
    pub(super) fn text(&self) -> Result<String, Trouble> {
        self.good().map(|body| String::from_utf8_lossy(body).into_owned())
    }

    /// The refusal, if this is one.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.problem
            .then(|| serde_json::from_slice(&self.body).ok())
            .flatten()
    }

    fn good(&self) -> Result<&Bytes, Trouble> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal.into());
        }
        if self.status.is_success() {
            return Ok(&self.body);
        }
        Err(Trouble::new(
            format!("what answers is no admin API of ours: it said {}", self.status),
            "name the admin port with --admin or CHAOSPROXY_ADMIN",
        ))
    }
}

/// An address as people write it, with a port.
fn address(said: &str) -> String {
    let bare = said.strip_prefix("http://").unwrap_or(said).trim_end_matches('/');
    let has_port = bare
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let is_bare_v6 = bare.parse::<std::net::Ipv6Addr>().is_ok();
    match (is_bare_v6, has_port) {
        (true, _) => format!("[{bare}]:{PORT}"),
        (false, true) => bare.to_owned(),
        (false, false) => format!("{bare}:{PORT}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        admin::{Add, Added, Admit, ClusterStatus, FaultStatus, Kind, Panicked, Status},
        cli::trouble::Exit,
    };

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        let check = |said: &str, meant: &str| assert_eq!(address(said), meant);
        check("127.0.0.1:8474", "127.0.0.1:8474");
        check("proxy.internal", "proxy.internal:8474");
        check("http://localhost:9000/", "localhost:9000");
        check("::1", "[::1]:8474");
        check("[::1]:9000", "[::1]:9000");
        check("[::1]", "[::1]:8474");
    }

    #[test]
    fn names_are_kept_whole_in_paths() {
        assert_eq!(segment("10.0.0.1:80/a b"), "10.0.0.1%3A80%2Fa%20b");
    }

    #[tokio::test]
    async fn nothing_there_says_how_to_start_it() {
        let port = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let client = Client {
            address: port.to_string(),
            token: None,
        };
        let trouble = client.get::<serde_json::Value>("/").await.unwrap_err();
        assert_eq!(trouble.exit, Exit::Failed);
        assert!(trouble.next.contains("is chaosproxy running?"), "{trouble}");
    }

    #[tokio::test]
    async fn both_sides_of_the_api_speak_the_same_types() {
        let (address, end) = crate::admin::tests::serve().await;
        let client = Client { address, token: None };
        let status: Status = client.get("/api/v1/status").await.unwrap();
        assert_eq!(status.clusters[0].backends[0].name, "app-a");
        let faults = "{slow: {do: {latency: {add: 300ms}}, for: 5m}}";
        let add = Add {
            faults: crate::config::read("test", faults).unwrap(),
            lease: false,
        };
        let added: Added = client.post("/api/v1/faults", &add).await.unwrap();
        let listed: Vec<FaultStatus> = client.get("/api/v1/faults").await.unwrap();
        assert_eq!(added.faults.len(), listed.len());
        let changed: ClusterStatus = client
            .post(
                "/api/v1/clusters/app/admit",
                &Admit {
                    share: "25%".parse().unwrap(),
                },
            )
            .await
            .unwrap();
        assert_eq!(changed.admitted.to_string(), "25%");
        let panicked: Panicked = client.post("/api/v1/panic", &json!({})).await.unwrap();
        assert_eq!(panicked.lifted, 1);
        let refused = client.post::<_, Added>("/api/v1/faults", &add).await.unwrap_err();
        assert_eq!(refused.exit, Exit::Panic);
        let unknown = client
            .delete::<FaultStatus>("/api/v1/faults/slow")
            .await
            .unwrap_err();
        assert!(unknown.next.contains("faults list"), "{unknown}");
        end.cancel();
    }

    #[test]
    fn a_refusal_and_a_strange_answer_are_told_apart() {
        let refusal = Refusal::new(Kind::Panicked, "panic is in force", "`chaosproxy panic reset`");
        let body = serde_json::to_vec(&refusal).unwrap().into();
        let reply = Reply {
            status: StatusCode::CONFLICT,
            body,
            problem: true,
        };
        assert_eq!(reply.text().unwrap_err().exit, Exit::Panic);
        let strange = Reply {
            status: StatusCode::NOT_FOUND,
            body: "<html>".into(),
            problem: false,
        };
        assert!(strange.text().unwrap_err().what.contains("404"));
    }
}
