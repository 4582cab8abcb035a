//! PgBouncer: which pool mode to use, what to set, what does not work behind it.
//!
//! 1. [Is it needed?](#is-it-needed)
//! 2. [Session mode](#session-mode)
//! 3. [Transaction mode](#transaction-mode)
//! 4. [Statement mode](#statement-mode)
//!
//! # Is it needed?
//!
//! A pooler lets many client connections share a few server connections. A job with one pool in each of three processes
//! has few connections anyway; there a pooler is only one more thing that can fail. Use one if many short-lived
//! programs share a server, or if your provider puts one in front of the server.
//!
//! # Session mode
//!
//! Each connection keeps one session of the server for as long as it lives. Everything works, and nothing needs to be
//! set. (The pooler's pool must be at least as large as all pools of your programs together, because these keep idle
//! connections.)
//!
//! # Transaction mode
//!
//! Between two transactions the pooler may give the server session to another client. Set:
//!
//! ```text
//! PRODUCTION_GLOBAL_RPA_DB_CONNECTION_STRING=postgresql://job:${PW}@pgbouncer.example:6432/rpa_db
//! PRODUCTION_GLOBAL_RPA_DB_STATEMENT_CACHE=0
//! PRODUCTION_GLOBAL_RPA_DB_MIGRATE_ON_START=off
//! ```
//!
//! | | behind transaction mode |
//! | --- | --- |
//! | queries, transactions, savepoints, streams, mass loads | work |
//! | deadlines and cancels | work; a cancel request stays open until the pooler has passed it on |
//! | prepared statements | set `STATEMENT_CACHE=0`: then each statement is sent unnamed, with its parameters as text, in one round trip |
//! | columns of types of your own (enums, domains, composites) | with `STATEMENT_CACHE=0` cast them to `text` in long results: the driver looks up such a type only while rows are coming in |
//! | `claim`, `claim_all` | work: a claim is a transaction |
//! | `with_lock`, `try_lock` | do not work: the lock belongs to a server session. Connect to the server directly |
//! | migrations | are refused: their lock would protect nothing. (A second connection finds out that there is a pooler) |
//! | `READ_ONLY`; `batchdb query`, `pool`, `export` and `copy --from`, which set it | **do harm**: each new connection sends `SET default_transaction_read_only = on`, which stays in the server session and makes writes of *other* clients fail (25006). Do not set `READ_ONLY`; give the role no right to write (or `ALTER ROLE … SET default_transaction_read_only = on`). Run these commands on the server directly |
//! | `SET`, temporary tables, `LISTEN`, advisory locks between two calls | do not work between calls: put the calls into one transaction |
//! | `settle_commit` | works if the pooler leads to the same server |
//!
//! PgBouncer 1.21 and newer with `max_prepared_statements` above 0 supports statements that are prepared by the
//! protocol; then you can leave `STATEMENT_CACHE` at its default. The tests of this crate use `STATEMENT_CACHE=0`,
//! which works with every version.
//!
//! For migrations, set a connection string that leads to the server directly, in a separate scope or environment:
//!
//! ```text
//! PRODUCTION_DEPLOY_RPA_DB_CONNECTION_STRING=postgresql://owner:${PW}@db.example:5432/rpa_db
//! ```
//!
//! ```no_run
//! use batchdb::DatabaseManager;
//!
//! DatabaseManager::builder("rpa_db").flow("deploy").build()?.run_migrations()?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! **Startup parameters.** PgBouncer accepts `application_name`. The parameter `options` (`?options=-c …`) is accepted
//! from version 1.20 on, for settings that PgBouncer tracks; older versions refuse it unless
//! `ignore_startup_parameters` names it. batchdb itself sends `standard_conforming_strings=on` there, which PgBouncer
//! tracks. If `options` is refused, batchdb logs in a second time without it, once per pool, and sets the value by a
//! statement in each session.
//!
//! # Statement mode
//!
//! Statement mode allows no transactions, so it cannot be used.
