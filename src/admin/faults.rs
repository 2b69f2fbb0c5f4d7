//! `/api/v1/faults` and `/api/v1/leases`: what is broken on purpose, and for how long.

use std::time::Duration;

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    ask::{Ask, Fields, Settings},
    reach::Reach,
    refusal::{Kind, Refusal},
};
use crate::{
    config::{self, Document, Named, Problem, Problems},
    control::{self, LeaseId, Owner, lease::RENEWED},
    faults::{Entry, catalogue},
    toxiproxy::toxic_of,
    units::Span,
};

/// A fault now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultStatus {
    /// Its name.
    pub name: String,
    /// Who holds it: `document`, `drill NAME`, `toxiproxy`, or a person.
    pub owner: String,
    /// Whether somebody set it by hand, so that it can be removed by hand.
    pub by_hand: bool,
    /// The lease that keeps it alive; a fault of the document has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<u64>,
    /// When its lease ends unless it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in: Option<Span>,
    /// How many exchanges it was asked about and that match, whatever its odds said of them.
    pub matched: u64,
    /// How many exchanges it has touched: something happened to them.
    pub hits: u64,
    /// What it stands in the way of.
    pub reach: Reach,
    /// What was written.
    pub fault: Entry,
}

impl FaultStatus {
    /// How many exchanges it touched, of how many that match where those were more; a dash where they are not counted.
    pub fn hit_count(&self) -> String {
        match self.fault.r#do.touches_exchanges() {
            true if self.matched > self.hits => format!("{} of {}", self.hits, self.matched),
            true => self.hits.to_string(),
            false => "–".to_owned(),
        }
    }
}

/// Faults to be set: they come together or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The faults by name, in the grammar of the document. Each needs a `for`, unless `lease` is set.
    pub faults: Named<Entry>,
    /// Keeps them only as long as the lease is renewed (`PUT /api/v1/leases/{lease}`), at least every 10 s.
    #[serde(default)]
    pub lease: bool,
}

/// Faults that were set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Added {
    /// The leases that keep them alive.
    pub leases: Vec<u64>,
    /// The faults.
    pub faults: Vec<FaultStatus>,
}

/// How long a lease should live from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// The span; left out: what its faults were set for, else 10 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#for: Option<Span>,
}

/// A lease that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Renewed {
    /// The lease.
    pub lease: u64,
    /// When it ends unless it is renewed.
    pub ends_in: Span,
}

/// A kind of fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Kinds {
    /// The pages of the catalogue, as `chaosproxy faults kinds --json` shows them.
    pub kinds: Vec<serde_json::Value>,
}

/// Which fault.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(super) struct Name {
    name: String,
}

/// Which lease.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(super) struct Lease {
    lease: u64,
}

/// Lists the faults that stand.
pub(super) fn list(desk: &Desk, _: &Ask) -> Result<Json<Vec<FaultStatus>>, Refusal> {
    Ok(Json(all(desk)))
}

/// Shows what faults can do.
pub(super) fn kinds(_: &Desk, _: &Ask) -> Result<Json<Kinds>, Refusal> {
    let kinds = catalogue()
        .iter()
        .filter_map(|doc| serde_json::to_value(doc).ok())
        .collect();
    Ok(Json(Kinds { kinds }))
}

/// Shows a fault.
pub(super) fn show(desk: &Desk, ask: &Ask<Name>) -> Result<Json<FaultStatus>, Refusal> {
    find(desk, &ask.at.name).map(Json)
}

/// Sets faults, all or none.
pub(super) fn add(
    desk: &Desk,
    ask: &Ask<super::ask::Nothing, Settings<Add>>,
) -> Result<Json<Added>, Refusal> {
    let Add { faults, lease } = &ask.body.0;
    check(&desk.control.document(), faults, *lease)?;
    let owner = Owner::Api {
        by: ask.caller.name.clone(),
    };
    let mut leases = Vec::new();
    for (ttl, faults) in bundles(faults, *lease) {
        match desk.control.take_lease(owner.clone(), ttl, faults) {
            Ok(id) => leases.push(id),
            Err(error) => {
                leases.into_iter().for_each(|id| _ = desk.control.release(id));
                return Err(error.into());
            }
        }
    }
    let set = |fault: &FaultStatus| fault.lease.is_some_and(|id| leases.contains(&LeaseId(id)));
    let faults = all(desk).into_iter().filter(set).collect();
    Ok(Json(Added {
        leases: leases.into_iter().map(|id| id.0).collect(),
        faults,
    }))
}

