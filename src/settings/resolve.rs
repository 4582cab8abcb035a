//! The settings of one database out of overrides, maps and defaults. Pure.
//!
//! The order, first wins: the builder; the flow's scope, then `GLOBAL`, and within each the process
//! environment before the file; the keys for all databases; the default. The scope goes before the source,
//! because a value for one flow says more than one for all of them, wherever it was written.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{self, Kind, Parsed, Wishes};
use super::keys::{self, GLOBAL, Key, word};
use super::origin::{Notes, Origin};
use super::outside::{Asked, Outside};
use super::overrides::Overrides;
use super::parse::{self, Unit};
use super::secret::Secret;
use super::sources::Sources;
use super::template::{self, Coding, Expander};
use super::{MigrateOnStart, Settings, TextParameters, names};
use crate::error::{Effect, Error, Result};
use crate::retry::RetryPolicy;

/// No pool of connections and no cache of statements is larger.
const MOST: u32 = 10_000;

/// No limit is longer: 365 days.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads and checks all settings of `database`.
pub(super) fn resolve(database: &str, overrides: &Overrides, sources: &Sources) -> Result<Settings> {
    let name: Arc<str> = Arc::from(database);
    check_names(database, overrides.flow.as_deref(), &sources.environment)
        .map_err(|error| error.in_database(&name))?;
    let mut reader = Reader::new(database, overrides.flow.as_deref(), sources);
    let settings = reader.read(&name, overrides);
    match settings {
        Some(settings) if reader.problems.is_empty() => Ok(settings),
        _ => Err(reader.error().in_database(&name)),
    }
}

/// The scopes in which keys are looked for, in order.
pub(super) fn scopes(flow: Option<&str>) -> Vec<String> {
    let mut scopes: Vec<_> = flow.map(word).into_iter().collect();
    scopes.push(GLOBAL.to_owned());
    scopes.dedup();
    scopes
}

/// Refuses names that cannot be parts of a key, or would lead a path out of its folder.
fn check_names(database: &str, flow: Option<&str>, environment: &str) -> Result<()> {
    let is_plain = |text: &str, more: &[char]| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || more.contains(&c))
    };
    if !is_plain(database, &['-']) {
        return Err(Error::config("the name of a database is made of ASCII letters, digits, `_` and `-`"));
    }
    if keys::RESERVED.contains(&word(database).as_str()) {
        return Err(Error::config(
            "`DATABASE` and `CONNECTION` cannot name a database: the keys for all databases begin with them",
        ));
    }
    if !is_plain(environment, &['-', '.']) {
        return Err(Error::config(
            "the name of an environment (BATCHDB_ENVIRONMENT, PREFECT_ENVIRONMENT) is made of ASCII letters, \
             digits, `_`, `-` and `.`",
        ));
    }
    match flow {
        Some(flow) if !flow.chars().any(|c| c.is_ascii_alphanumeric()) => {
            Err(Error::config("the name of a flow needs an ASCII letter or digit, to be part of a key"))
        }
        _ => Ok(()),
    }
}

/// Reads values one by one and gathers what is wrong with them.
struct Reader<'a> {
    sources: &'a Sources,
    /// The database's name as it stands in keys.
    name: String,
    scopes: Vec<String>,
    problems: Vec<String>,
    is_configured: bool,
    /// A command for a secret has failed or was late, which may pass.
    is_unanswered: bool,
    /// What a program's own source of secrets said: words that may hold what no message shows.
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// Values of placeholders that come out of the process environment, where passwords are kept.
    secrets: Vec<Secret>,
    /// The way in may be another one when it is read again.
    rotates: bool,
    /// Where each value was found.
    notes: Notes,
}

