//! What people read of a drill that runs.

use anstream::adapter::strip_str;

use super::*;
use crate::{
    drill::{clock::Mode, offset::Offset, timeline::Next},
    units::Span,
};

fn view() -> View {
    View {
        profile: "orm-break".into(),
        mode: Mode::Replay,
        phase: "outage".into(),
        faults: vec!["db-cut".into(), "health-lies".into()],
        at: Stamp {
            story: Offset::mins(37).0,
            wall: Duration::from_secs(37),
        },
        held: false,
        hints: Vec::new(),
        next: Some(Next {
            what: "suspect-lb".into(),
            within: Span::secs(4),
        }),
        gauges: vec![
            Gauge {
                class: "read".into(),
                ok: Some(0.512),
                original: Some(0.5),
            },
            Gauge {
                class: "write".into(),
                ok: Some(0.0),
                original: Some(0.0),
            },
        ],
        total: Counts {
            ok: 900,
            upstream: 412,
            ..Counts::default()
        },
        turned_away: None,
        ended: None,
    }
}

fn plain(view: &View, width: usize) -> String {
    lines(view, width)
        .iter()
        .map(|line| strip_str(line).to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_view_is_a_few_lines() {
    insta::assert_snapshot!(plain(&view(), 78), @"
    orm-break · replay · outage (db-cut, health-lies)        story +37m  wall 0:37
      next   suspect-lb in 0:04
      read   ████████████████░░░░░░░░░░░░░░░░   51%  original  50%
      write  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    0%  original   0%
      failed 0 injected · 412 by the service · 0 by the proxy
    ");
}

#[test]
fn those_whom_people_turn_away_are_not_failed_by_the_proxy() {
    let mut view = view();
    view.total.proxy = 70;
    view.total.turned_away = 60;
    view.turned_away = Some(0.6);
    let text = plain(&view, 100);
    let told = "412 by the service · 10 by the proxy · 60 turned away\n  60% are turned away, until more is admitted (`chaosproxy lb admit`)";
    assert!(text.ends_with(told), "{text}");
    assert!(summary(&view).contains("60% turned away"));
    view.turned_away = None;
    assert!(plain(&view, 100).ends_with("· 60 turned away"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [60, 72, 80, 120] {
        for line in plain(&view(), width).lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn a_share_says_all_or_none_only_when_it_is_so() {
    let check = |x: f64, shown: &str| assert_eq!(percent(Some(x)), shown);
    check(0.0, "0%");
    check(0.0001, "0.1%");
    check(0.5, "50%");
    check(0.9999, "99.9%");
    check(1.0, "100%");
    assert_eq!(percent(None), "–");
}

#[test]
fn where_there_is_room_nothing_is_cut() {
    let mut view = view();
    view.faults = (0..20).map(|i| format!("fault-{i}")).collect();
    assert!(plain(&view, 100).contains('…'));
    let whole = plain(&view, room(&view));
    assert!(!whole.contains('…') && whole.contains("fault-19)"), "{whole}");
}
