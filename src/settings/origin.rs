//! Where each setting comes from. What a secret was is never part of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::keys::KEYS;
use super::{MigrateOnStart, Settings, parse};

/// Where the value of a setting was found. `Display` says it in the words that messages use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The program has set it, by this method of the builder.
    Builder(String),
    /// A variable of the process environment, by its name.
    Process(String),
    /// A key of the environment's file.
    File {
        /// The key, in full.
        key: String,
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// The connection string, which says it in its own words.
    ConnectionString,
    /// The default of this key: it is set nowhere.
    Default(&'static str),
    /// It is set nowhere, and has no default.
    Unset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Builder(name) => write!(f, "`{name}` of the builder"),
            Origin::Process(key) => write!(f, "{key} (process environment)"),
            Origin::File { key, path, line } => write!(f, "{key} ({}, line {line})", path.display()),
            Origin::ConnectionString => f.write_str("the connection string"),
            Origin::Default(name) => write!(f, "the default of {name}"),
            Origin::Unset => f.write_str("not set"),
        }
    }
}

/// As its `Display` has it.
impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One key of a database: what is in force, and where it comes from. See [`Settings::sources`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Setting {
    /// The last part of the key, as [`Settings::reference`] lists it, such as `POOL_SIZE`.
    pub key: &'static str,
    /// What is in force, in the form in which it would be written. `None` where nothing is, and always `None` for what
    /// is a secret or may hold one: a connection string, a command, the values of placeholders.
    pub value: Option<String>,
    /// Where it was found.
    pub origin: Origin,
    /// The names of the variables that were put in the place of `${VAR}` in it. They come from the process environment.
    pub variables: Vec<String>,
    /// Where it is set too, without effect: weaker places, strongest first.
    pub overridden: Vec<Origin>,
}

/// What was noted of a key when it was read.
#[derive(Debug, Clone)]
struct Note {
    origin: Origin,
    variables: Vec<String>,
    overridden: Vec<Origin>,
    /// The value, where no field of the settings has it and it may be shown.
    shown: Option<String>,
}

/// What was noted of all keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(BTreeMap<&'static str, Note>);

impl Notes {
    /// The key was found at the first of these places, with the names of the variables in its value.
    pub(super) fn found(&mut self, key: &'static str, places: Vec<Origin>, variables: Vec<String>) {
        let mut places = places.into_iter();
        if let Some(origin) = places.next() {
            self.0.insert(key, Note { origin, variables, overridden: places.collect(), shown: None });
        }
    }

    /// The key's value, which is no secret.
    pub(super) fn shown(&mut self, key: &'static str, value: String) {
        if let Some(note) = self.0.get_mut(key) {
            note.shown = Some(value);
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    fn of(&self, key: &'static str, default: Option<&str>) -> Note {
        let nowhere = || Note {
            origin: if default.is_some() { Origin::Default(key) } else { Origin::Unset },
            variables: Vec::new(),
            overridden: Vec::new(),
            shown: None,
        };
        self.0.get(key).cloned().unwrap_or_else(nowhere)
    }
}

impl Settings {
    /// Every key of the database with what is in force and where it comes from, in the order of
    /// [`reference`](Settings::reference). Nothing in it is a secret.
    ///
    /// ```
    /// use batchdb::{DatabaseManager, Origin};
    ///
    /// let db = DatabaseManager::builder("rpa_db")
    ///     .connection_string("postgresql://job:hunter2@localhost/rpa")
    ///     .pool_size(20)
    ///     .build()?;
    /// for setting in db.settings().sources() {
    ///     println!("{}: {:?}, from {}", setting.key, setting.value, setting.origin);
    /// }
    /// let size = db.settings().source("POOL_SIZE").expect("a key of the reference");
    /// assert_eq!(size.value.as_deref(), Some("20"));
    /// assert_eq!(size.origin, Origin::Builder("pool_size".to_owned()));
    /// assert_eq!(db.settings().source("CONNECTION_STRING").and_then(|setting| setting.value), None);
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    #[must_use]
    pub fn sources(&self) -> Vec<Setting> {
        KEYS.iter()
            .map(|key| {
                let Note { origin, variables, overridden, shown } = self.notes.of(key.name, key.default);
                let value = self.in_force(key.name).or(shown);
                Setting { key: key.name, value, origin, variables, overridden }
            })
            .collect()
    }

    /// One of [`sources`](Settings::sources); `None` where there is no such key.
    #[must_use]
    pub fn source(&self, key: &str) -> Option<Setting> {
        self.sources().into_iter().find(|setting| setting.key == key)
    }

    /// What is in force for a key, where that may be shown.
    fn in_force(&self, key: &str) -> Option<String> {
        let time = |time| Some(parse::spelled(time));
        let (attempts, budget) = self.retry.limits();
        match key {
            "TYPE" => Some(self.dialect().name().to_owned()),
            "POOL_SIZE" => Some(self.pool_size.to_string()),
            "MAX_OVERFLOW" => Some(self.max_overflow.to_string()),
            "POOL_TIMEOUT" => time(self.pool_timeout),
            "POOL_RECYCLE" => time(self.pool_recycle),
            "PING_AFTER_IDLE" => time(self.ping_after_idle),
            "LEAK_AFTER" => time(self.leak_after),
            "TIMEOUT" => time(self.timeout),
            "CONNECT_TIMEOUT" => time(self.connect_timeout),
            "RETRY_ATTEMPTS" => Some(attempts.to_string()),
            "RETRY_BUDGET" => time(budget),
            "STATEMENT_CACHE" => Some(self.statement_cache.to_string()),
            "SLOW_QUERY" => time(self.slow_query),
            "AUDIT" => Some(self.audit.to_string()),
            "READ_ONLY" => Some(self.read_only.to_string()),
            "TEXT_PARAMETERS" => Some(self.text_parameters.name().to_owned()),
            "MIGRATIONS_DIR" => match self.migrations {
                Some(_) => None,
                None => Some(self.migrations_dir.display().to_string()),
            },
            // The names; the values may be passwords.
            "MIGRATION_PLACEHOLDERS" if !self.placeholders.is_empty() => {
                Some(self.placeholders.keys().map(|name| format!("{name}=…")).collect::<Vec<_>>().join(","))
            }
            "MIGRATION_TIMEOUT" => time(self.migration_timeout),
            "MIGRATE_ON_START" => Some(
                match self.migrate_on_start {
                    MigrateOnStart::Check => "check",
                    MigrateOnStart::Run => "run",
                    MigrateOnStart::Off => "off",
                }
                .to_owned(),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::super::resolve::resolve;
    use super::super::sources::{File, Sources};
    use super::super::{Overrides, Secret};
    use super::*;

    const URL: &str = "DEVELOPMENT_GLOBAL_A_CONNECTION_STRING=postgresql://u:hunter2@h/d?connect_timeout=3";

    fn read(overrides: &Overrides, process: &[(&str, &str)], file: &str) -> Settings {
        let process: HashMap<_, _> =
            process.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut sources = Sources::new(overrides, process, || PathBuf::from("/jobs"));
        sources.file = File::parse(file.as_bytes(), &sources.path, "development");
        resolve("a", overrides, &sources).unwrap()
    }

    #[test]
    fn every_key_has_its_value_or_may_hold_a_secret() {
        let settings = read(&Overrides::default(), &[], URL);
        let silent: Vec<_> = settings
            .sources()
            .into_iter()
            .filter(|setting| setting.value.is_none())
            .map(|setting| setting.key)
            .collect();
        let secrets =
            ["CONNECTION_STRING", "CONNECTION_STRING_FILE", "CONNECTION_STRING_COMMAND", "PASSWORD_FILE"];
        assert_eq!(silent, [&secrets[..], &["MIGRATION_PLACEHOLDERS"]].concat());
        assert!(!format!("{:?}", settings.sources()).contains("hunter2"));
        // A default is spelled as the reference has it, but for its unit.
        for setting in
            settings.sources().iter().filter(|setting| matches!(setting.origin, Origin::Default(_)))
        {
            let Some(default) = KEYS.iter().find(|key| key.name == setting.key).and_then(|key| key.default)
            else {
                continue;
            };
            let seconds = |text: &str| parse::duration(text, parse::Unit::Seconds);
            let told = setting.value.as_deref().unwrap();
            assert!(
                told == default || seconds(told) == seconds(default),
                "{}: {told} {default}",
                setting.key
            );
        }
    }

    #[test]
    fn the_strongest_place_is_the_origin_and_the_others_are_told() {
        let file =
            format!("{URL}\nDEVELOPMENT_GLOBAL_A_POOL_SIZE=3\nDEVELOPMENT_GLOBAL_CONNECTION_POOL_SIZE=4\n");
        let process = [
            ("DEVELOPMENT_GLOBAL_A_POOL_SIZE", "2"),
            ("DEVELOPMENT_GLOBAL_A_TIMEOUT", "${LIMIT}"),
            ("LIMIT", "5"),
        ];
        let overrides = Overrides { pool_size: Some(1), ..Overrides::default() };
        let settings = read(&overrides, &process, &file);
        let size = settings.source("POOL_SIZE").unwrap();
        assert_eq!(
            (size.value.as_deref(), &size.origin),
            (Some("1"), &Origin::Builder("pool_size".to_owned()))
        );
        let weaker: Vec<_> = size.overridden.iter().map(Origin::to_string).collect();
        assert_eq!(
            weaker,
            [
                "DEVELOPMENT_GLOBAL_A_POOL_SIZE (process environment)",
                "DEVELOPMENT_GLOBAL_A_POOL_SIZE (/jobs/envs/.env.development, line 2)",
                "DEVELOPMENT_GLOBAL_CONNECTION_POOL_SIZE (/jobs/envs/.env.development, line 3)",
            ]
        );
        let timeout = settings.source("TIMEOUT").unwrap();
        assert_eq!((timeout.value.as_deref(), &*timeout.variables), (Some("5s"), &["LIMIT".to_owned()][..]));
        assert_eq!(settings.source("CONNECT_TIMEOUT").unwrap().origin, Origin::ConnectionString);
        assert_eq!(settings.source("TYPE").unwrap().origin, Origin::ConnectionString);
        let folder = settings.source("MIGRATIONS_DIR").unwrap();
        assert_eq!(
            (folder.value.as_deref(), folder.origin),
            (Some("/jobs/migrations/a"), Origin::Default("MIGRATIONS_DIR"))
        );
        assert_eq!(settings.source("NO_KEY"), None);
    }

    #[test]
    fn what_the_program_sets_goes_before_the_file_and_no_secret_is_told() {
        let overrides = Overrides {
            connection_string: Some(Secret::new("postgresql://u:hunter3@h/d")),
            connect_timeout: Some(Duration::from_millis(1500)),
            placeholders: BTreeMap::from([("owner".to_owned(), Secret::new("hunter4"))]),
            ..Overrides::default()
        };
        let settings = read(&overrides, &[], URL);
        let string = settings.source("CONNECTION_STRING").unwrap();
        assert_eq!(string.origin, Origin::Builder("connection_string".to_owned()));
        assert_eq!(string.overridden.len(), 1);
        assert_eq!(settings.source("CONNECT_TIMEOUT").unwrap().value.as_deref(), Some("1500ms"));
        assert_eq!(settings.source("MIGRATION_PLACEHOLDERS").unwrap().value.as_deref(), Some("owner=…"));
        assert!(!serde_json::to_string(&settings.sources()).unwrap().contains("hunter"));
    }
}
