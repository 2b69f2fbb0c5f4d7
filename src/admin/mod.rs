//! The admin API: one port for people and their tools.
//!
//! One file per noun: the types that travel, which the command line reads too, and the functions that answer. [`endpoints`]
//! is the table of all that there is; router and OpenAPI document are both made from it. To add an endpoint: write its
//! function in its noun's file, and add its line here.

mod acts;
mod ask;
mod begin;
mod bindings;
mod clearance;
mod clusters;
mod config;
mod desk;
mod drill;
mod endpoint;
mod events;
mod faults;
mod feed;
mod guard;
mod health;
mod heard;
mod lead;
mod openapi;
mod page;
mod panic;
pub mod preflight;
mod reach;
mod refusal;
mod report;
mod serve;
mod start;
mod status;
#[cfg(test)]
pub(crate) mod tests;
mod tokens;
mod told;
mod toxiproxy;
mod webhooks;

pub use self::{
    acts::{ActStatus, Declare, Declared},
    begin::Begin,
    bindings::bindings,
    clusters::{Admit, BackendStatus, ClusterStatus, Health, Took, Weight},
    config::{Changed, RevisionStatus, Rollback, Shown},
    desk::{Desk, Drill, Stage, Things},
    drill::{DrillStatus, Judged},
    faults::{Add, Added, FaultStatus, Kinds, Renew, Renewed},
    feed::Feed,
    guard::{Guard, USER},
    heard::Tool,
    lead::{Accept, HintOf, More, News, Note, Onward, Rate, Refuse},
    panic::{InForce, Panicked, Reset},
    reach::Reach,
    refusal::{Kind, PROBLEM_JSON, Refusal},
    report::{Form, JOURNAL, journal_of, newest},
    serve::serve,
    start::Start,
    status::{ClientStatus, ListenerStatus, Status},
    tokens::{Role, Tokens},
    webhooks::Heard,
};
use self::{
    clearance::Secrecy::{Afterwards, Kept},
    endpoint::{Endpoint, delete, get, post, put},
    tokens::Role::{Observer, Responder},
};

/// Everything that can be asked, in the order in which it is documented.
fn endpoints() -> Vec<Endpoint> {
    [platform(), truth(), traffic(), people(), leading()].concat()
}

/// For browsers, platforms and scrapers.
fn platform() -> Vec<Endpoint> {
    vec![
        get("/", "Shows a page for a browser").does(page::show),
        get("/healthz", "Tells that the process lives")
            .by_all()
            .urgent()
            .does(health::live),
        get(
            "/readyz",
            "Tells whether the proxy can forward, whatever is broken on purpose",
        )
        .by_all()
        .urgent()
        .does(health::ready),
        get("/metrics", "Shows the numbers, as OpenMetrics").does(health::metrics),
        get("/api/openapi.json", "Shows this document").does(openapi::show),
    ]
}

/// What stands: the document and the faults.
fn truth() -> Vec<Endpoint> {
    vec![
        get("/api/v1/status", "Shows everything that stands").does(status::show),
        get("/api/v1/config", "Shows the document in force").does(config::show),
        put(
            "/api/v1/config",
            "Puts a document into force, or refuses it whole",
        )
        .does(config::apply),
        get("/api/v1/config/history", "Lists the documents that were in force").does(config::history),
        get(
            "/api/v1/config/history/{revision}",
            "Shows a document that was in force",
        )
        .does(config::revision),
        post("/api/v1/config/rollback", "Goes back to an earlier document")
            .by(Responder)
            .does(config::rollback),
        get(
            "/api/v1/faults",
            "Lists the faults that stand, in the order tried",
        )
        .kept(Kept)
        .does(faults::list),
        post("/api/v1/faults", "Sets faults, all or none").does(faults::add),
        get("/api/v1/faults/kinds", "Shows what faults can do").does(faults::kinds),
        get("/api/v1/faults/{name}", "Shows a fault")
            .kept(Kept)
            .does(faults::show),
        delete("/api/v1/faults/{name}", "Removes a fault that was set by hand").does(faults::remove),
        put(
            "/api/v1/leases/{lease}",
            "Keeps a lease alive, and its faults with it",
        )
        .does(faults::renew),
        delete(
            "/api/v1/leases/{lease}",
            "Gives a lease back, and its faults are gone",
        )
        .does(faults::release),
    ]
}