impl<'a> Reader<'a> {
    fn new(database: &str, flow: Option<&str>, sources: &'a Sources) -> Reader<'a> {
        let mut problems = sources.file.faults.clone();
        let (name, scopes) = (word(database), scopes(flow));
        problems.extend(names::unknown_keys(sources, &scopes, &name));
        Reader {
            sources,
            name,
            scopes,
            problems,
            is_configured: true,
            is_unanswered: false,
            cause: None,
            secrets: Vec::new(),
            rotates: false,
            notes: Notes::default(),
        }
    }

    fn read(&mut self, database: &Arc<str>, overrides: &Overrides) -> Option<Settings> {
        // Read before the string, which is told of it.
        let read_only = self.word(&keys::READ_ONLY, overrides.read_only, parse::boolean, "`true` or `false`");
        let parsed = self.connection(database, overrides, read_only.unwrap_or_default());
        let in_string = parsed.as_ref().and_then(|parsed| parsed.connect_timeout);
        // The string's own limit is weaker than any key, so that one key changes it without the secret.
        let connect_timeout = match self.find(&keys::CONNECT_TIMEOUT) {
            None => overrides.connect_timeout.or(in_string),
            Some(_) => overrides.connect_timeout,
        };
        let migrations_dir = self.migrations_dir(database, overrides);
        // Every value is read before the target is missed, so that all problems are told at once.
        let pool_size = self.number(&keys::POOL_SIZE, overrides.pool_size, 1..=MOST);
        let max_overflow = self.number(&keys::MAX_OVERFLOW, overrides.max_overflow, 0..=MOST);
        let pool_timeout = self.limit(&keys::POOL_TIMEOUT, overrides.pool_timeout);
        let pool_recycle = self.age(&keys::POOL_RECYCLE, overrides.pool_recycle, Unit::Seconds);
        let ping_after_idle = self.age(&keys::PING_AFTER_IDLE, overrides.ping_after_idle, Unit::Milliseconds);
        let leak_after = self.age(&keys::LEAK_AFTER, overrides.leak_after, Unit::Seconds);
        let timeout = self.limit(&keys::TIMEOUT, overrides.timeout);
        let by_string = connect_timeout.is_some() && overrides.connect_timeout.is_none();
        let connect_timeout = self.limit(&keys::CONNECT_TIMEOUT, connect_timeout);
        if by_string {
            self.notes.found(keys::CONNECT_TIMEOUT.name, vec![Origin::ConnectionString], Vec::new());
        }
        let retry_attempts = self.number(&keys::RETRY_ATTEMPTS, overrides.retry_attempts, 1..=MOST);
        let retry_budget = self.limit(&keys::RETRY_BUDGET, overrides.retry_budget);
        let statement_cache = self.number(&keys::STATEMENT_CACHE, overrides.statement_cache, 0..=MOST);
        let slow_query = self.age(&keys::SLOW_QUERY, overrides.slow_query, Unit::Seconds);
        let audit = self.word(&keys::AUDIT, overrides.audit, parse::boolean, "`true` or `false`");
        let text_parameters = self.word(
            &keys::TEXT_PARAMETERS,
            overrides.text_parameters,
            TextParameters::parse,
            "`auto`, `varchar` or `nvarchar`",
        );
        let placeholders = self.placeholders(overrides);
        let migration_timeout = self.limit(&keys::MIGRATION_TIMEOUT, overrides.migration_timeout);
        let migrate_on_start = self.word(
            &keys::MIGRATE_ON_START,
            overrides.migrate_on_start,
            MigrateOnStart::parse,
            "`check`, `run` or `off`",
        );
        let parsed = parsed?;
        Some(Settings {
            database: Arc::clone(database),
            environment: self.sources.environment.clone(),
            flow: overrides.flow.clone(),
            target: parsed.target,
            pool_size: pool_size?,
            max_overflow: max_overflow?,
            pool_timeout: pool_timeout?,
            pool_recycle: pool_recycle?,
            ping_after_idle: ping_after_idle?,
            leak_after: leak_after?,
            timeout: timeout?,
            connect_timeout: connect_timeout?,
            retry: RetryPolicy::default().attempts(retry_attempts?).budget(retry_budget?),
            statement_cache: usize::try_from(statement_cache?).ok()?,
            slow_query: slow_query?,
            audit: audit?,
            read_only: read_only?,
            text_parameters: text_parameters?,
            migrations_dir,
            names_migrations_dir: overrides.migrations_dir.is_some()
                || self.find(&keys::MIGRATIONS_DIR).is_some(),
            migrations: overrides.migrations,
            placeholders,
            migration_timeout: migration_timeout?,
            migrate_on_start: migrate_on_start?,
            #[cfg(feature = "testing")]
            faults: overrides.faults.clone(),
            overrides: (self.rotates || overrides.secret_source.is_some())
                .then(|| Arc::new(overrides.clone())),
            secrets: parsed.secrets.into_iter().chain(self.secrets.drain(..)).collect(),
            notes: Arc::new(std::mem::take(&mut self.notes)),
        })
    }

    fn migrations_dir(&mut self, database: &str, overrides: &Overrides) -> PathBuf {
        let key = &keys::MIGRATIONS_DIR;
        let read = self.text(key);
        if overrides.migrations.is_some() {
            self.given(key, "migrations");
        } else if overrides.migrations_dir.is_some() {
            self.given(key, "migrations_dir");
        } else if read.is_none() {
            self.notes.found(key.name, vec![Origin::Default(key.name)], Vec::new());
        }
        match (&overrides.migrations_dir, read) {
            (Some(folder), _) => folder.clone(),
            (None, Some((_, folder))) => self.sources.home.join(folder.trim()),
            (None, None) => self.sources.home.join("migrations").join(database),
        }
    }

    /// The pairs are divided before `${VAR}` is replaced, so that no value can move a boundary.
    fn placeholders(&mut self, overrides: &Overrides) -> BTreeMap<String, Secret> {
        let mut all = BTreeMap::new();
        if let Some((place, marked)) = self.find(&keys::MIGRATION_PLACEHOLDERS) {
            let mut expander = Expander::new(&self.sources.process);
            for pair in marked.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
                match pair.split_once('=') {
                    Some((name, value)) if parse::is_placeholder(name.trim()) => {
                        let secret = Secret::new(expander.expand(value.trim(), Coding::Plain));
                        if template::has_variable(value) {
                            self.secrets.push(secret.clone());
                        }
                        all.insert(name.trim().to_owned(), secret);
                    }
                    _ => expander.problem("must be pairs `name=value` with commas between them"),
                }
            }
            for problem in expander.problems {
                self.problem(&place, &problem);
            }
        }
        if !overrides.placeholders.is_empty() && all.is_empty() {
            self.given(&keys::MIGRATION_PLACEHOLDERS, "placeholder");
        }
        for (name, value) in &overrides.placeholders {
            if !parse::is_placeholder(name) {
                let place = Origin::Builder("placeholder".to_owned());
                self.problem(&place, "a name is made of ASCII letters, digits, `_`, `-`, `.` and `:`");
            }
            all.insert(name.clone(), value.clone());
        }
        all
    }

