//! `docs/admin-api.md` and the OpenAPI document, which cannot fall behind.

use std::{fmt::Write as _, path::Path};

use super::*;
use crate::admin::{clearance::Secrecy, endpoint::Endpoint};

const BEGIN: &str = "<!-- endpoints: written by a test -->\n";
const END: &str = "<!-- end of endpoints -->";

/// Where they differ, `UPDATE_DOCS=1 cargo test --lib admin::tests` writes the table anew.
#[test]
fn the_reference_lists_every_endpoint() {
    let mut table = String::from("| | | who | what |\n|---|---|---|---|\n");
    for Endpoint {
        method,
        path,
        role,
        about,
        secrecy,
        ..
    } in endpoints()
    {
        let who = role.map_or("everybody", |role| role.name());
        let kept = match secrecy {
            Secrecy::Open => "",
            Secrecy::Afterwards => "; while a drill runs, only whoever may know all",
            Secrecy::Kept => ", not responders",
        };
        let _ = writeln!(table, "| {method} | `{path}` | {who}{kept} | {about} |");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/admin-api.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page
        .split_once(BEGIN)
        .expect("the page has a place for the table");
    let (written, after) = rest.split_once(END).expect("the table has an end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert!(
            written == table,
            "docs/admin-api.md has fallen behind: run `UPDATE_DOCS=1 cargo test --lib admin::tests`"
        );
    }
}

#[tokio::test]
async fn router_and_openapi_name_the_same_endpoints() {
    let proxy = proxy();
    let document = proxy.get("/api/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(
        paths
            .values()
            .map(|path| path.as_object().unwrap().len())
            .sum::<usize>(),
        endpoints().len()
    );
    for endpoint in endpoints() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        assert_eq!(operation["summary"], endpoint.about);
        let in_path = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|p| p["in"] == "path")
            .count();
        assert_eq!(in_path, endpoint.path.matches('{').count(), "{}", endpoint.path);
        let path = endpoint.path.replace(['{', '}'], "");
        // Only its head: a stream of events has no end.
        let request = request(endpoint.method, &path).body(Body::empty()).unwrap();
        let status = proxy.router.clone().oneshot(request).await.unwrap().status();
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

#[tokio::test]
async fn every_schema_that_is_referred_to_is_there() {
    fn visit(value: &Value, document: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get("$ref") {
                    let there = document.pointer(to.trim_start_matches('#'));
                    assert!(there.is_some(), "{to}");
                }
                map.values().for_each(|value| visit(value, document));
            }
            Value::Array(items) => items.iter().for_each(|value| visit(value, document)),
            _ => {}
        }
    }
    let document = proxy().get("/api/openapi.json").await.json();
    visit(&document, &document);
    assert!(document["components"]["schemas"]["FaultStatus"].is_object());
}
