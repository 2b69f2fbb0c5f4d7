//! What is none of the protocol, behind commands that are.

use super::*;

const BUSY: &str =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";

fn no_zz(text: &str) -> Option<Refusal> {
    text.contains("zz").then(|| known("busy"))
}

#[test]
fn what_was_refused_before_is_said_still() {
    for broken in [
        "*1\r\n$-5\r\nPING\r\n",
        "*2\r\n$4\r\nPING\r\n:1\r\n",
        "*-7\r\n",
        "SET \"zz\r\nPING\r\n",
    ] {
        for pieces in [1, 3, 1000] {
            let mut line = Line::default();
            let asked = format!("SET zz 1\r\nPING\r\n{broken}");
            for piece in asked.as_bytes().chunks(pieces) {
                line.asks(piece, &no_zz);
            }
            let instead = command(&["chaosproxy_1"]);
            assert_eq!(text(&line.server), format!("{instead}PING\r\n{broken}"));
            let error = "-ERR Protocol error: whatever it was\r\n";
            line.says(format!("-ERR unknown command\r\n+PONG\r\n{error}").as_bytes());
            assert_eq!(text(&line.client), format!("{BUSY}+PONG\r\n{error}"));
        }
    }
}

#[test]
fn a_line_by_hand_is_known_with_its_quotes_and_an_empty_word_is_one() {
    let mut line = Line::default();
    line.asks(
        b"SET \"zz\" 1\r\nSET 'a b' \"\\x7az\"\r\n\"\"\r\n\r\n*1\r\n$0\r\n\r\n*0\r\nPING\r\n",
        &no_zz,
    );
    assert_eq!(line.commands, ["SET zz 1", "SET a\u{a0}b zz", "", "", "PING"]);
    assert_eq!(line.session.begun(), 5);
}
