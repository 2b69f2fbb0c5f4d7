use super::*;

fn read_all(bytes: &[u8]) -> Result<Option<ResponseHead>, Flaw> {
    let limits = Limits {
        head: 2048,
        fields: 8,
        target: 0,
        body: 1000,
    };
    read(&mut Inbox::from(bytes), &mut Scan::default(), &limits)
}

fn framing(bytes: &[u8], method: &Method) -> Result<Framing, Flaw> {
    let head = read_all(bytes)?.ok_or(Flaw::LineEnd)?;
    head.framing(
        method,
        &Limits {
            body: 1000,
            ..Limits::default()
        },
    )
}

#[test]
fn the_end_of_a_body_is_known() {
    let check = |head: &str, method: Method, expected: Framing| {
        assert_eq!(framing(head.as_bytes(), &method), Ok(expected), "{head:?}");
    };
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        Method::GET,
        Framing::Length(3),
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        Method::HEAD,
        Framing::None,
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        Method::GET,
        Framing::Chunked,
    );
    check("HTTP/1.1 200 OK\r\n\r\n", Method::GET, Framing::Close);
    check("HTTP/1.0 200 OK\r\n\r\n", Method::GET, Framing::Close);
    check("HTTP/1.1 204 No Content\r\n\r\n", Method::GET, Framing::None);
    check(
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
        Method::GET,
        Framing::None,
    );
    check("HTTP/1.1 103 Early Hints\r\n\r\n", Method::GET, Framing::None);
    check(
        "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        Method::GET,
        Framing::None,
    );
    check(
        "HTTP/1.1 200 \r\nHost: a\r\nHost: b\r\nExpect: x\r\n\r\n",
        Method::GET,
        Framing::Close,
    );
}

#[test]
fn garbage_from_a_backend_is_told_at_once() {
    let check = |head: &[u8], flaw: Flaw| {
        assert_eq!(
            framing(head, &Method::GET),
            Err(flaw),
            "{:?}",
            head.escape_ascii().to_string()
        );
    };
    check(b"hello", Flaw::FirstLine);
    check(b"\x15\x03\x03", Flaw::FirstLine);
    check(b"ICY 200 OK\r\n\r\n", Flaw::FirstLine);
    check(b"HTTP/2.0 200 OK\r\n\r\n", Flaw::FirstLine);
    check(b"HTTP/1.2 200 OK\r\n\r\n", Flaw::Version);
    check(b"HTTP/1.1\r\n\r\n", Flaw::FirstLine);
    check(b"HTTP/1.1 20 OK\r\n\r\n", Flaw::FirstLine);
    check(b"HTTP/1.1 2000 OK\r\n\r\n", Flaw::FirstLine);
    check(b"HTTP/1.1  200 OK\r\n\r\n", Flaw::FirstLine);
    check(b"HTTP/1.1 099 Low\r\n\r\n", Flaw::Status);
    check(b"HTTP/1.1 200 a\rb\r\n\r\n", Flaw::FirstLine);
    check(b"HTTP/1.1 200 OK\n\n", Flaw::LineEnd);
    check(b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Flaw::FieldName);
    check(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Flaw::Folding);
    check(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        Flaw::ContentLength,
    );
    check(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        Flaw::TwoLengths,
    );
    check(
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        Flaw::TransferEncoding,
    );
    check(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        Flaw::TransferCoding,
    );
    check(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        Flaw::BodyTooLarge,
    );
    check(
        &[b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 3000]].concat(),
        Flaw::HeadTooLarge,
    );
}
