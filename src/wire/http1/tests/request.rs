use super::*;

fn read_all(bytes: &[u8]) -> Result<Option<RequestHead>, Flaw> {
    let limits = Limits {
        head: 2048,
        fields: 8,
        target: 256,
        body: 1000,
    };
    read(&mut Inbox::from(bytes), &mut Scan::default(), &limits)
}

#[test]
fn a_good_head_is_read() {
    let check = |head: &str, method: &str, uri: &str, host: Option<&str>, framing: Framing| {
        let read = read_all(head.as_bytes()).expect(head).expect(head);
        assert_eq!(
            (read.parts.method.as_str(), read.parts.uri.to_string().as_str()),
            (method, uri),
            "{head:?}"
        );
        assert_eq!(
            read.parts.headers.get("host").map(|h| h.to_str().unwrap()),
            host,
            "{head:?}"
        );
        assert_eq!(read.framing, framing, "{head:?}");
    };
    check(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET",
        "/",
        Some("a"),
        Framing::None,
    );
    check(
        "\r\n\r\nGET /a?b=c HTTP/1.1\r\nhost:a:80\r\n\r\n",
        "GET",
        "/a?b=c",
        Some("a:80"),
        Framing::None,
    );
    check(
        "GET //x//y HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET",
        "//x//y",
        Some("[::1]:80"),
        Framing::None,
    );
    check(
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET",
        "/",
        Some(""),
        Framing::None,
    );
    check("GET / HTTP/1.0\r\n\r\n", "GET", "/", None, Framing::None);
    check(
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS",
        "*",
        Some("a"),
        Framing::None,
    );
    check(
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT",
        "a:443",
        Some("a"),
        Framing::None,
    );
    check(
        "GET http://b:81/p?q HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET",
        "/p?q",
        Some("b:81"),
        Framing::None,
    );
    check(
        "GET HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET",
        "/",
        Some("b"),
        Framing::None,
    );
    check(
        "brew /pot HTTP/1.1\r\nHost: a\r\n\r\n",
        "brew",
        "/pot",
        Some("a"),
        Framing::None,
    );
    check(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n",
        "POST",
        "/",
        Some("a"),
        Framing::Length(7),
    );
    check(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST",
        "/",
        Some("a"),
        Framing::Chunked,
    );
}

#[test]
fn an_unfinished_head_is_waited_for() {
    for head in [
        "",
        "\r",
        "\r\n",
        "GET",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
    ] {
        assert!(matches!(read_all(head.as_bytes()), Ok(None)), "{head:?}");
    }
}

/// What is known to make two parsers disagree, or to be no HTTP at all.
const CORPUS: &[(&[u8], Flaw)] = &[
    // lines
    (b"GET / HTTP/1.1\nHost: a\n\n", Flaw::LineEnd),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", Flaw::LineEnd),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Flaw::LineEnd),
    (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", Flaw::Host),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n",
        Flaw::FieldValue,
    ),
    (b"GET / HTTP/1.1\r\rHost: a\r\n\r\n", Flaw::FirstLine),
    // the first line
    (b"\x16\x03\x01\x02\x00", Flaw::FirstLine),
    (b"SSH-2.0-x\r\n\r\n", Flaw::FirstLine),
    (b"GET\r\n\r\n", Flaw::FirstLine),
    (b"GET /\r\n\r\n", Flaw::FirstLine),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b"G{T / HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Method),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b"GET / HTTP/11\r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", Flaw::FirstLine),
    (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", Flaw::Version),
    (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", Flaw::Version),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Flaw::Version),
    // the target
    (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    (b"CONNECT http://a:1/ HTTP/1.1\r\nHost: a\r\n\r\n", Flaw::Target),
    // names and values
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", Flaw::FieldName),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n",
        Flaw::FieldName,
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\x0b: chunked\r\n\r\n",
        Flaw::FieldName,
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\0: chunked\r\n\r\n",
        Flaw::FieldName,
    ),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\xe9: b\r\n\r\n", Flaw::FieldName),
    (b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", Flaw::FieldName),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", Flaw::FieldName),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Flaw::Folding),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", Flaw::Folding),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
        Flaw::TransferEncoding,
    ),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", Flaw::FieldValue),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x0b\r\n\r\n", Flaw::FieldValue),
    // Host
    (b"GET / HTTP/1.1\r\n\r\n", Flaw::Host),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Flaw::Host),
    (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", Flaw::Host),
    (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Flaw::Host),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Flaw::Host),
    (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Flaw::Host),
    (b"GET http://a/ HTTP/1.1\r\n\r\n", Flaw::Host),
    // CL.TE, TE.CL, CL.CL, TE.TE
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        Flaw::TwoLengths,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n",
        Flaw::TwoLengths,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        Flaw::TwoLengths,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        Flaw::TransferCoding,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        Flaw::TransferCoding,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        Flaw::TransferCoding,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        Flaw::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        Flaw::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
        Flaw::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
        Flaw::TransferCoding,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
        Flaw::TransferCoding,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
        Flaw::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        Flaw::TransferEncoding,
    ),
    // the rest
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n",
        Flaw::Expectation,
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n",
        Flaw::BodyTooLarge,
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\n1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n\r\n",
        Flaw::HeadTooLarge,
    ),
];

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for (bytes, flaw) in CORPUS {
        let read = read_all(bytes).map(|head| head.map(|head| head.parts));
        assert_eq!(
            read.as_ref().err(),
            Some(flaw),
            "{:?}: {read:?}",
            bytes.escape_ascii().to_string()
        );
    }
}

#[test]
fn limits_hold_while_a_head_is_still_coming() {
    let long = [b"GET /".as_slice(), &[b'a'; 300]].concat();
    assert_eq!(read_all(&long).err(), Some(Flaw::TargetTooLong));
    let long = [&long, b" HTTP/1.1\r\nHost: a\r\n\r\n".as_slice()].concat();
    assert_eq!(read_all(&long).err(), Some(Flaw::TargetTooLong));
    let large = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; 2100]].concat();
    assert_eq!(read_all(&large).err(), Some(Flaw::HeadTooLarge));
}
