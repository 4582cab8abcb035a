//! What the guide and the README show to be copied, compared with what there is: keys of settings, commands.

use std::collections::BTreeSet;
use std::fs;

use batchdb::Settings;

use super::project;

/// The README and all pages of the guide: name and text.
fn pages() -> Vec<(String, String)> {
    let folder = fs::read_dir(project().join("src/guide")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.push(project().join("README.md"));
    assert!(files.len() > 15);
    files.iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// The keys of one database, and those of all.
fn keys() -> BTreeSet<String> {
    let reference = Settings::reference();
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let for_all = reference.split("`{ENVIRONMENT}_GLOBAL_").skip(1).filter_map(|text| text.split('`').next());
    rows.chain(for_all).map(str::to_owned).collect()
}

#[test]
fn settings_that_are_shown_are_settings() {
    let keys = keys();
    let mut shown = 0;
    for (page, text) in pages() {
        for line in text.lines().map(|line| line.trim_start_matches("//!").trim()) {
            let Some((variable, _)) = line.split_once('=') else { continue };
            if !["DEVELOPMENT_", "PRODUCTION_"].iter().any(|environment| variable.starts_with(environment)) {
                continue;
            }
            let known = keys.iter().any(|key| variable.ends_with(&format!("_{key}")));
            assert!(known, "{page}: {variable} sets nothing");
            shown += 1;
        }
    }
    assert!(shown > 10, "only {shown} were found");
}

#[test]
fn tests_that_the_page_on_sql_server_names_are_there() {
    let page = fs::read_to_string(project().join("src/guide/sqlserver.rs")).unwrap();
    let mut folders = vec![project().join("tests"), project().join("src")];
    let mut code = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                code.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    // A name of so many words is a test's.
    let names = page.split('`').skip(1).step_by(2).filter(|name| {
        name.matches('_').count() > 2 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    });
    let names: BTreeSet<&str> = names.collect();
    assert!(names.len() > 30, "only {} were found", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

#[test]
fn commands_that_are_shown_are_commands() {
    let options = fs::read_to_string(project().join("src/bin/batchdb/options.rs")).unwrap();
    let file = syn::parse_file(&options).unwrap();
    let commands: BTreeSet<String> = file
        .items
        .iter()
        .find_map(|item| match item {
            syn::Item::Enum(found) if found.ident == "Command" => Some(found),
            _ => None,
        })
        .unwrap()
        .variants
        .iter()
        .map(|command| command.ident.to_string().to_lowercase())
        .collect();
    let mut shown = BTreeSet::new();
    for (page, text) in pages() {
        let lines: Vec<&str> = text.lines().map(|line| line.trim_start_matches("//!").trim()).collect();
        // Within a line between backticks, and in blocks for a shell.
        let blocks = lines.split(|line| *line == "```sh").skip(1);
        let in_shell = blocks.flat_map(|block| block.iter().take_while(|line| **line != "```"));
        let in_shell = in_shell.filter_map(|line| line.strip_prefix("batchdb "));
        for behind in text.split("`batchdb ").skip(1).chain(in_shell) {
            let word: String = behind.chars().take_while(char::is_ascii_lowercase).collect();
            // One message of the library begins with its name, too.
            if word.is_empty() || word == "help" || behind.starts_with("blocks its thread") {
                continue;
            }
            assert!(commands.contains(&word), "{page}: there is no `batchdb {word}`; there are {commands:?}");
            shown.insert(word);
        }
    }
    assert!(shown.len() > 4, "only {shown:?}");
}

/// What the README promises of the levels: an `ERROR` wakes somebody, so there is one for what is said to nobody else,
/// and each new one is a decision.
#[test]
fn errors_in_the_log_are_few_and_known() {
    const KNOWN: [&str; 2] = ["src/backend/postgres/watchdog.rs", "src/health/prerequisites.rs"];
    let mut found = BTreeSet::new();
    for (path, text) in super::sources() {
        let is_library =
            path.starts_with("src/") && !path.starts_with("src/bin/") && !path.starts_with("src/guide");
        // The formatter of lines knows all levels.
        if !is_library || path == "src/logging.rs" {
            continue;
        }
        assert!(!text.contains("log::trace!") && !text.contains("Level::Trace"), "{path}: TRACE is not used");
        if text.contains("log::error!") || text.contains("Level::Error") {
            found.insert(path);
        }
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), KNOWN);
}
