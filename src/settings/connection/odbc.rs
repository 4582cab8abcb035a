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

    /// The pair with its value in no braces, whatever the value is.
    pub(super) fn unbraced(self) -> Pair {
        Pair { written: Some(self.value.clone()), ..self }
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
    split_by(in_braces, marked, expander)
}

/// Splits a marked string of keywords as ADO.NET does, where a value may stand in quotes of either kind, each doubled
/// inside; and in braces, which is ODBC's way.
pub(super) fn split_quoted(marked: &str, expander: &mut Expander<'_>) -> Option<Vec<Pair>> {
    split_by(in_quotes, marked, expander)
}

/// Whether one of the keys is a driver or a data source. Asked before the string is split, because what a quote means
/// depends on it: a driver in quotes is a part of a value, unless the quotes do not come out even.
pub(super) fn names_driver(marked: &str) -> bool {
    let found = |value_of| {
        let mut rest = marked;
        while let Some((piece, behind)) = Piece::first(rest, value_of)? {
            if ["driver", "dsn", "filedsn"].iter().any(|key| piece.key.eq_ignore_ascii_case(key)) {
                return Ok(true);
            }
            rest = behind;
        }
        Ok::<_, &'static str>(false)
    };
    found(in_quotes as ValueOf).or_else(|_| found(in_braces)).unwrap_or(false)
}

/// Reads the value at the beginning of a text: without what it stands in, and its length with that.
type ValueOf = fn(&str) -> Option<(String, usize)>;

/// One `keyword=value` of a marked string.
struct Piece<'t> {
    key: &'t str,
    value: String,
    written: &'t str,
}

impl<'t> Piece<'t> {
    /// The first pair of the text, and what stands behind it.
    fn first(text: &'t str, value_of: ValueOf) -> Result<Option<(Piece<'t>, &'t str)>, &'static str> {
        let text = text.trim_start_matches([';', ' ']);
        if text.is_empty() {
            return Ok(None);
        }
        let Some((key, behind)) = text.split_once('=').filter(|(key, _)| !key.contains(';')) else {
            return Err(
                "a part of it is not `keyword=value` (a value with `;` belongs in braces, `{…}`, with each `}` \
                 doubled)",
            );
        };
        let behind = behind.trim_start();
        let Some((value, length)) = value_of(behind) else {
            return Err(
                "a brace in it, or a quote, is not closed, or something stands behind it (a `}` in a value is doubled)",
            );
        };
        let (written, after) = behind.split_at(length);
        Ok(Some((Piece { key: key.trim(), value, written }, after)))
    }
}

fn split_by(value_of: ValueOf, marked: &str, expander: &mut Expander<'_>) -> Option<Vec<Pair>> {
    let mut pairs = Vec::new();
    let mut rest = marked;
    loop {
        let (piece, after) = match Piece::first(rest, value_of) {
            Ok(Some(found)) => found,
            Ok(None) => return Some(pairs),
            Err(problem) => {
                expander.problem(problem);
                return None;
            }
        };
        let has_variable = template::has_variable(piece.written);
        let mut pair = Pair::new(piece.key, expander.expand(&piece.value, Coding::Plain));
        pair.written = (!has_variable).then(|| piece.written.trim().to_owned());
        // What is kept out of the string is taken for a secret, unless it says where the database is.
        pair.is_secret |= has_variable && !PUBLIC.iter().any(|(_, keys)| pair.is_one_of(keys));
        pairs.push(pair);
        rest = after;
    }
}

/// A value in braces, or in nothing.
fn in_braces(text: &str) -> Option<(String, usize)> {
    match text.starts_with('{') {
        true => enclosed(text, '}'),
        false => {
            let length = text.find(';').unwrap_or(text.len());
            Some((text[..length].trim().to_owned(), length))
        }
    }
}

/// A value in quotes, in braces, or in nothing.
fn in_quotes(text: &str) -> Option<(String, usize)> {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => enclosed(text, quote),
        _ => in_braces(text),
    }
}

/// What stands between the first character and the next one that closes it, which is doubled where it is meant.
fn enclosed(text: &str, close: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != close {
            value.push(c);
        } else if chars.next_if(|(_, next)| *next == close).is_some() {
            value.push(close);
        } else {
            let length = at + 1;
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
    Some(finish(pairs, Dialect::Sqlite, wishes, expander))
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
pub(super) fn finish(
    mut pairs: Vec<Pair>,
    dialect: Dialect,
    wishes: Wishes<'_>,
    expander: &mut Expander<'_>,
) -> Parsed {
    if dialect == Dialect::SqlServer {
        if find(&pairs, &["app", "application name"]).is_none() {
            pairs.push(Pair::new("APP", wishes.application));
        }
        if wishes.read_only {
            // A listener of an availability group leads such a session to a secondary; any other server ignores it.
            default(&mut pairs, "ApplicationIntent", "ReadOnly");
        }
    }
    if dialect == Dialect::Sqlite && wishes.read_only {
        // A file that is not there is not made, to be found empty.
        default(&mut pairs, "NoCreat", "1");
    }
    let secrets: Vec<Secret> =
        pairs.iter().filter(|pair| pair.is_secret).map(|pair| Secret::new(&*pair.value)).collect();
    let description = describe(&pairs, dialect);
    let place = place(&pairs, dialect);
    let database = find(&pairs, &["database"]).filter(|name| !name.is_empty()).map(str::to_owned);
    let in_its_words = |pairs: &[Pair]| freetds::words(pairs).map(|told| joined(&told));
    let driver = match (find(&pairs, &["driver"]), find(&pairs, &["dsn"]), find(&pairs, &["filedsn"])) {
        (Some(name), ..) if Driver::is_freetds(name) => Driver::FreeTds,
        (Some(_), ..) | (None, None, Some(_)) => Driver::Named,
        (None, Some(name), _) => {
            Driver::Source { name: name.trim().to_owned(), freetds: in_its_words(&pairs) }
        }
        (None, None, None) => {
            Driver::Installed { freetds: freetds::refusal(&pairs).map_or_else(|| in_its_words(&pairs), Err) }
        }
    };
    if driver == Driver::FreeTds {
        match freetds::words(&pairs) {
            Ok(told) => pairs = told,
            Err(problem) => expander.problem(problem),
        }
    }
    let target = OdbcTarget {
        connection_string: joined(&pairs),
        driver,
        description,
        dialect,
        place,
        database,
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

/// The server without the `tcp:` of Microsoft's drivers, which write it in any case of letters.
pub(super) fn without_protocol(server: &str) -> &str {
    match server.split_at_checked(4) {
        Some((protocol, rest)) if protocol.eq_ignore_ascii_case("tcp:") => rest.trim_start(),
        _ => server,
    }
}

/// The SQL that is spoken behind the driver, as its name and `TYPE` tell.
pub(super) fn dialect(pairs: &[Pair], kind: Option<Kind>, expander: &mut Expander<'_>) -> Option<Dialect> {
    let driver = find(pairs, &["driver"]).unwrap_or_default().to_ascii_lowercase();
    let names = |parts: &[&str]| parts.iter().any(|part| driver.contains(part));
    let known = if Driver::is_freetds(&driver) || names(&["sql server", "msodbcsql", "sqlncli", "sqlsrv"]) {
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
            let server = without_protocol(server);
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
