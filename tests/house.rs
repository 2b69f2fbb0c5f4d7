//! Holds the house: which room may know which (the drawing in `ARCHITECTURE.md`), and the manners of every file.
//!
//! Each rule is a function from sources to breaches, and each breach says where, what and why. Each rule is tried on a
//! small made-up tree as well, so that it is known to be able to fail.

#![allow(clippy::unwrap_used, reason = "a test that fails here says so")]

mod house {
    pub(crate) mod arrows;
    pub(crate) mod manners;
    pub(crate) mod source;
}

use std::{collections::BTreeSet, fs, path::Path};

use chaosproxy::drill::profiles::SHIPPED;
use house::{arrows, manners, source::Tree};

/// Fails with every breach, one a line.
#[track_caller]
fn hold(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

/// A rule finds these breaches, and no others, in a made-up tree.
#[track_caller]
fn check(found: &[String], expected: &[&str]) {
    let fits = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, part)| found.contains(part));
    assert!(fits, "expected {expected:#?}, found {found:#?}");
}

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::of(
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned())),
    )
}

#[test]
fn every_arrow_between_rooms_points_down() {
    hold(&arrows::between_rooms(&Tree::of_this_crate(), arrows::ROOMS));
}

#[test]
fn no_file_knows_itself_by_way_of_others() {
    hold(&arrows::between_files(&Tree::of_this_crate(), arrows::CIRCLES));
}

#[test]
fn a_file_tells_one_story() {
    hold(&manners::long_files(&Tree::of_this_crate(), manners::LONG_FILES));
}

#[test]
fn a_function_fits_on_a_screen() {
    hold(&manners::long_functions(
        &Tree::of_this_crate(),
        manners::LONG_FUNCTIONS,
    ));
}

#[test]
fn nothing_is_left_over() {
    hold(&manners::leftovers(&Tree::of_this_crate()));
}

#[test]
fn nothing_unwraps_outside_tests() {
    hold(&manners::unwraps(&Tree::of_this_crate()));
}

#[test]
fn nothing_is_unsafe() {
    hold(&manners::unsafe_code(&Tree::of_this_crate()));
}

#[test]
fn the_folder_of_profiles_is_what_ships() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let shipped = SHIPPED.iter().map(|profile| format!("{}.yaml", profile.name));
    assert_eq!(
        files.collect::<BTreeSet<_>>(),
        shipped.collect(),
        "the folder, and `SHIPPED` in src/drill/shipped.rs"
    );
}

/// A cellar, and a roof that stands on it.
const HOUSE: &[arrows::Room] = &[("cellar", &[]), ("roof", &["cellar"])];

#[test]
fn an_arrow_upward_is_found_however_it_is_written() {
    let upward = [
        "use crate::roof::Tile;",
        "use crate::{roof::Tile};",
        "use crate::{\n    roof::{self},\n};",
        "use crate::roof as top;",
        "use super::roof::*;",
        "fn f() -> crate::roof::Tile { todo!() }",
        "fn f() { assert!(matches!(1, crate::roof::ONE)); }",
        "mod inner { fn f() { super::super::roof::f(); } }",
        "pub(crate) use crate::roof::Tile;",
    ];
    for code in upward {
        let tree = tree(&[("src/cellar.rs", code), ("src/roof/mod.rs", "use crate::cellar;")]);
        check(
            &arrows::between_rooms(&tree, HOUSE),
            &["`cellar` must not know `roof`: every arrow points down"],
        );
    }
}

#[test]
fn what_is_no_arrow_is_left_alone() {
    let fine = [
        "//! Unlike crate::roof, it is dark.",
        "/// See [`crate::roof`].\nfn f() {}",
        "const TEXT: &str = \"use crate::roof;\";",
        "pub(in crate::roof) fn f() {}",
        "#[cfg(test)]\nmod tests { use super::*; use crate::cellar::Stone; }",
        "use roof::Tile;",
    ];
    for code in fine {
        check(
            &arrows::between_rooms(&tree(&[("src/cellar.rs", code)]), HOUSE),
            &[],
        );
    }
}

