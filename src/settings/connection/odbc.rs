//! ODBC strings: their pairs, their braces, and which database is behind a driver's name. Pure.

use super::super::secret::Secret;
use super::super::template::{self, Coding, Expander};
use super::super::{Driver, OdbcPlace, OdbcTarget, Target};
use super::{Kind, Parsed, Wishes, freetds, url};
use crate::dialect::Dialect;

/// One `keyword=value` of an ODBC string.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) key: String,
    /// The value without braces and with its variables put in.
    pub(super) value: String,
    /// The value as it was written, to be passed on unchanged where nothing was put in.
    written: Option<String>,
    is_secret: bool,
}

impl Pair {
    pub(super) fn new(key: &str, value: impl Into<String>) -> Pair {
        Pair { key: key.to_owned(), value: value.into(), written: None, is_secret: is_secret(key) }
    }

    pub(super) fn is_one_of(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.key.eq_ignore_ascii_case(key))
    }

    pub(super) fn text(&self) -> String {
        let value = self.written.clone().unwrap_or_else(|| braced(&self.value, self.is_secret));
        format!("{}={value};", self.key)
    }
}

/// What a message may say of a string: the label, and the keywords that carry it.
const PUBLIC: [(&str, &[&str]); 6] = [
    ("driver", &["driver"]),
    ("data source", &["dsn", "filedsn"]),
    ("server", &["server", "servername", "address", "host"]),
    ("port", &["port"]),
    ("database", &["database", "dbname", "db"]),
    ("user", &["uid", "user", "username", "user id"]),
];

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["pwd", "pass", "secret", "token", "credential", "accesskey"].iter().any(|part| key.contains(part))
}

/// Splits a marked ODBC string into its pairs.
pub(super) fn split(marked: &str, expander: &mut Expander<'_>) -> Option<Vec<Pair>> {
    let mut pairs = Vec::new();
    let mut rest = marked.trim_start_matches([';', ' ']);
    while !rest.is_empty() {
        let Some((key, behind)) = rest.split_once('=').filter(|(key, _)| !key.contains(';')) else {
            expander.problem(
                "a part of it is not `keyword=value` (a value with `;` belongs in braces, `{…}`, with each `}` \
                 doubled)",
            );
            return None;
        };
        let behind = behind.trim_start();
        let Some((value, length)) = value_of(behind) else {
            expander.problem(
                "a brace in it is not closed, or something stands behind it (a `}` in a value is doubled)",
            );
            return None;
        };
        let (written, after) = behind.split_at(length);
        let has_variable = template::has_variable(written);
        let mut pair = Pair::new(key.trim(), expander.expand(&value, Coding::Plain));
        pair.written = (!has_variable).then(|| written.trim().to_owned());
        // What is kept out of the string is taken for a secret, unless it says where the database is.
        pair.is_secret |= has_variable && !PUBLIC.iter().any(|(_, keys)| pair.is_one_of(keys));
        pairs.push(pair);
        rest = after.trim_start_matches([';', ' ']);
    }
    Some(pairs)
}

/// The value at the beginning of `text` without its braces, and the length of it with them.
fn value_of(text: &str) -> Option<(String, usize)> {
    let Some(inner) = text.strip_prefix('{') else {
        let length = text.find(';').unwrap_or(text.len());
        return Some((text[..length].trim().to_owned(), length));
    };
    let mut value = String::new();
    let mut chars = inner.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '}' {
            value.push(c);
        } else if chars.next_if(|(_, next)| *next == '}').is_some() {
            value.push('}');
        } else {
            let length = at + 2;
            let behind = text[length..].trim_start();
            return (behind.is_empty() || behind.starts_with(';')).then_some((value, length));
        }
    }
    None
}

/// The value in the form that every driver reads back as it was.
///
/// Braces are used only where they must be, because SQLite's driver does not know them. psqlODBC decodes `%`
/// and `+` in a password without braces.
fn braced(value: &str, is_secret: bool) -> String {
    let special = value.contains([';', '{', '}']) || (is_secret && value.contains(['%', '+', '=']));
    if special || value != value.trim() {
        format!("{{{}}}", value.replace('}', "}}"))
    } else {
        value.to_owned()
    }
}

