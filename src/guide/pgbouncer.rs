//! PgBouncer: which pool mode, what to set, what does not work behind it.
//!
//! 1. [Is it needed?](#is-it-needed)
//! 2. [Session mode](#session-mode)
//! 3. [Transaction mode](#transaction-mode)
//! 4. [Statement mode](#statement-mode)
//!
//! # Is it needed?
//!
//! A pooler makes few connections out of many. A job with one pool in each of three processes has few to begin with:
//! then it is one thing more that can fail between two that can. It is worth its place where many short-lived programs
//! share a server, or where the server's provider puts one in front.
//!
//! # Session mode
//!
//! Each connection of ours has a session of the server for as long as it lives. Everything works, and nothing is to be
//! set. (Pools of both sides then hold what is idle: the pooler's must be as large as all of ours together.)
//!
//! # Transaction mode
//!
//! Between two transactions the pooler may give the server's session to somebody else:
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
//! | deadlines and cancels | work; a cancel waits until the pooler has passed it on |
//! | prepared statements | set `STATEMENT_CACHE=0`: each statement is sent without a name, with its parameters as text, in one round trip |
//! | columns of types of your own (enums, domains, composites) | with `STATEMENT_CACHE=0` cast them to `text` in long results: the driver looks such a type up only while the rows come |
//! | `claim`, `claim_all` | work: a claim is a transaction |
//! | `with_lock`, `try_lock` | do not: the lock is a session's. Connect to the server itself |
//! | migrations | are refused when a second connection shows that there is a pooler: their lock would hold nothing |
//! | `READ_ONLY`; `batchdb query`, `pool`, `export` and `copy --from`, which set it | do not: each new connection says `SET default_transaction_read_only = on`, which stays with the pooler's session and fails the writes of *other* clients (25006). Leave it out, give the role no right to write (or `ALTER ROLE … SET default_transaction_read_only = on`), and run these commands on the server itself |
//! | `SET`, temporary tables, `LISTEN`, advisory locks between two calls | do not: put them into one transaction |
//! | `settle_commit` | works, as far as the pooler leads to the same server |
//!
//! With PgBouncer 1.21 and newer, `max_prepared_statements` above 0 lets it follow statements that are prepared by the
//! protocol, and `STATEMENT_CACHE` may stay as it is. The tests of this crate run on `STATEMENT_CACHE=0`, which works
//! with every version.
//!
//! For migrations give a connection string of the server itself, in a scope or an environment of their own:
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
//! What the server is told at the start of a session is the pooler's to pass on. PgBouncer takes `application_name`;
//! the option `options` (`?options=-c …`) it reads from version 1.20 on, for the settings that it follows, and refuses
//! before that unless `ignore_startup_parameters` names it. What this crate says there (`standard_conforming_strings=on`) is
//! one that it follows; where it is refused, each pool's first login is made a second time, and its sessions are told by a
//! statement.
//!
//! # Statement mode
//!
//! It allows no transactions, so it is of no use here.
