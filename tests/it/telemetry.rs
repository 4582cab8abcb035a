//! What monitoring is told of real calls.

use std::collections::BTreeSet;
use std::time::Duration;

use batchdb::testing::{FaultInjector, FaultPoint};
use batchdb::{
    DatabaseManager, DatabaseMetrics, Error, MigrateOnStart, OperationMetrics, RetryPolicy, metrics, params,
};

use crate::common::{fresh, postgres};

fn of<'m>(metrics: &'m DatabaseMetrics, operation: &str) -> &'m OperationMetrics {
    metrics.operations.iter().find(|of| of.operation == operation).unwrap_or_else(|| panic!("no {operation}"))
}

#[test]
fn calls_rows_errors_and_times_are_counted_for_each_operation() {
    let db = postgres("telemetry");
    db.execute("CREATE TABLE t (n int PRIMARY KEY)", ()).unwrap();
    db.execute("INSERT INTO t SELECT generate_series(1, 10)", ()).unwrap();
    for _ in 0..3 {
        assert_eq!(db.execute_query("SELECT n FROM t", ()).unwrap().len(), 10);
    }
    assert!(db.execute("INSERT INTO t VALUES (1)", ()).is_err());
    assert!(db.execute("INSERT INTO t VALUES (:n)", params! { wrong: 1 }).is_err());
    db.query_one("SELECT pg_sleep(0.06)", ()).unwrap();
    let read = db.query_each("SELECT n FROM t", (), |_| Ok::<_, Error>(true)).unwrap();
    db.transaction(|tx| tx.execute("DELETE FROM t WHERE n = 10", ())).unwrap();

    let metrics = db.metrics();
    assert_eq!(metrics.database, db.name());
    let queries = of(&metrics, "execute_query");
    assert_eq!((queries.calls, queries.rows, queries.success_percent), (3, 30, 100.0));
    let writes = of(&metrics, "execute");
    assert_eq!((writes.calls, writes.rows), (5, 11));
    let kinds: Vec<_> = writes.errors.iter().map(|error| (error.kind.as_str(), error.count)).collect();
    assert_eq!(kinds, [("Constraint", 1), ("Params", 1)]);
    assert_eq!(writes.success_percent, 60.0);
    let slept = of(&metrics, "query_one");
    assert!(slept.p50_ms >= 50.0 && slept.total_ms >= 60.0, "{slept:?}");
    assert_eq!(slept.buckets.last().map(|(bound, count)| (bound.is_none(), *count)), Some((true, 1)));
    assert_eq!(of(&metrics, "query_each").rows, read);
    assert_eq!(of(&metrics, "commit").calls, 1);
    assert_eq!((metrics.retries, metrics.pool.opened), (0, 1));
}

#[test]
fn several_steps_are_one_call() {
    let db = postgres("telemetry");
    db.execute("CREATE TABLE t (n int PRIMARY KEY, note text)", ()).unwrap();
    db.bulk_insert("t", &["n"], (0..100).map(|n| [n])).unwrap();
    db.bulk_upsert("t", &["n", "note"], &["n"], (0..100).map(|n| (n, "again"))).unwrap();
    let records = || (0..100).map(|n| params! { n: n });
    db.execute_many("UPDATE t SET note = 'x' WHERE n = :n", records()).unwrap();
    db.execute_many("INSERT INTO t (n) VALUES (:n)", records()).unwrap_err();
    let metrics = db.metrics();
    let counted = |operation| {
        let of = of(&metrics, operation);
        (of.calls, of.rows, of.errors.iter().map(|error| error.count).sum::<u64>())
    };
    assert_eq!(counted("bulk_insert"), (1, 100, 0));
    assert_eq!(counted("bulk_upsert"), (1, 100, 0));
    assert_eq!(counted("execute_many"), (2, 100, 1));
}

#[test]
fn what_is_not_what_was_asked_for_is_a_failed_call() {
    let db = fresh("telemetry").audit(true).build().unwrap();
    db.query_one("SELECT 1 WHERE false", ()).unwrap_err();
    db.query_opt("SELECT generate_series(1, 2)", ()).unwrap_err();
    db.query_as::<(i16,)>("SELECT 70000 AS n", ()).unwrap_err();
    let metrics = db.metrics();
    let errors = |operation| {
        let errors = &of(&metrics, operation).errors;
        errors.iter().map(|error| (error.kind.clone(), error.count)).collect::<Vec<_>>()
    };
    assert_eq!(errors("query_one"), [("RowCount".to_owned(), 1)]);
    assert_eq!(errors("query_opt"), [("RowCount".to_owned(), 1)]);
    assert_eq!(errors("query_as"), [("Decode".to_owned(), 1)]);
}

#[test]
fn two_pools_of_one_name_are_told_apart() {
    let db = postgres("telemetry");
    let other = DatabaseManager::builder(db.name())
        .connection_string(crate::common::server().url_for(db.name()))
        .migrate_on_start(MigrateOnStart::Off)
        .pool_size(2)
        .build()
        .unwrap();
    for db in [&db, &other] {
        db.execute_query("SELECT 1", ()).unwrap();
    }
    let text = metrics().to_prometheus();
    let mut series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    series.iter_mut().for_each(|line| *line = line.rsplit_once(' ').unwrap().0);
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all, "a series was written twice");
    for pool in ["1", "2"] {
        let labels = format!("{{database=\"{}\",pool=\"{pool}\",operation=\"execute_query\"}}", db.name());
        assert_eq!(sample(&text, &format!("batchdb_operation_duration_seconds_count{labels}")), Some("1"));
    }
}

