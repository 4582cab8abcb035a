//! PostgreSQL's two kinds of string, the URL and libpq's `host=… user=…`. Pure.

use std::path::PathBuf;
use std::time::Duration;

use super::super::secret::Secret;
use super::super::template::{Coding, Expander};
use super::super::{PostgresTarget, SslMode, Target};
use super::{Parsed, connect_timeout, shown, url};

const PORT: u16 = 5432;

/// The words with which a libpq string can begin.
const KEYWORDS: [&str; 11] = [
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "connect_timeout",
    "application_name",
    "options",
    "sslrootcert",
    "target_session_attrs",
];

/// What changes nothing that could hurt: keep-alives are set anyway, and the rest are the driver's own ways.
const HARMLESS: [&str; 9] = [
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "sslcompression",
    "sslsni",
    "gsslib",
    "krbsrvname",
];

/// What has been read so far. Later words replace earlier ones, as in libpq.
#[derive(Default)]
struct Draft {
    hosts: Vec<String>,
    ports: Vec<Option<u16>>,
    user: Option<String>,
    password: Option<Secret>,
    dbname: Option<String>,
    ssl_mode: Option<SslMode>,
    ssl_root_cert: Option<PathBuf>,
    /// `sslrootcert=system`, which asks for more than certificates: the server's name must be in its own.
    ssl_root_system: bool,
    ssl_cert: Option<PathBuf>,
    ssl_key: Option<PathBuf>,
    application_name: Option<String>,
    fallback_application_name: Option<String>,
    options: Option<String>,
    connect_timeout: Option<Duration>,
    /// Every form in which the password was met.
    secrets: Vec<Secret>,
}

/// Reads what stands behind `postgresql://`.
pub(super) fn from_url(rest: &str, expander: &mut Expander<'_>) -> Option<Parsed> {
    let parts = url::split(rest, expander)?;
    let mut draft = Draft::default();
    for host in parts.hosts.split(',').filter(|host| !host.is_empty()) {
        let (host, port) = url::host_and_port(host, expander);
        draft.hosts.push(expander.expand(host, Coding::Percent));
        let port = port.map(|port| expander.expand(port, Coding::Percent));
        draft.ports.push(port.and_then(|port| url::port(&port, expander)));
    }
    draft.user = parts.user.map(|user| expander.expand(user, Coding::Percent));
    if let Some(password) = parts.password {
        draft.secrets.push(Secret::new(password));
        draft.set("password", expander.expand(password, Coding::Percent), expander);
    }
    if !parts.path.is_empty() {
        draft.dbname = Some(expander.expand(parts.path, Coding::Percent));
    }
    for (name, value) in url::parameters(parts.query, expander) {
        draft.set(&name, value, expander);
    }
    draft.finish(expander)
}

/// Whether the text is a libpq string. With a `;` behind the first value it is of another family.
pub(super) fn is_keyword_string(marked: &str) -> bool {
    let is_keyword = |word: &str| KEYWORDS.contains(&word);
    let before = marked.split(';').next().unwrap_or_default();
    let words: Vec<_> = before.split_whitespace().filter_map(|word| word.split('=').next()).collect();
    let keywords = words.iter().filter(|word| is_keyword(word)).count();
    words.first().is_some_and(|word| is_keyword(word)) && (keywords > 1 || !marked.contains(';'))
}

/// Reads libpq's `host=… user=… password='it\'s'`.
pub(super) fn from_keywords(marked: &str, expander: &mut Expander<'_>) -> Option<Parsed> {
    let mut draft = Draft::default();
    let mut rest = marked.trim_start();
    while !rest.is_empty() {
        let Some((name, behind)) = rest.split_once('=') else {
            expander.problem("a word of it has no `=` (a value with spaces belongs in single quotes)");
            return None;
        };
        let Some((value, behind)) = keyword_value(behind.trim_start()) else {
            expander.problem("a single quote in it is not closed");
            return None;
        };
        draft.set(name.trim_end(), expander.expand(&value, Coding::Plain), expander);
        rest = behind.trim_start();
    }
    draft.finish(expander)
}

/// One value of a libpq string, without quotes and backslashes, and what follows it.
fn keyword_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let text = text.strip_prefix('\'').unwrap_or(text);
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Some((value, &text[at + 1..])),
            c if c.is_whitespace() && !quoted => return Some((value, &text[at..])),
            c => value.push(c),
        }
    }
    (!quoted).then_some((value, ""))
}

