//! The parts of a URL, split before anything is decoded or put in. Pure.
//!
//! Not a general URL parser: those know one host, and refuse or rewrite what a connection string may hold.

use super::super::template::{Coding, Expander};

/// The parts behind `scheme://`, still encoded and marked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a str>,
    /// Everything between the user and the path: one host or several, with their ports.
    pub(super) hosts: &'a str,
    /// What stands behind the first `/`.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

/// Splits what stands behind `scheme://`.
pub(super) fn split<'a>(rest: &'a str, expander: &mut Expander<'_>) -> Option<Parts<'a>> {
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if behind.contains(['@', '#']) {
        // A password with a raw `/`, `?` or `#` ends the authority early, and what is left of it would be
        // taken for the name of the database, and shown.
        expander.problem(
            "an `@` or `#` stands behind the first `/` or `?`: percent-encode `@ : / ? # %` in user, password \
             and parameters, or put them in as `${VAR}`, which needs no encoding",
        );
        return None;
    }
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };
    let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        Some((user, password)) => (non_empty(user), non_empty(password)),
        None => (None, None),
    };
    let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
    Some(Parts { user, password, hosts, path: path.strip_prefix('/').unwrap_or(path), query })
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// One `host`, `host:port`, `[address]` or `[address]:port` as host and port, still encoded.
pub(super) fn host_and_port<'a>(text: &'a str, expander: &mut Expander<'_>) -> (&'a str, Option<&'a str>) {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, behind)) => (host, behind.strip_prefix(':').or(Some("?"))),
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.contains(':') && !text.starts_with('[') {
        expander.problem("an IPv6 address must stand in brackets, as `[::1]:5432`");
    }
    (host, port.filter(|port| !port.is_empty()))
}

/// The number of a port.
pub(super) fn port(text: &str, expander: &mut Expander<'_>) -> Option<u16> {
    let port = text.trim().parse().ok().filter(|port| *port != 0);
    if port.is_none() {
        // The usual cause is a password that was cut at a `/`, so the text is not shown.
        expander.problem(
            "its port is not a number from 1 to 65535 (a `/ ? #` in the password must be percent-encoded)",
        );
    }
    port
}

/// The parameters of the query, decoded and with their variables put in.
pub(super) fn parameters(query: &str, expander: &mut Expander<'_>) -> Vec<(String, String)> {
    let mut decoded = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((name, value)) => {
                decoded.push((expander.expand(name, Coding::Form), expander.expand(value, Coding::Form)));
            }
            None => expander.problem("a parameter of its query has no `=`"),
        }
    }
    decoded
}

/// One parameter of the query, decoded, with its variables still marked: it is to be split itself.
pub(super) fn marked_parameter(query: &str, name: &str, expander: &mut Expander<'_>) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(expander.decode_marked(value, Coding::Form))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[track_caller]
    fn check(rest: &str, expected: Option<(&str, &str, &str, &str, &str)>) {
        let none = HashMap::new();
        let mut expander = Expander::new(&none);
        let parts = split(rest, &mut expander);
        let parts = parts
            .map(|p| (p.user.unwrap_or_default(), p.password.unwrap_or_default(), p.hosts, p.path, p.query));
        assert_eq!(parts, expected, "{rest}");
        assert_eq!(expander.problems.is_empty(), expected.is_some());
    }

    #[test]
    fn a_url_has_five_parts() {
        check("u:p@h:1/db?a=b", Some(("u", "p", "h:1", "db", "a=b")));
        check("u:p:q@r@h", Some(("u", "p:q@r", "h", "", "")));
        check("u@h?x", Some(("u", "", "h", "", "x")));
        check("h1:1,h2:2/db", Some(("", "", "h1:1,h2:2", "db", "")));
        check("/db", Some(("", "", "", "db", "")));
        check("", Some(("", "", "", "", "")));
    }

    #[test]
    fn a_password_that_breaks_the_url_is_not_guessed_at() {
        for rest in ["u:p/q@h/db", "u:p@r/q@h/db", "u:1/2@h/db", "u:1?x=2@h/db", "u:p#q@h/db", "u:p@h/db#x"] {
            check(rest, None);
        }
    }

    #[test]
    fn hosts_have_ports_or_not() {
        let none = HashMap::new();
        let mut expander = Expander::new(&none);
        for (text, expected) in [
            ("h", ("h", None)),
            ("h:1", ("h", Some("1"))),
            ("h:", ("h", None)),
            ("[::1]", ("::1", None)),
            ("[::1]:1", ("::1", Some("1"))),
            ("[::1]x", ("::1", Some("?"))),
        ] {
            assert_eq!(host_and_port(text, &mut expander), expected);
        }
        assert!(expander.problems.is_empty());
        host_and_port("::1", &mut expander);
        assert!(expander.problems.join("").contains("IPv6"));
    }
}
