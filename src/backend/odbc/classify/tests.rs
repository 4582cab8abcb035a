use super::*;

fn at(phase: Phase, may_have_written: bool) -> Moment {
    Moment { phase, deadline: Deadline::NONE, may_have_written, gave_up: false }
}

fn record(state: &str, native: i32, text: &str) -> Record {
    Record { number: 1, state: state.into(), native, text: text.into(), line: None }
}

#[track_caller]
fn check(flavor: Flavor, state: &str, native: i32, moment: Moment, kind: ErrorKind, effect: Effect) {
    let verdict = judge(&[record(state, native, "")], flavor, moment, &[]);
    assert_eq!((verdict.error.kind(), verdict.error.effect()), (kind, effect));
}

#[test]
fn the_drivers_number_decides_on_sql_server() {
    let write = at(Phase::Query, true);
    for (state, native, kind, effect) in [
        ("42000", 1205, ErrorKind::Conflict, Effect::RolledBack),
        ("23000", 2627, ErrorKind::Constraint, Effect::Final),
        ("42000", 8102, ErrorKind::Constraint, Effect::Final),
        ("42S02", 208, ErrorKind::Syntax, Effect::Final),
        ("42000", 229, ErrorKind::Permission, Effect::Final),
        ("28000", 18456, ErrorKind::Auth, Effect::Final),
        ("HY000", 40501, ErrorKind::Throttled, Effect::Throttled),
        ("01000", 20017, ErrorKind::OutcomeUnknown, Effect::Unknown),
        ("42000", 50000, ErrorKind::Database, Effect::Final),
        ("HY000", 0, ErrorKind::OutcomeUnknown, Effect::Unknown),
    ] {
        check(Flavor::SqlServer, state, native, write, kind, effect);
    }
    check(Flavor::SqlServer, "08S01", 20006, at(Phase::Query, false), ErrorKind::Connect, Effect::RolledBack);
    check(Flavor::SqlServer, "08S01", 20009, at(Phase::Connect, false), ErrorKind::Connect, Effect::NotSent);
    check(
        Flavor::SqlServer,
        "01000",
        20017,
        at(Phase::Commit, false),
        ErrorKind::OutcomeUnknown,
        Effect::Unknown,
    );
}

#[test]
fn a_failure_that_says_nothing_is_no_answer() {
    for records in [vec![], vec![record("HY000", 0, "Unknown error")]] {
        let verdict = judge(&records, Flavor::SqlServer, at(Phase::Commit, false), &[]);
        assert_eq!(verdict.error.kind(), ErrorKind::OutcomeUnknown);
        assert!(verdict.broken);
    }
    let answered = [record("HY000", 0, "Unknown error"), record("23000", 2627, "duplicate")];
    let verdict = judge(&answered, Flavor::SqlServer, at(Phase::Query, true), &[]);
    assert_eq!(verdict.error.kind(), ErrorKind::Constraint);
}

#[test]
fn sqlite_is_told_by_its_result_code() {
    let write = at(Phase::Query, true);
    for (native, kind, effect) in [
        (1, ErrorKind::Syntax, Effect::Final),
        (19, ErrorKind::Constraint, Effect::Final),
        (2067, ErrorKind::Constraint, Effect::Final),
        (5, ErrorKind::Conflict, Effect::RolledBack),
        (8, ErrorKind::ReadOnly, Effect::Final),
        (9, ErrorKind::Cancelled, Effect::Final),
        (-1, ErrorKind::Database, Effect::Final),
    ] {
        check(Flavor::Sqlite, "HY000", native, write, kind, effect);
    }
}

