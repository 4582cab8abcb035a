//! The order of the house, checked: rooms and ranks, small files, no loose ends, a public face without drivers.
//!
//! The tables are in `house`, the rules in `rules`, and `planted` shows that each rule catches what it is for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod documents;
mod face;
mod guide;
mod house;
mod names;
mod planted;
mod rules;
mod troubleshooting;

use rules::Rule;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files of the project, by their path in it.
fn sources() -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> =
        ["src", "tests", "examples", "benches"].map(|name| project().join(name)).into();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        // The folder of the benchmarks, for one, need not be there.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(project()).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort();
    sources
}

#[track_caller]
fn holds(rule: Rule) {
    let sources = sources();
    assert!(sources.iter().any(|(path, _)| path == "src/lib.rs"), "the sources were not found");
    let findings: Vec<String> = sources
        .iter()
        .flat_map(|(path, text)| {
            rule(path, text).into_iter().map(move |finding| format!("{path}: {finding}"))
        })
        .collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    holds(rules::rooms);
}

#[test]
fn imports_go_to_a_lower_rank() {
    holds(rules::ranks);
}

#[test]
fn unsafe_stays_in_the_odbc_room() {
    holds(rules::unsafe_code);
}

#[test]
fn files_are_small_and_bear_the_name_of_their_module() {
    holds(rules::size);
}

#[test]
fn nothing_is_left_unfinished() {
    holds(rules::unfinished);
}

#[test]
fn what_decides_is_pure() {
    holds(rules::pure);
}

#[test]
fn modules_named_tests_are_for_tests_only() {
    holds(rules::test_modules);
}

#[test]
fn the_public_face_blocks_and_shows_no_driver() {
    holds(rules::public_face);
}

#[test]
fn every_dependency_has_its_room() {
    let manifest = fs::read_to_string(project().join("Cargo.toml")).unwrap();
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
    let lines = dependencies.lines().take_while(|line| !line.starts_with('['));
    let names: Vec<String> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect();
    assert!(names.contains(&"postgres".to_owned()), "the dependencies were not found");
    for name in &names {
        let known =
            house::ROOMS.iter().any(|(room, _)| room == name) || house::ANYWHERE.contains(&name.as_str());
        assert!(known, "the dependency `{name}` has no room: add it to ROOMS in tests/it/tidy/house.rs");
    }
}

/// `tools/postgres-only` proves it by a build; this is the part of the proof that costs nothing.
#[test]
fn postgresql_alone_needs_no_odbc() {
    let tree = |features: &str| {
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "--locked",
                "--edges",
                "normal,build,dev",
                "--prefix",
                "none",
                "--format",
                "{lib}",
            ])
            .args(["--no-default-features", "--features", features])
            .current_dir(project())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!tree("postgres").contains("odbc"));
    assert!(tree("odbc").contains("odbc_sys"), "the tree does not show what it should");
}