/// Removes a fault that was set by hand.
pub(super) fn remove(desk: &Desk, ask: &Ask<Name>) -> Result<Json<FaultStatus>, Refusal> {
    let fault = find(desk, &ask.at.name)?;
    if !fault.by_hand {
        let of_toxiproxy = fault.owner == Owner::Toxiproxy.to_string();
        if let Some(known) = of_toxiproxy.then(|| toxic_of(&fault.name)).flatten() {
            let detail = format!(
                "`{}` was not set by hand: it is the toxic `{}` of the proxy `{}`",
                fault.name, known.toxic, known.proxy
            );
            let mend = format!("remove the toxic: DELETE {}", known.path);
            return Err(Refusal::new(Kind::Conflict, detail, mend));
        }
        let mend = match fault.lease {
            None => "change the document: `chaosproxy config apply FILE`",
            Some(_) => "end the drill, or press the emergency button: `chaosproxy panic`",
        };
        let detail = format!("`{}` was not set by hand; {} holds it", fault.name, fault.owner);
        return Err(Refusal::new(Kind::Conflict, detail, mend));
    }
    // Between finding and removing it may have ended by itself, which is what was wanted.
    desk.control.remove_fault(&fault.name);
    Ok(Json(fault))
}

/// Keeps a lease alive.
pub(super) fn renew(desk: &Desk, ask: &Ask<Lease, Fields<Renew>>) -> Result<Json<Renewed>, Refusal> {
    let lease = ask.at.lease;
    let set_for = || {
        let faults = desk
            .control
            .faults()
            .into_iter()
            .filter(|fault| fault.lease == Some(LeaseId(lease)));
        faults.filter_map(|fault| fault.fault.entry().r#for).max()
    };
    let ends_in = ask.body.0.r#for.or_else(set_for).unwrap_or(Span(RENEWED));
    desk.control.renew(LeaseId(lease), ends_in.0)?;
    Ok(Json(Renewed { lease, ends_in }))
}

/// Gives a lease back.
pub(super) fn release(desk: &Desk, ask: &Ask<Lease>) -> Result<Json<Renewed>, Refusal> {
    let lease = ask.at.lease;
    if desk.control.release(LeaseId(lease)) {
        return Ok(Json(Renewed {
            lease,
            ends_in: Span::ZERO,
        }));
    }
    Err(Refusal::new(
        Kind::NotFound,
        format!("there is no lease {lease}: it has ended"),
        "set the faults again: POST /api/v1/faults",
    ))
}

/// Everything that is wrong with faults that are to be set by hand.
fn check(document: &Document, faults: &Named<Entry>, lease: bool) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    for (name, entry) in faults.iter() {
        let path = config::Path::of(["faults", name]);
        let mut found = config::check_fault(document, &path, entry);
        if !lease && entry.r#for.is_none() {
            found = config::check_fault_by_hand(document, entry);
        }
        problems.extend(found.into_iter().map(|finding| Problem {
            path: finding.path.to_string(),
            ..Problem::whole("request", finding.what, finding.mend)
        }));
    }
    match problems.is_empty() {
        true if faults.is_empty() => Err(Refusal::new(
            Kind::Invalid,
            "no fault was sent",
            "name at least one in `faults`",
        )),
        true => Ok(()),
        false => Err(Refusal::problems("the fault", problems)),
    }
}

/// The leases that are needed: one for all, or one for each with its own end.
fn bundles(faults: &Named<Entry>, lease: bool) -> Vec<(Duration, Vec<(String, Entry)>)> {
    let faults = faults
        .iter()
        .map(|(name, entry)| (name.to_owned(), entry.clone()));
    if lease {
        return vec![(RENEWED, faults.collect())];
    }
    faults
        .map(|(name, entry)| (entry.r#for.map_or(RENEWED, Duration::from), vec![(name, entry)]))
        .collect()
}

fn find(desk: &Desk, name: &str) -> Result<FaultStatus, Refusal> {
    all(desk)
        .into_iter()
        .find(|fault| fault.name == name)
        .ok_or_else(|| {
            Refusal::new(
                Kind::NotFound,
                format!("there is no fault `{name}`"),
                "`chaosproxy faults list` (GET /api/v1/faults) lists them",
            )
        })
}

/// All faults that stand, in the order tried.
pub(super) fn all(desk: &Desk) -> Vec<FaultStatus> {
    let document = desk.control.document();
    desk.control
        .faults()
        .into_iter()
        .map(|fault| status(&document, fault))
        .collect()
}

fn status(document: &Document, standing: control::FaultStatus) -> FaultStatus {
    let control::FaultStatus {
        fault,
        owner,
        lease,
        ends_in,
    } = standing;
    FaultStatus {
        name: fault.name().to_owned(),
        by_hand: matches!(owner, Some(Owner::Api { .. })),
        owner: owner.map_or_else(|| "document".to_owned(), |owner| owner.to_string()),
        lease: lease.map(|id| id.0),
        ends_in: ends_in.map(whole_millis),
        matched: fault.effect().matched,
        hits: fault.hits(),
        reach: Reach::of(document, &fault),
        fault: fault.entry().clone(),
    }
}

/// A countdown needs no more.
fn whole_millis(left: Duration) -> Span {
    Span::millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
}
