mod broken;
mod late;

use proptest::prelude::*;

use super::{ERRORS, Session, refusal};
use crate::wire::{
    dialogue::{After, Dialogue as _, Step, Stops, Watch},
    errors::{Moment, Refusal, Said, Weight, Words},
    testing::pieces,
};

fn known(name: &str) -> Refusal {
    let error = ERRORS.iter().find(|error| error.name == name).unwrap();
    let words = Words {
        verb: "SET",
        ..Words::default()
    };
    refusal(&error.said(&words))
}

type Line = crate::wire::testing::Line<Session>;

fn command(words: &[&str]) -> String {
    let strings = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), strings.collect::<String>())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// All the commands that are SET are refused.
fn no_set(text: &str) -> Option<Refusal> {
    text.starts_with("SET").then(|| known("read_only"))
}

#[test]
fn an_error_takes_the_place_of_exactly_its_reply() {
    let mut line = Line::default();
    let (get, set, ping) = (command(&["GET", "a"]), command(&["SET", "a", "b"]), "PING\r\n");
    line.asks(format!("{get}{set}{ping}").as_bytes(), &no_set);
    assert_eq!(line.commands, ["GET a", "SET a b", "PING"]);
    let instead = command(&["chaosproxy_1"]);
    assert_eq!(text(&line.server), format!("{get}{instead}{ping}"));
    line.says(b"$1\r\nx\r\n-ERR unknown command 'chaosproxy_1', with args beginning with: \r\n+PONG\r\n");
    assert_eq!(
        text(&line.client),
        "$1\r\nx\r\n-READONLY You can't write against a read only replica.\r\n+PONG\r\n"
    );
    assert_eq!((line.session.begun(), line.session.answered()), (3, 3));
    assert!(!line.closed);
}

#[test]
fn a_long_pipeline_is_refused_to_its_end() {
    let mut line = Line::default();
    let (get, set) = (command(&["GET", "a"]), command(&["SET", "a", "b"]));
    line.asks(format!("{set}{get}").repeat(20_000).as_bytes(), &no_set);
    assert!(!text(&line.server).contains("SET"));
    line.says("-ERR unknown\r\n_\r\n".repeat(20_000).as_bytes());
    assert_eq!(text(&line.client).matches("-READONLY").count(), 20_000);
}

#[test]
fn a_transaction_whose_end_is_refused_is_over_at_the_server_too() {
    let (exec, discard, ping) = (command(&["EXEC"]), command(&["discard"]), command(&["PING"]));
    let refuse = |name: &'static str| {
        move |text: &str| {
            let verb = text.to_ascii_lowercase();
            ["exec", "discard"].contains(&verb.as_str()).then(|| known(name))
        }
    };
    let check = |asked: &str, name: &'static str, sent: &str, said: &str, told: &str| {
        let mut line = Line::default();
        line.asks(format!("{asked}{ping}").as_bytes(), &refuse(name));
        assert_eq!(text(&line.server), format!("{sent}{ping}"));
        line.says(format!("{said}+PONG\r\n").as_bytes());
        assert_eq!(text(&line.client), format!("{told}+PONG\r\n"), "{name}");
        assert_eq!(line.session.begun(), line.session.answered());
    };
    let instead = format!("{}{exec}", command(&["chaosproxy_1"]));
    let aborted = "-ERR unknown command\r\n-EXECABORT Transaction discarded because of previous errors.\r\n";
    let wrapped = "-EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica.\r\n";
    check(&exec, "read_only", &instead, aborted, wrapped);
    let plain = "-CLUSTERDOWN The cluster is down\r\n";
    check(&exec, "cluster_down", &instead, aborted, plain);
    check(&discard, "cluster_down", &command(&["DISCARD"]), "+OK\r\n", plain);
}

