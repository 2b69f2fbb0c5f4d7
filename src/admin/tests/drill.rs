//! A drill as people reach it: acts that are refused and done, the verdict, the report, the feed.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    admin::{Drill, JOURNAL},
    drill::{
        Binding, Named, Remote, Script, Settings, Steer, World,
        facts::Observed,
        journal::Journal,
        lead::Verb,
        profile::{Header, Sight},
        profiles, remote, run,
    },
};

/// A world in which nothing happens.
struct Still;

impl World for Still {
    fn begin(&self, _: Duration, _: &[Steer]) -> Result<(), crate::drill::Refusal> {
        Ok(())
    }

    fn hold(&self, _: &[Named]) -> Result<(), crate::drill::Refusal> {
        Ok(())
    }

    fn obstruct(&self, _: Option<&str>) -> Result<(), crate::drill::Refusal> {
        Ok(())
    }

    fn watch(&self, _: &[Header]) -> Result<(), crate::drill::Refusal> {
        Ok(())
    }

    fn roll_back(&self) -> Result<(), crate::drill::Refusal> {
        Ok(())
    }

    fn renew(&self) -> bool {
        true
    }

    fn observe(&self) -> Observed {
        Observed::default()
    }

    fn perform(&self, _: &Sight) {}

    fn end(&self) {}
}

/// Plays orm-break where nobody visits, while somebody asks the proxy whose stage it is on.
async fn while_playing(ask: impl AsyncFnOnce(Proxy, Remote)) {
    while_playing_for(Guard::default(), false, ask).await;
}