#[test]
fn psqlodbc_is_told_by_sqlstate_and_by_the_words_of_a_refused_login() {
    let write = at(Phase::Query, true);
    check(Flavor::Postgres, "40P01", 1, write, ErrorKind::Conflict, Effect::RolledBack);
    check(Flavor::Postgres, "23505", 1, write, ErrorKind::Constraint, Effect::Final);
    check(Flavor::Postgres, "57P01", 1, write, ErrorKind::OutcomeUnknown, Effect::Unknown);
    let in_transaction = at(Phase::Query, false);
    check(Flavor::Postgres, "HY000", 8, in_transaction, ErrorKind::Connect, Effect::RolledBack);
    for (text, kind, effect) in [
        ("FATAL:  password authentication failed for user \"b\"", ErrorKind::Auth, Effect::Final),
        ("FATAL:  database \"nope\" does not exist", ErrorKind::Connect, Effect::Final),
        ("FATAL:  sorry, too many clients already", ErrorKind::Throttled, Effect::NotSent),
        ("FATAL:  the database system is starting up", ErrorKind::Connect, Effect::NotSent),
        ("connection failed: Connection refused", ErrorKind::Connect, Effect::NotSent),
    ] {
        let verdict = judge(&[record("08001", 101, text)], Flavor::Other, at(Phase::Connect, false), &[]);
        assert_eq!((verdict.error.kind(), verdict.error.effect()), (kind, effect), "{text}");
        assert!(!verdict.error.to_string().contains("nope"));
    }
}

#[test]
fn a_warning_before_the_error_does_not_hide_it() {
    let records = [record("01000", 3621, "terminated"), record("23000", 547, "FK")];
    let verdict = judge(&records, Flavor::SqlServer, at(Phase::Query, true), &[]);
    assert_eq!(verdict.error.kind(), ErrorKind::Constraint);
    assert_eq!(verdict.error.native_code(), Some(547));
    assert!(!verdict.broken);
}

#[test]
fn an_interruption_that_we_asked_for_is_a_timeout_and_at_commit_an_unknown_outcome() {
    let gave_up = Moment { gave_up: true, ..at(Phase::Fetch, false) };
    // By the drivers, and by Babelfish.
    for (state, native) in [("HY008", 0), ("42000", 33_557_097)] {
        let verdict = judge(&[record(state, native, "")], Flavor::SqlServer, gave_up, &[]);
        assert_eq!(verdict.error.kind(), ErrorKind::Timeout(Phase::Fetch));
        assert!(verdict.broken);
    }
    let verdict = judge(&[record("23000", 2627, "")], Flavor::SqlServer, gave_up, &[]);
    assert_eq!(verdict.error.kind(), ErrorKind::Constraint);
    let commit = Moment { gave_up: true, ..at(Phase::Commit, false) };
    let verdict = judge(&[record("HYT00", 0, "")], Flavor::SqlServer, commit, &[]);
    assert_eq!(verdict.error.kind(), ErrorKind::OutcomeUnknown);
}

#[test]
fn only_a_refusal_is_a_commit_that_did_not_happen() {
    use ErrorKind::{Conflict, Constraint, Database, OutcomeUnknown};
    let commit = at(Phase::Commit, false);
    for (flavor, state, native, kind, effect) in [
        (Flavor::SqlServer, "42000", COMMIT_REFUSED, Database, Effect::RolledBack),
        (Flavor::SqlServer, "42000", ENDED_BEFORE, OutcomeUnknown, Effect::Unknown),
        (Flavor::SqlServer, "42000", 3960, Conflict, Effect::RolledBack),
        (Flavor::SqlServer, "HY000", 40197, OutcomeUnknown, Effect::Unknown),
        (Flavor::SqlServer, "HY000", 1204, OutcomeUnknown, Effect::Unknown),
        (Flavor::SqlServer, "08001", 20009, OutcomeUnknown, Effect::Unknown),
        (Flavor::Postgres, "23503", 1, Constraint, Effect::Final),
        (Flavor::Postgres, "40001", 1, Conflict, Effect::RolledBack),
        (Flavor::Postgres, "57P01", 1, OutcomeUnknown, Effect::Unknown),
        (Flavor::Postgres, "57P03", 1, OutcomeUnknown, Effect::Unknown),
        (Flavor::Postgres, "HY000", 26, OutcomeUnknown, Effect::Unknown),
        (Flavor::Sqlite, "HY000", 5, Conflict, Effect::RolledBack),
        (Flavor::Sqlite, "HY000", 10, OutcomeUnknown, Effect::Unknown),
        (Flavor::Other, "25S01", 0, OutcomeUnknown, Effect::Unknown),
        (Flavor::Other, "25S03", 0, Conflict, Effect::RolledBack),
        (Flavor::Other, "HY000", 1, OutcomeUnknown, Effect::Unknown),
    ] {
        check(flavor, state, native, commit, kind, effect);
    }
    // The number of somebody's own THROW is no word of ours.
    check(Flavor::SqlServer, "42000", COMMIT_REFUSED, at(Phase::Query, true), Database, Effect::Final);
}

