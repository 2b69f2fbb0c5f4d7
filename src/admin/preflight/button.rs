//! The emergency button, pressed once over a fault that hits nothing.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Line, Point, State};
use crate::{
    admin::{
        Desk,
        panic::{CLEAN_WITHIN, becomes_clean},
        tokens::Caller,
    },
    config,
    control::{Author, Owner, Panicked},
    faults::Entry,
};

/// The fault over which it is pressed: it is really compiled and published, and hits nothing.
const FAULT: (&str, &str) = ("drill-check", "{do: {latency: {add: 1ms}}, odds: 0%}");

/// How long that fault lives if all else fails.
const LEASE: Duration = Duration::from_secs(2);

/// Presses the button if that is asked for and nothing is at stake.
pub(super) async fn panic(desk: &Desk, caller: &Caller, quiet: &Line, asked: bool) -> Line {
    if !asked {
        return Line::warning(
            Point::Panic,
            "the emergency button was not tried",
            "try it with `--test-panic`: a panic over one fault that hits nothing, reset at once",
        );
    }
    if quiet.state != State::Ok {
        let next = "once nothing else is under way: a panic would end it";
        return Line::warning(Point::Panic, "the emergency button was not tried", next);
    }
    let by = Author::new(format!("{} (drill check)", caller.name), "api");
    match pressed(desk, caller, &by).await {
        Ok(took) => Line::ok(
            Point::Panic,
            format!(
                "a panic was raised over a fault that hits nothing, traffic was clean in {:.1}ms, and the panic was reset",
                took.as_secs_f64() * 1e3
            ),
        ),
        Err(why) => Line::failed(
            Point::Panic,
            why,
            "begin no drill; look at the proxy's log and at `chaosproxy status`",
        ),
    }
}

async fn pressed(desk: &Desk, caller: &Caller, by: &Author) -> Result<Duration, String> {
    let (name, fault) = FAULT;
    let entry: Entry = config::read(name, fault).map_err(|problems| problems.to_string())?;
    let owner = Owner::Api {
        by: caller.name.clone(),
    };
    let control = &desk.control;
    let lease = control
        .take_lease(owner, LEASE, vec![(name.to_owned(), entry)])
        .map_err(|error| format!("no fault can be set: {error}"))?;
    let begun = Instant::now();
    let raised = Raised {
        desk,
        by,
        panic: control.panic(by),
    };
    let clean = timeout(CLEAN_WITHIN, becomes_clean(desk)).await.is_ok();
    let took = begun.elapsed();
    if control.holds(lease) || raised.panic.lifted == 0 {
        return Err("the panic did not lift the fault that it was raised over".to_owned());
    }
    if !clean {
        return Err(format!(
            "traffic was not clean within {}s of the panic",
            CLEAN_WITHIN.as_secs()
        ));
    }
    Ok(took)
}

/// A panic of ours, which does not outlive the one who asked for it; one that somebody else has raised since stays.
struct Raised<'a> {
    desk: &'a Desk,
    by: &'a Author,
    panic: Panicked,
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        if self.desk.control.panicked() == Some(self.panic) {
            self.desk.control.panic_reset(self.by);
        }
    }
}
