use proptest::prelude::*;

use super::*;

/// Reads a body whose bytes come in these pieces: its data, the trailers' names, and what is left behind it.
pub(crate) fn read_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<(Vec<u8>, usize, usize)>, Flaw> {
    let (mut inbox, mut chunked, mut data, mut trailers, mut done) =
        (Inbox::default(), Chunked::new(), Vec::new(), 0, false);
    for piece in pieces {
        inbox.push(piece);
        while !done {
            match chunked.next(
                &mut inbox,
                &Limits {
                    head: 512,
                    fields: 4,
                    ..Limits::default()
                },
            )? {
                Step::Data(piece) => data.extend_from_slice(&piece),
                Step::Trailers(fields) => trailers = fields.len(),
                Step::End => done = true,
                Step::More => break,
            }
        }
    }
    Ok(done.then_some((data, trailers, inbox.len())))
}

#[test]
fn chunks_are_joined() {
    let check = |bytes: &str, data: &str, trailers: usize, rest: usize| {
        let read = read_pieces([bytes.as_bytes()]);
        assert_eq!(
            read,
            Ok(Some((data.as_bytes().to_vec(), trailers, rest))),
            "{bytes:?}"
        );
    };
    check("0\r\n\r\n", "", 0, 0);
    check("000\r\n\r\n", "", 0, 0);
    check("3\r\nabc\r\n0\r\n\r\n", "abc", 0, 0);
    check(
        "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nGET",
        "abc0123456789",
        0,
        3,
    );
    check("3;a=b\r\nabc\r\n0 ; last\r\n\r\n", "abc", 0, 0);
    check("3\r\na\r\n\r\n0\r\na: 1\r\nb: 2\r\n\r\nX", "a\r\n", 2, 1);
    check("0000000000000001\r\na\r\n0\r\n\r\n", "a", 0, 0);
}

#[test]
fn malformed_chunks_are_refused() {
    let check = |bytes: &[u8], flaw: Flaw| {
        assert_eq!(
            read_pieces([bytes]),
            Err(flaw),
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    };
    for bad in [
        "",
        " 3",
        "3 ",
        "g",
        "-1",
        "+3",
        "0x3",
        "3\t",
        "3,",
        "ffffffffffffffff0",
        "00000000000000003",
        "3 a",
    ] {
        check(format!("{bad}\r\nabc\r\n0\r\n\r\n").as_bytes(), Flaw::ChunkSize);
    }
    check(b"3;a\rb\r\nabc\r\n0\r\n\r\n", Flaw::ChunkSize);
    check(b"3;a\0\r\nabc\r\n0\r\n\r\n", Flaw::ChunkSize);
    check(b"3\nabc\r\n0\r\n\r\n", Flaw::LineEnd);
    check(b"3\r\nabcd\r\n0\r\n\r\n", Flaw::ChunkEnd);
    check(b"3\r\nabc\n0\r\n\r\n", Flaw::ChunkEnd);
    check(b"3\r\nabc\r\r\n0\r\n\r\n", Flaw::ChunkEnd);
    check(b"0\r\n\n", Flaw::LineEnd);
    check(b"0\r\na : b\r\n\r\n", Flaw::FieldName);
    check(b"0\r\nContent-Length: 4\r\n\r\n", Flaw::Trailers);
    check(b"0\r\nTransfer-Encoding: chunked\r\n\r\n", Flaw::Trailers);
    check(b"0\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\n\r\n", Flaw::HeadTooLarge);
    check(&[b"0\r\na: ".as_slice(), &[b'x'; 600]].concat(), Flaw::Trailers);
    check(&[b"3;".as_slice(), &[b'x'; 300]].concat(), Flaw::ChunkSize);
    let wordy = [b"1;".as_slice(), &[b'x'; 200], b"\r\na\r\n"]
        .concat()
        .repeat(100);
    check(&wordy, Flaw::ChunkSize);
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_body(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..6),
        trailers in 0..3_usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n");
        for n in 0..trailers {
            bytes.extend_from_slice(format!("t{n}: v\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\nrest");
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces = at.windows(2).map(|w| &bytes[w[0]..w[1]]);
        // The rest counts only what had come when the body ended: give it with the last piece.
        let read = read_pieces(pieces).unwrap().unwrap();
        prop_assert_eq!((read.0, read.1, read.2), (chunks.concat(), trailers, 4));
    }
}
