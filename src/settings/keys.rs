//! The table of all keys: their names, their defaults and what they mean. Everything that must know the
//! keys, the reading, the suggestions and the reference, asks here.

use std::fmt::Write as _;

/// One key of a database.
#[derive(Debug)]
pub(super) struct Key {
    /// The last part of the variable's name.
    pub(super) name: &'static str,
    /// What holds when it is set nowhere, in the form in which it would be written.
    pub(super) default: Option<&'static str>,
    /// The name of the key that sets it for all databases of an environment.
    pub(super) for_all: Option<&'static str>,
    /// One sentence for the reference.
    pub(super) meaning: &'static str,
}

const fn key(name: &'static str, default: Option<&'static str>, meaning: &'static str) -> Key {
    Key { name, default, for_all: None, meaning }
}

pub(super) static TYPE: Key = key(
    "TYPE",
    None,
    "`postgresql`, `sqlserver` or `odbc`. Inferred from the connection string when it is not set.",
);
pub(super) static CONNECTION_STRING: Key =
    key("CONNECTION_STRING", None, "Where the database is: a URL, a libpq string or an ODBC string.");
pub(super) static CONNECTION_STRING_FILE: Key = key(
    "CONNECTION_STRING_FILE",
    None,
    "A file that holds the connection string, such as a mounted secret. Read again when a login is refused.",
);
pub(super) static CONNECTION_STRING_COMMAND: Key = key(
    "CONNECTION_STRING_COMMAND",
    None,
    "A shell command that prints the connection string, such as a vault client. Run again when a login is refused.",
);
pub(super) static PASSWORD_FILE: Key = key(
    "PASSWORD_FILE",
    None,
    "A file that holds the password, for a connection string without one. Read again when a login is refused.",
);
pub(super) static POOL_SIZE: Key = Key {
    for_all: Some("CONNECTION_POOL_SIZE"),
    ..key("POOL_SIZE", Some("5"), "How many idle connections the pool keeps open.")
};
pub(super) static MAX_OVERFLOW: Key =
    key("MAX_OVERFLOW", Some("10"), "How many more connections may be open at a peak.");
pub(super) static POOL_TIMEOUT: Key =
    key("POOL_TIMEOUT", Some("30"), "How long a call waits for a free connection.");
pub(super) static POOL_RECYCLE: Key =
    key("POOL_RECYCLE", Some("3600"), "Age at which a connection is replaced, at its next use. 0: never.");
pub(super) static PING_AFTER_IDLE: Key = key(
    "PING_AFTER_IDLE",
    Some("500ms"),
    "A connection that was idle for longer is tested before use. A bare number is milliseconds. 0: always.",
);
pub(super) static LEAK_AFTER: Key = key(
    "LEAK_AFTER",
    Some("0"),
    "A connection that is held for longer is logged, with the source line that borrowed it. 0: never.",
);
pub(super) static TIMEOUT: Key = Key {
    for_all: Some("DATABASE_TIMEOUT"),
    ..key("TIMEOUT", Some("30"), "Limit on one statement, and on each fetch of a streamed result.")
};
pub(super) static CONNECT_TIMEOUT: Key = key(
    "CONNECT_TIMEOUT",
    Some("10"),
    "Limit on opening a connection: name lookup, TCP, TLS and login together.",
);
pub(super) static RETRY_ATTEMPTS: Key = key(
    "RETRY_ATTEMPTS",
    Some("3"),
    "Attempts in all, for transactions and other calls that retry. 1: no retries.",
);
pub(super) static RETRY_BUDGET: Key = key(
    "RETRY_BUDGET",
    Some("60"),
    "The last attempt begins within this time. `TIMEOUT` applies to each attempt by itself.",
);
pub(super) static STATEMENT_CACHE: Key = key(
    "STATEMENT_CACHE",
    Some("256"),
    "How many prepared statements a connection keeps. 0: none, for poolers in transaction mode.",
);
pub(super) static SLOW_QUERY: Key = key(
    "SLOW_QUERY",
    Some("0"),
    "A statement that takes at least this long is logged, without its values. 0: off.",
);
pub(super) static AUDIT: Key = key(
    "AUDIT",
    Some("false"),
    "Whether every call is logged under the target `batchdb::audit`: who, where, which operation, how long.",
);
pub(super) static READ_ONLY: Key = key("READ_ONLY", Some("false"), "Whether every write is refused.");
pub(super) static TEXT_PARAMETERS: Key = key(
    "TEXT_PARAMETERS",
    Some("auto"),
    "How texts are sent to SQL Server: `varchar`, `nvarchar`, or `auto` (`varchar` if all ASCII, else `nvarchar`).",
);
pub(super) static MIGRATIONS_DIR: Key = key(
    "MIGRATIONS_DIR",
    None,
    "The folder of the migration files. When it is not set: `migrations/{database}`.",
);
pub(super) static MIGRATION_PLACEHOLDERS: Key = key(
    "MIGRATION_PLACEHOLDERS",
    None,
    "Values for `${name}` in migration files: `name=value`, separated by commas.",
);
pub(super) static MIGRATION_TIMEOUT: Key = key(
    "MIGRATION_TIMEOUT",
    Some("3600"),
    "Limit on one migration file, and on waiting for the migration lock.",
);
pub(super) static MIGRATE_ON_START: Key = key(
    "MIGRATE_ON_START",
    Some("check"),
    "On the first connection: `check` logs pending migrations, `run` applies them, `off` does nothing.",
);

