use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::{
    ERRORS, Encryption, Opening, SSL_REQUEST, Session,
    frame::message,
    take_opening,
    trial::{bind, error, execute, known, parse, query, ready, sync, welcome},
};
use crate::wire::{
    dialogue::{After, Dialogue, Next, Stops, Watch},
    errors::{Moment, Refusal, Weight},
    testing::pieces,
};

/// What the server gets of what the client says, where some commands are answered in its place.
fn heard(
    session: &mut Session,
    said: &[u8],
    lengths: &[usize],
    mut decide: impl FnMut(&str) -> Option<Refusal>,
) -> Vec<u8> {
    let (mut input, mut out) = (BytesMut::new(), Vec::new());
    for piece in pieces(said, lengths) {
        input.extend_from_slice(piece);
        loop {
            let heard = session.hear(&input, Stops::COMMANDS).unwrap();
            out.extend_from_slice(&input.split_to(heard.pass));
            drop(input.split_to(heard.drop));
            match heard.then {
                Next::More => break,
                Next::Again => {}
                Next::Command(command) => match decide(&command.text).filter(|_| !command.doomed) {
                    Some(refusal) => out.extend_from_slice(&session.refuse(refusal, b"", &command.text)),
                    None => session.accept(),
                },
            }
        }
    }
    out.extend_from_slice(&input);
    out
}

/// What the client gets of what the server says, and whether the session ended with it.
fn told(session: &mut Session, said: &[u8], lengths: &[usize]) -> (Vec<u8>, bool) {
    let (mut input, mut out) = (BytesMut::new(), Vec::new());
    for piece in pieces(said, lengths) {
        input.extend_from_slice(piece);
        loop {
            let told = session.tell(&input, Watch::default()).unwrap();
            out.extend_from_slice(&input.split_to(told.pass));
            drop(input.split_to(told.drop));
            out.extend_from_slice(&told.say);
            match told.then {
                After::More => break,
                After::Close => return (out, true),
                After::Again | After::Answer | After::Border => {}
            }
        }
    }
    out.extend_from_slice(&input);
    (out, false)
}

#[test]
fn what_nobody_answers_passes_as_it_is_and_commands_are_told() {
    let said = [
        query("begin"),
        parse("s", "insert into orders values ($1)"),
        bind("", "s"),
        execute(""),
        execute("gone"),
        sync(),
        message(b'd', &[7; 100]),
        message(b'X', b""),
    ]
    .concat();
    for lengths in [&[1][..], &[3, 1, 7], &[1000]] {
        let mut commands = Vec::new();
        let mut session = Session::new();
        let out = heard(&mut session, &said, lengths, |text| {
            commands.push(text.to_owned());
            None
        });
        assert_eq!(out, said);
        assert_eq!(commands, ["begin", "insert into orders values ($1)", ""]);
        assert_eq!(session.begun(), 2);
    }
}

#[test]
fn an_answer_stands_in_its_place_and_the_server_says_what_becomes_of_the_transaction() {
    for lengths in [&[1][..], &[4, 9], &[1000]] {
        let mut session = Session::new();
        assert_eq!(told(&mut session, &welcome(), lengths).0, welcome());
        let said = [
            query("begin"),
            query("insert into a values (1)"),
            query("select 1"),
        ]
        .concat();
        let out = heard(&mut session, &said, lengths, |text| {
            text.starts_with("insert").then(|| known("deadlock"))
        });
        let substitute = query("SELECT \"chaosproxy_1\"");
        assert_eq!(out, [query("begin"), substitute, query("select 1")].concat());
        let begun = [message(b'C', b"BEGIN\0"), ready(b'T')].concat();
        let refused = [error("column \"chaosproxy_1\" does not exist"), ready(b'E')].concat();
        let after = [error("current transaction is aborted"), ready(b'E')].concat();
        let server = [begun.clone(), refused, after.clone()].concat();
        let expected = [begun, known("deadlock").bytes.to_vec(), ready(b'E'), after].concat();
        assert_eq!(told(&mut session, &server, lengths), (expected, false));
        assert_eq!((session.begun(), session.answered()), (3, 3));
        // The server itself refuses what comes now.
        let more = query("insert into a values (2)");
        let out = heard(&mut session, &more, lengths, |_| Some(known("deadlock")));
        assert_eq!(out, more);
    }
}

