//! Tests: answers that are replaced once the command is done, errors that come on preparing, and a server called a replica.

use super::{
    Session,
    frame::message,
    trial::{bind, error, execute, known, parse, query, ready, sync, welcome},
};
use crate::wire::{
    dialogue::{After, Dialogue as _, Step, Watch},
    errors::Refusal,
};

type Line = crate::wire::testing::Line<Session>;

/// A line whose session has started.
fn started() -> Line {
    let mut line = Line::default();
    line.session = Session::new();
    line.says(&welcome());
    line.took();
    line
}

fn no_insert(text: &str) -> Option<Refusal> {
    text.starts_with("insert").then(|| known("missing_table"))
}

fn done(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

#[test]
fn a_command_is_done_and_its_client_told_that_it_is_not() {
    let mut line = started();
    line.late = true;
    let asked = [
        query("select 1"),
        query("insert into a values (1) returning id"),
        query("select 2"),
    ]
    .concat();
    line.asks(&asked, &no_insert);
    assert_eq!(line.took().0, asked);
    let one = [
        message(b'T', b"\0\x01row"),
        message(b'D', b"one"),
        done("SELECT 1"),
        ready(b'T'),
    ]
    .concat();
    line.says(&[one.clone(), one.clone(), one.clone()].concat());
    let replaced = [
        message(b'T', b"\0\x01row"),
        known("missing_table").bytes.to_vec(),
        ready(b'T'),
    ]
    .concat();
    assert_eq!(line.took().1, [one.clone(), replaced, one].concat());
}

#[test]
fn within_a_group_the_answer_of_the_right_execute_is_replaced_and_nothing_follows() {
    let mut line = started();
    line.late = true;
    let done_of_it = [
        parse("", "select 1"),
        bind("", ""),
        execute(""),
        parse("", "insert into a values (1)"),
        bind("", ""),
        execute(""),
    ]
    .concat();
    // After an error a server does no more of the group.
    let skipped = [
        message(b'C', b"Sone\0"),
        parse("one", "insert into a values (2)"),
        bind("", "one"),
        message(b'D', b"P\0"),
        execute(""),
    ]
    .concat();
    let flush = message(b'H', b"");
    line.asks(
        &[done_of_it.clone(), flush.clone(), skipped, sync()].concat(),
        &no_insert,
    );
    let expected = [done_of_it, flush, sync()].concat();
    assert_eq!((line.took().0, line.commands.len()), (expected, 2));
    let answer = |n: usize| [message(b'2', b""), message(b'D', b"row"), done(&format!("N {n}"))].concat();
    line.says(&[answer(1), answer(2), ready(b'I')].concat());
    let expected = [
        answer(1),
        message(b'2', b""),
        known("missing_table").bytes.to_vec(),
        ready(b'I'),
    ]
    .concat();
    assert_eq!(line.took().1, expected);
    line.asks(&query("select 3"), &no_insert);
    line.says(&[answer(4), ready(b'I')].concat());
    assert_eq!(
        line.took().1,
        [answer(4), ready(b'I')].concat(),
        "the next unit is heard again"
    );
}

#[test]
fn a_text_is_cut_at_the_statement_that_is_refused() {
    let mut line = started();
    line.asks(
        &query("begin; select ';' -- ;\n;insert into a values (1); select 1"),
        &no_insert,
    );
    assert_eq!(
        line.took().0,
        query("begin; select ';' -- ;\n;insert into a values (1); select 1")
    );
    let refuse = |text: &str| text.contains("insert").then(|| known("missing_table"));
    line.asks(
        &query("begin; select ';' -- ;\n;insert into a values (1); select 1"),
        &refuse,
    );
    assert_eq!(
        line.took().0,
        query("begin; select ';' -- ;\n;\nSELECT \"chaosproxy_1\"")
    );
    let begun = [done("BEGIN"), done("SELECT 1")].concat();
    line.says(&[begun.clone(), ready(b'T')].concat());
    line.says(&[begun.clone(), error("\"chaosproxy_1\""), ready(b'E')].concat());
    let told = [
        begun.clone(),
        ready(b'T'),
        begun,
        known("missing_table").bytes.to_vec(),
        ready(b'E'),
    ];
    assert_eq!(line.took().1, told.concat());
    // What ends the transaction that failed is not asked for, but what stands behind it.
    line.commands.clear();
    line.asks(&query("rollback; select 1; insert into a values (2)"), &refuse);
    assert_eq!(line.commands, [" select 1; insert into a values (2)"]);
    assert_eq!(
        line.took().0,
        query("rollback; select 1;\nSELECT \"chaosproxy_2\"")
    );
}

#[test]
fn an_error_of_the_server_itself_stands() {
    let mut line = started();
    line.late = true;
    line.asks(&query("insert into a values (1)"), &no_insert);
    let own = [error("something else"), ready(b'E')].concat();
    line.says(&own);
    assert_eq!(line.took().1, own);
    line.asks(&query("select 1"), &no_insert);
    let answer = [done("SELECT 1"), ready(b'I')].concat();
    line.says(&answer);
    assert_eq!(line.took().1, answer);
}

#[test]
fn the_answer_that_is_about_to_begin_is_replaced_and_no_other() {
    let mut line = started();
    let group = [parse("", "select 1"), bind("", ""), execute(""), sync()].concat();
    let rows = [message(b'D', b"row"), done("SELECT 1")].concat();
    let described = message(b'T', b"\0\x01row");
    let parsed = [message(b'1', b""), message(b'2', b"")].concat();
    let error = known("internal_error").bytes.to_vec();
    for (asked, before) in [(query("select 1; select 2"), described), (group, parsed)] {
        line.asks(&[asked, query("select 3")].concat(), &no_insert);
        let answer = [&before[..], &rows, &rows, &ready(b'I')].concat();
        let watch = Watch {
            unit: Some(line.session.answered()),
            border: false,
        };
        assert_eq!(line.session.tell(&answer, watch).unwrap().then, After::Answer);
        assert!(line.session.replace_next(known("internal_error")));
        let next = [rows.clone(), ready(b'I')].concat();
        line.says(&[answer, next.clone()].concat());
        assert_eq!(line.took().1, [before, error.clone(), ready(b'I'), next].concat());
    }
}

#[test]
fn a_preparation_is_refused_by_the_server_itself() {
    let mut line = started();
    line.preparing = true;
    let group = [
        parse("one", "insert into a values (1)"),
        message(b'D', b"Sone\0"),
        sync(),
    ]
    .concat();
    line.asks(&group, &no_insert);
    let instead = [
        parse("one", "SELECT \"chaosproxy_1\""),
        message(b'D', b"Sone\0"),
        sync(),
    ]
    .concat();
    assert_eq!(line.took().0, instead);
    line.says(&[error("column \"chaosproxy_1\" does not exist"), ready(b'I')].concat());
    assert_eq!(
        line.took().1,
        [known("missing_table").bytes.to_vec(), ready(b'I')].concat()
    );
}

#[test]
fn a_commit_that_was_prepared_ends_its_transaction_and_what_is_said_for_it_is_not_heard() {
    let refuse = |text: &str| (text == "commit").then(|| known("serialization_failure"));
    let asked = [
        parse("c", "commit"),
        bind("", "c"),
        execute(""),
        bind("", "c"),
        sync(),
    ]
    .concat();
    let sql = format!("PREPARE TRANSACTION '{:_<250}'", "chaosproxy_1");
    let instead = [
        message(b'C', b"Schaosproxy_end\0"),
        parse("chaosproxy_end", &sql),
        bind("", "chaosproxy_end"),
        execute(""),
    ]
    .concat();
    let both = [message(b'1', b""), message(b'2', b"")].concat();
    let ours = [&message(b'3', b"")[..], &both].concat();
    for (end, told) in [
        (
            [error("too long"), ready(b'I')].concat(),
            [known("serialization_failure").bytes.to_vec(), ready(b'I')].concat(),
        ),
        // It had failed before.
        (
            [done("ROLLBACK"), ready(b'I')].concat(),
            [done("ROLLBACK"), ready(b'I')].concat(),
        ),
    ] {
        let mut line = started();
        line.asks(&query("begin"), &refuse);
        line.asks(&asked, &refuse);
        let expected = [
            query("begin"),
            parse("c", "commit"),
            bind("", "c"),
            instead.clone(),
            bind("", "c"),
            sync(),
        ];
        assert_eq!(line.took().0, expected.concat());
        let begun = [done("BEGIN"), ready(b'T')].concat();
        line.says(&[begun.clone(), both.clone(), ours.clone(), end].concat());
        assert_eq!(line.took().1, [begun, both.clone(), told].concat());
    }
}

#[test]
fn the_first_that_is_done_of_a_preparation_belongs_to_it() {
    let mut line = started();
    let twice = [bind("", "one"), execute(""), sync()].concat().repeat(2);
    line.preparing = true;
    line.asks(
        &[parse("one", "select 1"), sync(), twice.clone()].concat(),
        &no_insert,
    );
    assert_eq!(line.steps, [Step::Prepare, Step::First, Step::Whole]);
    // Where nobody was asked before the preparation, each that is done stands for itself.
    let mut line = started();
    line.asks(&[parse("one", "select 1"), sync(), twice].concat(), &no_insert);
    assert_eq!(line.steps, [Step::Whole, Step::Whole]);
}

#[test]
fn clients_are_told_of_a_replica_while_the_session_starts() {
    let status = |on: &str| message(b'S', format!("in_hot_standby\0{on}\0").as_bytes());
    let mut line = Line::default();
    line.session = Session::new();
    line.session.stands_by();
    line.says(&[message(b'R', &[0; 4]), status("off"), ready(b'I')].concat());
    assert_eq!(
        line.took().1,
        [message(b'R', &[0; 4]), status("on"), ready(b'I')].concat()
    );
    line.says(&status("off"));
    assert_eq!(line.took().1, status("off"), "later news pass");
}