/// Every number that may pass, by what it means for a write on its own, for a read, and for a login.
#[test]
fn what_can_pass_on_sql_server_depends_on_the_moment() {
    use ErrorKind::{Conflict, Connect, OutcomeUnknown, Throttled};
    let (write, read) = (at(Phase::Query, true), at(Phase::Query, false));
    let (connect, commit) = (at(Phase::Connect, false), at(Phase::Commit, false));
    let conflicts = [
        1205, 1222, 601, 669, 2816, 3941, 3947, 3948, 3950, 3953, 3957, 3960, 3966, 4117, 4184, 9515, 20041,
        41301, 41302, 41305, 41325, 41339, 41839,
    ];
    for native in conflicts {
        check(Flavor::SqlServer, "42000", native, write, Conflict, Effect::RolledBack);
        check(Flavor::SqlServer, "42000", native, commit, Conflict, Effect::RolledBack);
    }
    let short = [
        701, 802, 1204, 1232, 8628, 8645, 8651, 9020, 10928, 10929, 10930, 10936, 17197, 17889, 22335, 22498,
        40189, 40501, 40642, 40648, 40675, 40903, 41823, 41840, 49918, 49919, 49920,
    ];
    for native in short {
        check(Flavor::SqlServer, "HY000", native, write, Throttled, Effect::Throttled);
        check(Flavor::SqlServer, "HY000", native, connect, Throttled, Effect::Throttled);
        check(Flavor::SqlServer, "HY000", native, commit, OutcomeUnknown, Effect::Unknown);
    }
    for native in [40020, 40143, 40166, 40197, 40540, 40613] {
        check(Flavor::SqlServer, "HY000", native, write, OutcomeUnknown, Effect::Unknown);
        check(Flavor::SqlServer, "HY000", native, read, Throttled, Effect::Throttled);
        check(Flavor::SqlServer, "HY000", native, connect, Throttled, Effect::Throttled);
    }
    let closed = [
        615, 921, 926, 927, 941, 952, 982, 983, 988, 4060, 4221, 6005, 17142, 18401, 40671, 42108, 42109,
        49802,
    ];
    for native in closed {
        check(Flavor::SqlServer, "42000", native, write, OutcomeUnknown, Effect::Unknown);
        check(Flavor::SqlServer, "42000", native, read, Throttled, Effect::Throttled);
        check(Flavor::SqlServer, "42000", native, connect, Connect, Effect::NotSent);
        check(Flavor::SqlServer, "42000", native, commit, OutcomeUnknown, Effect::Unknown);
    }
    for native in [64, 121, 233, 596, 1203, 1221, 10053, 10054, 20003, 20004, 20006, 20017, 40623] {
        check(Flavor::SqlServer, "01000", native, write, OutcomeUnknown, Effect::Unknown);
        check(Flavor::SqlServer, "01000", native, read, Connect, Effect::RolledBack);
    }
    for native in [997, 10057, 11001, 20002, 20009] {
        check(Flavor::SqlServer, "08001", native, connect, Connect, Effect::NotSent);
    }
    for native in [18452, 18456] {
        check(Flavor::SqlServer, "28000", native, connect, ErrorKind::Auth, Effect::Final);
    }
    for native in [911, 942, 4064, 40532, 40615] {
        check(Flavor::SqlServer, "08004", native, connect, Connect, Effect::Final);
    }
    // A statement that names no database is wrong, and the session is as good as before.
    let verdict = judge(&[record("08004", 911, "")], Flavor::SqlServer, write, &[]);
    assert_eq!((verdict.error.kind(), verdict.broken), (ErrorKind::Syntax, false));
    check(Flavor::SqlServer, "HYT00", -2, write, ErrorKind::Timeout(Phase::Query), Effect::Unknown);
    check(Flavor::SqlServer, "HYT00", -2, read, ErrorKind::Timeout(Phase::Query), Effect::RolledBack);
}

