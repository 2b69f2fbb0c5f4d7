use std::future::poll_fn;

use tokio::io::AsyncReadExt;

use super::*;
use crate::wire::http1::tests::Frames;

/// What goes out for these frames.
async fn pumped(writer: Writer, frames: Frames) -> (String, Result<(), String>) {
    let (near, mut far) = tokio::io::duplex(7);
    let link = RefCell::new(Link::new(near));
    let mut pump = Pump::new(frames, writer);
    let write = async {
        let pumped = poll_fn(|cx| pump.poll(&link, cx)).await;
        drop(link.borrow_mut().take_io());
        pumped.map_err(|broken| format!("{broken:?}"))
    };
    let mut out = String::new();
    let (pumped, _) = tokio::join!(write, far.read_to_string(&mut out));
    (out, pumped)
}

#[tokio::test]
async fn a_body_goes_out_as_its_head_said() {
    let check = async |writer: Writer, frames: Frames, out: &str, end: Result<(), &str>| {
        assert_eq!(
            pumped(writer, frames).await,
            (out.to_owned(), end.map_err(str::to_owned))
        );
    };
    let chunked = |trailers| Writer::Chunked { trailers };
    check(Writer::Nothing, Frames::of(&["ab"]), "", Ok(())).await;
    check(Writer::Close, Frames::of(&["ab", "", "c"]), "abc", Ok(())).await;
    check(Writer::Length(3), Frames::of(&["ab", "c"]), "abc", Ok(())).await;
    check(Writer::Length(3), Frames::of(&["ab", "cd"]), "abc", Ok(())).await;
    check(Writer::Length(3), Frames::of(&["ab"]), "ab", Err("Length")).await;
    check(
        chunked(false),
        Frames::of(&["ab", "", "c"]),
        "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        Ok(()),
    )
    .await;
    check(
        chunked(true),
        Frames::of(&["a"]).trailer("t", "v"),
        "1\r\na\r\n0\r\nt: v\r\n\r\n",
        Ok(()),
    )
    .await;
    check(
        chunked(true),
        Frames::of(&["a"]).trailer("content-length", "1"),
        "1\r\na\r\n0\r\n\r\n",
        Ok(()),
    )
    .await;
    check(
        chunked(false),
        Frames::of(&["a"]).trailer("t", "v"),
        "1\r\na\r\n0\r\n\r\n",
        Ok(()),
    )
    .await;
    check(
        Writer::Length(9),
        Frames::of(&["abc", "de"]).failing(),
        "abcde",
        Err("Body(\"broken\")"),
    )
    .await;
    check(
        chunked(true),
        Frames::of(&["abc"]).failing(),
        "3\r\nabc\r\n",
        Err("Body(\"broken\")"),
    )
    .await;
}

#[tokio::test]
async fn large_pieces_keep_their_place_among_small_ones() {
    let large = "x".repeat(5000);
    let frames = Frames::of(&["a", &large, "b", &large, &large, "c"]);
    let (out, end) = pumped(Writer::Close, frames).await;
    assert_eq!((out, end), (format!("a{large}b{large}{large}c"), Ok(())));
}
