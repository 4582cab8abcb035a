//! SQL Server's own ways to say where it is: `mssql+pyodbc://…`, `sqlserver://…` and `Server=…;User ID=…`. Pure.

use super::super::secret::Secret;
use super::super::template::{Coding, Expander};
use super::odbc::{self, Pair};
use super::{Kind, Parsed, Wishes, connect_timeout, shown, url};

/// The words for the server in strings without a driver.
pub(super) const SERVER: &[&str] = &["server", "data source", "address", "addr", "network address"];

/// The words of other libraries and ODBC's word for the same. Those without one say how such a library works,
/// not which database is meant.
const WORDS: [(&[&str], Option<&str>); 17] = [
    (SERVER, Some("Server")),
    (&["database", "initial catalog", "databasename"], Some("Database")),
    (&["user id", "uid", "user", "username"], Some("UID")),
    (&["password", "pwd"], Some("PWD")),
    (&["integrated security", "integratedsecurity", "trusted_connection"], Some("Trusted_Connection")),
    (&["encrypt"], Some("Encrypt")),
    (&["trustservercertificate", "trust server certificate"], Some("TrustServerCertificate")),
    (&["hostnameincertificate", "host name in certificate"], Some("HostNameInCertificate")),
    (&["application name", "applicationname", "app"], Some("APP")),
    (&["applicationintent", "application intent"], Some("ApplicationIntent")),
    (&["multisubnetfailover", "multi subnet failover"], Some("MultiSubnetFailover")),
    (&["authentication"], Some("Authentication")),
    (&["serverspn", "server spn"], Some("ServerSPN")),
    (&["workstation id", "workstationid", "wsid"], Some("WSID")),
    (&["packet size", "packetsize"], Some("PacketSize")),
    (&["failover partner", "failoverpartner"], Some("Failover_Partner")),
    (
        &[
            "persist security info",
            "persistsecurityinfo",
            "multipleactiveresultsets",
            "pooling",
            "min pool size",
            "max pool size",
            "sendstringparametersasunicode",
            "selectmethod",
            "responsebuffering",
        ],
        None,
    ),
];

/// By whose rules a URL is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// SQLAlchemy's for pyodbc, which is what it takes where nothing stands behind `mssql`: a lone name is that of a data
    /// source, and without a user the login is by Kerberos.
    Pyodbc,
    /// Go's `sqlserver://`, and everybody else's.
    Other,
}

impl Scheme {
    pub(super) fn of(scheme: &str) -> Scheme {
        match scheme {
            "mssql" | "mssql+pyodbc" | "mssql+aioodbc" => Scheme::Pyodbc,
            _ => Scheme::Other,
        }
    }
}

/// Reads what stands behind `mssql+pyodbc://` or `sqlserver://`.
pub(super) fn from_url(
    rest: &str,
    scheme: Scheme,
    kind: Option<Kind>,
    wishes: Wishes<'_>,
    expander: &mut Expander<'_>,
) -> Option<Parsed> {
    if is_properties(rest) {
        return from_properties(rest, kind, wishes, expander);
    }
    let parts = url::split(rest, expander)?;
    let whole = url::marked_parameter(parts.query, "odbc_connect", expander);
    let pairs = if let Some(string) = whole {
        // The whole ODBC string is inside. As in SQLAlchemy, it is used alone.
        odbc::split(&string, expander)?
    } else {
        let mut parameters = url::parameters(parts.query, expander);
        let mut pairs = server(&parts, scheme, &mut parameters, expander);
        if let Some(user) = parts.user {
            pairs.push(Pair::new("UID", expander.expand(user, Coding::Percent)));
        }
        if let Some(password) = parts.password {
            pairs.push(Pair::new("PWD", expander.expand(password, Coding::Percent)));
        }
        odbc::add(&mut pairs, parameters, expander);
        let way_in = ["uid", "user", "authentication", "trusted_connection", "access_token"];
        if scheme == Scheme::Pyodbc && odbc::find(&pairs, &way_in).is_none() {
            pairs.push(Pair::new("Trusted_Connection", "Yes"));
        }
        pairs
    };
    let dialect = odbc::dialect(&pairs, kind.or(Some(Kind::SqlServer)), expander)?;
    let mut parsed = odbc::finish(pairs, dialect, wishes, expander);
    parsed.secrets.extend(parts.password.map(Secret::new));
    Some(parsed)
}

/// The pairs that say which server and which database.
fn server(
    parts: &url::Parts<'_>,
    scheme: Scheme,
    parameters: &mut Vec<(String, String)>,
    expander: &mut Expander<'_>,
) -> Vec<Pair> {
    let driver = take(parameters, "driver");
    let (host, port) = url::host_and_port(parts.hosts, expander);
    let host = expander.expand(host, Coding::Percent);
    let port = port.map(|port| expander.expand(port, Coding::Percent));
    let port = port.and_then(|port| url::port(&port, expander));
    let database = expander.expand(parts.path, Coding::Percent);
    if host.is_empty() {
        expander.problem("it names no server");
    }
    let is_lone = port.is_none() && database.is_empty() && !has(parameters, "database");
    if scheme == Scheme::Pyodbc && driver.is_none() && is_lone {
        return vec![Pair::new("DSN", host)];
    }
    let mut pairs: Vec<Pair> = driver.map(|driver| Pair::new("Driver", driver)).into_iter().collect();
    // As in Go's driver: where the database is a parameter, what stands behind the host is the instance.
    let (host, database) = match has(parameters, "database") && !database.is_empty() {
        true => (format!("{host}\\{database}"), String::new()),
        false => (host, database),
    };
    match port {
        Some(port) => pairs.push(Pair::new("Server", format!("{host},{port}"))),
        None => pairs.push(Pair::new("Server", host)),
    }
    if !database.is_empty() {
        pairs.push(Pair::new("Database", database));
    }
    pairs
}

