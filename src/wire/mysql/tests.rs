use bytes::Bytes;
use proptest::prelude::*;

use super::{
    ERRORS, Session,
    frame::{FULL, packet},
    opening::can,
    refusal,
};
use crate::wire::{
    dialogue::{Dialogue as _, Step, Stops, Watch},
    errors::{Refusal, Words},
    testing::pieces,
};

pub(super) fn known(name: &str) -> Refusal {
    let error = ERRORS.iter().find(|error| error.name == name).unwrap();
    let words = Words {
        user: "web",
        database: "shop",
        table: "orders",
        verb: "insert",
        ..Words::default()
    };
    refusal(&error.said(&words))
}

pub(super) type Line = crate::wire::testing::Line<Session>;

/// Inserts meet a replica, updates a deadlock.
pub(super) fn no_change(text: &str) -> Option<Refusal> {
    match text.split(' ').next() {
        Some("insert") => Some(known("read_only_mode")),
        Some("update") => Some(known("deadlock")),
        _ => None,
    }
}

/// A server's greeting.
pub(super) fn greeting(can: u32) -> Bytes {
    let [a, b, c, d] = can.to_le_bytes();
    let parts: [&[u8]; 9] = [
        b"\x0a8.0.36\0",
        &7_u32.to_le_bytes(),
        b"saltsalt\0",
        &[a, b],
        &[33, 2, 0],
        &[c, d],
        &[21],
        &[0; 10],
        b"moresaltmore\0mysql_native_password\0",
    ];
    packet(0, &parts.concat())
}

pub(super) fn login(can: u32) -> Bytes {
    let mut payload = Vec::new();
    payload.extend(can.to_le_bytes());
    payload.extend([0; 28]);
    payload.extend(b"web\0");
    payload.extend(b"\x04hashshop\0mysql_native_password\0");
    packet(1, &payload)
}

pub(super) const BASE: u32 = 0x01 | can::CONNECT_WITH_DB | can::SECURE_CONNECTION;
pub(super) const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

/// A line whose client is logged in.
pub(super) fn logged_in(can: u32) -> Line {
    let mut line = Line::default();
    line.says(&greeting(can | can::SSL | can::UNREADABLE));
    assert_eq!(
        line.took().1,
        greeting(can),
        "TLS and what cannot be read are taken out"
    );
    line.asks(&login(can), &no_change);
    assert_eq!(line.session.login(), Some(("web", "shop")));
    line.says(&packet(2, OK));
    assert_eq!(line.took(), (login(can).to_vec(), packet(2, OK).to_vec()));
    line
}

pub(super) fn query(sql: &str) -> Bytes {
    packet(0, &[b"\x03", sql.as_bytes()].concat())
}

/// A result of one column and two rows.
pub(super) fn result(modern: bool, status: u16) -> Vec<u8> {
    let [low, high] = status.to_le_bytes();
    let mut packets = vec![packet(1, &[1]), packet(2, b"\x03defcolumn")];
    if !modern {
        packets.push(packet(3, &[0xfe, 0, 0, low & !8, high]));
    }
    packets.push(packet(4, b"\x01a"));
    packets.push(packet(5, b"\xfb"));
    packets.push(if modern {
        packet(6, &[0xfe, 0, 0, low, high, 0, 0])
    } else {
        packet(6, &[0xfe, 0, 0, low, high])
    });
    packets.concat()
}

#[test]
fn an_error_takes_the_place_of_its_statement_which_is_never_run() {
    for modern in [false, true] {
        let mut line = logged_in(if modern { BASE | can::DEPRECATE_EOF } else { BASE });
        line.asks(&query("select 1"), &no_change);
        line.says(&result(modern, 2));
        assert_eq!(line.took(), (query("select 1").to_vec(), result(modern, 2)));
        line.asks(&query("insert into orders values (1)"), &no_change);
        line.says(&packet(1, OK));
        assert_eq!(
            line.took(),
            (query("DO 0").to_vec(), known("read_only_mode").bytes.to_vec())
        );
        line.asks(&query("select 2"), &no_change);
        line.says(&result(modern, 2));
        assert_eq!(line.took().1, result(modern, 2));
        assert_eq!((line.session.begun(), line.session.answered()), (3, 3));
        assert!(!line.closed);
    }
}

#[test]
fn a_deadlock_ends_the_transaction_at_the_server_too() {
    let mut line = logged_in(BASE);
    line.asks(&query("update orders set n = 1"), &no_change);
    line.says(&packet(1, OK));
    assert_eq!(
        line.took(),
        (query("ROLLBACK").to_vec(), known("deadlock").bytes.to_vec())
    );
}