    fn connection(&mut self, database: &str, overrides: &Overrides, read_only: bool) -> Option<Parsed> {
        let kind = match (&overrides.database_type, &overrides.connection_string) {
            (Some(text), _) => Some((self.given(&keys::TYPE, "database_type"), text.clone())),
            // `TYPE` of the environment says what the environment's string is, not what the builder's is.
            (None, Some(_)) => None,
            (None, None) => self.text(&keys::TYPE),
        };
        let kind = kind.and_then(|(place, text)| {
            let kind = Kind::parse(&text);
            if kind.is_none() {
                self.problem(&place, "must be `postgresql`, `sqlserver` or `odbc`");
            }
            kind
        });
        let (place, marked) = match (&overrides.connection_string, &overrides.secret_source) {
            (Some(text), _) => {
                (self.given(&keys::CONNECTION_STRING, "connection_string"), template::literal(text.expose()))
            }
            (None, Some(source)) => {
                let place = self.given(&keys::CONNECTION_STRING, "secret_source");
                match source.ask(database, overrides.asked().limit) {
                    Ok(text) => (place, template::literal(&text)),
                    Err(error) => {
                        self.problem(&place, "gave no connection string");
                        self.cause = Some(error);
                        return None;
                    }
                }
            }
            (None, None) => self.connection_string(overrides.asked())?,
        };
        let mut expander = Expander::new(&self.sources.process);
        let application = overrides.flow.as_ref().map_or("batchdb".into(), |flow| format!("batchdb/{flow}"));
        let wishes = Wishes { application: &application, read_only };
        let parsed = connection::read(&marked, kind, wishes, &mut expander);
        for problem in expander.problems {
            self.problem(&place, &problem);
        }
        let mut parsed = parsed?;
        if !self.notes.has(keys::TYPE.name) {
            self.notes.found(keys::TYPE.name, vec![Origin::ConnectionString], Vec::new());
        }
        // The builder's own string has nothing to do with the password of the environment's.
        if overrides.connection_string.is_none()
            && overrides.secret_source.is_none()
            && let Some((place, password)) = self.outside(&keys::PASSWORD_FILE, overrides.asked())
            && let Err(problem) = parsed.set_password(password)
        {
            self.problem(&place, problem);
        }
        Some(parsed)
    }

