//! What the documents say of the code, compared with the code.

use std::collections::BTreeSet;
use std::fs;

use batchdb::Settings;

use super::house::RANKS;
use super::{project, sources};

fn read(name: &str) -> String {
    fs::read_to_string(project().join(name)).unwrap()
}

/// The text between two lines, both left out.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, behind) = text.split_once(from).unwrap_or_else(|| panic!("`{from}` is gone"));
    behind.split_once(to).unwrap_or_else(|| panic!("`{to}` is gone")).0
}

/// The rows of the tables in a text, cell by cell, without head and rule.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_body = |place: &usize| lines[*place].starts_with('|') && !lines[*place].starts_with("| ---");
    let is_head = |place: &usize| lines.get(place + 1).is_some_and(|next| next.starts_with("| ---"));
    (0..lines.len())
        .filter(|place| is_body(place) && !is_head(place))
        .map(|place| lines[place].trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

/// Both have the same entries; says which one lacks what.
#[track_caller]
fn same<T: Ord + std::fmt::Debug>(told: &BTreeSet<T>, known: &BTreeSet<T>) {
    let missing: Vec<_> = known.difference(told).collect();
    let stale: Vec<_> = told.difference(known).collect();
    assert!(missing.is_empty() && stale.is_empty(), "to be added: {missing:?}; to be taken out: {stale:?}");
}

fn bare(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// What stands in backticks in a text and may be the name of a test.
fn named(text: &str) -> BTreeSet<&str> {
    let is_name = |word: &&str| {
        word.matches('_').count() > 1
            && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
    };
    text.split('`').skip(1).step_by(2).filter(is_name).collect()
}

/// The names of a section of the manifest, but for the crate itself.
fn dependencies<'m>(manifest: &'m str, section: &str) -> BTreeSet<&'m str> {
    let (_, behind) = manifest.split_once(&format!("\n[{section}]\n")).unwrap();
    let lines = behind.lines().take_while(|line| !line.starts_with('['));
    let names =
        lines.filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.split_once(" = ")?.0));
    names.filter(|name| *name != "batchdb").collect()
}

#[test]
fn every_dependency_stands_in_the_readme_with_its_reason() {
    let (manifest, readme) = (read("Cargo.toml"), read("README.md"));
    let told = between(&readme, "\n## Dependencies\n", "\n## Licence\n");
    let table = rows(told);
    for row in &table {
        assert!(row.len() == 2 && row[1].len() > 10, "{row:?}");
    }
    let names: Vec<&str> = table.iter().map(|row| bare(row[0])).collect();
    let known: BTreeSet<&str> =
        ["dependencies", "dev-dependencies"].iter().flat_map(|part| dependencies(&manifest, part)).collect();
    same(&names.iter().copied().collect(), &known);
    assert_eq!(names.len(), known.len(), "one stands there twice");
}

#[test]
fn every_feature_stands_in_the_readme() {
    let (manifest, readme) = (read("Cargo.toml"), read("README.md"));
    let section = between(&manifest, "\n[features]\n", "\n[[bin]]\n");
    let names = section.lines().filter(|line| !line.starts_with(['#', ' ', ']']));
    let names: BTreeSet<&str> =
        names.filter_map(|line| Some(line.split_once(" = ")?.0)).filter(|name| *name != "default").collect();
    let told = rows(between(&readme, "\n## Features\n", "\n## Dependencies\n"));
    same(&told.iter().map(|row| bare(row[0])).collect(), &names);
    let version = between(&manifest, "\nrust-version = \"", "\"");
    assert!(readme.contains(&format!("The minimum Rust version is {version}.")));
}

#[test]
fn the_settings_of_the_readme_are_those_of_the_library() {
    let reference = Settings::reference();
    assert!(read("README.md").contains(&reference), "put this table into the README:\n{reference}");
}

#[test]
fn every_example_stands_in_the_readme() {
    let readme = read("README.md");
    let told = rows(between(&readme, "\n## What comes with it\n", "\n## Command line\n"));
    let told: BTreeSet<String> = told.iter().map(|row| bare(row[0]).to_owned()).collect();
    let files = fs::read_dir(project().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let examples = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let names = examples.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    same(&told, &names.collect());
}

#[test]
fn the_two_lines_for_sql_server_are_those_of_the_settings() {
    let (readme, settings) = (read("README.md"), read("envs/.env.development"));
    let lines = between(&readme, "### The same job on SQL Server", "Connection strings of");
    let lines: Vec<&str> = lines.lines().filter(|line| line.starts_with("DEVELOPMENT_")).collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(settings.contains(&format!("\n# {line}\n")), "{line}");
    }
}

#[test]
fn the_tree_of_the_architecture_is_that_of_the_files() {
    let architecture = read("ARCHITECTURE.md");
    let tree = between(&architecture, "\n## The tree\n\n```text\n", "\n```\n");
    let lines: Vec<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    let told: BTreeSet<&str> = lines.iter().filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(told.len(), lines.len(), "one stands there twice");
    let mut folders = vec![project().join("src")];
    let mut files = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(project().join("src")).unwrap();
                files.insert(name.to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    // Tests stand beside what they test, and need no line of their own.
    let is_test = |file: &&str| file.ends_with("/tests.rs") || file.contains("/tests/");
    same(&told, &files.iter().map(String::as_str).filter(|file| !is_test(file)).collect());
}

#[test]
fn the_ranks_of_the_architecture_are_those_of_the_house() {
    let architecture = read("ARCHITECTURE.md");
    let told = rows(between(&architecture, "\n## Ranks and rooms\n", "What each must **not** know"));
    let told: BTreeSet<(String, u32)> = told
        .iter()
        .flat_map(|row| {
            let rank = row[0].parse().unwrap();
            row[1].split(", ").map(move |module| (bare(module).to_owned(), rank))
        })
        .collect();
    let house = RANKS.iter().map(|(module, rank)| ((*module).to_owned(), *rank));
    same(&told, &house.collect());
}

#[test]
fn the_guide_names_tests_that_exist() {
    let guide = read("src/guide/sqlserver.rs").replace("\n//! ", "\n");
    let sources = sources();
    let exists = |name: &&str| sources.iter().any(|(_, text)| text.contains(&format!("fn {name}(")));
    let drivers = rows(between(&guide, "\n# The two drivers\n", "\n# The suite, and what is untested\n"));
    assert!(drivers.len() > 10, "{drivers:?}");
    for row in &drivers {
        let shown = named(row.last().unwrap());
        assert!(!shown.is_empty() && shown.iter().all(exists), "{row:?}");
    }
    let (_, untested) = guide.split_once("\n# The suite, and what is untested\n").unwrap();
    let unknown: Vec<_> = named(untested).into_iter().filter(|name| !exists(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
