//! Names that were mistyped: unknown keys of a known database, and databases that nobody configured. Pure.

use std::fmt;

use super::keys::{self, GLOBAL, KEYS, RESERVED, nearest};
use super::sources::Sources;

/// The source of the error for a database that nothing is set for.
#[derive(Debug)]
pub(super) struct NotConfigured;

impl fmt::Display for NotConfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database is not configured")
    }
}

impl std::error::Error for NotConfigured {}

/// The keys by which a database is told to exist.
const MARKS: [&str; 4] = ["CONNECTION_STRING", "CONNECTION_STRING_FILE", "CONNECTION_STRING_COMMAND", "TYPE"];

/// Those of them that say where it is.
const PLACES: [&str; 3] = [MARKS[0], MARKS[1], MARKS[2]];

/// How alike two names must be for one to be taken for a slip of the other.
const ALIKE: f64 = 0.75;

/// The names of the databases for which the environment has a connection string, in upper case.
pub(super) fn configured(sources: &Sources, scopes: &[String]) -> Vec<String> {
    let mut names: Vec<_> = scopes.iter().flat_map(|scope| sources.databases(scope, &PLACES)).collect();
    names.sort();
    names.dedup();
    names
}

/// One problem for each key that begins like those of the database and is none.
///
/// `{ENV}_{SCOPE}_RPA_DB_TYPE` begins like a key of `RPA`, and is one of `RPA_DB`. So a key is left alone when
/// it can be read as one of another database with a longer name, whichever scope tells of that one, or of a
/// flow with a longer name.
pub(super) fn unknown_keys(sources: &Sources, scopes: &[String], name: &str) -> Vec<String> {
    let everywhere = sources.databases(GLOBAL, &MARKS);
    let longer = longer_names(sources, name);
    let mut problems = Vec::new();
    for scope in scopes {
        let prefix = format!("{}{scope}_{name}_", sources.prefix());
        for rest in sources.keys_behind(&prefix) {
            let is_known = KEYS.iter().any(|key| key.name == rest);
            let is_others = longer.iter().any(|other| begins_with_word(rest, other));
            let is_other_flows = scope != GLOBAL
                && ending(rest).any(|before| {
                    everywhere.iter().any(|other| before == other || before.ends_with(&format!("_{other}")))
                });
            if is_known || is_others || is_other_flows {
                continue;
            }
            let near = nearest(rest, KEYS.iter().map(|key| key.name)).map_or("", |(near, _)| near);
            let place = sources.place(&format!("{prefix}{rest}"));
            let mut problem = format!("{place}: is not a key of a database; the nearest is `{near}`");
            if let Some(other) = ending(rest).next() {
                problem.push_str(&format!(" (if there is a database `{name}_{other}`, set its `TYPE` too)"));
            }
            problems.push(problem);
        }
    }
    problems.extend(unknown_keys_for_all(sources));
    problems
}

/// What stands before the known keys that `text` ends with.
fn ending(text: &str) -> impl Iterator<Item = &str> {
    KEYS.iter().filter_map(move |key| text.strip_suffix(key.name)?.strip_suffix('_'))
}

/// What follows `name` and an underscore in the names of other databases. Where a scope ends and a name begins
/// is not written in a key, so every place at which `name` can stand counts.
fn longer_names(sources: &Sources, name: &str) -> Vec<String> {
    let prefix = sources.prefix();
    let keys = sources.keys_behind(&prefix).into_iter();
    let told = keys.filter_map(|key| MARKS.iter().find_map(|mark| key.strip_suffix(mark)?.strip_suffix('_')));
    told.filter_map(|told| Some(told.split_once(&format!("_{name}_"))?.1.to_owned())).collect()
}

fn begins_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|behind| behind.starts_with('_'))
}

/// Slips in the keys for all databases. What is not near one of them is another program's.
fn unknown_keys_for_all(sources: &Sources) -> Vec<String> {
    let prefix = format!("{}{GLOBAL}_", sources.prefix());
    let behind = sources.keys_behind(&prefix).into_iter();
    let reserved = behind.filter(|rest| RESERVED.iter().any(|word| begins_with_word(rest, word)));
    reserved
        .filter(|rest| !keys::for_all().any(|known| known == *rest))
        .filter_map(|rest| {
            let (near, _) = nearest(rest, keys::for_all()).filter(|(_, alike)| *alike >= ALIKE)?;
            let place = sources.place(&format!("{prefix}{rest}"));
            Some(format!("{place}: is not a key for all databases; the nearest is `{near}`"))
        })
        .collect()
}

/// The database that was probably meant by a name for which nothing is set.
pub(super) fn near_database(sources: &Sources, scopes: &[String], name: &str) -> Option<String> {
    let names: Vec<_> = scopes.iter().flat_map(|scope| sources.databases(scope, &MARKS)).collect();
    let others = names.iter().map(String::as_str).filter(|other| *other != name);
    nearest(name, others).filter(|(_, alike)| *alike >= ALIKE).map(|(near, _)| near.to_owned())
}
