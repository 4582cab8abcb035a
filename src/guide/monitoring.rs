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
//! batchdb writes to the `log` crate and installs no logger by itself. Two are brought along, for standard error:
//!
//! ```
//! batchdb::init_logging(); // or init_logging_json(), or a logger of your own
//! batchdb::with_flow("rpa1", || {
//!     // Every line that batchdb writes about a call in here carries flow=rpa1.
//! });
//! ```
//!
//! What a level means is a promise, kept from release to release:
//!
//! | level | what is told | examples |
//! | --- | --- | --- |
//! | `ERROR` | what must be looked at and is returned to nobody, or keeps a flow from starting | the deadline watchdog cannot be started; a database that a flow needs is not ready |
//! | `WARN` | the library has dealt with it, and somebody should know | a call or task is tried again; a dead connection was replaced; a lock was lost; a leak; a slow statement; more workers than connections; pending migrations |
//! | `INFO` | what changes the database's structure, and what the server says itself | a migration has run; another runner is waited for; a flow's databases are ready; `RAISE NOTICE` of a migration, `PRINT` of SQL Server; a secret that was read again; the audit trail |
//! | `DEBUG` | every statement and every task, by name, time and rows | `done operation=execute_query duration_ms=0.4 rows=12` |
//!
//! `TRACE` is not used. An error that is returned to you is not logged besides above `DEBUG`: whether it matters, you
//! know better. Two are all the same, as `WARN`, because they concern more than one call: a connection to PostgreSQL
//! that could not be opened, and a health check that failed. A fan-out of which something failed leaves one `WARN` line
//! with its counts.
//!
//! Lines carry `database`, `operation`, `duration_ms`, `rows`, `kind`, `flow` and `task` as key-values, and never a
//! value of yours. What a migration or a procedure prints is its own text: keep personal data out of it. A logger of
//! your own must hold `tokio_postgres` at `info` and `odbc_api` at `error`: below that they print parameters and the
//! server's texts. The two that are brought along do.
//!
//! # Metrics
//!
//! [`metrics`](crate::metrics()) has everything that is counted in the process, `db.metrics()` what is counted on one
//! pool. Counts begin with the pool and end with it. [`to_prometheus`](crate::Metrics::to_prometheus) is the text form:
//!
//! | name | type | labels besides `database` and `pool` | what it is |
//! | --- | --- | --- | --- |
//! | `batchdb_operation_duration_seconds` | histogram | `operation` | how long calls took, without the wait for a connection; of a result that is read row by row, until its end |
//! | `batchdb_operation_errors_total` | counter | `operation`, `kind` | calls that failed on a connection, by [`ErrorKind`](crate::ErrorKind) |
//! | `batchdb_operation_rows_total` | counter | `operation` | rows returned or changed |
//! | `batchdb_retries_total` | counter | | further attempts of calls that had failed |
//! | `batchdb_migrations_total` | counter | | migrations that were applied |
//! | `batchdb_pool_size` | gauge | | `POOL_SIZE` |
//! | `batchdb_pool_max_overflow` | gauge | | `MAX_OVERFLOW` |
//! | `batchdb_pool_connections` | gauge | `state`: `idle`, `used` | open connections |
//! | `batchdb_pool_waiting` | gauge | | callers that wait for a connection |
//! | `batchdb_pool_abandoned_threads` | gauge | | threads that an ODBC driver does not give back |
//! | `batchdb_pool_opened_total` | counter | | connections that were opened |
//! | `batchdb_pool_invalid_total` | counter | | connections that were thrown away as broken |
//! | `batchdb_pool_checkouts_total` | counter | | checkouts that gave a connection |
//! | `batchdb_pool_checkout_seconds_total` | counter | | how long those took together: waiting, testing, connecting |
//! | `batchdb_pool_checkout_errors_total` | counter | `kind` | those that gave none: the pool used up, the server away, the login refused |
//! | `process_resident_memory_bytes`, `process_threads`, `process_open_fds` | gauge | none | the process (Linux) |
//! | `process_cpu_seconds_total` | counter | none | its time on processors (Linux) |
//!
//! An operation is the call's name, such as `execute_query`, `bulk_insert` or `commit`; those that are not told apart
//! are `other`. `bulk_insert`, `bulk_upsert` and `execute_many` are one call each, however many statements that takes.
//! `copy_query` and `copy_table` are a call of each of their two databases: rows read in the one, and written in the other.
//! `pool` numbers the open pools of one database, from 1: handles whose settings differ have pools of their own.
//! The bounds of the histogram go from 100 µs to 100 s, three to a decade.
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
//! batchdb brings no exporter: a collector reads `/metrics`, or your program hands `metrics()` to the exporter that it
//! has. This is what the numbers are called in the [semantic conventions for database clients][conventions]; of these
//! names `db.client.operation.duration` is stable, the others are still called experimental there:
//!
//! | here | there | attributes there |
//! | --- | --- | --- |
//! | `batchdb_operation_duration_seconds` | `db.client.operation.duration`, histogram, `s` | `db.operation.name` = `operation`; `db.namespace`, `db.system.name`, `server.address` are known to your program |
//! | `batchdb_operation_errors_total` | the same histogram's count | `error.type` = `kind` |
//! | `batchdb_operation_rows_total` | `db.client.response.returned_rows`, a histogram there | rows that were changed are not in it there |
//! | `batchdb_pool_connections` | `db.client.connection.count`, `{connection}` | `db.client.connection.pool.name` = `database`, `db.client.connection.state` = `state` |
//! | `batchdb_pool_size` | `db.client.connection.idle.max` | `db.client.connection.pool.name` |
//! | `batchdb_pool_size` + `batchdb_pool_max_overflow` | `db.client.connection.max` | the same |
//! | 0, always | `db.client.connection.idle.min` | the same |
//! | `batchdb_pool_waiting` | `db.client.connection.pending_requests`, `{request}` | the same |
//! | `batchdb_pool_checkout_errors_total{kind="Checkout"}` | `db.client.connection.timeouts`, `{timeout}` | the same |
//! | `pool_status().checkout_mean_ms`, `checkout_p95_ms` | `db.client.connection.wait_time`, a histogram there | the same |
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
//! | `/` | a page for people: rates, latencies, pools and the last errors, live |
//! | `/metrics`, `/metrics.json` | the metrics |
//! | `/healthz` | 200 as long as the process answers: for a liveness probe |
//! | `/readyz` | 200 when every database that was named to it is healthy, else 503: for a readiness probe. A look takes five seconds at most; a database that does not answer in this time, or has no connection free, is not healthy |
//!
//! There is no login. An address of the loopback reaches nobody else; in a container take `0.0.0.0` and let the
//! cluster's rules say who may ask. No answer has a value or a secret in it. Whatever somebody sends, it costs the
//! program 16 connections at most, 8 KiB and some seconds for each; who dawdles makes room for who asks.
//!
//! # What to watch
//!
//! | in Prometheus | when | look at |
//! | --- | --- | --- |
//! | `batchdb_pool_waiting` | above 0 for minutes | [how many connections](super::pools#how-many-connections), `LEAK_AFTER` |
//! | `rate(batchdb_pool_checkout_errors_total[5m])`, by `kind` | above 0 | `Checkout`: as above; `Auth`: the secret; `Connect`, `Timeout(…)`: the server and the network |
//! | `batchdb_operation_errors_total{kind="OutcomeUnknown"}` | there, at all: the series begins with the first error, which `rate` and `increase` do not see | the data, and [what to do about it](super::transactions_and_retry#nobody-knows-whether-it-happened) |
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
//! A check connects, runs a query and looks at the migrations; pending ones do not make a database unhealthy. It never
//! fails: what went wrong is in the report, without secrets. [`health_check_all`](crate::health_check_all) finds the
//! databases by itself, and [`health_check_of`](crate::health_check_of) takes handles that you have made. `batchdb
//! health` does the same from a shell.
//!
//! # Slow statements
//!
//! With `SLOW_QUERY=2s` a statement that takes as long or longer is a `WARN` line with its text. Literals in the text
//! are masked, and parameters were never part of it. A result that is read row by row is told with
//! the time until its end, which is also that of its reader.
//!
//! # The audit trail
//!
//! With `AUDIT=true` every call is a line of level `INFO` and target `batchdb::audit`, so that it can be sent
//! elsewhere: environment, server, database, user, process, flow and task, the operation, whether it reads or writes,
//! how long it took, and its rows or the kind of its error. A call that gets no connection is a line with the operation
//! `checkout`.