/// The same, blind or not, and with a guard at the door.
pub(super) async fn while_playing_for(guard: Guard, blind: bool, ask: impl AsyncFnOnce(Proxy, Remote)) {
    let folder = tempfile::tempdir().unwrap();
    let reports = folder.path();
    std::fs::create_dir(reports.join("orm-break-1")).unwrap();
    let journal = Journal::create(&reports.join("orm-break-1").join(JOURNAL), "orm-break-1")
        .await
        .unwrap();
    let profile = profiles::load("orm-break").unwrap();
    let bound = |target: &str| Binding {
        target: target.to_owned(),
        backends: 1,
        ..Binding::default()
    };
    let bindings = [("http.source", "app/app-a"), ("http.replica", "app/app-b")];
    let bindings = bindings
        .into_iter()
        .map(|(role, target)| (role.to_owned(), bound(target)))
        .collect();
    let script = Script::new(profile.clone(), &bindings, Settings::default()).unwrap();
    let (remote, inbox) = remote();
    let feed = Feed::default();
    let drill = Drill {
        name: "orm-break-1".to_owned(),
        profile: Arc::new(profile),
        blind,
        remote: remote.clone(),
    };
    let stage = Stage {
        drill: watch::Sender::new(Some(drill)).subscribe(),
        feed: feed.clone(),
        starts: tokio::sync::mpsc::channel(1).0,
    };
    let proxy = proxy_on(guard, stage, reports.to_owned());
    let mut watcher = feed;
    let play = async {
        run(script, &Still, journal, &mut watcher, inbox).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = play => {}
        () = ask(proxy, remote) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn an_act_is_refused_in_the_words_of_the_original_until_its_gate_opens() {
    while_playing(async |proxy, remote| {
        let restart = json!({"name": "restart"});
        let early = proxy.post("/api/v1/acts", &restart).await;
        assert_eq!(
            early.json()["detail"],
            "it changes nothing as things are",
            "the original's words would give the story away before anything is broken"
        );
        remote.lead(Verb::Next(None), "grace").await.unwrap();
        let refused = proxy.post("/api/v1/acts", &restart).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["type"]),
            (409, &json!("urn:chaosproxy:act-refused"))
        );
        assert!(
            refused.json()["detail"]
                .as_str()
                .unwrap()
                .contains("still cannot connect"),
            "{}",
            refused.text
        );
        let unknown = proxy.post("/api/v1/acts", &json!({"name": "pray"})).await;
        assert_eq!(unknown.status, 404);
        assert!(
            unknown.json()["mend"]
                .as_str()
                .unwrap()
                .contains("restore-config")
        );
        let form = request(Method::POST, "/api/v1/acts")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let found = proxy
            .ask(form.body(Body::from("name=find-server&text=app-a")).unwrap())
            .await;
        assert_eq!(
            found.json(),
            json!({"name": "find-server", "state": "done"}),
            "{}",
            found.text
        );
        let begun = proxy
            .post("/api/v1/acts", &json!({"name": "restore-config"}))
            .await;
        assert_eq!(
            begun.json()["state"],
            "under way until +3m of the story",
            "{}",
            begun.text
        );
        let acts = proxy.get("/api/v1/acts").await.json();
        let state = |name: &str| {
            acts.as_array()
                .unwrap()
                .iter()
                .find(|act| act["name"] == name)
                .unwrap()["state"]
                .clone()
        };
        assert_eq!(
            (state("restart"), state("find-server"), state("suspect-lb")),
            (json!("refused"), json!("done"), json!("open"))
        );
        assert_eq!(state("restore-config"), "under way");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_drill_is_seen_by_status_verdict_and_report() {
    while_playing(async |proxy, remote| {
        proxy.post("/api/v1/acts", &json!({"name": "find-server"})).await;
        remote.views().wait_for(Option::is_some).await.unwrap();
        let drill = proxy.get("/api/v1/drill").await.json();
        assert_eq!(
            (&drill["drill"], &drill["profile"]),
            (&json!("orm-break-1"), &json!("orm-break"))
        );
        assert_eq!(drill["view"]["phase"], "latent");
        let verdict = proxy.get("/api/v1/verdict").await;
        assert_eq!(
            (verdict.status.as_u16(), verdict.json()["over"].clone()),
            (200, json!(false)),
            "nothing has failed yet"
        );
        let report = proxy.get("/api/v1/report").await;
        assert!(
            report.media.starts_with("text/markdown") && report.text.contains("orm-break"),
            "{}",
            report.text
        );
        assert_eq!(
            proxy.get("/api/v1/report?form=json").await.json()["drill"],
            "orm-break-1"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn panic_ends_the_drill_and_the_verdict_says_so() {
    while_playing(async |proxy, remote| {
        proxy.post("/api/v1/acts", &json!({"name": "find-server"})).await;
        proxy.post("/api/v1/panic", &json!({})).await;
        let mut views = remote.views();
        views
            .wait_for(|view| view.as_ref().is_some_and(|view| view.ended.is_some()))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let verdict = proxy.get("/api/v1/verdict").await;
        assert_eq!(verdict.status, 409);
        assert!(
            verdict.json()["detail"].as_str().unwrap().contains("panicked"),
            "{}",
            verdict.text
        );
        let over = proxy.post("/api/v1/acts", &json!({"name": "restart"})).await;
        assert_eq!(
            (over.status.as_u16(), &over.json()["type"]),
            (409, &json!("urn:chaosproxy:conflict"))
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_journal_is_a_live_feed() {
    while_playing(async |proxy, _| {
        let request = request(Method::GET, "/api/v1/events")
            .body(Body::empty())
            .unwrap();
        let mut body = proxy.router.clone().oneshot(request).await.unwrap().into_body();
        let mut seen = String::new();
        while !seen.contains("chaosproxy.act.ended.v1") {
            proxy.post("/api/v1/acts", &json!({"name": "find-server"})).await;
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            seen.push_str(std::str::from_utf8(&frame).unwrap());
        }
        assert!(
            seen.contains("event: drill\ndata: {\"specversion\":\"1.0\""),
            "{seen}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_noted_while_a_drill_runs_and_only_then() {
    let alert = json!({"version": "4", "status": "firing", "alerts": [
        {"status": "firing", "labels": {"alertname": "CheckoutErrors"}, "startsAt": "2026-01-17T23:36:00Z"}]});
    let idle = proxy().post("/api/v1/webhooks/alertmanager", &alert).await;
    assert_eq!(
        (idle.status.as_u16(), &idle.json()["noted"]),
        (200, &json!(false))
    );
    while_playing(async |proxy, remote| {
        remote.views().wait_for(Option::is_some).await.unwrap();
        let page = proxy.post("/api/v1/webhooks/alertmanager", &alert).await;
        assert_eq!(
            page.json(),
            json!({"signal": {"name": "page", "from": "Alertmanager", "text": "CheckoutErrors"}, "noted": true})
        );
        let taken = json!({"event": {"event_type": "incident.acknowledged", "data": {"title": "t"}}});
        let taken = proxy.post("/api/v1/webhooks/pagerduty", &taken).await;
        assert_eq!(taken.json()["signal"]["name"], "acknowledge", "{}", taken.text);
        let rule = "/api/v1/webhooks/mapped?signal=deployed&at=/state&is=done";
        let other = proxy.post(rule, &json!({"state": "pending"})).await;
        assert_eq!(other.json(), json!({"signal": null, "noted": false}));
        let deployed = proxy.post(rule, &json!({"state": "done"})).await;
        assert_eq!(deployed.json()["noted"], true, "{}", deployed.text);
        let wrong = proxy.post("/api/v1/webhooks/grafana", &json!({"hello": 1})).await;
        assert_eq!(wrong.status, 422, "{}", wrong.text);
        assert!(wrong.json()["detail"].as_str().unwrap().contains("Grafana"), "{}", wrong.text);
        // What was heard is in the journal by the time that an act after it is.
        proxy.post("/api/v1/acts", &json!({"name": "find-server"})).await;
        let report = proxy.get("/api/v1/report").await.text;
        for told in ["**Signal page** received (Alertmanager: CheckoutErrors)", "**Signal acknowledge**", "**Signal deployed**"] {
            assert!(report.contains(told), "{report}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_facilitator_leads_and_what_cannot_be_done_says_why() {
    while_playing(async |proxy, _| {
        let post = async |verb: &str, body: &str| {
            let path = format!("/api/v1/drill/{verb}");
            let body: Value = serde_json::from_str(body).unwrap();
            proxy.post(&path, &body).await
        };
        let held = post("hold", "{}").await;
        assert_eq!(held.json()["view"]["held"], true, "{}", held.text);
        let again = post("hold", "{}").await;
        assert_eq!(again.status, 409);
        assert_eq!(again.json()["detail"], "the story stands still already");
        assert!(again.json()["mend"].as_str().unwrap().contains("drill status"));
        assert_eq!(post("resume", "{}").await.status, 200);
        assert_eq!(post("extend", r#"{"by": "5m"}"#).await.status, 200);
        let next = post("next", r#"{"to": "outage"}"#).await;
        assert_eq!(next.json()["view"]["phase"], "outage", "{}", next.text);
        assert_eq!(
            post("inject", r#"{"text": "The CEO is on the phone."}"#)
                .await
                .status,
            200
        );
        assert_eq!(post("inject", r#"{"text": " "}"#).await.status, 422);
        assert_eq!(post("hint", r#"{"level": 1}"#).await.status, 200);
        let no_hint = post("hint", r#"{"level": 9}"#).await.json();
        assert_eq!(no_hint["mend"], "there are 1 to 3, mildest first", "{no_hint}");
        assert_eq!(post("note", r#"{"text": "they read the log"}"#).await.status, 200);
        let rate = r#"{"objective": "localise", "rating": "some", "why": "late"}"#;
        assert_eq!(post("rate", rate).await.status, 200);
        assert_eq!(
            post("refuse", r#"{"act": "restart", "why": "no"}"#).await.status,
            200
        );
        assert_eq!(post("accept", r#"{"act": "restart"}"#).await.status, 200);
        assert_eq!(post("accept", r#"{"act": "reboot"}"#).await.status, 409);
        let report = proxy.get("/api/v1/report?form=markdown").await.text;
        for words in [
            "The CEO is on the phone.",
            "Split the errors",
            "they read the log",
            "let through by",
        ] {
            assert!(report.contains(words), "{words}: {report}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_is_cleared_is_over() {
    while_playing(async |proxy, _| {
        let cleared = proxy.post("/api/v1/drill/clear", &json!({})).await;
        let ended = &cleared.json()["view"]["ended"]["interrupted"];
        assert_eq!(ended, "local (`drill clear`)", "{}", cleared.text);
        let late = proxy.post("/api/v1/drill/hold", &json!({})).await;
        assert_eq!(late.status, 409);
        let noted = proxy
            .post("/api/v1/drill/note", &json!({"text": "too soon"}))
            .await;
        assert_eq!(noted.status, 200, "{}", noted.text);
        let rate = json!({"objective": "localise", "rating": "major", "why": "nobody looked"});
        let rated = proxy.post("/api/v1/drill/rate", &rate).await;
        assert_eq!(rated.status, 200, "{}", rated.text);
        let pray = json!({"objective": "pray", "rating": "major"});
        assert_eq!(proxy.post("/api/v1/drill/rate", &pray).await.status, 409);
        let report = proxy.get("/api/v1/report?form=markdown").await.text;
        assert!(
            report.contains("too soon") && report.contains("nobody looked"),
            "{report}"
        );
        assert!(
            late.json()["mend"]
                .as_str()
                .unwrap()
                .contains("chaosproxy report")
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_drill_runs_at_a_time_and_a_name_is_no_file() {
    while_playing(async |proxy, _| {
        let start = async |body: Value| proxy.post("/api/v1/drill/start", &body).await;
        let second = start(json!({"profile": "orm-break"})).await;
        assert_eq!(second.status, 409);
        assert!(
            second.json()["mend"].as_str().unwrap().contains("drill clear"),
            "{}",
            second.text
        );
        proxy.post("/api/v1/drill/clear", &json!({})).await;
        let file = start(json!({"profile": "/etc/passwd"})).await;
        assert_eq!(file.status, 404);
        assert!(
            file.json()["mend"].as_str().unwrap().contains("orm-break"),
            "{}",
            file.text
        );
        assert_eq!(start(json!({})).await.status, 422);
        proxy.post("/api/v1/panic", &json!({})).await;
        let panicked = start(json!({"profile": "orm-break"})).await;
        assert_eq!(panicked.json()["type"], "urn:chaosproxy:panicked");
    })
    .await;
}
