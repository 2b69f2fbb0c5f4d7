//! What a health check suffers of the faults that stand before its backend: as traffic would, within the check's own limit.

use std::{
    future::{pending, ready},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::super::database;
use crate::{
    faults::{self, Answer, Fault, Plan, Unit, Verdict},
    route::{Dialect, Session},
    upstream::probe::{Probe, Trouble},
    wire::redis,
};

/// The session that a check of a database opens: what faults of the opening meet.
pub(super) fn session_of(probe: &Probe) -> Option<Session> {
    let owned = |text: Option<&String>, otherwise: &str| text.map_or(otherwise, String::as_str).to_owned();
    let (dialect, user, database) = match probe {
        Probe::Postgres(probe) => (
            Dialect::Postgres,
            probe.user.clone(),
            owned(probe.database.as_ref(), &probe.user),
        ),
        Probe::Mysql(probe) => (Dialect::Mysql, probe.user.clone(), String::new()),
        Probe::Redis(probe) => (
            Dialect::Redis,
            owned(probe.user.as_ref(), redis::DEFAULT_USER),
            redis::DEFAULT_DATABASE.to_owned(),
        ),
        Probe::Http(_) | Probe::Tcp(_) | Probe::Grpc(_) => return None,
    };
    Some(Session {
        dialect,
        user,
        database,
    })
}

/// Whether a check may meet a fault: a password that it does not show is not refused, nor is a database that it does not name, nor is
/// it told what no such server says.
pub(super) fn may_meet(fault: &Fault, session: Option<&Session>, shows_password: bool) -> bool {
    let Some(session) = session else {
        return true;
    };
    let meets = |unit| fault.meets(unit, session.dialect);
    fault.entry().r#do.is_said_in(session.dialect)
        && (shows_password || !meets(Unit::Proof))
        && (!session.database.is_empty() || !fault.is_of_databases(session.dialect))
}

/// Goes through the faults of a plan.
pub(super) async fn suffer(
    plan: &mut Plan,
    session: Option<&Session>,
    refused: impl Fn() -> Trouble,
) -> Result<(), Trouble> {
    for i in 0..plan.len() {
        match plan.open(i, Instant::now(), None) {
            Verdict::Pass => {}
            Verdict::Wait(time) => sleep(time).await,
            Verdict::Hold(_) => plan.fault(i).lifted().await,
            // A check takes its place in the backend's queue like everybody else, and keeps it as long as it runs: this
            // is how monitoring makes an exhausted server worse.
            Verdict::Queue(queue) => {
                let refusal = session.and_then(|session| Some((session, queue.limit.clone()?)));
                let mut thread = pin!(queue.thread());
                let at_once = tokio::select! {
                    biased;
                    place = &mut thread => Some(place),
                    () = ready(()) => None,
                };
                let place = match at_once {
                    Some(place) => place,
                    None => {
                        plan.touch(i);
                        tokio::select! {
                            biased;
                            place = thread => place,
                            trouble = turned_away(refusal) => return Err(trouble),
                        }
                    }
                };
                match place {
                    Ok(guard) => plan.keep(i, guard),
                    Err(_) => {
                        plan.touch(i);
                        return Err(Trouble::Broken("connection reset".into()));
                    }
                }
            }
            Verdict::Answer(answer) => match session {
                Some(session) => return Err(in_words(&answer, session)),
                None if answer.status.is_success() => {}
                None => return Err(Trouble::Status(answer.status.as_u16())),
            },
            Verdict::Cut(faults::Cut::Refuse) => return Err(refused()),
            Verdict::Cut(_) => return Err(Trouble::Broken("connection reset".into())),
        }
    }
    Ok(())
}

/// What a session is told once a database's patience has ended.
async fn turned_away(refusal: Option<(&Session, (Duration, Arc<Answer>))>) -> Trouble {
    match refusal {
        Some((session, (patience, answer))) => {
            sleep(patience).await;
            in_words(&answer, session)
        }
        None => pending().await,
    }
}

fn in_words(answer: &Answer, session: &Session) -> Trouble {
    Trouble::TurnedAway(database::words(answer, session))
}
