//! Real handshakes over loopback: names, client certificates, resumption, wrong certificates and wrong files.

use rcgen::date_time_ymd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::net::{
    Stream,
    testing::{Authority, LIMIT, connection},
};

async fn shake(
    client: &ClientTls,
    server: &ServerTls,
    host: &str,
) -> (Result<Stream, TlsError>, Result<Stream, TlsError>) {
    let (tcp, accepted) = connection().await;
    let peer = tcp.peer_addr().unwrap();
    let (client, server) = tokio::join!(
        async {
            let mut stream = client.connect(Stream::new(tcp, peer), host, LIMIT).await?;
            // TLS 1.3 lets the client finish before the server has judged it.
            stream.flush().await.map_err(TlsError::Lost)?;
            Ok(stream)
        },
        server.accept(accepted, LIMIT),
    );
    (client, server)
}

fn server_files(certificates: Vec<KeyPair>) -> ServerFiles {
    ServerFiles {
        certificates,
        client_ca: None,
        client_optional: false,
        tls13_only: false,
        alpn: vec![Alpn::Http2, Alpn::Http1],
    }
}

#[tokio::test]
async fn both_sides_learn_name_and_protocol_and_then_talk() {
    let authority = Authority::new();
    let (client, server) = shake(
        &authority.client(),
        &authority.server(&["localhost"]),
        "localhost",
    )
    .await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let facts = server.tls().unwrap();
    assert_eq!(facts.server_name.as_deref(), Some("localhost"));
    assert_eq!(facts.alpn, Some(Alpn::Http2));
    assert_eq!(client.tls().unwrap().alpn, Some(Alpn::Http2));
    client.write_all(b"hello").await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = String::new();
    server.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello");
}

#[tokio::test]
async fn a_client_that_speaks_no_http2_gets_http1() {
    let authority = Authority::new();
    let files = ClientFiles {
        alpn: vec![Alpn::Http1],
        ..authority.client_files()
    };
    let (_client, server) = shake(
        &files.load().unwrap(),
        &authority.server(&["localhost"]),
        "localhost",
    )
    .await;
    assert_eq!(server.unwrap().tls().unwrap().alpn, Some(Alpn::Http1));
}

#[tokio::test]
async fn the_certificate_is_chosen_by_name_exactly_then_by_wildcard_then_the_first() {
    let authority = Authority::new();
    let files = server_files(vec![
        authority.sign(&["default.example"], |_| {}),
        authority.sign(&["*.example.org"], |_| {}),
        authority.sign(&["exact.example.org", "EXACT.example.net"], |_| {}),
    ]);
    let server = files.load().unwrap();
    let client = authority.client();
    for good in [
        "default.example",
        "a.example.org",
        "exact.example.org",
        "exact.example.net",
    ] {
        let (client, _server) = shake(&client, &server, good).await;
        assert!(client.is_ok(), "{good}");
    }
    // Whoever asks for a name that we do not have gets the first, which is not for that name.
    for bad in ["example.org", "a.b.example.org", "nobody.example"] {
        let (client, _server) = shake(&client, &server, bad).await;
        let error = client.unwrap_err().to_string();
        assert!(
            error.contains(&format!("it is not for {bad}, but for ")),
            "{bad}: {error}"
        );
    }
}

#[tokio::test]
async fn where_client_certificates_are_asked_for_one_must_have_one() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = ServerFiles {
        client_ca: Some(authority.path("ca.pem")),
        ..server_files(vec![authority.sign(&["localhost"], |_| {})])
    };
    let server = files.load().unwrap();
    let alice = authority.sign(&["alice"], |_| {});
    let known = ClientFiles {
        identity: Some(alice),
        ..authority.client_files()
    }
    .load()
    .unwrap();
    let (_client, accepted) = shake(&known, &server, "localhost").await;
    assert!(
        accepted
            .unwrap()
            .tls()
            .unwrap()
            .client_subject
            .as_deref()
            .unwrap()
            .contains("CN=alice")
    );

    let (_client, refused) = shake(&authority.client(), &server, "localhost").await;
    assert!(matches!(refused, Err(TlsError::Protocol(_))), "no certificate");

    let mallory = stranger.sign(&["mallory"], |_| {});
    let unknown = ClientFiles {
        identity: Some(mallory),
        ..authority.client_files()
    }
    .load()
    .unwrap();
    let (_client, refused) = shake(&unknown, &server, "localhost").await;
    assert!(
        matches!(refused, Err(TlsError::Certificate(_))),
        "a stranger's certificate"
    );
}

#[tokio::test]
async fn an_unknown_authority_is_refused_unless_anybody_will_do() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = theirs.server(&["localhost"]);
    let (client, _server) = shake(&ours.client(), &server, "localhost").await;
    assert!(matches!(client, Err(TlsError::Certificate(_))));

    let anybody = ClientFiles {
        trust: Trust::Anybody,
        ..ours.client_files()
    }
    .load()
    .unwrap();
    let (client, _server) = shake(&anybody, &server, "whatever.example").await;
    assert!(client.is_ok());
}

#[tokio::test]
async fn the_name_to_verify_can_be_another_than_the_address() {
    let authority = Authority::new();
    let files = ClientFiles {
        server_name: Some("app.example".into()),
        ..authority.client_files()
    };
    let (_client, server) = shake(
        &files.load().unwrap(),
        &authority.server(&["app.example"]),
        "10.0.0.1",
    )
    .await;
    assert_eq!(
        server.unwrap().tls().unwrap().server_name.as_deref(),
        Some("app.example")
    );
}