/// The responder's balancer.
fn traffic() -> Vec<Endpoint> {
    vec![
        get("/api/v1/clusters", "Lists the clusters with their backends").does(clusters::list),
        get("/api/v1/clusters/{cluster}", "Shows a cluster").does(clusters::show),
        post(
            "/api/v1/clusters/{cluster}/admit",
            "Takes only a share of a cluster's exchanges",
        )
        .by(Responder)
        .does(clusters::admit),
        get("/api/v1/backends", "Lists the backends of all clusters").does(clusters::backends),
        post(
            "/api/v1/backends/{cluster}/{backend}/drain",
            "Takes a backend out of service",
        )
        .by(Responder)
        .does(clusters::drain),
        post(
            "/api/v1/backends/{cluster}/{backend}/enable",
            "Puts a backend back into service",
        )
        .by(Responder)
        .does(clusters::enable),
        post(
            "/api/v1/backends/{cluster}/{backend}/weight",
            "Gives a backend another weight",
        )
        .by(Responder)
        .does(clusters::weigh),
    ]
}

/// The drill, the emergency button, and what happens.
fn people() -> Vec<Endpoint> {
    vec![
        get("/api/v1/drill", "Shows the drill that runs, or ran last").does(drill::show),
        get("/api/v1/acts", "Lists the acts of the drill").awaits(acts::list),
        post("/api/v1/acts", "Declares an act; a gate may refuse it (409)")
            .by(Responder)
            .awaits(acts::declare),
        get(
            "/api/v1/verdict",
            "Answers 200 when the drill's checks hold, 409 when one does not",
        )
        .kept(Afterwards)
        .awaits(drill::verdict),
        get("/api/v1/report", "Makes a drill's report from its journal")
            .kept(Afterwards)
            .awaits(report::show),
        get("/api/v1/webhooks", "Lists the tools that were heard").does(webhooks::list),
        post("/api/v1/webhooks/alertmanager", "Hears an alert of Alertmanager")
            .by(Observer)
            .does(webhooks::alertmanager),
        post("/api/v1/webhooks/grafana", "Hears an alert of Grafana")
            .by(Observer)
            .does(webhooks::grafana),
        post("/api/v1/webhooks/pagerduty", "Hears an incident of PagerDuty")
            .by(Observer)
            .does(webhooks::pagerduty),
        post(
            "/api/v1/webhooks/mapped",
            "Hears any other tool, by the rule in the query",
        )
        .by(Observer)
        .does(webhooks::mapped),
        get("/api/v1/panic", "Tells whether a panic is in force")
            .urgent()
            .does(panic::show),
        post("/api/v1/panic", "Lifts every fault and lets none in")
            .by(Responder)
            .urgent()
            .awaits(panic::pull),
        post("/api/v1/panic/reset", "Lets faults in again")
            .urgent()
            .does(panic::reset),
        get("/api/v1/events", "Streams what happens, as server-sent events").does(events::stream),
    ]
}

/// The facilitator's hand on the drill, and what people write down about it.
fn leading() -> Vec<Endpoint> {
    vec![
        post(
            "/api/v1/drill/check",
            "Tells whether a drill can begin; watches traffic for three seconds",
        )
        .awaits(preflight::check),
        post("/api/v1/drill/start", "Starts a drill, one at a time").awaits(start::start),
        post("/api/v1/drill/next", "Goes on to the next phase, or to one").awaits(lead::next),
        post(
            "/api/v1/drill/hold",
            "Lets the story stand still; the limit on the wall runs on",
        )
        .awaits(lead::hold),
        post("/api/v1/drill/resume", "Lets the story go on").awaits(lead::resume),
        post("/api/v1/drill/extend", "Gives the phase more story time").awaits(lead::extend),
        post(
            "/api/v1/drill/inject",
            "Tells people something that the profile does not know of",
        )
        .awaits(lead::inject),
        post("/api/v1/drill/hint", "Gives a hint, which costs the best rating").awaits(lead::hint),
        post(
            "/api/v1/drill/accept",
            "Lets an act through, whatever its gates say",
        )
        .awaits(lead::accept),
        post(
            "/api/v1/drill/refuse",
            "Refuses an act, whatever its gates say, until it is accepted",
        )
        .awaits(lead::refuse),
        post("/api/v1/drill/note", "Writes something down")
            .by(Observer)
            .awaits(lead::note),
        post("/api/v1/drill/rate", "Says how an objective was performed")
            .by(Observer)
            .awaits(lead::rate),
        post(
            "/api/v1/drill/clear",
            "Lifts the faults and ends the drill before its time",
        )
        .awaits(lead::clear),
    ]
}