/// What FreeTDS and Microsoft's driver put before the server's words.
const FREETDS: &str = "[FreeTDS][SQL Server]";
const MICROSOFT: &str = "[Microsoft][ODBC Driver 18 for SQL Server]";

fn says(state: &str, native: i32, who: &str, text: &str) -> Record {
    record(state, native, &format!("{who}{text}"))
}

#[track_caller]
fn check_login(records: &[Record], kind: ErrorKind, effect: Effect, native: i32, part: &str) {
    let error = judge(records, Flavor::SqlServer, at(Phase::Connect, false), &[]).error;
    assert_eq!((error.kind(), error.effect()), (kind, effect), "{}", error.report());
    assert_eq!(error.native_code(), Some(native).filter(|&native| native != 0), "{}", error.report());
    assert!(error.to_string().contains(part), "{error}");
}

#[test]
fn a_login_is_refused_for_its_reason_and_not_because_it_failed() {
    let of_server = format!("{MICROSOFT}[SQL Server]");
    for who in [FREETDS, &of_server] {
        let failed = || says("28000", 18456, who, "Login failed for user 'u'.");
        let unreachable = || says("01000", 20002, FREETDS, "Adaptive Server connection failed");
        let (connect, auth) = (ErrorKind::Connect, ErrorKind::Auth);
        for (state, native) in [("42000", 4060), ("42000", 927), ("42000", 18401)] {
            let reason = || says(state, native, who, "Cannot open database \"hub\" requested by the login.");
            check_login(
                &[failed(), reason()],
                connect,
                Effect::NotSent,
                native,
                "does not open the database",
            );
            check_login(
                &[reason(), failed()],
                connect,
                Effect::NotSent,
                native,
                "does not open the database",
            );
            check_login(&[failed(), reason(), unreachable()], connect, Effect::NotSent, native, "");
        }
        let throttled = || says("HY000", 10928, who, "Resource ID: 1. The session limit is 30.");
        check_login(&[failed(), throttled()], ErrorKind::Throttled, Effect::Throttled, 10928, "");
        let locked = says("28000", 18486, who, "The account is locked out.");
        check_login(&[failed(), locked], auth, Effect::Final, 18486, "credentials");
        check_login(&[failed()], auth, Effect::Final, 18456, "credentials");
        check_login(&[failed(), unreachable()], auth, Effect::Final, 18456, "credentials");
        let warning = says("01000", 5701, who, "Changed database context to 'master'.");
        check_login(&[warning, failed()], auth, Effect::Final, 18456, "credentials");
    }
}