    /// The text that says where the database is, marked: the one that the first scope has, itself, in a file, or behind
    /// a command.
    fn connection_string(&mut self, asked: Asked) -> Option<(Origin, String)> {
        let kinds =
            [&keys::CONNECTION_STRING, &keys::CONNECTION_STRING_FILE, &keys::CONNECTION_STRING_COMMAND];
        let scopes = self.scopes.clone();
        let of_scope = |reader: &Reader<'_>, scope: &String| -> Vec<&'static Key> {
            let is_set = |key: &&Key| reader.sources.find(&reader.key(scope, key.name)).is_some();
            kinds.into_iter().filter(is_set).collect()
        };
        let Some(set) = scopes.iter().map(|scope| of_scope(self, scope)).find(|set| !set.is_empty()) else {
            self.missing();
            return None;
        };
        let [key, more @ ..] = &set[..] else { return None };
        if let Some(other) = more.first() {
            let (place, _) = self.find(other)?;
            self.problem(&place, &format!("is set beside `{}`; one of the two must go", key.name));
            return None;
        }
        if key.name == keys::CONNECTION_STRING.name {
            return self.find(key);
        }
        let (place, text) = self.outside(key, asked)?;
        Some((place, template::literal(text.expose())))
    }

    /// The secret that a key leads to. Where it cannot be had, that is noted.
    fn outside(&mut self, key: &'static Key, asked: Asked) -> Option<(Origin, Secret)> {
        let has_variable = self.all(key).first().is_some_and(|(_, marked)| template::has_variable(marked));
        let (place, text) = self.text(key)?;
        let outside = if key.name == keys::CONNECTION_STRING_COMMAND.name {
            Outside::Command(text)
        } else {
            Outside::file(&self.sources.home, text.trim(), has_variable)
        };
        self.rotates = true;
        match (self.sources.outside)(&outside, asked) {
            Ok(secret) => {
                // What could be read is a path, and no secret that somebody has put in its place.
                if let Outside::File { path, .. } = &outside {
                    self.notes.shown(key.name, path.display().to_string());
                }
                self.secrets.push(secret.clone());
                Some((place, secret))
            }
            Err(problem) => {
                self.is_unanswered = matches!(outside, Outside::Command(_));
                self.problem(&place, &problem);
                None
            }
        }
    }

    /// Notes that nothing says where the database is.
    fn missing(&mut self) {
        let keys: Vec<_> =
            self.scopes.iter().map(|scope| self.key(scope, keys::CONNECTION_STRING.name)).collect();
        let sources = self.sources;
        let absent = if sources.file.exists { "" } else { ", which does not exist" };
        let mut text = format!(
            "{}: is not set, neither in the process environment nor in {}{absent}",
            keys.join(" or "),
            sources.path.display()
        );
        if let Some(near) = names::near_database(sources, &self.scopes, &self.name) {
            text.push_str(&format!("; a database `{near}` is configured: is that the one you mean?"));
        }
        self.problems.push(text);
        let is_set =
            |scope: &String| keys::KEYS.iter().any(|key| sources.find(&self.key(scope, key.name)).is_some());
        self.is_configured = self.scopes.iter().any(is_set);
    }

    fn key(&self, scope: &str, name: &str) -> String {
        format!("{}{scope}_{}_{name}", self.sources.prefix(), self.name)
    }

    /// The values of a key, still marked, by the order of the sources: the first one counts.
    fn all(&self, key: &Key) -> Vec<(Origin, String)> {
        let mut names: Vec<_> = self.scopes.iter().map(|scope| self.key(scope, key.name)).collect();
        names.extend(key.for_all.map(|name| format!("{}{GLOBAL}_{name}", self.sources.prefix())));
        names.iter().flat_map(|name| self.sources.find_all(name)).collect()
    }

