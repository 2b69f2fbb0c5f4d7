//! The keys of the terminal, pressed in a real one, which is given back as it was whatever ends or stops the drill, or `top`.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use chaosproxy::drill::profiles;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::kit::{
    drill::{Process, Stage, enters, view},
    eventually, free,
    origin::Origin,
    proxy::{BINARY, Proxy},
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

/// A shell in a terminal that `script` makes, with its keyboard in the test's hands.
struct Shell {
    folder: PathBuf,
    terminal: Process,
}

impl Shell {
    fn run(folder: &Path, line: &str) -> Self {
        let mut script = Command::new("script");
        script
            .args(["--quiet", "--flush", "--command", line, "typescript"])
            .current_dir(folder)
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            folder: folder.to_owned(),
            terminal: Process(script.spawn().unwrap()),
        }
    }

    fn read(&self, file: &str) -> String {
        let bytes = std::fs::read(self.folder.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn press(&mut self, keys: &str) {
        let keyboard = self.terminal.0.stdin.as_mut().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    async fn says(&self, words: &str) {
        eventually(&format!("the terminal says `{words}`"), || async {
            self.read("typescript").contains(words).then_some(())
        })
        .await;
    }

    /// The terminal, as the shell found it at some moment, is as it was.
    async fn is_as_it_was(&self, moment: &str) {
        eventually("the shell looks at the terminal", || async {
            self.read(moment).ends_with('\n').then_some(())
        })
        .await;
        assert!(self.read("before").len() > 10, "{}", self.read("typescript"));
        assert_eq!(
            self.read("before"),
            self.read(moment),
            "the terminal is as it was"
        );
    }

    /// The exit status; the terminal is as it was.
    async fn ended(&self) -> String {
        self.is_as_it_was("after").await;
        self.read("status").trim().to_owned()
    }
}

/// A drill in such a terminal.
struct Seat {
    _stage: Stage,
    admin: SocketAddr,
    shell: Shell,
}

impl Seat {
    async fn take(mode: &str) -> Self {
        let line =
            |drill: &str| format!("trap : INT; stty -g > before; {drill}; echo $? > status; stty -g > after");
        Self::take_by(mode, line).await
    }

    /// Has a shell do what this line does with the drill.
    async fn take_by(mode: &str, line: impl Fn(&str) -> String) -> Self {
        let profile = profiles::read("led.yaml", PROFILE).unwrap();
        let stage = Stage::of(&profile).await;
        let folder = stage.folder.path();
        std::fs::write(folder.join("led.yaml"), PROFILE).unwrap();
        let admin = free();
        let drill = format!(
            "sh -c 'echo $$ > pid; exec {BINARY} --config chaosproxy.yaml --profile ./led.yaml --mode {mode} --exit \
             --admin {admin} --workers 1'"
        );
        let shell = Shell::run(folder, &line(&drill));
        enters(admin, "first").await;
        Self {
            _stage: stage,
            admin,
            shell,
        }
    }

    async fn is_held(&self, held: bool) {
        eventually(&format!("held: {held}"), || async {
            let is = view(self.admin).await?["held"] == true;
            (is == held).then_some(())
        })
        .await;
    }

    fn signal(&self, signal: Signal) {
        let pid = self.shell.read("pid").trim().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }
}

#[tokio::test]
async fn one_key_holds_goes_on_leads_and_ends_everything() {
    let mut seat = Seat::take("rehearse").await;
    seat.shell.says("Keys: space holds").await;
    seat.shell.press(" ");
    seat.is_held(true).await;
    // What means nothing does nothing.
    seat.shell.press("qx\n ");
    seat.is_held(false).await;
    seat.shell.press("n");
    enters(seat.admin, "second").await;
    seat.shell.press("p");
    assert_eq!(seat.shell.ended().await, "4", "{}", seat.shell.read("typescript"));
    assert!(
        seat.shell.read("typescript").contains("panic, by "),
        "{}",
        seat.shell.read("typescript")
    );
}

#[tokio::test]
async fn signals_give_the_terminal_back_too() {
    let mut seat = Seat::take("step").await;
    seat.shell.press("?");
    eventually("help is shown twice", || async {
        (seat.shell.read("typescript").matches("Keys: space holds").count() == 2).then_some(())
    })
    .await;
    seat.signal(Signal::TERM);
    assert_eq!(seat.shell.ended().await, "5");
    let mut seat = Seat::take("rehearse").await;
    // Ctrl-C is still the terminal's own.
    seat.shell.press("\x03");
    assert_eq!(seat.shell.ended().await, "5", "{}", seat.shell.read("typescript"));
    let seat = Seat::take("rehearse").await;
    seat.signal(Signal::USR1);
    assert_eq!(seat.shell.ended().await, "4");
}

#[tokio::test]
async fn a_replay_leaves_the_keyboard_alone() {
    let mut seat = Seat::take("replay").await;
    seat.shell.press(" ");
    seat.signal(Signal::TERM);
    assert_eq!(seat.shell.ended().await, "5");
    assert!(!seat.shell.read("typescript").contains("Keys:"));
}

/// A job that is stopped, and goes on once the shell has looked at the terminal.
fn stopped_once(job: &str) -> String {
    format!("set -m; stty -g > before; {job}; stty -g > stopped; fg; echo $? > status; stty -g > after")
}

const CTRL_Z: &str = "\x1a";

#[tokio::test]
async fn ctrl_z_gives_the_terminal_back_until_the_drill_goes_on() {
    let mut seat = Seat::take_by("rehearse", stopped_once).await;
    seat.shell.says("Keys: space holds").await;
    seat.shell.press(CTRL_Z);
    seat.shell.is_as_it_was("stopped").await;
    assert!(
        seat.shell
            .read("typescript")
            .contains("nothing is served until `fg`")
    );
    seat.shell.press(" ");
    seat.is_held(true).await;
    seat.shell.press("p");
    assert_eq!(seat.shell.ended().await, "4", "{}", seat.shell.read("typescript"));
}

#[tokio::test]
async fn ctrl_z_gives_the_terminal_back_until_top_goes_on() {
    let origin = Origin::quick().await;
    let document = format!(
        "listeners: {{public: {{bind: \"{}\", cluster: web}}}}
clusters: {{web: {{backends: [{{name: first, address: \"{}\"}}]}}}}
",
        free(),
        origin.address
    );
    let proxy = Proxy::start(&document).await;
    let folder = TempDir::new().unwrap();
    let top = format!("{BINARY} top --every 100ms --admin {}", proxy.admin);
    let mut shell = Shell::run(folder.path(), &stopped_once(&top));
    shell.says("Cluster").await;
    shell.press(CTRL_Z);
    shell.is_as_it_was("stopped").await;
    let (enter, leave) = ("\x1b[?1049h", "\x1b[?1049l");
    eventually("it is drawn again on a screen of its own", || async {
        let written = shell.read("typescript");
        let (_, back) = written.split_once(leave)?;
        let (_, drawn) = back.split_once(enter)?;
        drawn.contains("Cluster").then_some(())
    })
    .await;
    shell.press("q");
    assert_eq!(shell.ended().await, "0", "{}", shell.read("typescript"));
}
