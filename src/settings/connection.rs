//! A connection string becomes a target: what kind of text it is, and whether `TYPE` agrees. Pure.
//!
//! No problem that is noted here quotes anything of the string but names of keywords.

mod freetds;
mod odbc;
mod postgres;
mod sqlserver;
mod url;

use std::time::Duration;

use super::secret::Secret;
use super::template::{self, Expander};
use super::{Driver, Target, parse};

/// What `TYPE` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    SqlServer,
    Odbc,
}

impl Kind {
    /// Reads the value of `TYPE`. The short names are those of other systems.
    pub(super) fn parse(text: &str) -> Option<Kind> {
        match text.trim().to_ascii_lowercase().as_str() {
            "postgresql" | "postgres" => Some(Kind::Postgres),
            "sqlserver" | "mssql" => Some(Kind::SqlServer),
            "odbc" => Some(Kind::Odbc),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Postgres => "postgresql",
            Kind::SqlServer => "sqlserver",
            Kind::Odbc => "odbc",
        }
    }
}

/// What a connection string says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) target: Target,
    /// Its own limit on connecting, for when no key sets one.
    pub(super) connect_timeout: Option<Duration>,
    /// Everything in it that must not be shown.
    pub(super) secrets: Vec<Secret>,
}

impl Parsed {
    /// Puts a password into a target that has none.
    ///
    /// # Errors
    ///
    /// Why it does not belong there.
    pub(super) fn set_password(&mut self, password: Secret) -> Result<(), &'static str> {
        match &mut self.target {
            Target::Postgres(target) if target.password.is_none() => target.password = Some(password.clone()),
            Target::Odbc(target) if !target.has_password => {
                let pair = odbc::Pair::new("PWD", password.expose());
                let for_freetds = freetds::spelled(pair.clone());
                let with = |text: &Secret, pair: &odbc::Pair| {
                    Secret::new(format!("{}{}", text.expose(), pair.text()))
                };
                match &mut target.driver {
                    Driver::FreeTds => {
                        target.connection_string = with(&target.connection_string, &for_freetds?);
                    }
                    Driver::Named => target.connection_string = with(&target.connection_string, &pair),
                    // Which of the two strings is used is known only when the drivers are looked for.
                    Driver::Source { freetds, .. } | Driver::Installed { freetds } => {
                        target.connection_string = with(&target.connection_string, &pair);
                        if let Ok(text) = freetds {
                            *freetds = for_freetds.map(|pair| with(text, &pair));
                        }
                    }
                }
                target.secrets.push(password.clone());
                target.has_password = true;
            }
            _ => return Err("the connection string has a password already; one of the two must go"),
        }
        self.secrets.push(password);
        Ok(())
    }
}

/// What the settings add to a string that does not say it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes<'a> {
    /// The name by which the server's lists of sessions show the program.
    pub(super) application: &'a str,
    pub(super) read_only: bool,
}

/// Reads a marked connection string. `None`, with a problem noted, when it cannot be read; a problem may be
/// noted all the same when it can.
pub(super) fn read(
    marked: &str,
    kind: Option<Kind>,
    wishes: Wishes<'_>,
    expander: &mut Expander<'_>,
) -> Option<Parsed> {
    if let Some(name) = template::only_variable(marked) {
        // The variable is the whole string, so its text is what must be split.
        let text = expander.variable(name);
        if text.is_empty() {
            return None;
        }
        return read_text(&template::literal(&text), kind, wishes, expander);
    }
    read_text(marked, kind, wishes, expander)
}

