//! SQL Server's and its drivers' own numbers, and which of several records of a refused login decides. Pure.
//!
//! Which numbers may pass was compared with Entity Framework Core's `SqlServerTransientExceptionDetector` (commit
//! ecd0ba4c23, 2026-08-21; the list itself last changed in March 2024), Microsoft.Data.SqlClient's
//! `SqlConfigurableRetryFactory` and `SqlConnectionInternal` (commit c16adb7a11, 2026-08-21), and Azure SQL's page of
//! transient faults. They ask one question, whether to try again. Here the answer is an effect, because nothing may be
//! applied twice:
//!
//! * The server says that it undid the transaction or gave the statement up: a conflict, or it is short of something.
//! * The database cannot be opened now: of a login nothing was sent; of a write that was on its own nobody knows. (983, a
//!   replica that is neither primary nor secondary yet, is no entry of those lists and says the same.)
//! * The session was ended in the middle, as 1203 and 1221 do, which come when locks are given back and so perhaps behind
//!   a commit: as a lost connection.
//!
//! Left out of their lists on purpose: what only `CREATE`, `ALTER`, `DBCC`, backup, availability groups, replication's own
//! jobs, full-text, `FILESTREAM`, Synapse Link or the management of pools and servers in Azure gives (539, 617, 1215, 1216,
//! 1404–1438, 1532–1535, 1807, 2021, 3429, 3635, 3935, 5280, 5529, 6292, 7951, 9985, 14355–14906, 16528–16555,
//! 18858–19494, 21503–22491 but for 22335, 22754–22984, 25003–25740, 30080–39152, 40106, 40890, 40918, 40938, 41383,
//! 41614–41701, 42029, 45153–45547, 47132–47139, 49510, 49977, 49983); what cannot be told from damage (17065–17067);
//! 3980 and 10922, which do not say what had been done; 203, which SqlClient makes of its own exception and the server of
//! a wrong identifier; and time-outs (-2), which they leave out, too: the work may have been done.

use crate::error::{Effect, Error, ErrorKind};

use super::{
    CONFLICT, FailedOver, Lost, Meaning, NotOpen, Record, Refused, THROTTLED, TimedOut, Unreachable, last,
};
use crate::backend::odbc::diagnostics::lost_by_number;

/// A failure to connect that has words of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    effect: Effect,
    pub(super) what: &'static str,
    hint: &'static str,
}

impl Refusal {
    pub(super) fn error(&self) -> Error {
        Error::new(ErrorKind::Connect, self.what).with_effect(self.effect).with_hint(self.hint)
    }
}

pub(super) static NOT_OPEN: Refusal = Refusal {
    effect: Effect::NotSent,
    what: "the server is there, and does not open the database now",
    hint: "is its name right, is it online, and may this login use it? `batchdb doctor` asks the server",
};

static CERTIFICATE: Refusal = Refusal {
    effect: Effect::Final,
    what: "the server's certificate was not accepted",
    hint: "have its issuer trusted (by this machine, or `ServerCertificate=` with the file of the certificate itself), name \
           the host that it was made for by `HostNameInCertificate=`, or take any by `TrustServerCertificate=yes`",
};

static TLS: Refusal = Refusal {
    effect: Effect::Final,
    what: "TLS could not be negotiated with the server",
    hint: "the source of this error says why; `Encrypt=strict` needs a server of 2022 or later",
};

static NO_ENCRYPTION: Refusal = Refusal {
    // The gateways of Azure say so for a while, and no secret is sent before it: it may be tried again.
    effect: Effect::NotSent,
    what: "the server offers no encryption, and the connection asks for it",
    hint: "`Encrypt=no` sends everything in the clear; better switch TLS on at the server",
};

/// Who has said what a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Server,
    Driver,
    /// Some driver that nobody knows.
    Unknown,
}

/// Microsoft's drivers put `[SQL Server]` before what the server says, and FreeTDS before everything; its own numbers are
/// few. Both ranges are used twice: 121 is a time-out of Windows's and the server's word for a select list that is too
/// long, 20009 FreeTDS's for a server that is not there and the server's for an article of replication.
fn speaker(record: &Record) -> Speaker {
    let text = record.text.as_str();
    if text.starts_with("[FreeTDS]") {
        let is_own = matches!(record.native, 0 | 20001..=20020 | 20022 | 20047 | 20056 | 20058 | 20146);
        return if is_own { Speaker::Driver } else { Speaker::Server };
    }
    match text.starts_with('[') {
        true if text.contains("[SQL Server]") => Speaker::Server,
        true => Speaker::Driver,
        false => Speaker::Unknown,
    }
}

/// What the number of a record means, by whoever has said it.
pub(super) fn number(record: &Record) -> Option<Meaning> {
    match speaker(record) {
        Speaker::Server => server(record.native),
        Speaker::Driver => driver(record.native),
        Speaker::Unknown => driver(record.native).or_else(|| server(record.native)),
    }
}

/// The numbers of the drivers: of Windows's sockets, which Microsoft's uses everywhere, and FreeTDS's (20000 and up).
fn driver(native: i32) -> Option<Meaning> {
    Some(match native {
        64 | 121 | 233 | 10053 | 10054 | 10060 => Lost,
        997 | 10057 | 11001 | 20002 | 20009 | 20012 | 20013 => Unreachable,
        -2 => TimedOut,
        native if lost_by_number(native) => Lost,
        _ => return None,
    })
}