#[test]
fn a_statement_is_known_by_its_number() {
    for modern in [false, true] {
        let mut line = logged_in(if modern { BASE | can::DEPRECATE_EOF } else { BASE });
        line.asks(&packet(0, b"\x16insert into orders values (?)"), &no_change);
        // Its number is 9; it has one parameter and no column.
        let mut prepared = packet(1, &[0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]).to_vec();
        prepared.extend(packet(2, b"\x03defparameter"));
        if !modern {
            prepared.extend(packet(3, &[0xfe, 0, 0, 2, 0]));
        }
        line.says(&prepared);
        assert_eq!(line.took().1, prepared);
        line.asks(&packet(0, &[0x17, 9, 0, 0, 0, 0, 1, 0, 0, 0]), &no_change);
        assert_eq!(line.commands, ["insert into orders values (?)"]);
        line.says(&packet(1, OK));
        assert_eq!(
            line.took(),
            (
                packet(0, &[0x1a, 9, 0, 0, 0]).to_vec(),
                known("read_only_mode").bytes.to_vec()
            )
        );
        assert_eq!(line.session.answered(), 2);
    }
}

#[test]
fn a_statement_is_done_and_its_client_told_that_it_is_not() {
    let mut line = logged_in(BASE);
    line.late = true;
    let asked = [
        query("insert into orders values (1) returning id"),
        query("select 1"),
    ]
    .concat();
    line.asks(&asked, &no_change);
    assert_eq!(line.took().0, asked);
    // All of several results goes; the next answer passes.
    let both = [result(false, 2 | 8), result(false, 2)].concat();
    line.says(&[both, result(false, 2)].concat());
    assert_eq!(
        line.took().1,
        [known("read_only_mode").bytes.to_vec(), result(false, 2)].concat()
    );
    assert_eq!(line.session.answered(), 2);
    // Where the server wants a file first, the error comes at its place behind it.
    line.asks(&query("insert by load data local infile"), &no_change);
    line.says(&packet(1, b"\xfbx"));
    line.asks(&[packet(2, b"rows"), packet(3, b"")].concat(), &no_change);
    line.took();
    line.says(&packet(4, OK));
    let said = line.took().1;
    assert_eq!((said[3], &said[4..]), (4, &known("read_only_mode").bytes[4..]));
    // The server's own error stands.
    line.asks(&query("insert into nowhere"), &no_change);
    line.says(&known("missing_table").bytes);
    assert_eq!(line.took().1, known("missing_table").bytes.to_vec());
}

