//! Bodies in the shape that the tools' public documentation gives, and what is read from them.

use super::*;

const ALERTMANAGER: &str = r#"{
  "version": "4",
  "groupKey": "{}:{alertname=\"CheckoutErrors\"}",
  "truncatedAlerts": 0,
  "status": "firing",
  "receiver": "drill",
  "groupLabels": {"alertname": "CheckoutErrors"},
  "commonLabels": {"alertname": "CheckoutErrors", "severity": "page"},
  "commonAnnotations": {"summary": "half of the checkouts fail"},
  "externalURL": "http://alertmanager:9093",
  "alerts": [
    {"status": "resolved", "labels": {"alertname": "SlowCheckout"}, "annotations": {},
     "startsAt": "2026-01-17T23:30:00Z", "endsAt": "2026-01-17T23:35:00Z",
     "generatorURL": "http://prometheus:9090/graph", "fingerprint": "aaaa"},
    {"status": "firing", "labels": {"alertname": "CheckoutErrors", "instance": "a"}, "annotations": {},
     "startsAt": "2026-01-17T23:36:00Z", "endsAt": "0001-01-01T00:00:00Z",
     "generatorURL": "http://prometheus:9090/graph", "fingerprint": "bbbb"},
    {"status": "firing", "labels": {"alertname": "CheckoutErrors", "instance": "b"}, "annotations": {},
     "startsAt": "2026-01-17T23:36:00Z", "endsAt": "0001-01-01T00:00:00Z",
     "generatorURL": "http://prometheus:9090/graph", "fingerprint": "cccc"}
  ]
}"#;

const GRAFANA: &str = r#"{
  "receiver": "drill", "status": "resolved", "orgId": 1,
  "alerts": [{"status": "resolved", "labels": {"alertname": "Writes fail", "team": "shop"},
    "annotations": {"summary": "no order can be saved"},
    "startsAt": "2026-01-17T23:36:00.157076+02:00", "endsAt": "2026-01-17T23:59:00.157076+02:00",
    "values": {"B": 44.23, "C": 1}, "generatorURL": "https://grafana/alerting/1afz29v7z/edit",
    "fingerprint": "c6eadffa33fcdf37", "silenceURL": "https://grafana/alerting/silence/new",
    "dashboardURL": "", "panelURL": ""}],
  "groupLabels": {}, "commonLabels": {"team": "shop"}, "commonAnnotations": {}, "externalURL": "https://grafana/",
  "version": "1", "groupKey": "{}:{}", "truncatedAlerts": 0, "title": "[RESOLVED] Writes fail (shop)", "state": "ok",
  "message": "**Resolved**"
}"#;

fn pagerduty_event(kind: &str) -> String {
    format!(
        r#"{{"event": {{"id": "01CHTPZ2FHCDDPNVSMJKOZRQZD", "event_type": "{kind}", "resource_type": "incident",
        "occurred_at": "2026-01-17T21:38:00.000Z",
        "agent": {{"html_url": "https://acme.pagerduty.com/users/PLH1HKV", "id": "PLH1HKV",
          "self": "https://api.pagerduty.com/users/PLH1HKV", "summary": "Ada", "type": "user_reference"}},
        "client": null,
        "data": {{"id": "PGR0VU2", "type": "incident", "number": 2, "status": "acknowledged", "incident_key": "d3640fbd",
          "title": "A little bump in the road", "service": {{"id": "PF9KMXH", "summary": "Shop", "type": "service_reference"}},
          "assignees": [], "priority": null, "urgency": "high"}}}}}}"#
    )
}

fn said(signal: Result<Option<Signal>, Unreadable>) -> String {
    match signal {
        Ok(Some(signal)) => serde_json::to_string(&signal).unwrap(),
        Ok(None) => "no signal".to_owned(),
        Err(error) => format!("unreadable: {error}"),
    }
}

