//! Commands that are done in a transaction, and of which the client is told that they are not.

use super::*;

const OOM: &str = "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n";

/// What a client hears that asks this of a server which says that, through a fault on all that names `zz`.
fn told(asked: &str, said: &str) -> String {
    let mut line = Line::default();
    line.late = true;
    line.asks(asked.as_bytes(), &|text| {
        text.contains("zz").then(|| known("out_of_memory"))
    });
    assert_eq!(text(&line.server), asked, "all of it is done");
    line.says(said.as_bytes());
    assert_eq!(line.session.begun(), line.session.answered());
    text(&line.client).to_owned()
}

#[test]
fn what_is_queued_is_answered_so_by_exec() {
    let asked = "MULTI\r\nSET zz 7\r\nSET q 7\r\nGET zz\r\nEXEC\r\nPING\r\n";
    let queued = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n";
    let done = format!("{queued}*3\r\n+OK\r\n+OK\r\n$1\r\n7\r\n+PONG\r\n");
    assert_eq!(told(asked, &done), format!("{queued}{OOM}+PONG\r\n"));
    // The server's own error stands, and the next transaction is another one.
    let failed = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    let asked = format!("{asked}MULTI\r\nEXEC\r\n");
    let said = format!("{queued}{failed}+PONG\r\n+OK\r\n*0\r\n");
    assert_eq!(told(&asked, &said), said);
}

#[test]
fn what_is_discarded_or_never_queued_is_answered_as_it_is() {
    for (asked, said) in [
        (
            "MULTI\r\nSET zz 7\r\nDISCARD\r\nMULTI\r\nEXEC\r\n",
            "+OK\r\n+QUEUED\r\n+OK\r\n+OK\r\n*0\r\n",
        ),
        (
            "MULTI\r\nSET zz 7\r\nRESET\r\nPING\r\n",
            "+OK\r\n+QUEUED\r\n+RESET\r\n+PONG\r\n",
        ),
    ] {
        assert_eq!(told(asked, said), said);
    }
    let mut session = Session::new();
    let hear = |session: &mut Session, asked: &str, late| {
        let mut asked = asked.as_bytes();
        while !asked.is_empty() {
            let heard = session.hear(asked, Stops::COMMANDS).unwrap();
            asked = &asked[heard.pass..];
            if !asked.is_empty() {
                match late {
                    true => session.replace(known("out_of_memory")),
                    false => session.accept(),
                }
            }
        }
    };
    hear(&mut session, "MULTI\r\n", false);
    hear(&mut session, "SET zz\r\n", true);
    session
        .tell(b"+OK\r\n-ERR wrong number of arguments\r\n", Watch::default())
        .unwrap();
    hear(&mut session, "EXEC\r\n", false);
    let told = session.tell(b"*0\r\n", Watch::default()).unwrap();
    assert_eq!((told.pass, told.say.len()), (4, 0), "that one was not queued");
}

#[test]
fn an_exec_that_is_met_itself_says_it_once() {
    let mut line = Line::default();
    line.late = true;
    line.asks(b"MULTI\r\nSET zz 7\r\nEXEC\r\nGET a\r\n", &|text| {
        (text.contains("zz") || text == "EXEC").then(|| known("out_of_memory"))
    });
    line.says(b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n$-1\r\n");
    assert_eq!(text(&line.client), format!("+OK\r\n+QUEUED\r\n{OOM}$-1\r\n"));
}

#[test]
fn an_answer_that_has_come_is_replaced_but_not_what_the_server_refuses() {
    let error = "-ERR internal error\r\n";
    let stops = |line: &mut Line, said: &str| {
        let watch = Watch {
            unit: Some(line.session.answered()),
            border: false,
        };
        let told = line.session.tell(said.as_bytes(), watch).unwrap();
        assert_eq!((told.pass, told.then), (0, After::Answer));
    };
    for (said, expected) in [(":1\r\n", error), ("-OOM no\r\n", "-OOM no\r\n")] {
        let mut line = Line::default();
        line.asks(b"INCR zz\r\nPING\r\n", &|_| None);
        stops(&mut line, said);
        assert!(line.session.replace_next(known("internal_error")));
        line.says(format!("{said}+PONG\r\n").as_bytes());
        assert_eq!(text(&line.client), format!("{expected}+PONG\r\n"));
    }
    // It was refused already, and its transaction ends with its connection only.
    let mut line = Line::default();
    line.asks(b"SET zz 1\r\nMULTI\r\nINCR q\r\n", &|text| {
        text.contains("zz").then(|| known("out_of_memory"))
    });
    let refused = "-ERR unknown command\r\n";
    stops(&mut line, refused);
    assert!(!line.session.replace_next(known("internal_error")));
}
