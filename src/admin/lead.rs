//! `/api/v1/drill/...`: the facilitator's hand on the drill that runs, and what people write down about it.

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    ask::{Ask, Fields, Nothing},
    drill::{self, DrillStatus},
    refusal::{Kind, Refusal},
    report::journal_of,
    tokens::Caller,
};
use crate::{
    drill::{
        Answer, Watcher as _, hot_wash,
        lead::{Performance, Verb},
        profile::Audience,
    },
    units::Span,
};

/// Where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Onward {
    /// The phase, or `end`; by default the first way out of the one that lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// How much more time the phase gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct More {
    /// In story time, such as `5m`.
    pub by: Span,
}

/// News that the profile does not know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct News {
    /// What people are told.
    pub text: String,
    /// Who is told.
    #[serde(default)]
    pub to: Audience,
}

/// A hint to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HintOf {
    /// Its level, from 1, the mildest.
    pub level: usize,
}

/// An act whose gates are overruled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The act.
    pub act: String,
}

/// An act that is to be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    /// The act.
    pub act: String,
    /// What whoever tries it is told.
    pub why: String,
}

/// Something to be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// What.
    pub text: String,
}

/// How an objective was performed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The objective.
    pub objective: String,
    /// How it was performed.
    pub rating: Performance,
    /// Why one thinks so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Goes on to a phase.
pub(super) async fn next(
    desk: Desk,
    ask: Ask<Nothing, Fields<Onward>>,
) -> Result<Json<DrillStatus>, Refusal> {
    carry_out(&desk, &ask.caller, Verb::Next(ask.body.0.to)).await
}

/// Lets the story stand still.
pub(super) async fn hold(desk: Desk, ask: Ask) -> Result<Json<DrillStatus>, Refusal> {
    carry_out(&desk, &ask.caller, Verb::Hold).await
}

/// Lets the story go on.
pub(super) async fn resume(desk: Desk, ask: Ask) -> Result<Json<DrillStatus>, Refusal> {
    carry_out(&desk, &ask.caller, Verb::Resume).await
}

/// Gives the phase more time.
pub(super) async fn extend(
    desk: Desk,
    ask: Ask<Nothing, Fields<More>>,
) -> Result<Json<DrillStatus>, Refusal> {
    carry_out(&desk, &ask.caller, Verb::Extend(ask.body.0.by)).await
}

/// Tells people something.
pub(super) async fn inject(
    desk: Desk,
    ask: Ask<Nothing, Fields<News>>,
) -> Result<Json<DrillStatus>, Refusal> {
    let News { text, to } = ask.body.0;
    carry_out(&desk, &ask.caller, Verb::Inject { to, text }).await
}

/// Gives a hint.
pub(super) async fn hint(
    desk: Desk,
    ask: Ask<Nothing, Fields<HintOf>>,
) -> Result<Json<DrillStatus>, Refusal> {
    carry_out(&desk, &ask.caller, Verb::Hint(ask.body.0.level)).await
}

/// Lets an act through.
pub(super) async fn accept(
    desk: Desk,
    ask: Ask<Nothing, Fields<Accept>>,
) -> Result<Json<DrillStatus>, Refusal> {
    carry_out(&desk, &ask.caller, Verb::Accept(ask.body.0.act)).await
}

/// Refuses an act.
pub(super) async fn refuse(
    desk: Desk,
    ask: Ask<Nothing, Fields<Refuse>>,
) -> Result<Json<DrillStatus>, Refusal> {
    let Refuse { act, why } = ask.body.0;
    carry_out(&desk, &ask.caller, Verb::Refuse { act, why }).await
}

/// Writes something down.
pub(super) async fn note(desk: Desk, ask: Ask<Nothing, Fields<Note>>) -> Result<Json<DrillStatus>, Refusal> {
    carry_out(&desk, &ask.caller, Verb::Note(ask.body.0.text)).await
}

/// Rates an objective.
pub(super) async fn rate(desk: Desk, ask: Ask<Nothing, Fields<Rate>>) -> Result<Json<DrillStatus>, Refusal> {
    let Rate {
        objective,
        rating,
        why,
    } = ask.body.0;
    let verb = Verb::Rate {
        objective,
        rating,
        why,
    };
    carry_out(&desk, &ask.caller, verb).await
}