fn read_text(
    marked: &str,
    kind: Option<Kind>,
    wishes: Wishes<'_>,
    expander: &mut Expander<'_>,
) -> Option<Parsed> {
    let marked = marked.trim();
    // A URL of JDBC's has its own scheme before that of the database.
    let (marked, jdbc) = match marked.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("jdbc:") => (&marked[5..], true),
        _ => (marked, false),
    };
    if let Some((scheme, rest)) = marked.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
        let scheme = scheme.to_ascii_lowercase();
        // `postgresql+psycopg2` names a driver of another language. The database is what stands before it.
        return match scheme.split('+').next().unwrap_or_default() {
            "postgresql" | "postgres" => {
                agree(kind, &[Kind::Postgres], "a PostgreSQL URL", expander)?;
                postgres::from_url(rest, expander)
            }
            "mssql" | "sqlserver" => {
                agree(kind, &[Kind::SqlServer, Kind::Odbc], "a SQL Server URL", expander)?;
                if jdbc {
                    return sqlserver::from_properties(rest, kind, wishes, expander);
                }
                sqlserver::from_url(rest, sqlserver::Scheme::of(&scheme), kind, wishes, expander)
            }
            "sqlite" => {
                agree(kind, &[Kind::Odbc], "a SQLite URL", expander)?;
                odbc::from_sqlite_url(rest, wishes, expander)
            }
            #[cfg(feature = "testing")]
            "mock" => {
                let number = rest.parse().ok();
                if number.is_none() {
                    expander.problem("a mock has a number: use the text that it gives for itself");
                }
                Some(Parsed { target: Target::Mock(number?), connect_timeout: None, secrets: Vec::new() })
            }
            _ => {
                expander.problem(
                    "its scheme is none of `postgresql://`, `postgres://`, `mssql+pyodbc://`, \
                     `sqlserver://` and `sqlite://`",
                );
                None
            }
        };
    }
    if postgres::is_keyword_string(marked) {
        agree(kind, &[Kind::Postgres], "a PostgreSQL string of keywords", expander)?;
        return postgres::from_keywords(marked, expander);
    }
    // Who names a driver writes for it, and quotes are letters there. Everybody else writes for ADO.NET.
    let pairs = match odbc::names_driver(marked) {
        true => odbc::split(marked, expander)?,
        false => odbc::split_quoted(marked, expander)?,
    };
    if pairs.iter().any(|pair| pair.is_one_of(&["driver", "dsn", "filedsn"])) {
        agree(kind, &[Kind::SqlServer, Kind::Odbc], "an ODBC string", expander)?;
        let dialect = odbc::dialect(&pairs, kind, expander)?;
        return Some(odbc::finish(pairs, dialect, wishes, expander));
    }
    if pairs.iter().any(|pair| pair.is_one_of(sqlserver::SERVER)) {
        agree(kind, &[Kind::SqlServer, Kind::Odbc], "a SQL Server string", expander)?;
        return sqlserver::from_keywords(pairs, kind, wishes, expander);
    }
    expander.problem(
        "which database it is for cannot be told: it is neither a URL, nor an ODBC string with `Driver=` or \
         `DSN=`, nor a string of keywords with `host=` or `Server=`",
    );
    None
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'))
}

/// Notes a contradiction between `TYPE` and the string.
fn agree(kind: Option<Kind>, fitting: &[Kind], what: &str, expander: &mut Expander<'_>) -> Option<()> {
    let Some(kind) = kind.filter(|kind| !fitting.contains(kind)) else {
        return Some(());
    };
    let names: Vec<_> = fitting.iter().map(|kind| format!("`{}`", kind.name())).collect();
    let names = names.join(" or ");
    expander.problem(format!("`TYPE` is `{}`, but it is {what}, whose type is {names}", kind.name()));
    None
}

/// A keyword or parameter in the form in which a message may show it. What is no plain word may be a piece of
/// a password that broke a string apart.
fn shown(name: &str) -> String {
    let is_word = name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ' ');
    if is_word { format!("`{name}`") } else { "a parameter whose name is no word".to_owned() }
}

/// A limit on connecting, in seconds. Zero is none, as in libpq.
fn connect_timeout(text: &str, expander: &mut Expander<'_>) -> Option<Duration> {
    let limit = parse::duration(text, parse::Unit::Seconds);
    if limit.is_none() {
        expander.problem("its limit on connecting is not a number of seconds");
    }
    limit.filter(|limit| !limit.is_zero())
}

#[cfg(test)]
mod tests;