fn has(parameters: &[(String, String)], name: &str) -> bool {
    parameters.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
}

fn take(parameters: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let at = parameters.iter().position(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(parameters.remove(at).1)
}

/// Whether what stands behind `sqlserver://` is JDBC's: a host and then properties, each behind a `;`.
fn is_properties(rest: &str) -> bool {
    rest.split_once(';').is_some_and(|(host, _)| !host.contains(['@', '/', '?']))
}

/// Reads `host\instance:1433;databaseName=…;user=…;password=…`, as JDBC has it.
pub(super) fn from_properties(
    rest: &str,
    kind: Option<Kind>,
    wishes: Wishes<'_>,
    expander: &mut Expander<'_>,
) -> Option<Parsed> {
    let (place, properties) = rest.split_once(';').unwrap_or((rest, ""));
    let (host, port) = url::host_and_port(place.trim_end_matches('/'), expander);
    let mut host = expander.expand(host, Coding::Plain);
    let mut port = port.map(|port| expander.expand(port, Coding::Plain));
    let mut pairs = odbc::split(properties, expander)?;
    let mut instance = None;
    pairs.retain_mut(|pair| {
        let value = std::mem::take(&mut pair.value);
        match () {
            () if pair.is_one_of(&["servername"]) => host = value,
            () if pair.is_one_of(&["portnumber", "port"]) => port = Some(value),
            () if pair.is_one_of(&["instancename"]) => instance = Some(value),
            () => {
                pair.value = value;
                return true;
            }
        }
        false
    });
    if host.is_empty() {
        expander.problem("it names no server");
    }
    if let Some(instance) = instance {
        host = format!("{host}\\{instance}");
    }
    if let Some(port) = port {
        host = format!("{host},{}", url::port(&port, expander)?);
    }
    pairs.insert(0, Pair::new("Server", host));
    from_keywords(pairs, kind, wishes, expander)
}

/// Reads `Server=tcp:host,1433;Database=…;User ID=…;Password=…`, in the words of other libraries.
pub(super) fn from_keywords(
    pairs: Vec<Pair>,
    kind: Option<Kind>,
    wishes: Wishes<'_>,
    expander: &mut Expander<'_>,
) -> Option<Parsed> {
    let mut translated = Vec::new();
    let mut limit = None;
    for pair in pairs {
        if pair.is_one_of(&["connect timeout", "connection timeout", "timeout", "logintimeout"]) {
            limit = connect_timeout(&pair.value, expander);
            continue;
        }
        match WORDS.iter().find(|(words, _)| pair.is_one_of(words)) {
            Some((_, Some(word @ "Server"))) => translated.push(Pair::new(word, local(pair.value))),
            Some((_, Some(word @ ("PWD" | "UID")))) => translated.push(Pair::new(word, pair.value)),
            Some((_, Some(word @ "Authentication"))) => {
                translated.push(Pair::new(word, authentication(&pair.value, expander)?));
            }
            Some((_, Some(word))) => translated.push(Pair::new(word, yes_or_no(pair.value))),
            Some((_, None)) => (),
            None => expander.problem(format!(
                "{} is not a keyword that is understood without `Driver=`",
                shown(&pair.key)
            )),
        }
    }
    let dialect = odbc::dialect(&translated, kind, expander)?;
    let mut parsed = odbc::finish(translated, dialect, wishes, expander);
    parsed.connect_timeout = limit;
    Some(parsed)
}

/// The other libraries' names for this machine.
fn local(server: String) -> String {
    let (host, rest) = server.split_at(server.find(['\\', ',']).unwrap_or(server.len()));
    match host.trim().to_ascii_lowercase().as_str() {
        "." | "(local)" => format!("localhost{rest}"),
        _ => server,
    }
}

/// ODBC says `yes` and `no` where the other libraries say `True`, `False` and `SSPI`.
fn yes_or_no(value: String) -> String {
    match value.to_ascii_lowercase().as_str() {
        "true" | "sspi" => "yes".to_owned(),
        "false" => "no".to_owned(),
        _ => value,
    }
}

/// The ways to log in that Microsoft's driver 18.6 has words for.
const AUTHENTICATION: [&str; 6] = [
    "SqlPassword",
    "ActiveDirectoryPassword",
    "ActiveDirectoryIntegrated",
    "ActiveDirectoryInteractive",
    "ActiveDirectoryMsi",
    "ActiveDirectoryServicePrincipal",
];

/// ODBC's word for a way to log in, which ADO.NET writes with blanks, and JDBC without.
fn authentication(value: &str, expander: &mut Expander<'_>) -> Option<String> {
    let word: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let word = if word.eq_ignore_ascii_case("ActiveDirectoryManagedIdentity") {
        "ActiveDirectoryMsi"
    } else {
        &word
    };
    let known = AUTHENTICATION.iter().find(|known| known.eq_ignore_ascii_case(word));
    if known.is_none() {
        expander.problem(format!(
            "its `Authentication` is a way to log in that ODBC drivers do not have; they have {}",
            AUTHENTICATION.map(|known| format!("`{known}`")).join(", ")
        ));
    }
    known.map(|known| (*known).to_owned())
}