#[test]
fn what_a_transaction_has_queued_is_told_before_its_exec() {
    let mut session = Session::new();
    let queued = command(&["SET", "a", "1"]);
    let asked = format!("MULTI\r\n{queued}SET\r\nSET b 1\r\n");
    // No fault is in scope yet.
    let heard = session.hear(asked.as_bytes(), Stops::default()).unwrap();
    assert_eq!(heard.pass, asked.len());
    session
        .tell(b"+OK\r\n+QUEUED\r\n-ERR wrong number\r\n", Watch::default())
        .unwrap();
    let exec = command(&["GET", "EXEC"]) + &command(&["EXEC"]);
    let at = |session: &mut Session, from: usize| match session.hear(&exec.as_bytes()[from..], Stops::ALL) {
        Ok(heard) => (from + heard.pass, session.queued()),
        Err(lost) => panic!("{lost}"),
    };
    let (get, none) = at(&mut session, 0);
    assert!(none.is_empty(), "it sets nothing going");
    session.accept();
    assert_eq!(at(&mut session, get).1, ["SET a 1".into()]);
}

#[test]
fn nested_replies_maps_nulls_and_pushes_are_followed() {
    let mut line = Line::default();
    line.asks(command(&["HELLO", "3"]).as_bytes(), &no_set);
    assert!(
        line.commands.is_empty(),
        "a command about the connection is not decided upon"
    );
    let get = command(&["GET", "a"]);
    line.asks(
        format!("{get}{}", command(&["SET", "a", "b"])).as_bytes(),
        &no_set,
    );
    let hello = "%2\r\n+server\r\n+redis\r\n+modules\r\n*1\r\n%1\r\n$1\r\na\r\n*0\r\n";
    let push = ">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n";
    line.says(format!("{hello}{push}|1\r\n+ttl\r\n:3\r\n_\r\n{push}-ERR unknown\r\n").as_bytes());
    let want = format!(
        "{hello}{push}|1\r\n+ttl\r\n:3\r\n_\r\n{push}{}",
        text(&known("read_only").bytes)
    );
    assert_eq!(text(&line.client), want);
    assert_eq!(line.session.answered(), 3);
}

#[test]
fn a_subscription_passes_as_it_comes() {
    let mut line = Line::default();
    let (get, subscribe) = (command(&["GET", "a"]), command(&["SUBSCRIBE", "a", "b"]));
    line.asks(
        format!("{get}{subscribe}{}", command(&["SET", "a", "b"])).as_bytes(),
        &no_set,
    );
    // The SET is not decided upon: its reply could not be told from a message.
    assert_eq!(line.commands, ["GET a", "SUBSCRIBE a b"]);
    let messages = "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n";
    line.says(format!("$-1\r\n{messages}").as_bytes());
    assert_eq!(text(&line.client), format!("$-1\r\n{messages}"));
}

#[test]
fn a_subscription_that_fails_or_is_queued_shifts_no_answer() {
    let readonly = text(&known("read_only").bytes).to_owned();
    let set = command(&["SET", "a", "b"]);
    let mut line = Line::default();
    line.asks(
        format!("HELLO 3\r\n{}", command(&["SUBSCRIBE"])).as_bytes(),
        &no_set,
    );
    line.says(b"%0\r\n-ERR wrong number of arguments\r\n");
    line.took();
    line.asks(set.as_bytes(), &no_set);
    line.says(b"-ERR unknown command\r\n");
    assert_eq!(text(&line.took().1), readonly);
    let subscribe = command(&["SUBSCRIBE", "news"]);
    line.asks(
        format!("MULTI\r\n{subscribe}{set}EXEC\r\n{set}").as_bytes(),
        &no_set,
    );
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    line.says(format!("+OK\r\n+QUEUED\r\n-ERR unknown\r\n{aborted}-ERR unknown\r\n").as_bytes());
    assert_eq!(
        text(&line.took().1),
        format!("+OK\r\n+QUEUED\r\n{readonly}{aborted}{readonly}")
    );
    assert_eq!(line.session.begun(), line.session.answered());
}