/// Lifts the faults and ends the drill before its time.
pub(super) async fn clear(desk: Desk, ask: Ask) -> Result<Json<DrillStatus>, Refusal> {
    let drill = desk.drill()?;
    let by = format!("{} (`drill clear`)", ask.caller.name);
    drill.remote.interrupt(&by).map_err(over)?;
    drill.remote.closed().await;
    drill::now(&desk).map(Json)
}

/// A longer text is no note, and would fill the journal.
const LONGEST_TEXT: usize = 4096;

async fn carry_out(desk: &Desk, caller: &Caller, verb: Verb) -> Result<Json<DrillStatus>, Refusal> {
    let drill = desk.drill()?;
    let (Verb::Inject { text, .. } | Verb::Note(text) | Verb::Refuse { why: text, .. }) = &verb else {
        return tell(desk, &drill, caller, verb).await;
    };
    if text.trim().is_empty() || text.len() > LONGEST_TEXT {
        return Err(Refusal::new(
            Kind::Invalid,
            format!("the text has {} bytes", text.len()),
            format!("say something, in {LONGEST_TEXT} bytes at most"),
        ));
    }
    tell(desk, &drill, caller, verb).await
}

async fn tell(
    desk: &Desk,
    drill: &super::Drill,
    caller: &Caller,
    verb: Verb,
) -> Result<Json<DrillStatus>, Refusal> {
    let answer = match drill.remote.lead(verb.clone(), &caller.name).await {
        Ok(answer) => answer,
        Err(gone) => return afterwards(desk, drill, caller, verb, gone).await,
    };
    match answer {
        Answer::Refused(words) => Err(refused(
            &words,
            "`chaosproxy drill status` (GET /api/v1/drill) tells where the drill stands",
        )),
        Answer::Done | Answer::Performed(_) | Answer::UnderWay(_) | Answer::Waits { .. } => {
            let given = match verb {
                Verb::Hint(level) => level.checked_sub(1).and_then(|i| drill.profile.hints.get(i)),
                _ => None,
            };
            let hint = given.map(|hint| hint.text.clone());
            drill::now(desk).map(|status| Json(DrillStatus { hint, ..status }))
        }
    }
}

/// A refusal in the drill's own words, which say after a semicolon what there is instead, where it is not a matter of time.
fn refused(words: &str, otherwise: &str) -> Refusal {
    let (what, next) = words.split_once("; ").unwrap_or((words, otherwise));
    Refusal::new(Kind::Conflict, what, next)
}

/// Notes and ratings are taken after the end, too.
async fn afterwards(
    desk: &Desk,
    drill: &super::Drill,
    caller: &Caller,
    verb: Verb,
    gone: crate::drill::Gone,
) -> Result<Json<DrillStatus>, Refusal> {
    let journal = journal_of(&desk.reports, &drill.name);
    let (Verb::Note(_) | Verb::Rate { .. }, Some(journal)) = (&verb, journal) else {
        return Err(over(gone));
    };
    let by = caller.name.clone();
    let adding = move || hot_wash::add(&journal, &verb, &by, jiff::Timestamp::now());
    let added = tokio::task::spawn_blocking(adding).await;
    let (stamped, line) = match added {
        Ok(Ok(added)) => added,
        Ok(Err(hot_wash::Closed::Refused(why))) => return Err(refused(&why, READ_IT)),
        Ok(Err(error)) => {
            return Err(Refusal::new(
                Kind::Internal,
                error.to_string(),
                "make room on the disk",
            ));
        }
        Err(error) => return Err(Refusal::new(Kind::Internal, error.to_string(), "try again")),
    };
    desk.feed.clone().recorded(&stamped, &line);
    drill::now(desk).map(Json)
}

/// How one reads about a drill that is over.
const READ_IT: &str = "`chaosproxy report` (GET /api/v1/report) tells how it ended";

fn over(gone: crate::drill::Gone) -> Refusal {
    Refusal::new(Kind::Conflict, gone.to_string(), READ_IT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_there_is() {
        let check = |words: &str, what: &str, next: &str| {
            let refusal = refused(words, READ_IT);
            assert_eq!((refusal.detail.as_str(), refusal.mend.as_str()), (what, next));
        };
        check(
            "there is no objective `pray`; there are localise, restore",
            "there is no objective `pray`",
            "there are localise, restore",
        );
        check("nobody holds the story", "nobody holds the story", READ_IT);
    }
}