#[test]
fn a_stream_whose_row_cannot_be_read_is_one_failed_call() {
    let db = postgres("telemetry");
    let sql = "SELECT 12.5::money AS m FROM generate_series(1, 5)";
    let error = db.query_each(sql, (), |_| Ok::<_, Error>(true)).unwrap_err();
    assert_eq!(error.kind(), batchdb::ErrorKind::Decode);
    let metrics = db.metrics();
    let streams = of(&metrics, "query_each");
    assert_eq!((streams.calls, streams.success_percent), (1, 0.0));
    assert_eq!(streams.errors.iter().map(|error| error.count).sum::<u64>(), 1);
}

#[test]
fn further_attempts_are_counted() {
    let faults = FaultInjector::new(3).at(FaultPoint::Deadlock, 0.4);
    let db = fresh("telemetry").faults(&faults).build().unwrap();
    let (none, short) = (Duration::ZERO, Duration::from_millis(1));
    let policy = RetryPolicy::default().attempts(40).conflict_waits(none, short);
    let db = db.with_retry(policy);
    for _ in 0..20 {
        db.transaction(|tx| tx.execute_query("SELECT 1", ())).unwrap();
    }
    let struck = faults.struck(FaultPoint::Deadlock);
    assert!(struck > 0);
    assert_eq!(db.metrics().retries, struck);
}

#[test]
fn migrations_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    for n in 1..=3 {
        std::fs::write(folder.path().join(format!("V{n}__T{n}.sql")), format!("CREATE TABLE t{n} (n int)"))
            .unwrap();
    }
    let db = fresh("telemetry").migrations_dir(folder.path()).build().unwrap();
    db.run_migrations().unwrap();
    db.run_migrations().unwrap();
    assert_eq!(db.metrics().migrations, 3);
}

/// One sample of the text form: its name with its labels, and its value.
fn sample<'t>(text: &'t str, head: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(head)?.strip_prefix(' '))
}

#[test]
fn prometheus_reads_all_of_it() {
    let db = postgres("telemetry");
    db.execute_query("SELECT 1", ()).unwrap();
    db.execute_query("SELECT nothing", ()).unwrap_err();
    let text = metrics().to_prometheus();
    let labels = format!("{{database=\"{}\",pool=\"1\",operation=\"execute_query\"", db.name());
    let of = |name: &str, more: &str| sample(&text, &format!("{name}{labels}{more}}}"));
    assert_eq!(of("batchdb_operation_duration_seconds_count", ""), Some("2"));
    assert_eq!(of("batchdb_operation_duration_seconds_bucket", ",le=\"+Inf\""), Some("2"));
    assert_eq!(of("batchdb_operation_errors_total", ",kind=\"Syntax\""), Some("1"));
    let used = format!("batchdb_pool_connections{{database=\"{}\",pool=\"1\",state=\"used\"}}", db.name());
    assert_eq!(sample(&text, &used), Some("0"));
    // Each line is a comment or a name, its labels and a number; each name is announced once, before its samples.
    let mut announced = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let name = head.split(' ').next().unwrap();
            assert!(!announced.contains(&name), "{name} is announced twice");
            announced.push(name);
        } else if !line.starts_with("# HELP ") {
            let (name, number) = line.rsplit_once(' ').unwrap();
            assert!(number.parse::<f64>().is_ok(), "{line}");
            let name = name.split('{').next().unwrap();
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(announced.contains(&family) || announced.contains(&name), "{line}");
        }
    }
}

#[test]
fn connections_that_could_not_be_had_are_counted() {
    let db = fresh("telemetry")
        .pool_size(1)
        .max_overflow(0)
        .pool_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    db.session(|_held| {
        std::thread::scope(|scope| {
            scope.spawn(|| db.execute_query("SELECT 1", ()).unwrap_err()).join().unwrap()
        });
        Ok::<_, Error>(())
    })
    .unwrap();
    let counts = db.metrics();
    let kinds: Vec<_> =
        counts.checkout_errors.iter().map(|error| (error.kind.as_str(), error.count)).collect();
    assert_eq!(kinds, [("Checkout", 1)]);
    assert!(counts.operations.is_empty(), "{:?}", counts.operations);
    let last = counts.last_errors.last().unwrap();
    assert_eq!((last.operation, last.kind.as_str()), ("checkout", "Checkout"));
    let line = format!(
        "batchdb_pool_checkout_errors_total{{database=\"{}\",pool=\"1\",kind=\"Checkout\"}} 1\n",
        db.name()
    );
    assert!(metrics().to_prometheus().contains(&line));

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody =
        fresh("telemetry").connection_string(format!("postgresql://u:p@127.0.0.1:{port}/d")).build().unwrap();
    nobody.execute("SELECT 1", ()).unwrap_err();
    assert_eq!(nobody.metrics().checkout_errors[0].kind, "Connect");
}

#[test]
fn the_guide_names_every_metric() {
    let _counted = postgres("telemetry");
    let text = metrics().to_prometheus();
    let known: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(known.len() > 15, "{known:?}");
    let page = include_str!("../../src/guide/monitoring.rs");
    let table = page.split("//! # Metrics").nth(1).unwrap().split("//! # ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("//! | `")?.split(" | ").next());
    let told: BTreeSet<&str> =
        rows.flat_map(|cell| cell.split("`, `")).map(|name| name.trim_matches('`')).collect();
    assert_eq!(told, known);
}