#[test]
fn an_execute_is_answered_within_its_group_and_the_rest_of_the_group_is_left_alone() {
    let mut session = Session::new();
    told(&mut session, &welcome(), &[100]);
    let said = [
        parse("", "insert into a values (1)"),
        bind("", ""),
        execute(""),
        bind("", ""),
        execute(""),
        sync(),
    ]
    .concat();
    let mut asked = 0;
    let out = heard(&mut session, &said, &[5], |_| {
        asked += 1;
        Some(known("read_only"))
    });
    let expected = [
        parse("", "insert into a values (1)"),
        bind("", ""),
        execute("chaosproxy_1"),
        bind("", ""),
        execute(""),
        sync(),
    ]
    .concat();
    assert_eq!((out, asked), (expected, 1));
    let server = [
        message(b'1', b""),
        message(b'2', b""),
        error("portal \"chaosproxy_1\" does not exist"),
        ready(b'I'),
    ]
    .concat();
    let (client, _) = told(&mut session, &server, &[5]);
    let expected = [
        message(b'1', b""),
        message(b'2', b""),
        known("read_only").bytes.to_vec(),
        ready(b'I'),
    ]
    .concat();
    assert_eq!(client, expected);
}

#[test]
fn it_is_known_when_a_session_is_idle_within_a_transaction() {
    let mut session = Session::new();
    let mut waits = |asks: &[u8], says: &[u8]| {
        let more = |session: &mut Session| session.hear(asks, Stops::default()).unwrap();
        assert_eq!(more(&mut session).then, Next::More);
        told(&mut session, says, &[100]);
        session.waits_in_transaction()
    };
    assert!(!waits(b"", &welcome()));
    assert!(!waits(&query("begin"), b""));
    assert!(waits(b"", &ready(b'T')));
    assert!(!waits(&parse("", "select 1"), &message(b'1', b"")));
    assert!(waits(&sync(), &ready(b'T')));
    assert!(waits(&query("select nonsense"), &ready(b'E')));
    assert!(!waits(&query("rollback"), &ready(b'I')));
    waits(&query("begin"), &ready(b'T'));
    session.hear(&query("select 1"), Stops::COMMANDS).unwrap();
    assert!(!session.waits_in_transaction(), "a command is held");
}

#[test]
fn what_is_fatal_ends_the_session_where_it_stands() {
    let mut session = Session::new();
    told(&mut session, &welcome(), &[100]);
    heard(&mut session, &query("select 1"), &[100], |_| {
        Some(known("admin_shutdown"))
    });
    let server = [error("column \"chaosproxy_1\" does not exist"), ready(b'I')].concat();
    let expected = (known("admin_shutdown").bytes.to_vec(), true);
    assert_eq!(told(&mut session, &server, &[3]), expected);
}

#[test]
fn an_opening_is_refused_where_a_server_would() {
    let check = |name: &str, expected: &[&[u8]]| {
        let mut session = Session::new();
        session.refuse_opening(known(name));
        let server = [
            message(b'R', &[0, 0, 0, 10]),
            message(b'R', &[0, 0, 0, 11]),
            message(b'R', &[0, 0, 0, 12]),
            welcome(),
        ]
        .concat();
        let mut all = [message(b'R', &[0, 0, 0, 10]), message(b'R', &[0, 0, 0, 11])].concat();
        all.extend(expected.concat());
        all.extend_from_slice(&known(name).bytes);
        assert_eq!(told(&mut session, &server, &[7]), (all, true), "{name}");
    };
    check("bad_credentials", &[]);
    let (last, ok) = (message(b'R', &[0, 0, 0, 12]), message(b'R', &[0, 0, 0, 0]));
    check("missing_database", &[&last, &ok]);
}

#[test]
fn a_sync_before_a_copy_is_not_counted_twice() {
    let mut session = Session::new();
    told(&mut session, &welcome(), &[100]);
    let pass = |_: &str| None;
    let asks = [parse("", "copy a from stdin"), bind("", ""), execute(""), sync()].concat();
    heard(&mut session, &asks, &[100], pass);
    told(
        &mut session,
        &[message(b'1', b""), message(b'2', b""), message(b'G', &[0; 3])].concat(),
        &[100],
    );
    heard(
        &mut session,
        &[message(b'd', b"1\n"), sync(), message(b'c', b""), sync()].concat(),
        &[100],
        pass,
    );
    told(
        &mut session,
        &[message(b'C', b"COPY 1\0"), ready(b'I')].concat(),
        &[100],
    );
    assert_eq!((session.begun(), session.answered()), (1, 1));
}

