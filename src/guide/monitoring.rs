//! Monitoring: log levels, metrics and their names, the monitor, health, slow statements, the audit trail.
//!
//! 1. [Log lines](#log-lines)
//! 2. [Metrics](#metrics)
//! 3. [OpenTelemetry](#opentelemetry)
//! 4. [The monitor](#the-monitor)
//! 5. [What to watch](#what-to-watch)
//! 6. [Health](#health)
//! 7. [Slow statements](#slow-statements)
//! 8. [The audit trail](#the-audit-trail)
//!
//! # Log lines
//!
//! batchdb writes to the `log` crate and installs no logger by itself. It provides two loggers, which write to standard
//! error:
//!
//! ```
//! batchdb::init_logging(); // or init_logging_json(), or a logger of your own
//! batchdb::with_flow("rpa1", || {
//!     // Every line that batchdb writes about a call in here carries flow=rpa1.
//! });
//! ```
//!
//! The meaning of each level is stable from release to release:
//!
//! | level | what is logged | examples |
//! | --- | --- | --- |
//! | `ERROR` | what needs attention and is not returned to any caller, or prevents a flow from starting | the deadline watchdog cannot be started; a database that a flow needs is not ready |
//! | `WARN` | what the library has handled, but somebody should know | a call or task is retried; a dead connection was replaced; a lock was lost; a leak; a slow statement; more workers than connections; pending migrations |
//! | `INFO` | changes of the database's structure, and messages of the server | a migration has run; another runner is waited for; a flow's databases are ready; `RAISE NOTICE` of a migration, `PRINT` of SQL Server; a secret that was read again; the audit trail |
//! | `DEBUG` | every statement and every task, by name, time and rows | `done operation=execute_query duration_ms=0.4 rows=12` |
//!
//! `TRACE` is not used. An error that a call returns is logged at `DEBUG` only, because the caller knows best whether
//! it matters. There are two exceptions, logged as `WARN` because they concern more than one call: a connection to
//! PostgreSQL that could not be opened, and a failed health check. A fan-out in which something failed leaves one
//! `WARN` line with its counts.
//!
//! Lines carry `database`, `operation`, `duration_ms`, `rows`, `kind`, `flow` and `task` as key-values, and never a
//! value of yours. Text that a migration or a procedure prints is logged as it is: keep personal data out of it. If you
//! use your own logger, limit `tokio_postgres` to `info` and `odbc_api` to `error`: at lower levels they print
//! parameters and the server's texts. The two provided loggers do that by themselves.
//!
//! # Metrics
//!
//! [`metrics`](crate::metrics()) returns the counts of all pools and of the process, `db.metrics()` those of one pool.
//! They begin with the pool and end with it. [`to_prometheus`](crate::Metrics::to_prometheus) is the text form:
//!
//! | name | type | labels besides `database` and `pool` | what it is |
//! | --- | --- | --- | --- |
//! | `batchdb_operation_duration_seconds` | histogram | `operation` | duration of calls, without the wait for a connection; for a result that is read row by row, until its end |
//! | `batchdb_operation_errors_total` | counter | `operation`, `kind` | calls that failed on a connection, by [`ErrorKind`](crate::ErrorKind) |
//! | `batchdb_operation_rows_total` | counter | `operation` | rows returned or changed |
//! | `batchdb_retries_total` | counter | | retries: further attempts of calls that had failed |
//! | `batchdb_migrations_total` | counter | | migrations that were applied |
//! | `batchdb_pool_size` | gauge | | `POOL_SIZE` |
//! | `batchdb_pool_max_overflow` | gauge | | `MAX_OVERFLOW` |
//! | `batchdb_pool_connections` | gauge | `state`: `idle`, `used` | open connections |
//! | `batchdb_pool_waiting` | gauge | | callers that wait for a connection |
//! | `batchdb_pool_abandoned_threads` | gauge | | threads that are still inside a call of an ODBC driver which nobody waits for any more |
//! | `batchdb_pool_opened_total` | counter | | connections that were opened |
//! | `batchdb_pool_invalid_total` | counter | | connections that were thrown away as broken |
//! | `batchdb_pool_checkouts_total` | counter | | checkouts that gave a connection |
//! | `batchdb_pool_checkout_seconds_total` | counter | | total time of those: waiting, testing, connecting |
//! | `batchdb_pool_checkout_errors_total` | counter | `kind` | checkouts that failed: pool exhausted, server unreachable, login refused |
//! | `process_resident_memory_bytes`, `process_threads`, `process_open_fds` | gauge | none | memory, threads and open files of the process (Linux) |
//! | `process_cpu_seconds_total` | counter | none | CPU time of the process (Linux) |
//!
//! The label `operation` is the call's name, such as `execute_query`, `bulk_insert` or `commit`; calls without a
//! counter of their own are `other`. `bulk_insert`, `bulk_upsert` and `execute_many` count as one call each, however
//! many statements they send. `copy_query` and `copy_table` count once on each of their two databases: the rows that
//! were read, and the rows that were written. The label `pool` numbers the open pools of one database from 1: handles
//! with different settings have different pools. The histogram's bounds go from 100 µs to 100 s, three per decade.
//!
//! ```
//! let metrics = batchdb::metrics();
//! for database in &metrics.databases {
//!     for operation in &database.operations {
//!         println!("{} {}: p95 {} ms", database.database, operation.operation, operation.p95_ms);
//!     }
//! }
//! assert!(metrics.to_prometheus().contains("batchdb_pool_waiting"));
//! ```
//!
//! # OpenTelemetry
//!
//! batchdb has no exporter for OpenTelemetry: let a collector read `/metrics`, or pass the values of `metrics()` to
//! your own exporter. These are the corresponding names in the [semantic conventions for database
//! clients][conventions]; of them only `db.client.operation.duration` is stable, the others are still experimental:
//!
//! | batchdb | OpenTelemetry | attributes in OpenTelemetry |
//! | --- | --- | --- |
//! | `batchdb_operation_duration_seconds` | `db.client.operation.duration`, histogram, `s` | `db.operation.name` = `operation`; set `db.namespace`, `db.system.name` and `server.address` in your program |
//! | `batchdb_operation_errors_total` | the same histogram's count | `error.type` = `kind` |
//! | `batchdb_operation_rows_total` | `db.client.response.returned_rows`, a histogram | it does not count changed rows |
//! | `batchdb_pool_connections` | `db.client.connection.count`, `{connection}` | `db.client.connection.pool.name` = `database`, `db.client.connection.state` = `state` |
//! | `batchdb_pool_size` | `db.client.connection.idle.max` | `db.client.connection.pool.name` |
//! | `batchdb_pool_size` + `batchdb_pool_max_overflow` | `db.client.connection.max` | the same |
//! | 0, always | `db.client.connection.idle.min` | the same |
//! | `batchdb_pool_waiting` | `db.client.connection.pending_requests`, `{request}` | the same |
//! | `batchdb_pool_checkout_errors_total{kind="Checkout"}` | `db.client.connection.timeouts`, `{timeout}` | the same |
//! | `pool_status().checkout_mean_ms`, `checkout_p95_ms` | `db.client.connection.wait_time`, a histogram | the same |
//! | not counted | `db.client.connection.create_time`, `db.client.connection.use_time` | |
//!
//! [conventions]: https://opentelemetry.io/docs/specs/semconv/db/database-metrics/
//!
//! # The monitor
//!
//! With the feature `monitor` a program listens on an address:
//!
//! ```no_run
//! # #[cfg(feature = "monitor")] {
//! use batchdb::{DatabaseManager, Monitor};
//!
//! let rpa = DatabaseManager::new("rpa_db")?;
//! let monitor = Monitor::serve("127.0.0.1:9187", [&rpa])?;
//! println!("http://{}/", monitor.address());
//! // The job runs here, and the monitor ends with `monitor`.
//! # }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! | address | answer |
//! | --- | --- |
//! | `/` | a live page: rates, latencies, pools and the last errors |
//! | `/metrics`, `/metrics.json` | the metrics |
//! | `/healthz` | 200 as long as the process answers: for a liveness probe |
//! | `/readyz` | 200 when every database that was passed to `serve` is healthy, else 503: for a readiness probe. A check takes 5 s at most; a database that does not answer in that time, or has no free connection, is not healthy |
//!
//! There is no login. A loopback address can be reached only from the same machine; in a container use `0.0.0.0` and
//! restrict access by the cluster's network rules. No answer contains a value or a secret. The cost of any traffic is
//! bounded: 16 connections at most, with 8 KiB and some seconds each. When all are in use, the slowest one is closed
//! for a new one.
//!
//! # What to watch
//!
//! | in Prometheus | alert when | look at |
//! | --- | --- | --- |
//! | `batchdb_pool_waiting` | above 0 for minutes | [how many connections](super::pools#how-many-connections), `LEAK_AFTER` |
//! | `rate(batchdb_pool_checkout_errors_total[5m])`, by `kind` | above 0 | `Checkout`: as above; `Auth`: the secret; `Connect`, `Timeout(…)`: the server and the network |
//! | `batchdb_operation_errors_total{kind="OutcomeUnknown"}` | it exists: the series begins with the first error, which `rate` and `increase` do not see | the data, and [what to do about it](super::transactions_and_retry#nobody-knows-whether-it-happened) |
//! | `rate(batchdb_retries_total[5m])` | rising | the log: each retry is a `WARN` with its kind |
//! | `rate(batchdb_pool_invalid_total[5m])` | above 0 | the network, a firewall that ends idle connections, the server's restarts |
//! | `batchdb_pool_abandoned_threads` | above 0 | whether the server of that ODBC driver answers |
//! | `histogram_quantile(0.95, rate(batchdb_operation_duration_seconds_bucket[5m]))` | rising | `SLOW_QUERY` |
//!
//! # Health
//!
//! ```no_run
//! use batchdb::{HealthStatus, database_health_check, validate_database_prerequisites};
//!
//! // Before the flow: every database it needs, side by side.
//! if !validate_database_prerequisites(&["rpa_db", "SurveyHub"], "rpa1").require_all().passed() {
//!     std::process::exit(3);
//! }
//! let report = database_health_check(&["rpa_db", "SurveyHub"], "rpa1");
//! assert_eq!(report.overall_status, HealthStatus::Healthy);
//! println!("{}", report.to_json());
//! ```
//!
//! A check connects, runs a query and looks at the migrations; pending migrations do not make a database unhealthy. The
//! functions never fail: what went wrong is in the report, without secrets.
//! [`health_check_all`](crate::health_check_all) checks all databases that are configured for the flow (and does fail
//! if their settings cannot be read), and [`health_check_of`](crate::health_check_of) takes handles that you have made.
//! `batchdb health` does the same from a shell.
//!
//! # Slow statements
//!
//! With `SLOW_QUERY=2s` a statement that takes 2 s or longer is logged as `WARN` with its text. Literals in the text
//! are masked, and parameters are never part of it. The time of a result that is read row by row runs until its end, so
//! it includes the time of your reader.
//!
//! # The audit trail
//!
//! With `AUDIT=true` every call is logged at level `INFO` under the target `batchdb::audit`, so that your logger can
//! send these lines elsewhere. A line has the environment, server, database, user, process, flow, task, operation,
//! whether it reads or writes, how long it took, and its number of rows or the kind of its error. A call that gets no
//! connection is a line with the operation `checkout`.