    /// The value of a key, still marked.
    fn find(&mut self, key: &Key) -> Option<(Origin, String)> {
        let (places, mut values): (Vec<_>, Vec<_>) = self.all(key).into_iter().unzip();
        let place = places.first()?.clone();
        let marked = values.swap_remove(0);
        self.notes.found(key.name, places, template::variables(&marked));
        if let Origin::File { key: name, .. } = &place
            && let Some(line) = self.sources.set_again(name)
        {
            self.problem(&place, &format!("is set again on line {line}; one of the two must go"));
        }
        Some((place, marked))
    }

    /// Notes that the program has set it by this method of the builder.
    fn given(&mut self, key: &Key, method: &str) -> Origin {
        let place = Origin::Builder(method.to_owned());
        let weaker = self.all(key).into_iter().map(|(place, _)| place);
        self.notes.found(key.name, std::iter::once(place.clone()).chain(weaker).collect(), Vec::new());
        place
    }

    /// The value of a key, or its default. `None` when there is neither, or it has a problem.
    fn text(&mut self, key: &Key) -> Option<(Origin, String)> {
        let Some((place, marked)) = self.find(key) else {
            return key.default.map(|text| (Origin::Default(key.name), text.to_owned()));
        };
        let mut expander = Expander::new(&self.sources.process);
        let text = expander.expand(&marked, Coding::Plain);
        for problem in &expander.problems {
            self.problem(&place, problem);
        }
        expander.problems.is_empty().then_some((place, text))
    }

    /// The builder's value, or what `read` makes of the key's text, if it is `wanted`.
    fn value<T>(
        &mut self,
        key: &Key,
        given: Option<T>,
        read: impl Fn(&str) -> Option<T>,
        is_wanted: impl Fn(&T) -> bool,
        wanted: &str,
    ) -> Option<T> {
        let (place, value) = match given {
            Some(value) => (self.given(key, &key.name.to_ascii_lowercase()), Some(value)),
            None => self.text(key).map(|(place, text)| (place, read(&text)))?,
        };
        let value = value.filter(is_wanted);
        if value.is_none() {
            self.problem(&place, &format!("must be {wanted}"));
        }
        value
    }

    fn number(&mut self, key: &Key, given: Option<u32>, range: RangeInclusive<u32>) -> Option<u32> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(key, given, |text| text.trim().parse().ok(), |number| range.contains(number), &wanted)
    }

    /// A time that must pass before something ends, so that zero makes no sense.
    fn limit(&mut self, key: &Key, given: Option<Duration>) -> Option<Duration> {
        let read = |text: &str| parse::duration(text, Unit::Seconds);
        let wanted =
            "a time of more than 0 and at most 365 days: seconds, or a number with `ms`, `s`, `m` or `h`";
        self.value(key, given, read, |time| !time.is_zero() && *time <= LONGEST, wanted)
    }

    /// A time after which something is done, for which zero has a meaning of its own.
    fn age(&mut self, key: &Key, given: Option<Duration>, bare: Unit) -> Option<Duration> {
        let unit = if bare == Unit::Seconds { "seconds" } else { "milliseconds" };
        let wanted = format!("a time of at most 365 days: {unit}, or a number with `ms`, `s`, `m` or `h`");
        self.value(key, given, |text| parse::duration(text, bare), |time| *time <= LONGEST, &wanted)
    }

    fn word<T>(
        &mut self,
        key: &Key,
        given: Option<T>,
        read: impl Fn(&str) -> Option<T>,
        wanted: &str,
    ) -> Option<T> {
        self.value(key, given, read, |_| true, wanted)
    }

    fn problem(&mut self, place: &Origin, text: &str) {
        let problem = format!("{place}: {text}");
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn error(self) -> Error {
        let (environment, problems) = (&self.sources.environment, self.problems.join("\n  "));
        let error =
            Error::config(format!("wrong settings for the environment `{environment}`:\n  {problems}"));
        // Nothing else is wrong, and a vault that is away comes back.
        let may_pass = self.is_unanswered && self.problems.len() == 1;
        let error = if may_pass { error.with_effect(Effect::NotSent) } else { error };
        if let Some(cause) = self.cause {
            return error.with_source(std::io::Error::other(cause));
        }
        // With a file that cannot be read, nobody knows what is configured.
        if self.is_configured || !self.sources.file.faults.is_empty() {
            return error;
        }
        error.with_source(names::NotConfigured)
    }
}