#[test]
fn every_error_of_the_catalogue_can_be_said() {
    let mut names = std::collections::BTreeSet::new();
    for error in ERRORS {
        assert!(names.insert(error.name), "{} stands twice", error.name);
        assert_eq!(error.code.len(), 5, "{}", error.name);
        assert_eq!(
            error.weight.closes(),
            !matches!(error.moment, Moment::Command | Moment::Prepare),
            "{}",
            error.name
        );
        let said = known(error.name);
        let text = String::from_utf8_lossy(&said.bytes).into_owned();
        assert!(text.contains(&format!("C{}\0M", error.code)), "{text}");
        for left in ["{user}", "{database}", "{table}", "{bare}", "{schema}", "{verb}"] {
            assert!(!text.contains(left), "{text}");
        }
        assert_eq!(
            said.bytes[0],
            if error.weight == Weight::Farewell {
                b'N'
            } else {
                b'E'
            }
        );
        assert!(said.bytes.ends_with(b"Rchaosproxy\0\0"));
    }
}

#[test]
fn what_comes_before_a_session_is_understood() {
    let take = |bytes: &[u8]| {
        let mut bytes = BytesMut::from(bytes);
        take_opening(&mut bytes)
    };
    assert_eq!(take(&SSL_REQUEST), Ok(Some(Opening::Encrypt(Encryption::Tls))));
    assert_eq!(take(&SSL_REQUEST[..7]), Ok(None));
    assert_eq!(take(b"\x16\x03\x01"), Ok(Some(Opening::Tls)));
    let startup = |pairs: &str| {
        let mut packet = BytesMut::new();
        packet.put_u32(u32::try_from(pairs.len()).unwrap() + 9);
        packet.put_u32(3 << 16);
        packet.put_slice(pairs.as_bytes());
        packet.put_u8(0);
        match take(&packet).unwrap().unwrap() {
            Opening::Startup(startup) => (startup.user, startup.database, startup.replication),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(startup("user\0web\0"), ("web".into(), "web".into(), false));
    assert_eq!(
        startup("user\0web\0database\0shop\0replication\0true\0"),
        ("web".into(), "shop".into(), true)
    );
    for hostile in [&b"GET / HTTP/1.1\r\n"[..], &[0, 0, 0, 4], &[0, 1, 0, 0]] {
        assert!(take(hostile).is_err(), "{hostile:?}");
    }
    for refused in [
        // Version 9; nobody's session; no end.
        &[0, 0, 0, 8, 0, 9, 0, 0][..],
        b"\0\0\0\x09\0\x03\0\0\0",
        b"\0\0\0\x0d\0\x03\0\0user\0",
    ] {
        let packet = Bytes::copy_from_slice(refused);
        assert_eq!(take(refused), Ok(Some(Opening::Foreign(packet))));
    }
}

#[test]
fn a_length_that_no_message_has_is_no_message() {
    for length in [0_u32, 3, 1 << 31, u32::MAX] {
        let bytes = [&b"Q"[..], &length.to_be_bytes()].concat();
        assert!(Session::new().hear(&bytes, Stops::ALL).is_err());
        assert!(Session::new().tell(&bytes, Watch::default()).is_err());
    }
}

proptest! {
    #[test]
    fn the_same_is_said_at_any_split(
        lengths in prop::collection::vec(1_usize..40, 1..8),
        refused in 0_usize..4,
    ) {
        let run = |lengths: &[usize]| {
            let mut session = Session::new();
            let first = told(&mut session, &welcome(), lengths);
            let said = [query("a"), parse("s", "b"), bind("p", "s"), execute("p"), sync(), query("c"), query("d")].concat();
            let mut number = 0;
            let out = heard(&mut session, &said, lengths, |_| {
                number += 1;
                (number == refused + 1).then(|| known("deadlock"))
            });
            let server = [error("\"chaosproxy_1\""), ready(b'I'), message(b'D', &[1; 70]), ready(b'T'), ready(b'I')].concat();
            (first, out, told(&mut session, &server, lengths), session.answered())
        };
        prop_assert_eq!(run(&lengths), run(&[4096]));
    }

    #[test]
    fn whatever_comes_is_passed_on_or_given_up(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut session = Session::new();
        let (mut at, mut steps) = (0, 0);
        while let Ok(heard) = session.hear(&bytes[at..], Stops::ALL) {
            at += heard.pass + heard.drop;
            steps += 1;
            prop_assert!(at <= bytes.len() && steps < 1000);
            match heard.then {
                Next::More => break,
                Next::Again => {}
                Next::Command(command) if steps % 2 == 0 => {
                    drop(session.refuse(known("deadlock"), b"", &command.text));
                }
                Next::Command(_) => session.accept(),
            }
        }
        let mut at = 0;
        while let Ok(told) = session.tell(&bytes[at..], Watch::default()) {
            at += told.pass + told.drop;
            prop_assert!(at <= bytes.len());
            if told.then == After::More || told.then == After::Close {
                break;
            }
        }
        let _ = take_opening(&mut BytesMut::from(&bytes[..]));
        let _: Bytes = bytes.into();
    }
}
