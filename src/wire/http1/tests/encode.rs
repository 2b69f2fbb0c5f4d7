use http::{Request, Response};

use super::*;

const ASKER: Asker = Asker {
    head: false,
    old: false,
    trailers: true,
};

fn write(response: response::Builder, hint: SizeHint, asker: Asker) -> (String, Writer, bool) {
    let mut out = Vec::new();
    let (writer, lives) = super::response(
        &mut out,
        &response.body(()).unwrap().into_parts().0,
        hint,
        asker,
        true,
    );
    (String::from_utf8(out).unwrap(), writer, lives)
}

#[test]
fn a_response_head_says_how_its_body_ends() {
    let check = |response: response::Builder,
                 hint: SizeHint,
                 asker: Asker,
                 head: &str,
                 writer: Writer,
                 lives: bool| {
        assert_eq!(write(response, hint, asker), (head.to_owned(), writer, lives));
    };
    let (ok, unknown) = (Response::builder, SizeHint::new());
    let (old, head) = (Asker { old: true, ..ASKER }, Asker { head: true, ..ASKER });
    check(
        ok(),
        SizeHint::with_exact(3),
        ASKER,
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n",
        Writer::Length(3),
        true,
    );
    check(
        ok(),
        SizeHint::with_exact(0),
        ASKER,
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        Writer::Nothing,
        true,
    );
    let chunked = Writer::Chunked { trailers: true };
    check(
        ok(),
        unknown,
        ASKER,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        chunked,
        true,
    );
    check(
        ok(),
        unknown,
        old,
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        Writer::Close,
        false,
    );
    let kept = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\n\r\n";
    check(ok(), SizeHint::with_exact(3), old, kept, Writer::Length(3), true);
    check(
        ok(),
        unknown,
        head,
        "HTTP/1.1 200 OK\r\n\r\n",
        Writer::Nothing,
        true,
    );
    let given = ok().header("content-length", "7");
    check(
        given,
        SizeHint::with_exact(0),
        head,
        "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n",
        Writer::Nothing,
        true,
    );
    let given = ok().status(304).header("content-length", "7");
    check(
        given,
        unknown,
        ASKER,
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n",
        Writer::Nothing,
        true,
    );
    let none = ok()
        .status(204)
        .header("content-length", "7")
        .header("transfer-encoding", "chunked");
    check(
        none,
        unknown,
        ASKER,
        "HTTP/1.1 204 No Content\r\n\r\n",
        Writer::Nothing,
        true,
    );
    let closing = ok().status(799).header("connection", "x, close").header("a", "1");
    let text = "HTTP/1.1 799 \r\na: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    check(
        closing,
        SizeHint::with_exact(0),
        ASKER,
        text,
        Writer::Nothing,
        false,
    );
}

#[test]
fn a_request_head_says_how_its_body_ends() {
    let check = |request: request::Builder, hint: SizeHint, head: &str, writer: Writer| {
        let mut out = Vec::new();
        let (written, _) = super::request(&mut out, &request.body(()).unwrap().into_parts().0, hint);
        assert_eq!(
            (String::from_utf8(out).unwrap().as_str(), written),
            (head, writer)
        );
    };
    let none = SizeHint::with_exact(0);
    let (get, post) = (
        |uri: &str| Request::get(uri),
        || Request::post("/").header("host", "a"),
    );
    check(
        get("/x?y").header("host", "a"),
        none,
        "GET /x?y HTTP/1.1\r\nhost: a\r\n\r\n",
        Writer::Nothing,
    );
    check(
        get("https://b:1/x"),
        none,
        "GET /x HTTP/1.1\r\nhost: b:1\r\n\r\n",
        Writer::Nothing,
    );
    check(
        get("http://b"),
        none,
        "GET / HTTP/1.1\r\nhost: b\r\n\r\n",
        Writer::Nothing,
    );
    check(
        post(),
        none,
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        Writer::Nothing,
    );
    let known = SizeHint::with_exact(2_000_000_000_000);
    let text = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000000000\r\n\r\n";
    check(post(), known, text, Writer::Length(2_000_000_000_000));
    let text = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    check(post(), SizeHint::new(), text, Writer::Chunked { trailers: true });
    check(
        post().header("transfer-encoding", "x"),
        SizeHint::new(),
        text,
        Writer::Chunked { trailers: true },
    );
    let connect = Request::builder()
        .method("CONNECT")
        .uri("a:443")
        .header("host", "a:443");
    check(
        connect,
        none,
        "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n",
        Writer::Nothing,
    );
}

#[test]
fn chunk_sizes_are_hexadecimal() {
    for size in [1, 9, 10, 15, 16, 255, 256, 65_535, 65_536, usize::MAX] {
        let mut out = Vec::new();
        chunk_size(size, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{size:x}\r\n"));
    }
}