impl Draft {
    fn set(&mut self, name: &str, value: String, expander: &mut Expander<'_>) {
        match name {
            "host" => self.hosts = value.split(',').map(str::to_owned).collect(),
            "port" => {
                let ports = value.split(',').map(|port| match port.trim() {
                    "" => None,
                    port => url::port(port, expander),
                });
                self.ports = ports.collect();
            }
            "user" => self.user = Some(value),
            "password" => {
                let secret = Secret::new(value);
                self.secrets.push(secret.clone());
                self.password = Some(secret);
            }
            "dbname" => self.dbname = Some(value),
            "sslmode" => match ssl_mode(&value) {
                Some(mode) => self.ssl_mode = Some(mode),
                None => expander.problem(
                    "its `sslmode` is none of `disable`, `allow`, `prefer`, `require`, `verify-ca` and \
                     `verify-full`",
                ),
            },
            "sslrootcert" => {
                // The word for the certificates of the machine, which are what is used without it.
                self.ssl_root_system = value == "system";
                self.ssl_root_cert = Some(value).filter(|path| path != "system").map(PathBuf::from);
            }
            "sslcert" => self.ssl_cert = Some(value.into()),
            "sslkey" => self.ssl_key = Some(value.into()),
            "application_name" => self.application_name = Some(value),
            "fallback_application_name" => self.fallback_application_name = Some(value),
            "options" => self.options = Some(value),
            "connect_timeout" => self.connect_timeout = connect_timeout(&value, expander),
            "client_encoding" => only(name, &value, &["utf8", "utf-8", "unicode", "auto"], expander),
            "target_session_attrs" => only(name, &value, &["any"], expander),
            "channel_binding" | "gssencmode" => only(name, &value, &["disable", "prefer"], expander),
            name if HARMLESS.contains(&name) => (),
            name => expander.problem(format!("{} is not a parameter that is understood", shown(name))),
        }
    }

    fn finish(mut self, expander: &mut Expander<'_>) -> Option<Parsed> {
        if self.hosts.iter().all(String::is_empty) {
            self.hosts = vec!["localhost".to_owned()];
        }
        if self.hosts.iter().any(|host| host.trim().is_empty()) {
            expander.problem("one of its hosts is empty");
        }
        // One port is for all hosts, as in libpq; else there is one for each.
        if !matches!(self.ports.len(), 0 | 1) && self.ports.len() != self.hosts.len() {
            expander.problem("it has not as many ports as hosts");
        }
        let port_of = |at: usize| {
            let port = if self.ports.len() == 1 { self.ports.first() } else { self.ports.get(at) };
            port.copied().flatten().unwrap_or(PORT)
        };
        let hosts =
            self.hosts.iter().enumerate().map(|(at, host)| (host.trim().to_owned(), port_of(at))).collect();
        let dbname = self.dbname.filter(|name| !name.is_empty());
        if dbname.is_none() {
            expander.problem("it names no database");
        }
        if self.ssl_cert.is_some() != self.ssl_key.is_some() {
            expander.problem("`sslcert` and `sslkey` go together, and it has only one of them");
        }
        if self.ssl_mode == Some(SslMode::Disable) && self.ssl_cert.is_some() {
            expander.problem("`sslcert` has no use with `sslmode=disable`");
        }
        // Anybody can have a certificate of an issuer that the machine trusts. So libpq takes the word for
        // `verify-full`, and nothing weaker beside it, and a string must not check less here than there.
        if self.ssl_root_system && self.ssl_mode.is_some_and(|mode| mode != SslMode::VerifyFull) {
            expander.problem("`sslrootcert=system` goes with no weaker `sslmode` than `verify-full`");
        }
        let default_mode = if self.ssl_root_system { SslMode::VerifyFull } else { SslMode::Prefer };
        let target = Target::Postgres(PostgresTarget {
            hosts,
            user: self.user.filter(|user| !user.is_empty()),
            password: self.password.filter(|password| !password.expose().is_empty()),
            dbname: dbname?,
            ssl_mode: self.ssl_mode.unwrap_or(default_mode),
            ssl_root_cert: self.ssl_root_cert,
            ssl_cert: self.ssl_cert,
            ssl_key: self.ssl_key,
            application_name: self
                .application_name
                .or(self.fallback_application_name)
                .unwrap_or_else(|| "batchdb".to_owned()),
            options: self.options,
        });
        Some(Parsed { target, connect_timeout: self.connect_timeout, secrets: self.secrets })
    }
}

fn ssl_mode(text: &str) -> Option<SslMode> {
    match text {
        "disable" => Some(SslMode::Disable),
        // The server decides under `allow`, and one that can encrypt is asked to.
        "allow" | "prefer" => Some(SslMode::Prefer),
        "require" => Some(SslMode::Require),
        "verify-ca" => Some(SslMode::VerifyCa),
        "verify-full" => Some(SslMode::VerifyFull),
        _ => None,
    }
}

/// Notes a problem when a parameter that is understood asks for more than is done.
fn only(name: &str, value: &str, allowed: &[&str], expander: &mut Expander<'_>) {
    if !allowed.contains(&value.to_ascii_lowercase().as_str()) {
        let allowed: Vec<_> = allowed.iter().map(|word| format!("`{word}`")).collect();
        expander.problem(format!("`{name}` can only be {} here", allowed.join(" or ")));
    }
}