#[test]
fn a_group_of_alerts_is_a_page_as_long_as_one_fires() {
    insta::assert_snapshot!(said(alerts("Alertmanager", ALERTMANAGER)), @r#"{"name":"page","from":"Alertmanager","text":"CheckoutErrors"}"#);
    insta::assert_snapshot!(said(alerts("Grafana", GRAFANA)), @r#"{"name":"resolve","from":"Grafana","text":"Writes fail"}"#);
    insta::assert_snapshot!(said(alerts("Grafana", &GRAFANA.replace("\"alertname\": \"Writes fail\", ", ""))), @r#"{"name":"resolve","from":"Grafana","text":"[RESOLVED] Writes fail (shop)"}"#);
    insta::assert_snapshot!(said(alerts("Alertmanager", r#"{"alerts": []}"#)), @"no signal");
}

#[test]
fn of_an_incident_only_beginning_acknowledgement_and_end_are_signals() {
    insta::assert_snapshot!(said(pagerduty(&pagerduty_event("incident.triggered"))), @r#"{"name":"page","from":"PagerDuty","text":"A little bump in the road"}"#);
    insta::assert_snapshot!(said(pagerduty(&pagerduty_event("incident.acknowledged"))), @r#"{"name":"acknowledge","from":"PagerDuty","text":"A little bump in the road (Ada)"}"#);
    insta::assert_snapshot!(said(pagerduty(&pagerduty_event("incident.resolved"))), @r#"{"name":"resolve","from":"PagerDuty","text":"A little bump in the road (Ada)"}"#);
    insta::assert_snapshot!(said(pagerduty(&pagerduty_event("incident.annotated"))), @"no signal");
    insta::assert_snapshot!(said(pagerduty(r#"{"event": {"id": "1", "event_type": "pagey.ping", "data": {"message": "Hello"}}}"#)), @"no signal");
}

#[test]
fn a_rule_says_where_to_look() {
    let body = r#"{"check": {"name": "shop", "up": false, "since": 12}, "state": "open"}"#;
    let read = |query: &str| {
        let mapping: Mapping = serde_urlencoded::from_str(query).unwrap();
        said(mapped(&mapping, body))
    };
    insta::assert_snapshot!(read("signal=page&at=/state&is=open&text=/check/name&from=Uptime"), @r#"{"name":"page","from":"Uptime","text":"shop"}"#);
    insta::assert_snapshot!(read("signal=page&at=/state&is=closed"), @"no signal");
    insta::assert_snapshot!(read("signal=page&at=/check/up&is=false"), @r#"{"name":"page","from":"webhook"}"#);
    insta::assert_snapshot!(read("signal=up&at=/check/up"), @"no signal");
    insta::assert_snapshot!(read("signal=page&at=/nowhere"), @"no signal");
    insta::assert_snapshot!(read("signal=page&at=state"), @"unreadable: `state` is no JSON pointer: it begins with `/`, as in `/alert/state`");
    insta::assert_snapshot!(read("signal=page&is=open"), @"unreadable: `is` says what must stand at a place, and `at` is missing");
    insta::assert_snapshot!(read("signal=a%20b"), @"unreadable: `a b` is no name of a signal: use letters, digits, `-` and `_`");
    insta::assert_snapshot!(said(mapped(&Mapping { signal: "deployed".into(), ..Mapping::default() }, "")), @r#"{"name":"deployed","from":"webhook"}"#);
}

#[test]
fn what_no_tool_sends_is_unreadable_and_not_a_signal() {
    for text in [
        "",
        "{}",
        "[]",
        "null",
        "{\"alerts\": 1}",
        r#"{"alerts": [{"status": "odd"}]}"#,
    ] {
        assert!(alerts("Alertmanager", text).is_err(), "{text}");
        assert!(pagerduty(text).is_err(), "{text}");
    }
}

#[test]
fn a_text_is_kept_short_and_plain() {
    let long = GRAFANA.replace("Writes fail", &"é\\n".repeat(500));
    let signal = alerts("Grafana", &long).unwrap().unwrap();
    let text = signal.text.unwrap();
    assert_eq!(text.chars().count(), LONGEST);
    assert!(
        !text.chars().any(char::is_control) && text.ends_with('…'),
        "{text}"
    );
}