/// Reads what stands behind `sqlite://`: with three slashes a relative path, with four an absolute one.
pub(super) fn from_sqlite_url(rest: &str, wishes: Wishes<'_>, expander: &mut Expander<'_>) -> Option<Parsed> {
    let parts = url::split(rest, expander)?;
    if !parts.hosts.is_empty() || parts.user.is_some() {
        expander.problem(
            "a SQLite URL has no host: write `sqlite:///relative/path` or `sqlite:////absolute/path`",
        );
        return None;
    }
    let mut path = expander.expand(parts.path, Coding::Percent);
    if path.is_empty() {
        path.push_str(":memory:");
    }
    let mut pairs = vec![Pair::new("Driver", "SQLite3"), Pair::new("Database", path)];
    add(&mut pairs, url::parameters(parts.query, expander), expander);
    Some(finish(pairs, Dialect::Sqlite, wishes))
}

/// Adds the parameters of a URL, each in the place of a pair that is there.
pub(super) fn add(pairs: &mut Vec<Pair>, parameters: Vec<(String, String)>, expander: &mut Expander<'_>) {
    for (name, value) in parameters {
        if name.is_empty() || name.contains([';', '=', '{', '}', '[', ']']) {
            expander.problem("a parameter of its query has a name that cannot stand in an ODBC string");
            continue;
        }
        match pairs.iter_mut().find(|pair| pair.is_one_of(&[&name])) {
            Some(pair) => *pair = Pair { key: pair.key.clone(), ..Pair::new("", value) },
            None => pairs.push(Pair::new(&name, value)),
        }
    }
}

/// Makes the target of the pairs. Where they name neither a driver nor a data source, any driver for SQL Server will do.
pub(super) fn finish(mut pairs: Vec<Pair>, dialect: Dialect, wishes: Wishes<'_>) -> Parsed {
    if dialect == Dialect::SqlServer {
        if find(&pairs, &["app", "application name"]).is_none() {
            pairs.push(Pair::new("APP", wishes.application));
        }
        if wishes.read_only {
            // A listener of an availability group leads such a session to a secondary; any other server ignores it.
            default(&mut pairs, "ApplicationIntent", "ReadOnly");
        }
    }
    let secrets: Vec<Secret> =
        pairs.iter().filter(|pair| pair.is_secret).map(|pair| Secret::new(&*pair.value)).collect();
    let description = describe(&pairs, dialect);
    let place = place(&pairs, dialect);
    let named = find(&pairs, &["driver", "dsn", "filedsn"]).map(is_freetds);
    let driver = match named {
        Some(_) => Driver::Named,
        None => Driver::Installed {
            freetds: freetds::refusal(&pairs).map_or_else(|| Ok(joined(&freetds::words(&pairs))), Err),
        },
    };
    if named == Some(true) {
        pairs = freetds::words(&pairs);
    }
    let target = OdbcTarget {
        connection_string: joined(&pairs),
        driver,
        description,
        dialect,
        place,
        has_password: pairs.iter().any(|pair| pair.is_one_of(&["pwd", "password"])),
        secrets: secrets.clone(),
    };
    Parsed { target: Target::Odbc(target), connect_timeout: None, secrets }
}

fn joined(pairs: &[Pair]) -> Secret {
    Secret::new(pairs.iter().map(Pair::text).collect::<String>())
}

/// The value of the first pair that bears one of the names: drivers, too, take the first.
pub(super) fn find<'a>(pairs: &'a [Pair], keys: &[&str]) -> Option<&'a str> {
    pairs.iter().find(|pair| pair.is_one_of(keys)).map(|pair| pair.value.as_str())
}

pub(super) fn default(pairs: &mut Vec<Pair>, key: &str, value: &str) {
    if find(pairs, &[key]).is_none() {
        pairs.push(Pair::new(key, value));
    }
}