/// All keys, in the order in which the reference shows them.
pub(super) static KEYS: [&Key; 24] = [
    &TYPE,
    &CONNECTION_STRING,
    &CONNECTION_STRING_FILE,
    &CONNECTION_STRING_COMMAND,
    &PASSWORD_FILE,
    &POOL_SIZE,
    &MAX_OVERFLOW,
    &POOL_TIMEOUT,
    &POOL_RECYCLE,
    &PING_AFTER_IDLE,
    &LEAK_AFTER,
    &TIMEOUT,
    &CONNECT_TIMEOUT,
    &RETRY_ATTEMPTS,
    &RETRY_BUDGET,
    &STATEMENT_CACHE,
    &SLOW_QUERY,
    &AUDIT,
    &READ_ONLY,
    &TEXT_PARAMETERS,
    &MIGRATIONS_DIR,
    &MIGRATION_PLACEHOLDERS,
    &MIGRATION_TIMEOUT,
    &MIGRATE_ON_START,
];

/// Names that no database may bear, because the keys for all databases begin with them.
pub(super) const RESERVED: [&str; 2] = ["DATABASE", "CONNECTION"];

/// The scope that every flow shares.
pub(super) const GLOBAL: &str = "GLOBAL";

/// The keys for all databases, as they stand behind `{ENVIRONMENT}_GLOBAL_`.
pub(super) fn for_all() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|key| key.for_all)
}

/// The form in which a name stands in a key: upper case, with `_` for what no variable's name can hold.
pub(super) fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The candidate that is written most like `word`, and how alike they are, from 0 to 1. Underscores do not
/// count: they are what is forgotten first.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<(&'a str, f64)> {
    let bare = |text: &str| text.replace('_', "");
    let word = bare(word);
    candidates
        .into_iter()
        .map(|other| (other, strsim::normalized_damerau_levenshtein(&word, &bare(other))))
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// The table of all keys, as Markdown.
pub(super) fn reference() -> String {
    let mut table = String::from("| key | default | meaning |\n| --- | --- | --- |\n");
    for key in KEYS {
        let default = key.default.map_or(String::new(), |text| format!("`{text}`"));
        let for_all = key
            .for_all
            .map_or(String::new(), |name| format!(" For all databases: `{{ENVIRONMENT}}_GLOBAL_{name}`."));
        // Writing to a `String` cannot fail.
        let _ = writeln!(table, "| `{}` | {default} | {}{for_all} |", key.name, key.meaning);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_that_was_meant() {
        for (typed, meant) in [
            ("POOLSIZE", "POOL_SIZE"),
            ("MAX_OVERFLOWS", "MAX_OVERFLOW"),
            ("CONECTION_STRING", "CONNECTION_STRING"),
            ("CONNECTION_TIMEOUT", "CONNECT_TIMEOUT"),
            ("READONLY", "READ_ONLY"),
        ] {
            let found = nearest(typed, KEYS.iter().map(|key| key.name));
            assert_eq!(found.map(|(name, _)| name), Some(meant), "{typed}");
        }
        assert_eq!(nearest("X", []), None);
    }

    #[test]
    fn the_reference_has_every_key_once() {
        let table = reference();
        for key in KEYS {
            assert_eq!(table.matches(&format!("\n| `{}` |", key.name)).count(), 1, "{}", key.name);
        }
        assert!(table.contains("| `POOL_SIZE` | `5` |"), "{table}");
        assert!(table.contains("`{ENVIRONMENT}_GLOBAL_DATABASE_TIMEOUT`"), "{table}");
    }

    #[test]
    fn names_become_words_of_a_variable() {
        assert_eq!(word("SurveyHub"), "SURVEYHUB");
        assert_eq!(word("rpa-1.x y"), "RPA_1_X_Y");
    }
}
