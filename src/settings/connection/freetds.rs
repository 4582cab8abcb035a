//! FreeTDS's words for what Microsoft's drivers are told, where the two differ. Pure.

use super::odbc::{Pair, default, find, without_protocol};

/// Why FreeTDS cannot do what a string asks for.
///
/// It is asked where nobody has named a driver. Who names FreeTDS gets FreeTDS, which checks no certificate unless its
/// own configuration file names those that it may trust.
pub(super) fn refusal(pairs: &[Pair]) -> Option<&'static str> {
    let is = |key: &str, values: &[&str]| {
        find(pairs, &[key])
            .is_some_and(|value| values.iter().any(|known| value.trim().eq_ignore_ascii_case(known)))
    };
    if find(pairs, &["authentication", "access_token"]).is_some() {
        return Some("FreeTDS has no `Authentication` of Entra");
    }
    let encrypts = is("encrypt", &["yes", "true", "1", "mandatory", "strict"]);
    (encrypts && !is("trustservercertificate", &["yes", "true", "1"])).then_some(
        "FreeTDS checks no certificate, which `Encrypt` asks for: add `TrustServerCertificate=yes`, or name it by \
         `Driver=FreeTDS`, if that is as it should be",
    )
}

/// The same pairs for FreeTDS.
///
/// # Errors
///
/// Why FreeTDS cannot be told them.
pub(super) fn words(pairs: &[Pair]) -> Result<Vec<Pair>, &'static str> {
    let mut told = Vec::new();
    for pair in pairs {
        if pair.is_one_of(&["server", "address", "addr"]) {
            server(pair, &mut told);
        } else if pair.is_one_of(&["encrypt"]) {
            told.push(Pair::new("Encryption", encryption(&pair.value)));
        } else if !pair.is_one_of(&["trustservercertificate", "hostnameincertificate", "multisubnetfailover"])
        {
            told.push(pair.clone());
        }
    }
    // Where a data source is named instead of a server, its section has the port.
    let has_server = find(&told, &["server"]).is_some();
    let named_instance = find(&told, &["server"]).is_some_and(|server| server.contains('\\'));
    if has_server && !named_instance {
        default(&mut told, "Port", "1433");
    }
    // FreeTDS guesses the version without this, and can hang for ever in the guess.
    default(&mut told, "TDS_Version", "7.4");
    default(&mut told, "ClientCharset", "UTF-8");
    told.into_iter().map(spelled).collect()
}

/// The pair as every version of FreeTDS reads it.
///
/// Up to 1.3.20 (Debian 12 has 1.3.17) it reads a value in braces up to `};` and takes a `}}` in it for two; later ones take
/// it for one, as ODBC has it. All read a value without braces up to the `;`, as it is. So braces are left out where there
/// is a `}` in the value, and what needs them all the same cannot be told.
pub(super) fn spelled(pair: Pair) -> Result<Pair, &'static str> {
    match (pair.value.contains('}'), pair.value.contains(';') || pair.value.starts_with('{')) {
        (false, _) => Ok(pair),
        (true, false) => Ok(pair.unbraced()),
        (true, true) => Err(
            "FreeTDS can be told no value, such as a password, that holds a `}` and also a `;` or begins with `{`: its \
             versions read such a one differently. Change the password, or name Microsoft's driver",
        ),
    }
}

/// `tcp:host\instance,port`, of which FreeTDS knows neither the protocol nor, in all its versions, the port.
fn server(pair: &Pair, told: &mut Vec<Pair>) {
    let whole = without_protocol(pair.value.trim());
    let (host, port) = match whole.rsplit_once(',') {
        Some((host, port)) if port.trim().parse::<u16>().is_ok() => (host.trim(), Some(port.trim())),
        _ => (whole, None),
    };
    // A port says all, and FreeTDS refuses it beside an instance.
    let host = if port.is_some() { host.split('\\').next().unwrap_or(host) } else { host };
    told.push(Pair::new("Server", host));
    told.extend(port.map(|port| Pair::new("Port", port)));
}

/// `Encrypt=no` of Microsoft's drivers encrypts the login all the same, and FreeTDS's `off` does not.
fn encryption(value: &str) -> &'static str {
    match value.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "mandatory" => "require",
        "strict" => "strict",
        _ => "request",
    }
}