/// Whether it is FreeTDS, by the name of the driver or the path of its library.
pub(super) fn is_freetds(driver: &str) -> bool {
    let driver = driver.to_ascii_lowercase();
    driver.contains("freetds") || driver.contains("tdsodbc")
}

/// The SQL that is spoken behind the driver, as its name and `TYPE` tell.
pub(super) fn dialect(pairs: &[Pair], kind: Option<Kind>, expander: &mut Expander<'_>) -> Option<Dialect> {
    let driver = find(pairs, &["driver"]).unwrap_or_default().to_ascii_lowercase();
    let names = |parts: &[&str]| parts.iter().any(|part| driver.contains(part));
    let known = if is_freetds(&driver) || names(&["sql server", "msodbcsql", "sqlncli", "sqlsrv"]) {
        Some(Dialect::SqlServer)
    } else if names(&["sqlite"]) {
        Some(Dialect::Sqlite)
    } else if names(&["psql", "postgres", "mysql", "maria", "oracle", "db2", "duckdb", "firebird"]) {
        Some(Dialect::Odbc)
    } else {
        None
    };
    match (kind, known) {
        (Some(Kind::SqlServer), Some(Dialect::SqlServer) | None) => Some(Dialect::SqlServer),
        (Some(Kind::SqlServer), Some(_)) => {
            expander
                .problem("`TYPE` is `sqlserver`, but its driver is one for another database (`TYPE=odbc`)");
            None
        }
        (_, Some(dialect)) => Some(dialect),
        (_, None) if find(pairs, &["driver", "dsn", "filedsn"]).is_none() => Some(Dialect::SqlServer),
        // A data source can be any database, and a guess would send it SQL of another.
        (None, None) if driver.is_empty() => {
            expander.problem(
                "it names a data source (`DSN`), which does not tell the database: set `TYPE` to `sqlserver` or \
                 `odbc`",
            );
            None
        }
        (_, None) => Some(Dialect::Odbc),
    }
}

/// Where the database is, where the string says it itself.
fn place(pairs: &[Pair], dialect: Dialect) -> OdbcPlace {
    let value = |keys: &[&str]| find(pairs, keys).map(str::trim).filter(|value| !value.is_empty());
    let port = value(&["port"]).map(|port| port.parse::<u16>().ok());
    match dialect {
        Dialect::Sqlite => match value(&["database"]).filter(|path| !path.starts_with([':'])) {
            Some(path) => OdbcPlace::File(path.into()),
            None => OdbcPlace::Unknown,
        },
        Dialect::SqlServer => {
            let Some(server) = value(&["server", "address"]) else { return OdbcPlace::Unknown };
            let server = server.strip_prefix("tcp:").unwrap_or(server);
            let (host, own_port) = match server.split_once(',') {
                Some((host, port)) => (host.trim(), Some(port.trim().parse().ok())),
                None => (server, port),
            };
            // Named pipes and shared memory have no port.
            if host.contains(':') && host.parse::<std::net::IpAddr>().is_err() {
                return OdbcPlace::Unknown;
            }
            let (host, instance) =
                host.split_once('\\').map_or((host, None), |(host, name)| (host, Some(name)));
            let host = if matches!(host, "." | "(local)" | "") { "localhost" } else { host }.to_owned();
            match (own_port, instance) {
                (Some(Some(port)), _) => OdbcPlace::Server(host, port),
                (Some(None), _) => OdbcPlace::Unknown,
                (None, Some(_)) => OdbcPlace::Instance(host),
                (None, None) => OdbcPlace::Server(host, 1433),
            }
        }
        // The ports of other databases are their drivers' to know.
        _ => match (value(&["server", "servername", "host"]), port.flatten()) {
            (Some(host), Some(port)) => OdbcPlace::Server(host.to_owned(), port),
            _ => OdbcPlace::Unknown,
        },
    }
}

/// Driver, server, database and user, for messages.
fn describe(pairs: &[Pair], dialect: Dialect) -> String {
    let mut text = dialect.name().to_owned();
    for (label, keys) in PUBLIC {
        if let Some(value) = find(pairs, keys) {
            text.push_str(&format!(", {label} {value}"));
        }
    }
    text
}
