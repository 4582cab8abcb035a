//! What to do about an error, by the step that it ended.

use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind};
use crate::health;

/// One sentence for each step and kind that has a usual cause.
pub(super) fn on(step: &str, error: &Error, dialect: Dialect) -> &'static str {
    let is_late = matches!(error.kind(), ErrorKind::Timeout(_));
    match (step, error.kind()) {
        (_, ErrorKind::Closed) => "the program has closed the pool: build a new handle",
        (_, ErrorKind::Throttled) => {
            "the server has no place left: lower POOL_SIZE and MAX_OVERFLOW of its programs, or raise its limit; \
             `batchdb pool` shows who uses its connections"
        }
        ("settings", _) => "`batchdb check` shows each setting with the place that it comes from",
        ("driver", _) => {
            "install a driver (`apt install tdsodbc`, Microsoft's `msodbcsql18`), or name one that is there"
        }
        ("file", _) => {
            "correct the path in the connection string (a relative one begins in the working directory); a database that is \
             still to be made is made by its first use, such as `batchdb migrate DB up`"
        }
        ("name", _) if is_late => {
            "the machine's name server does not answer: look at /etc/resolv.conf and the network"
        }
        ("name", _) => {
            "is the name spelled right, and known to this machine's DNS? `getent hosts NAME` asks the same"
        }
        ("tcp", _) if is_late => {
            "no answer at all: a firewall or security group drops the packets, the address is wrong, or the machine is off"
        }
        ("tcp", _) => {
            "is the server running, and is this its port? Does it listen on this address (`listen_addresses`; in a \
             container: is the port published)?"
        }
        ("tls", _) if is_late => {
            "is this the port of a database? What listens there waits for another protocol, or hangs"
        }
        ("tls", ErrorKind::Config) => {
            "correct `sslrootcert`, `sslcert` and `sslkey` in the connection string"
        }
        ("tls", _) => {
            "give the file of the issuer's certificate by `sslrootcert`, and connect by a name that the server's \
             certificate has"
        }
        ("login", ErrorKind::Auth) => {
            "correct the user or the password where the settings say it comes from (`batchdb check`); the server's log \
             says more than it tells a client"
        }
        ("login", _) if is_late => {
            "it takes connections and does not finish the login: it may be starting, stopping or overloaded"
        }
        ("login", _) if error.sqlstate() == Some("3D000") => {
            "create the database, or correct its name in the connection string"
        }
        ("login", _) if error.sqlstate() == Some("28000") => {
            "the server's rules (pg_hba.conf) let this user in from here only in another way: with TLS, or not at all"
        }
        ("login", _) if dialect == Dialect::SqlServer && health::is_not_opened(error) => {
            "does the database exist, is it online, and does the login have a user in it (CREATE USER … FOR LOGIN …)?"
        }
        ("login", _) if dialect == Dialect::SqlServer => {
            "is the connection encrypted as the server has it (`Encrypt`, `TrustServerCertificate`)? The server's error log \
             says more than it tells a client"
        }
        ("login", ErrorKind::Config) => "correct the setting that the text names",
        ("login", _) => "look into the server's log for this minute",
        (_, ErrorKind::Permission) => "grant the right to this user, or leave this step out of account",
        _ if is_late => "the server is slow or stuck: look for locks and load",
        _ => "look into the server's log for this minute",
    }
}