#[test]
fn a_certificate_that_was_not_accepted_is_told_as_such_and_not_tried_again() {
    let behind =
        || says("08001", -1, MICROSOFT, "Client unable to establish connection. For solutions see …");
    // The texts are those of the driver 18.6 on Linux and, the last two, on Windows in two languages.
    for (native, text) in [
        (
            -1,
            "SSL Provider: [error:0A000086:SSL routines::certificate verify failed:self-signed certificate]",
        ),
        (
            -1,
            "SSL Provider: [error:1C8000DE:Provider routines::search only supported for directories]\
              [error:0A000086:SSL routines::certificate verify failed:subject name does not match host name]",
        ),
        (
            -2_146_893_019,
            "SSL Provider: The certificate chain was issued by an authority that is not trusted.",
        ),
        (
            -2_146_893_019,
            "SSL-Anbieter: Die Zertifikatkette wurde von einer nicht vertrauenswürdigen Stelle ausgestellt.",
        ),
    ] {
        let records = [says("08001", native, MICROSOFT, text), behind()];
        check_login(
            &records,
            ErrorKind::Connect,
            Effect::Final,
            native,
            "the server's certificate was not accepted",
        );
        let hint = judge(&records, Flavor::SqlServer, at(Phase::Connect, false), &[]).error.report();
        assert!(hint.contains("HostNameInCertificate") && hint.contains("TrustServerCertificate"), "{hint}");
    }
    let strict = "SSL Provider: [error:0A00010B:SSL routines::wrong version number][error:0A0000C7:SSL routines::peer \
                  did not return a certificate]";
    let records = [says("08001", -1, MICROSOFT, strict), behind()];
    check_login(&records, ErrorKind::Connect, Effect::Final, -1, "TLS could not be negotiated");
    let records = [says("08001", 20, MICROSOFT, "Encryption not supported on SQL Server."), behind()];
    check_login(&records, ErrorKind::Connect, Effect::NotSent, 20, "offers no encryption");
    let cut = "SSL Provider: [error:0A000126:SSL routines::unexpected eof while reading]";
    let records = [says("08001", -1, MICROSOFT, cut), behind()];
    check_login(&records, ErrorKind::Connect, Effect::NotSent, -1, "cannot be reached");
}

#[test]
fn a_server_that_is_not_there_is_no_login_that_took_too_long() {
    let late = || says("HYT00", 0, MICROSOFT, "Login timeout expired");
    for native in [10057, 11001] {
        let records = [late(), says("08001", native, MICROSOFT, "TCP Provider: Error code 0x2749")];
        check_login(&records, ErrorKind::Connect, Effect::NotSent, native, "cannot be reached");
    }
    let records = [late(), says("08001", 258, MICROSOFT, "TCP Provider: Timeout error [258]. ")];
    let error = judge(&records, Flavor::SqlServer, at(Phase::Connect, false), &[]).error;
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Connect));
}

#[test]
fn a_number_is_that_of_who_has_said_it() {
    let of_server = format!("{MICROSOFT}[SQL Server]");
    for (state, native, who, kind, effect) in [
        ("08S01", 121, MICROSOFT, ErrorKind::OutcomeUnknown, Effect::Unknown),
        ("42000", 121, &*of_server, ErrorKind::Syntax, Effect::Final),
        ("42000", 121, FREETDS, ErrorKind::Syntax, Effect::Final),
        ("01000", 20017, FREETDS, ErrorKind::OutcomeUnknown, Effect::Unknown),
        ("42000", 20017, &*of_server, ErrorKind::Database, Effect::Final),
        ("42000", 20009, &*of_server, ErrorKind::Database, Effect::Final),
        ("42000", 20041, &*of_server, ErrorKind::Conflict, Effect::RolledBack),
        ("42000", 20041, FREETDS, ErrorKind::Conflict, Effect::RolledBack),
        ("42000", 203, FREETDS, ErrorKind::Syntax, Effect::Final),
    ] {
        let error =
            judge(&[says(state, native, who, "…")], Flavor::SqlServer, at(Phase::Query, true), &[]).error;
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{native} {who}");
    }
    assert!(!says("01000", 20017, &of_server, "…").is_error(), "a message of replication");
    assert!(says("01000", 20017, FREETDS, "…").is_error());
}