/// The numbers of the server, as they are in `sys.messages`.
fn server(native: i32) -> Option<Meaning> {
    Some(match native {
        // Deadlocks and locks that were not given in time; snapshots that cannot be kept; data or plans that moved under
        // a statement; in-memory tables; a trigger of merge replication that asks for the same again.
        1205 | 1222 | 601 | 669 | 2816 | 3941 | 3947 | 3948 | 3950 | 3953 | 3957 | 3960 | 3966 | 4117
        | 4184 | 9515 | 20041 | 41301 | 41302 | 41305 | 41325 | 41339 | 41839 => CONFLICT,
        // Keys, references and checks, NULL; a value for a column that the server computes or numbers, such as a row version
        // or the period of a temporal table.
        2627 | 2601 | 547 | 515 | 271 | 273 | 544 | 8102 | 13536 => last(ErrorKind::Constraint),
        102 | 105 | 109 | 110 | 120 | 121 | 137 | 156 | 170 | 201 | 203 | 207 | 208 | 213 | 319 | 1038
        | 2715 | 2812 | 4121 | 8144 | 8145 => last(ErrorKind::Syntax),
        229 | 230 | 262 | 297 | 300 | 916 | 15247 => last(ErrorKind::Permission),
        3906 => last(ErrorKind::ReadOnly),
        220 | 232 | 241 | 242 | 245 | 248 | 2628 | 8114 | 8115 | 8134 | 8152 => last(ErrorKind::Data),
        18452 | 18456 | 18470 | 18486 | 18487 | 18488 => last(ErrorKind::Auth),
        // No such database; one that somebody took offline; no default database; a name or an address that the
        // firewall of Azure does not know.
        911 | 942 | 4064 | 40532 | 40615 => last(ErrorKind::Connect),
        // Memory, locks, workers, the log, a quota, too many logins at a time.
        701 | 802 | 1204 | 1232 | 8628 | 8645 | 8651 | 9020 | 10928 | 10929 | 10930 | 10936 | 17197
        | 17889 | 22335 | 22498 | 40189 | 40501 | 40642 | 40648 | 40675 | 40903 | 41823 | 41840 | 49918
        | 49919 | 49920 => THROTTLED,
        40020 | 40143 | 40166 | 40197 | 40540 | 40613 => FailedOver,
        615 | 921 | 926 | 927 | 941 | 952 | 982 | 983 | 988 | 4060 | 4221 | 6005 | 17142 | 18401 | 40671
        | 42108 | 42109 | 49802 => NotOpen,
        // The session is at its end. 40623 is a login that has become another one since.
        596 | 1203 | 1221 | 40623 => Lost,
        _ => return None,
    })
}

/// The record that decides about a login, where it is not the first one that is known.
pub(super) fn of_login(records: &[Record]) -> Option<(&Record, Meaning)> {
    let by_words = || records.iter().find_map(|record| Some((record, in_words(record)?)));
    // "Login failed" (18456) goes before or behind every reason, and says nothing that the reason does not.
    let reason = || {
        records.iter().filter(|record| record.native != 18456 && speaker(record) != Speaker::Driver).find_map(
            |record| {
                let meaning =
                    number(record).filter(|meaning| !matches!(meaning, Unreachable | Lost | TimedOut))?;
                Some((record, meaning))
            },
        )
    };
    by_words().or_else(reason).or_else(|| not_there(records))
}

/// Microsoft's driver says "Login timeout expired" first where nothing listens, too: the reason stands behind it.
fn not_there(records: &[Record]) -> Option<(&Record, Meaning)> {
    let [first, rest @ ..] = records else { return None };
    let is_reason = |record: &&Record| matches!(record.native, 10057 | 11001);
    let reason = rest.iter().find(is_reason).filter(|_| first.state == "HYT00")?;
    Some((reason, Unreachable))
}

/// What Microsoft's drivers say of TLS, which has no number anywhere but on Windows.
fn in_words(record: &Record) -> Option<Meaning> {
    /// "Not trusted", "wrong name", "expired" and "revoked", of Windows's library for TLS.
    const OF_WINDOWS: [i32; 5] =
        [-2_146_893_019, -2_146_893_022, -2_146_893_016, -2_146_885_616, -2_146_762_487];
    if speaker(record) != Speaker::Driver {
        return None;
    }
    let text = record.message();
    let is_tls = text.contains("SSL Provider") || text.contains("SSL routines");
    let is_certificate = text.to_ascii_lowercase().contains("certificate");
    // Of a server that does not answer in TLS at all OpenSSL says that it gave no certificate.
    let gave_none = text.contains("did not return a certificate");
    // A connection that was cut may be there the next time.
    let was_cut = text.contains("unexpected eof");
    Some(Refused(match () {
        () if OF_WINDOWS.contains(&record.native) => &CERTIFICATE,
        () if is_tls && is_certificate && !gave_none => &CERTIFICATE,
        () if text.contains("certificate validation failure") => &CERTIFICATE,
        () if was_cut => return None,
        () if text.contains("SSL routines") || text.contains("handshake failed") => &TLS,
        () if text.contains("ncryption not supported on SQL Server") => &NO_ENCRYPTION,
        () => return None,
    }))
}