#[test]
fn credentials_are_refused_where_they_are_shown() {
    let mut line = Line::default();
    line.proofs = true;
    let refuse = |_: &str| Some(known("bad_credentials"));
    let [hello, get] = [command(&["HELLO", "3"]), command(&["GET", "a"])];
    let proofs = [
        command(&["AUTH", "web", "secret"]),
        command(&["hello", "3", "auth", "web", "secret"]),
    ];
    line.asks(
        [&hello, &proofs[0], &proofs[1], &get]
            .map(String::as_bytes)
            .concat()
            .as_slice(),
        &refuse,
    );
    assert_eq!(line.steps, [Step::Prove; 2], "nothing else is asked for");
    // The server does not get them, and goes on to ask for a password.
    let stubs = [command(&["chaosproxy_1"]), command(&["chaosproxy_2"])].concat();
    assert_eq!(text(&line.server), format!("{hello}{stubs}{get}"));
    line.says(b"%0\r\n-ERR unknown command\r\n-ERR unknown command\r\n-NOAUTH Authentication required.\r\n");
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    assert_eq!(
        text(&line.client),
        format!("%0\r\n{wrong}{wrong}-NOAUTH Authentication required.\r\n")
    );
    assert_eq!(line.session.login(), None);
}

#[test]
fn an_error_by_hand_that_closes_ends_the_session() {
    let mut line = Line::default();
    let refusal = refusal(&Said {
        code: "ERR".to_owned(),
        state: String::new(),
        weight: Weight::Fatal,
        text: "two\r\nlines".to_owned(),
        detail: String::new(),
        hint: String::new(),
        moment: Moment::Command,
    });
    line.asks(command(&["GET", "a"]).as_bytes(), &|_| Some(refusal.clone()));
    line.says(b"-ERR unknown command\r\n");
    assert_eq!(text(&line.client), "-ERR two  lines\r\n");
    assert!(line.closed);
}

#[test]
fn a_long_command_is_known_by_its_front_and_dropped_to_its_end() {
    let mut line = Line::default();
    let value = "v".repeat(1 << 20);
    let long = command(&["SET", "key", &value]);
    for piece in long.as_bytes().chunks(4096) {
        line.asks(piece, &no_set);
    }
    line.asks(command(&["GET", &value]).as_bytes(), &no_set);
    line.asks(b"PING\r\n", &no_set);
    let get = command(&["GET", &value]);
    let instead = command(&["chaosproxy_1"]);
    assert_eq!(text(&line.server), format!("{instead}{get}PING\r\n"));
    assert!(line.commands.iter().all(|text| text.len() < 32 << 10));
}

#[test]
fn with_no_fault_in_scope_a_long_command_is_not_waited_for() {
    let long = command(&["SET", "key", &"v".repeat(10_000)]);
    let front = &long.as_bytes()[..500];
    let pass = |stops| Session::new().hear(front, stops).unwrap().pass;
    assert_eq!((pass(Stops::default()), pass(Stops::ALL)), (500, 0));
}

#[test]
fn a_command_is_done_and_its_client_told_that_it_is_not() {
    let mut line = Line::default();
    line.late = true;
    let (get, set) = (command(&["GET", "a"]), command(&["SET", "a", "b", "GET"]));
    let asked = format!("{get}{set}{set}{get}");
    line.asks(asked.as_bytes(), &no_set);
    assert_eq!(text(&line.server), asked);
    // The second one is refused by the server itself.
    line.says(b"$1\r\nx\r\n*2\r\n$1\r\nx\r\n:1\r\n-OOM command not allowed\r\n$1\r\nb\r\n");
    assert_eq!(
        text(&line.client),
        "$1\r\nx\r\n-READONLY You can't write against a read only replica.\r\n-OOM command not allowed\r\n$1\r\nb\r\n"
    );
}

#[test]
fn a_watched_unit_is_stopped_before() {
    let mut session = Session::new();
    session.hear(b"PING\r\nPING\r\n", Stops::default()).unwrap();
    let watch = Watch {
        unit: Some(1),
        border: false,
    };
    let told = session.tell(b"+PONG\r\n+PONG\r\n", watch).unwrap();
    assert_eq!((told.pass, told.then), (7, After::Answer));
}

