//! The keys of the terminal, pressed in a real one, which is given back as it was whatever ends the drill.

use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
};

use chaosproxy::drill::profiles;
use rustix::process::{Pid, Signal, kill_process};

use crate::kit::{
    drill::{Process, Stage, enters, view},
    eventually, free,
    proxy::BINARY,
};

/// Two phases in which people think.
const PROFILE: &str = "schema: chaosproxy.profile/v1
name: led
needs: {http.source: {}}
faults: {slow: {where: {role: http.source}, do: {latency: {add: 1ms}}}}
phases:
  - {name: first, kind: think, faults: [slow], leave: [{when: {done: cure}, to: second}], at_most: 1h}
  - {name: second, kind: think, faults: [slow], leave: [{when: {done: cure}, to: end}], at_most: 1h}
acts: {cure: {say: cure it}}
checks: {fidelity: [{in: first, that: {hits: slow}}]}
";

/// A drill in a terminal that `script` makes, with its keyboard in the test's hands.
struct Seat {
    stage: Stage,
    admin: SocketAddr,
    terminal: Process,
}

impl Seat {
    async fn take(mode: &str) -> Self {
        let profile = profiles::read("led.yaml", PROFILE).unwrap();
        let stage = Stage::of(&profile).await;
        let folder = stage.folder.path();
        std::fs::write(folder.join("led.yaml"), PROFILE).unwrap();
        let admin = free();
        let line = format!(
            "trap : INT; stty -g > before; \
             sh -c 'echo $$ > pid; exec {BINARY} --config chaosproxy.yaml --profile ./led.yaml --mode {mode} --exit \
             --admin {admin} --workers 1'; echo $? > status; stty -g > after"
        );
        let mut script = Command::new("script");
        script
            .args(["--quiet", "--flush", "--command", &line, "typescript"])
            .current_dir(folder)
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let terminal = Process(script.spawn().unwrap());
        enters(admin, "first").await;
        Self {
            stage,
            admin,
            terminal,
        }
    }

    fn read(&self, file: &str) -> String {
        let bytes = std::fs::read(self.stage.folder.path().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn press(&mut self, keys: &str) {
        let keyboard = self.terminal.0.stdin.as_mut().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    async fn is_held(&self, held: bool) {
        eventually(&format!("held: {held}"), || async {
            let is = view(self.admin).await?["held"] == true;
            (is == held).then_some(())
        })
        .await;
    }

    async fn says(&self, words: &str) {
        eventually(&format!("the terminal says `{words}`"), || async {
            self.read("typescript").contains(words).then_some(())
        })
        .await;
    }

    fn signal(&self, signal: Signal) {
        let pid = self.read("pid").trim().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// The exit status; the terminal is as it was.
    async fn ended(&self) -> String {
        eventually("the terminal is looked at again", || async {
            self.read("after").ends_with('\n').then_some(())
        })
        .await;
        assert!(self.read("before").len() > 10, "{}", self.read("typescript"));
        assert_eq!(
            self.read("before"),
            self.read("after"),
            "the terminal is as it was"
        );
        self.read("status").trim().to_owned()
    }
}

#[tokio::test]
async fn one_key_holds_goes_on_leads_and_ends_everything() {
    let mut seat = Seat::take("rehearse").await;
    seat.says("Keys: space holds").await;
    seat.press(" ");
    seat.is_held(true).await;
    // What means nothing does nothing.
    seat.press("qx\n ");
    seat.is_held(false).await;
    seat.press("n");
    enters(seat.admin, "second").await;
    seat.press("p");
    assert_eq!(seat.ended().await, "4", "{}", seat.read("typescript"));
    assert!(
        seat.read("typescript").contains("panic, by "),
        "{}",
        seat.read("typescript")
    );
}

#[tokio::test]
async fn signals_give_the_terminal_back_too() {
    let mut seat = Seat::take("step").await;
    seat.press("?");
    eventually("help is shown twice", || async {
        (seat.read("typescript").matches("Keys: space holds").count() == 2).then_some(())
    })
    .await;
    seat.signal(Signal::TERM);
    assert_eq!(seat.ended().await, "5");
    let mut seat = Seat::take("rehearse").await;
    // Ctrl-C is still the terminal's own.
    seat.press("\x03");
    assert_eq!(seat.ended().await, "5", "{}", seat.read("typescript"));
    let seat = Seat::take("rehearse").await;
    seat.signal(Signal::USR1);
    assert_eq!(seat.ended().await, "4");
}

#[tokio::test]
async fn a_replay_leaves_the_keyboard_alone() {
    let mut seat = Seat::take("replay").await;
    seat.press(" ");
    seat.signal(Signal::TERM);
    assert_eq!(seat.ended().await, "5");
    assert!(!seat.read("typescript").contains("Keys:"));
}
