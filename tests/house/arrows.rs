//! Who may know whom.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Mention, Name, Tree};

/// A room, and the rooms that it may know.
pub(crate) type Room = (&'static str, &'static [&'static str]);

/// The drawing of `ARCHITECTURE.md`, as a table. Every arrow points to a line above its own, so that no circle can be
/// written here.
pub(crate) const ROOMS: &[Room] = &[
    // Words.
    ("units", &[]),
    ("wire", &[]),
    ("net", &["units"]),
    ("telemetry", &["units"]),
    ("route", &["units"]),
    ("faults", &["route", "units", "wire"]),
    ("upstream", &["route", "units"]),
    // The truth.
    ("config", &["faults", "route", "units", "upstream"]),
    (
        "snapshot",
        &[
            "config",
            "faults",
            "net",
            "route",
            "telemetry",
            "units",
            "upstream",
            "wire",
        ],
    ),
    (
        "control",
        &["config", "faults", "snapshot", "telemetry", "units", "upstream"],
    ),
    // Traffic: it reads the snapshot, and knows neither its writer nor people.
    (
        "proxy",
        &[
            "config",
            "faults",
            "net",
            "route",
            "snapshot",
            "telemetry",
            "units",
            "upstream",
            "wire",
        ],
    ),
    // People. The drill sees the world through a trait of its own; the composition root gives it one.
    ("drill", &["config", "faults", "telemetry", "units"]),
    ("demo", &["units"]),
    // Toxiproxy's grammar for what the truth knows already.
    (
        "toxiproxy",
        &[
            "config", "control", "faults", "net", "snapshot", "units", "upstream",
        ],
    ),
    (
        "admin",
        &[
            "config",
            "control",
            "drill",
            "faults",
            "snapshot",
            "telemetry",
            "toxiproxy",
            "units",
            "upstream",
        ],
    ),
    (
        "app",
        &[
            "admin",
            "config",
            "control",
            "demo",
            "drill",
            "faults",
            "net",
            "proxy",
            "route",
            "snapshot",
            "telemetry",
            "toxiproxy",
            "units",
            "upstream",
            "wire",
        ],
    ),
    (
        "cli",
        &[
            "admin",
            "app",
            "config",
            "control",
            "drill",
            "faults",
            "route",
            "telemetry",
            "toxiproxy",
            "units",
            "upstream",
        ],
    ),
    ("main", &["cli"]),
];

/// Why an arrow is wrong, for those that tempt most.
const WHY: &[(&str, &str, &str)] = &[
    (
        "proxy",
        "control",
        "traffic never waits for the writer of the truth: it reads the snapshot",
    ),
    (
        "proxy",
        "drill",
        "traffic knows no people: what a drill wants reaches it as a fault in the snapshot",
    ),
    ("proxy", "admin", "traffic knows no people"),
    (
        "control",
        "proxy",
        "the control side never waits for a connection: it publishes, and traffic looks",
    ),
    (
        "drill",
        "control",
        "a drill sees the world through `drill::World`, so that a test can give it another",
    ),
    (
        "drill",
        "admin",
        "people ask a drill through its inbox; it does not know how they were heard",
    ),
    ("faults", "net", "a fault kind only decides: it holds no socket"),
    (
        "faults",
        "proxy",
        "a fault kind only decides: who carries it out is not its business",
    ),
    (
        "toxiproxy",
        "proxy",
        "a toxic is a fault like any other: there is one data path",
    ),
    (
        "upstream",
        "net",
        "the choice of a backend is pure: whoever chose also dials",
    ),
    (
        "upstream",
        "faults",
        "a backend cannot tell an injected trouble from a real one",
    ),
    (
        "wire",
        "net",
        "a wire format works on any stream, so that a test can give it a pipe",
    ),
    (
        "demo",
        "control",
        "the built-in services are services like any other: nothing in them pretends",
    ),
];

/// Files that know each other in a circle, with the reason why they may.
pub(crate) const CIRCLES: &[(&[&str], &str)] = &[];

/// The arrows that the table does not have, the rooms that it does not know, and the lines in it that do not point up.
pub(crate) fn between_rooms(tree: &Tree, rooms: &[Room]) -> Vec<String> {
    let mut breaches = order(rooms);
    for (module, mentions) in &tree.mentions {
        let Some(from) = module.first() else { continue };
        let path = &tree.files[module].path;
        let Some(place) = rooms.iter().position(|(room, _)| room == from) else {
            breaches.push(format!(
                "{path}: the room `{from}` is not in the table of tests/house/arrows.rs"
            ));
            continue;
        };
        let below: Vec<&str> = rooms[..place].iter().map(|(room, _)| *room).collect();
        for mention in mentions {
            // Tests may use whatever stands below their room: they arrange what the room itself must not know.
            let for_tests = mention.test || tree.files[module].test;
            let may = if for_tests { &below[..] } else { rooms[place].1 };
            let Some(to) = mention.name.first().filter(|to| *to != from) else {
                continue;
            };
            if !may.contains(&to.as_str()) {
                let line = mention.line;
                breaches.push(format!(
                    "{path}:{line}: `{from}` must not know `{to}`: {}",
                    why(from, to, rooms)
                ));
            }
        }
    }
    breaches
}

/// Every room is above those that it may know.
fn order(rooms: &[Room]) -> Vec<String> {
    let arrows = rooms
        .iter()
        .enumerate()
        .flat_map(|(i, (room, may))| may.iter().map(move |to| (i, room, to)));
    arrows
        .filter(|(i, _, to)| !rooms[..*i].iter().any(|(above, _)| above == *to))
        .map(|(_, room, to)| {
            format!("the table lets `{room}` know `{to}`, which is not above it: that is an arrow upward")
        })
        .collect()
}

fn why(from: &str, to: &str, rooms: &[Room]) -> String {
    let place = |name: &str| rooms.iter().position(|(room, _)| *room == name);
    let reason = WHY
        .iter()
        .find(|(f, t, _)| (*f, *t) == (from, to))
        .map(|(.., reason)| (*reason).to_owned());
    reason.unwrap_or_else(|| match (place(from), place(to)) {
        (Some(from_at), Some(to_at)) if to_at < from_at => {
            "it points down, but is new; if it is right, add it to the table and to ARCHITECTURE.md".into()
        }
        (_, None) => "it is no room of the table".into(),
        _ => "every arrow points down".into(),
    })
}

/// The circles among files that are not excused, and the excuses that are not needed any more.
pub(crate) fn between_files(tree: &Tree, excused: &[(&[&str], &str)]) -> Vec<String> {
    let circles = circles(tree);
    let excuse = |circle: &BTreeSet<String>| {
        excused
            .iter()
            .position(|(files, _)| circle.iter().all(|file| files.contains(&file.as_str())))
    };
    let used: BTreeSet<usize> = circles
        .iter()
        .filter_map(|circle| excuse(&circle.files))
        .collect();
    let bad = circles.iter().filter(|circle| excuse(&circle.files).is_none());
    let idle = (0..excused.len()).filter(|i| !used.contains(i));
    bad.map(|circle| {
        let arrows = circle.arrows.join("\n  ");
        format!("files know each other in a circle, so none can be read alone; move what both need into a third:\n  {arrows}")
    })
    .chain(idle.map(|i| format!("no circle among {:?} any more: take the line out of CIRCLES", excused[i].0)))
    .collect()
}

/// Files that reach each other.
struct Circle {
    files: BTreeSet<String>,
    arrows: Vec<String>,
}

fn circles(tree: &Tree) -> Vec<Circle> {
    let graph = file_arrows(tree);
    let reach: BTreeMap<&Name, BTreeSet<&Name>> =
        graph.keys().map(|from| (from, reachable(&graph, from))).collect();
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for from in graph.keys().filter(|from| reach[from].contains(from)) {
        let ring: BTreeSet<&Name> = reach[from]
            .iter()
            .copied()
            .filter(|to| reach[*to].contains(from))
            .collect();
        if !seen.insert(ring.clone()) {
            continue;
        }
        let arrows = ring.iter().flat_map(|a| graph[*a].iter().map(move |b| (*a, b)));
        let within = arrows.filter(|(_, b)| ring.contains(b));
        out.push(Circle {
            files: ring.iter().map(|name| name.join("::")).collect(),
            arrows: within
                .map(|(a, b)| format!("{} -> {}", a.join("::"), b.join("::")))
                .collect(),
        });
    }
    out
}

fn reachable<'a>(graph: &'a BTreeMap<Name, BTreeSet<Name>>, from: &Name) -> BTreeSet<&'a Name> {
    let mut out = BTreeSet::new();
    let mut todo: Vec<&Name> = graph[from].iter().collect();
    while let Some(at) = todo.pop() {
        if out.insert(at) {
            todo.extend(&graph[at]);
        }
    }
    out
}

/// Which file knows which. A folder's face (`mod.rs`, or `x.rs` beside `x/`) is one thing with its files: it passes names
/// on, and where a name is passed on, the arrow points to the file in which it is defined.
fn file_arrows(tree: &Tree) -> BTreeMap<Name, BTreeSet<Name>> {
    let files = tree.mentions.iter().filter(|(module, _)| !tree.is_face(module));
    let arrows = |(module, mentions): (&Name, &Vec<Mention>)| {
        let code = mentions
            .iter()
            .filter(|mention| mention.passed_on.is_none() && !mention.test && !tree.files[module].test);
        let homes = code.map(|mention| tree.home(&mention.name));
        (
            module.clone(),
            homes
                .filter(|home| home != module && !tree.is_face(home))
                .collect(),
        )
    };
    files.map(arrows).collect()
}