#[test]
fn tests_may_use_what_stands_below_but_nothing_above() {
    let rooms: &[arrows::Room] = &[("cellar", &[]), ("hall", &[]), ("roof", &[])];
    let code = "#[cfg(test)]\nmod tests { use crate::{cellar, roof}; }\nfn f() {}";
    let tree = tree(&[
        ("src/hall.rs", code),
        ("src/cellar.rs", "#[cfg(test)] mod tests;"),
        ("src/cellar/tests.rs", "use crate::hall;"),
    ]);
    let found = arrows::between_rooms(&tree, rooms);
    check(
        &found,
        &[
            "src/cellar/tests.rs:1: `cellar` must not know `hall`",
            "src/hall.rs:2: `hall` must not know `roof`",
        ],
    );
}

#[test]
fn a_table_that_points_up_is_refused_and_so_is_a_room_that_is_not_in_it() {
    let rooms: &[arrows::Room] = &[("cellar", &["roof"]), ("roof", &[])];
    check(
        &arrows::between_rooms(&tree(&[]), rooms),
        &["the table lets `cellar` know `roof`"],
    );
    check(
        &arrows::between_rooms(&tree(&[("src/shed.rs", "")]), HOUSE),
        &["the room `shed` is not in the table"],
    );
}

#[test]
fn a_circle_of_files_is_found_through_the_face_that_passes_names_on() {
    let files = &[
        ("src/hall/mod.rs", "mod a; mod b; pub use self::b::B;"),
        ("src/hall/a.rs", "use super::B; pub struct A;"),
        ("src/hall/b.rs", "pub struct B; fn f(a: super::a::A) {}"),
    ];
    check(
        &arrows::between_files(&tree(files), &[]),
        &["hall::a -> hall::b\n  hall::b -> hall::a"],
    );
    check(
        &arrows::between_files(&tree(files), &[(&["hall::a", "hall::b"], "twins")]),
        &[],
    );
}

#[test]
fn a_face_and_its_files_are_one_thing_and_an_excuse_goes_with_its_reason() {
    let files = &[
        ("src/hall/mod.rs", "mod a; pub struct H; fn f() { self::a::f(); }"),
        ("src/hall/a.rs", "use super::H;"),
    ];
    check(&arrows::between_files(&tree(files), &[]), &[]);
    check(
        &arrows::between_files(&tree(files), &[(&["hall::a"], "once")]),
        &["take the line out"],
    );
}

#[test]
fn long_files_and_functions_are_found_and_may_be_excused() {
    let body = "    let _ = 1;\n".repeat(80);
    let long = format!(
        "fn long() {{\n{body}}}\nfn short() {{}}\n#[cfg(test)]\nmod tests {{ fn table() {{\n{body}}} }}\n"
    );
    let tree = tree(&[
        ("src/a.rs", long.as_str()),
        ("src/b.rs", &"// a line\n".repeat(401)),
    ]);
    check(
        &manners::long_functions(&tree, &[]),
        &["src/a.rs: long has 82 lines"],
    );
    check(&manners::long_functions(&tree, &[("src/a.rs: long", "")]), &[]);
    check(&manners::long_files(&tree, &[]), &["src/b.rs has 401 lines"]);
    check(
        &manners::long_files(&tree, &[("src/b.rs", ""), ("src/a.rs", "")]),
        &["src/a.rs is within 400 lines now"],
    );
}

#[test]
fn bad_manners_are_found() {
    let code = "fn f() { // TODO: later\n  x.unwrap();\n  x.unwrap_or(1);\n  unsafe { y() } }\n";
    let tests = "#[cfg(test)]\nmod tests { fn g() { x.unwrap(); let s = \"unsafe\"; } }";
    let tree = tree(&[("src/a.rs", &format!("{code}{tests}"))]);
    check(&manners::leftovers(&tree), &["src/a.rs:1:"]);
    check(&manners::unwraps(&tree), &["src/a.rs:2:"]);
    check(&manners::unsafe_code(&tree), &["src/a.rs:4:"]);
}
