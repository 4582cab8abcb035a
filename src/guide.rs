//! The guide: how a batch program uses this crate, page by page.
//!
//! | to begin | |
//! | --- | --- |
//! | [`getting_started`] | from an empty folder to a job that can be killed at any moment |
//! | [`settings`] | keys, precedence, secrets, connection strings |
//! | [`queries`] | named parameters, rows, which call to use |
//!
//! | what it promises | |
//! | --- | --- |
//! | [`transactions_and_retry`] | what `Ok` means, what may be retried, and why |
//! | [`deadlines`] | which time limit applies to what |
//! | [`pools`] | how connections are shared, and how many you need |
//! | [`types`] | how each database type is converted, in both directions |
//!
//! | jobs | |
//! | --- | --- |
//! | [`map_tasks`] | a task for each item: workers, failures, stages, cancellation |
//! | [`large_data`] | streams, files, copies: data that does not fit into memory |
//! | [`mass`] | loading many rows into tables |
//! | [`replicas`] | several processes: one at a time, or all at once |
//! | [`migrations`] | the schema in SQL files |
//!
//! | in operation | |
//! | --- | --- |
//! | [`command_line`] | the command `batchdb`: checks, waiting, diagnosis, files, exit codes |
//! | [`monitoring`] | log levels, metrics and their names, health, slow statements, the audit trail |
//! | [`kubernetes`] | probes, secrets, waiting for databases, replicas that share work |
//! | [`tls`] | what each `sslmode` checks |
//! | [`pgbouncer`] | which pool mode, and what does not work behind it |
//! | [`sqlserver`] | its connection strings, its two drivers, what is untested |
//! | [`testing`] | a mock, real servers, fixtures, fault injection |
//! | [`troubleshooting`] | every kind of error: message, cause, remedy |
//!
//! | coming from elsewhere | |
//! | --- | --- |
//! | [`from_python`] | SQLAlchemy, Pyway, Prefect: call by call |
//! | [`from_flyway`] | files, commands, settings |
//!
//! The tests compile every program on these pages, and run those that need nothing but what is installed.

pub mod command_line;
pub mod deadlines;
pub mod from_flyway;
pub mod from_python;
pub mod getting_started;
pub mod kubernetes;
pub mod large_data;
pub mod map_tasks;
pub mod mass;
pub mod migrations;
pub mod monitoring;
pub mod pgbouncer;
pub mod pools;
pub mod queries;
pub mod replicas;
pub mod settings;
pub mod sqlserver;
pub mod testing;
pub mod tls;
pub mod transactions_and_retry;
pub mod troubleshooting;
pub mod types;
