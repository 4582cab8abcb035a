//! The guide's page on troubleshooting, compared with the code: every kind of error has its section, and every message
//! there is one that the code says.

use std::collections::BTreeSet;
use std::fs;

use super::project;

/// The kinds of errors, as the code lists them.
fn kinds() -> BTreeSet<String> {
    let file = syn::parse_file(&fs::read_to_string(project().join("src/error.rs")).unwrap()).unwrap();
    let found = file.items.into_iter().find_map(|item| match item {
        syn::Item::Enum(found) if found.ident == "ErrorKind" => Some(found),
        _ => None,
    });
    found.unwrap().variants.iter().map(|variant| variant.ident.to_string()).collect()
}

/// The page, as the reader sees it.
fn page() -> String {
    let source = fs::read_to_string(project().join("src/guide/troubleshooting.rs")).unwrap();
    source.lines().map(|line| format!("{}\n", line.trim_start_matches("//!").trim())).collect()
}

/// Each section of the page by its heading, with the first cells of the rows of its table.
fn sections(page: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("# ") {
            sections.push((heading, Vec::new()));
        } else if let (Some(row), Some((_, rows))) = (line.strip_prefix("| "), sections.last_mut())
            && !row.starts_with("---")
            && !row.starts_with("message |")
        {
            rows.push(row.split(" | ").next().unwrap());
        }
    }
    sections
}

/// All texts of the library, with spaces and line ends as one space: a literal may be written over several lines.
fn spoken() -> String {
    let texts = super::sources().into_iter().filter(|(path, _)| path.starts_with("src/"));
    let texts = texts.filter(|(path, _)| !path.starts_with("src/guide"));
    let joined: String = texts.map(|(_, text)| text.replace("\\\"", "\"").replace("\\\n", "\n")).collect();
    joined.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_kind_of_error_has_its_section() {
    let page = page();
    let sections = sections(&page);
    let kinds = kinds();
    assert!(kinds.len() > 20 && kinds.contains("OutcomeUnknown"), "{kinds:?}");
    for kind in &kinds {
        let rows = sections.iter().find(|(heading, _)| heading == kind).map(|(_, rows)| rows.len());
        assert!(rows.is_some_and(|rows| rows > 0), "ErrorKind::{kind} has no section with a table");
    }
    let told = sections.iter().map(|(heading, _)| *heading).filter(|heading| !heading.contains(' '));
    let stale: Vec<&str> = told.filter(|heading| !kinds.contains(*heading)).collect();
    assert!(stale.is_empty(), "there is no such kind: {stale:?}");
}

#[test]
fn every_message_is_one_that_the_code_says() {
    let (page, spoken, kinds) = (page(), spoken(), kinds());
    let mut looked_at = 0;
    for (heading, cells) in sections(&page).iter().filter(|(heading, _)| kinds.contains(*heading)) {
        for message in cells.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            for part in message.split('…').map(|part| part.trim_matches([' ', ':', ';', ',', '(', ')'])) {
                assert!(spoken.contains(part), "{heading}: nothing says `{part}` of `{message}`");
                looked_at += part.len();
            }
        }
    }
    assert!(looked_at > 2_000, "only {looked_at} characters were looked at");
}