#[test]
fn a_preparation_is_refused_and_the_first_that_is_done_of_it_belongs_to_it() {
    let mut line = logged_in(BASE);
    line.preparing = true;
    line.asks(&packet(0, b"\x16insert into orders values (?)"), &no_change);
    line.says(&packet(1, OK));
    assert_eq!(
        line.took(),
        (query("DO 0").to_vec(), known("read_only_mode").bytes.to_vec())
    );
    line.asks(&packet(0, b"\x16select ?"), &no_change);
    line.says(&packet(1, &[0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    for _ in 0..2 {
        line.asks(&packet(0, &[0x17, 9, 0, 0, 0, 0, 1, 0, 0, 0]), &no_change);
    }
    assert_eq!(
        line.steps,
        [Step::Prepare, Step::Prepare, Step::First, Step::Whole]
    );
}

#[test]
fn several_results_files_and_columns_are_followed() {
    let mut line = logged_in(BASE);
    line.asks(&query("call twice()"), &no_change);
    let both = [result(false, 2 | 8), result(false, 2)].concat();
    line.says(&both);
    assert_eq!((line.took().1, line.session.answered()), (both, 1));
    line.asks(&query("load data local infile 'x' into table t"), &no_change);
    line.says(&packet(1, b"\xfbx"));
    line.asks(&packet(2, b"insert into t, says the file"), &no_change);
    line.asks(&packet(3, b""), &no_change);
    line.says(&packet(4, OK));
    assert_eq!((line.commands.len(), line.session.answered()), (2, 2));
    line.asks(&packet(0, b"\x04orders\0"), &no_change);
    line.says(
        &[
            packet(1, b"\x03defa"),
            packet(2, b"\x03defb"),
            packet(3, &[0xfe, 0, 0, 2, 0]),
        ]
        .concat(),
    );
    assert_eq!(line.session.answered(), 3);
}

#[test]
fn the_opening_is_refused_in_place_of_the_welcome() {
    let mut line = Line::default();
    // Nobody has said yet who it is.
    let error = ERRORS
        .iter()
        .find(|error| error.name == "bad_credentials")
        .unwrap();
    let unknown = Words {
        user: "{user}",
        ..Words::default()
    };
    line.session.refuse_opening(refusal(&error.said(&unknown)));
    line.says(&greeting(BASE));
    line.asks(&login(BASE), &no_change);
    // The server wants another proof first.
    line.says(&packet(2, b"\xfemysql_native_password\0saltsaltsaltsaltsalt\0"));
    line.asks(&packet(3, b"proof"), &no_change);
    line.took();
    line.says(&packet(4, OK));
    let said = line.took().1;
    assert_eq!(said[3], 4, "the packet keeps its place in the exchange");
    assert_eq!(
        said[7..],
        *b"#28000Access denied for user 'web'@'localhost' (using password: YES)"
    );
    assert_eq!(usize::from(said[0]) + 4, said.len());
    assert!(line.closed);
}

#[test]
fn a_server_that_refuses_at_once_is_heard_as_it_is() {
    let mut line = Line::default();
    let full = known("too_many_connections");
    assert_eq!(
        full.bytes[3..],
        *b"\x00\xff\x10\x04Too many connections",
        "no SQLSTATE before the greeting"
    );
    line.says(&full.bytes);
    assert_eq!(line.took().1, full.bytes.to_vec());
}

#[test]
fn a_statement_over_several_packets_is_dropped_to_its_end() {
    let mut line = logged_in(BASE);
    let mut long = b"\x03insert into orders values ('".to_vec();
    long.resize(FULL, b'x');
    line.asks(&packet(0, &long), &no_change);
    line.asks(&packet(1, b"the rest')"), &no_change);
    line.asks(&query("select 1"), &no_change);
    assert_eq!(line.took().0, [query("DO 0"), query("select 1")].concat());
    assert!(line.commands[0].len() < 32 << 10);
}

#[test]
fn a_query_is_known_behind_its_attributes() {
    let mut line = logged_in(BASE | can::QUERY_ATTRIBUTES);
    let behind = |attributes: &[u8], sql: &[u8]| packet(0, &[b"\x03", attributes, sql].concat());
    let none = b"\x00\x01";
    let one = b"\x01\x01\x00\x01\xfe\x00\x0btraceparent\x0200";
    for attributes in [&none[..], one] {
        line.asks(&behind(attributes, b"insert into orders values (1)"), &no_change);
        line.says(&packet(1, OK));
        let refused = (
            behind(none, b"DO 0").to_vec(),
            known("read_only_mode").bytes.to_vec(),
        );
        assert_eq!(line.took(), refused);
    }
}

#[test]
fn a_client_that_uses_what_it_was_not_offered_passes_unread() {
    for can in [can::COMPRESS, can::ZSTD, can::OPTIONAL_COLUMNS] {
        let mut line = Line::default();
        line.says(&greeting(BASE | can));
        line.asks(&login(BASE | can), &no_change);
        line.says(&packet(2, OK));
        let compressed = b"\x0d\0\0\0\0\0\0\x09\0\0\0\x03select 1";
        assert!(line.session.hear(compressed, Stops::ALL).is_err());
    }
}

#[test]
fn every_code_is_a_number_and_every_state_has_five_characters() {
    for error in ERRORS {
        assert!(
            error.code.parse::<u16>().is_ok() && error.state.len() == 5,
            "{}",
            error.name
        );
    }
}

#[test]
fn hostile_packets_end_the_reading_or_pass() {
    assert!(Session::new().hear(&query("select 1"), Stops::ALL).is_err());
    assert!(
        Session::new()
            .tell(&packet(0, b"\x09old"), Watch::default())
            .is_err()
    );
    assert!(
        Session::new()
            .tell(&packet(0, b"\x0a8.0"), Watch::default())
            .is_err()
    );
    let mut line = Line::default();
    line.says(&greeting(BASE));
    assert!(line.session.hear(&packet(1, b"short"), Stops::ALL).is_err());
}

proptest! {
    /// However the bytes are cut, the same commands are decided upon and the same bytes go on.
    #[test]
    fn any_split_gives_the_same(sizes in prop::collection::vec(1_usize..40, 1..60)) {
        let asked = [
            query("select 1"),
            query("insert into orders values (1)"),
            packet(0, b"\x0e"),
            query("update orders set n = 2"),
        ]
        .concat();
        let said = [result(false, 2), packet(1, OK).to_vec(), packet(1, OK).to_vec(), packet(1, OK).to_vec()].concat();
        let mut whole = logged_in(BASE);
        whole.asks(&asked, &no_change);
        whole.says(&said);
        let mut split = logged_in(BASE);
        for piece in pieces(&asked, &sizes) {
            split.asks(piece, &no_change);
        }
        for piece in pieces(&said, &sizes) {
            split.says(piece);
        }
        prop_assert_eq!(&split.commands, &whole.commands);
        prop_assert_eq!(&split.server, &whole.server);
        prop_assert_eq!(&split.client, &whole.client);
        prop_assert_eq!(split.session.answered(), 4);
    }

    /// Whatever is said, nothing is lost or made up, and nothing panics.
    #[test]
    fn noise_passes_whole(noise in prop::collection::vec(any::<u8>(), 0..300), server in any::<bool>()) {
        let mut line = logged_in(BASE);
        if server {
            if let Ok(told) = line.session.tell(&noise, Watch::default()) {
                prop_assert!(told.pass <= noise.len() && told.drop == 0);
            }
        } else if let Ok(heard) = line.session.hear(&noise, Stops::default()) {
            prop_assert!(heard.pass <= noise.len() && heard.drop == 0);
        }
    }
}