#[tokio::test]
async fn a_second_connection_resumes_the_first() {
    let authority = Authority::new();
    let (client, server) = (authority.client(), authority.server(&["localhost"]));
    for resumed in [false, true] {
        let (near, far) = shake(&client, &server, "localhost").await;
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        // The ticket comes after the handshake.
        far.write_all(b"x").await.unwrap();
        near.read_u8().await.unwrap();
        assert_eq!(far.tls().unwrap().resumed, resumed);
    }
}

#[tokio::test]
async fn a_silent_peer_is_given_up_at_the_limit() {
    let (_silent, accepted) = connection().await;
    let server = Authority::new().server(&["localhost"]);
    let limit = Duration::from_millis(20);
    assert!(matches!(
        server.accept(accepted, limit).await,
        Err(TlsError::Timeout(_))
    ));
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_told_apart_from_one_that_leaves() {
    let server = Authority::new().server(&["localhost"]);
    let (mut plain, accepted) = connection().await;
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(matches!(
        server.accept(accepted, LIMIT).await,
        Err(TlsError::Protocol(_))
    ));

    let (gone, accepted) = connection().await;
    drop(gone);
    assert!(matches!(
        server.accept(accepted, LIMIT).await,
        Err(TlsError::Lost(_))
    ));
}

#[tokio::test]
async fn a_wrong_certificate_is_wrong_in_one_respect_only() {
    let authority = Authority::new();
    let impostor = Impostor::new().unwrap();
    authority.write("impostor.pem", &impostor.authority_pem());
    let files = ClientFiles {
        trust: Trust::File(authority.path("impostor.pem")),
        ..authority.client_files()
    };
    let client = files.load().unwrap();
    for (kind, expected) in [
        (BadCertificate::Expired, "expired"),
        (BadCertificate::WrongName, "it is not for shop.example, but for "),
        (
            BadCertificate::Untrusted,
            "nobody who is trusted here has issued it",
        ),
    ] {
        let server = impostor.server(kind, &[Alpn::Http1]);
        // The second comes from the kept ones.
        for _ in 0..2 {
            let (client, _server) = shake(&client, &server, "shop.example").await;
            let error = client.unwrap_err().to_string();
            assert!(error.contains(expected), "{kind:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_shows_the_certificate_of_an_authority_is_told_how_to_make_another() {
    let authority = Authority::new();
    let pair = authority.sign(&["localhost"], |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let server = server_files(vec![pair]).load().unwrap();
    let (client, server) = shake(&authority.client(), &server, "localhost").await;
    let error = client.unwrap_err().to_string();
    for part in [
        "certificate refused: it is one of an authority (CA:TRUE)",
        "basicConstraints=critical,CA:FALSE",
    ] {
        assert!(error.contains(part), "{error}");
    }
    if let Err(error) = server {
        let error = error.to_string();
        assert!(error.contains("the other side says: "), "{error}");
    }
}

#[test]
fn a_wrong_file_is_named_with_what_is_wrong() {
    let authority = Authority::new();
    let good = authority.sign(&["good.example"], |_| {});
    let other = authority.sign(&["other.example"], |_| {});
    let check = |certificate: &std::path::Path, key: &std::path::Path, file: &str, part: &str| {
        let pair = KeyPair {
            certificate: certificate.into(),
            key: key.into(),
        };
        let error = server_files(vec![pair]).load().unwrap_err();
        assert!(error.file.ends_with(file) && error.why.contains(part), "{error}");
    };
    let missing = authority.path("missing.pem");
    check(&missing, &good.key, "missing.pem", "no such file");
    check(&good.certificate, &missing, "missing.pem", "no such file");
    check(&good.key, &good.key, "good.example.key", "no PEM certificate");
    check(
        &good.certificate,
        &good.certificate,
        "good.example.pem",
        "no PEM private key",
    );
    check(
        &good.certificate,
        &other.key,
        "other.example.key",
        "does not belong to the certificate",
    );
    let garbled = authority.write(
        "garbled.pem",
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
    );
    check(&garbled, &good.key, "garbled.pem", "damaged PEM");
    let half = authority.write("half.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    check(&half, &good.key, "half.pem", "damaged PEM");
    let empty = authority.write(
        "empty.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    check(&empty, &good.key, "empty.pem", "damaged");
    let secret = authority.write(
        "secret.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    check(&good.certificate, &secret, "secret.key", "encrypted");
}

#[test]
fn an_expired_certificate_works_with_a_warning() {
    let authority = Authority::new();
    let old = authority.sign(&["old.example"], |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let server = server_files(vec![authority.sign(&["new.example"], |_| {}), old])
        .load()
        .unwrap();
    let [warning] = server.warnings() else {
        panic!("{:?}", server.warnings())
    };
    assert!(
        warning.contains("old.example.pem") && warning.contains("2020"),
        "{warning}"
    );
}

#[test]
fn a_name_that_is_none_is_refused_when_it_is_read() {
    let authority = Authority::new();
    let files = ClientFiles {
        server_name: Some("not a name".into()),
        ..authority.client_files()
    };
    let error = files.load().unwrap_err().to_string();
    assert!(error.starts_with("not a name: "), "{error}");
}