#[test]
fn words_are_told_apart_whatever_is_in_them() {
    let mut line = Line::default();
    line.asks(command(&["EVAL", "return 1", "1", "", "a"]).as_bytes(), &no_set);
    assert_eq!(line.commands, ["EVAL return\u{a0}1 1  a"]);
}

#[test]
fn hostile_lengths_are_none_of_the_protocol() {
    let ask = |bytes: &[u8]| Session::new().hear(bytes, Stops::ALL).is_err();
    assert!(ask(b"*99999999999999999999\r\n"));
    assert!(ask(b"*2\r\n$99999999999999\r\n"));
    assert!(ask(b"*-5\r\n"));
    assert!(ask(b"*1\r\n:1\r\n"));
    assert!(ask(&[b'x'; 70_000]));
    let say = |bytes: &[u8]| Session::new().tell(bytes, Watch::default()).is_err();
    assert!(say(b"?\r\n"));
    assert!(say(b"%9999999999999\r\n"));
    // Deep nesting costs a number and no stack.
    assert!(!say("*1\r\n".repeat(100_000).as_bytes()));
}

proptest! {
    /// However the bytes are cut, the same commands are decided upon and the same bytes go on.
    #[test]
    fn any_split_gives_the_same(sizes in prop::collection::vec(1_usize..40, 1..60)) {
        let asked = format!(
            "{}{}PING\r\n\r\n{}{}",
            command(&["HELLO", "3", "AUTH", "a", "b"]),
            command(&["SET", "key", "a value\r\nof two lines"]),
            command(&["MSET", "a", "1", "b", "2"]),
            command(&["SET", "x", ""]),
        );
        let said = "%1\r\n+proto\r\n:3\r\n-ERR unknown\r\n+PONG\r\n>1\r\n+x\r\n*2\r\n$5\r\na\r\nbc\r\n*-1\r\n-ERR unknown\r\n";
        let mut whole = Line::default();
        whole.asks(asked.as_bytes(), &no_set);
        whole.says(said.as_bytes());
        let mut split = Line::default();
        for piece in pieces(asked.as_bytes(), &sizes) {
            split.asks(piece, &no_set);
        }
        for piece in pieces(said.as_bytes(), &sizes) {
            split.says(piece);
        }
        prop_assert_eq!(&split.commands, &whole.commands);
        prop_assert_eq!(&split.server, &whole.server);
        prop_assert_eq!(&split.client, &whole.client);
        prop_assert_eq!(split.session.answered(), 5);
    }

    /// What is not looked at closely while no fault is in scope is counted as if it were.
    #[test]
    fn without_faults_the_same_is_known(
        verbs in prop::collection::vec("(?i)get|ping|auth|hello|client|select|s?subscribe|p?unsubscribe|reset|monitor|multi|exec|discard", 0..6),
        rest in prop::collection::vec("3|reply|auth|[a-z]{0,90}", 0..3),
        by_hand in any::<bool>(),
    ) {
        let asked: String = verbs.iter().map(|verb| {
            let words: Vec<_> = [verb].into_iter().chain(&rest).map(String::as_str).collect();
            if by_hand { format!("{}\r\n", words.join(" ")) } else { command(&words) }
        }).collect();
        let mut close = Line::default();
        close.asks(asked.as_bytes(), &no_set);
        let mut session = Session::new();
        prop_assert_eq!(session.hear(asked.as_bytes(), Stops::default()).map(|heard| heard.pass), Ok(asked.len()));
        prop_assert_eq!(session.known(), close.session.known(), "{}", asked);
    }

    /// Whatever is sent, nothing is lost or made up, and nothing panics.
    #[test]
    fn noise_passes_whole_or_is_no_redis(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut session = Session::new();
        if let Ok(heard) = session.hear(&noise, Stops::default()) {
            prop_assert!(heard.pass <= noise.len() && heard.drop == 0);
        }
        if let Ok(told) = session.tell(&noise, Watch::default()) {
            prop_assert!(told.pass <= noise.len() && told.drop == 0);
        }
    }
}
