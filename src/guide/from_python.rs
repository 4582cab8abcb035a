//! Moving from Python (SQLAlchemy, Pyway, Prefect), call by call.
//!
//! 1. [What stays](#what-stays)
//! 2. [Calls](#calls)
//! 3. [Settings and folders](#settings-and-folders)
//! 4. [The history of the migrations](#the-history-of-the-migrations)
//! 5. [Flows and tasks](#flows-and-tasks)
//! 6. [What is different on purpose](#what-is-different-on-purpose)
//!
//! # What stays
//!
//! The settings files, the connection strings, the migration files and the SQL with its `:name` parameters stay as they
//! are. While you move, old and new programs can use the same database side by side. Only the migrations must be run by
//! one of the two: by batchdb from the moment when you have taken over [the history](#the-history-of-the-migrations).
//! Pyway's file `V01_02__desc.sql` is version 1.2 here.
//!
//! # Calls
//!
//! | there | here |
//! | --- | --- |
//! | `DatabaseManager("rpa_db")` | [`DatabaseManager::new("rpa_db")?`](crate::DatabaseManager::new). It connects at the first call |
//! | `with DatabaseManager("rpa_db") as db:` | a handle in a block. The pool stays open for other handles, and for 60 s after the last one; [`close`](crate::DatabaseManager::close) closes it at once |
//! | `db.execute_query(sql, {"id": 7})` → list of dicts | [`db.execute_query(sql, params! { id: 7 })?`](crate::DatabaseManager::execute_query) → `Vec<Row>` |
//! | `row["name"]`, `dict(row)` | `row.get::<String>("name")?`, `row.read::<T>()?` by serde |
//! | `db.execute_query("INSERT …", {…})` | the same call, or [`execute`](crate::DatabaseManager::execute) for the number of rows |
//! | a loop of `execute_query("INSERT …")` | [`execute_many`](crate::DatabaseManager::execute_many): all rows or none, and much faster |
//! | `db.execute_query_with_timeout(sql, p, timeout=60)` | [`execute_query_with_timeout(sql, p, Duration::from_secs(60))`](crate::DatabaseManager::execute_query_with_timeout). It cancels on the server |
//! | `db.execute_query_with_retry(sql, p)` | [`execute_query_with_retry`](crate::DatabaseManager::execute_query_with_retry): the same three attempts with 4 to 10 s between them, but only for what certainly did not happen |
//! | `db.execute_query_safe(sql, p, retry_on_failure=True)` | [`execute_query_safe(sql, p, true)`](crate::DatabaseManager::execute_query_safe). The last argument has no default here: write `true` |
//! | `db.execute_query_with_timing(sql, p)` | [`execute_query_with_timing`](crate::DatabaseManager::execute_query_with_timing): a failure is returned as an error, not as `"status": "error"` |
//! | `db.execute_transaction([(sql, p), …])` | [`execute_transaction([(sql, params! {…}), …])`](crate::DatabaseManager::execute_transaction), or [`transaction`](crate::DatabaseManager::transaction) with a closure |
//! | `db.run_migrations()` | [`run_migrations`](crate::DatabaseManager::run_migrations) |
//! | `db.get_migration_status()` | [`migration_status`](crate::DatabaseManager::migration_status): `current_version`, `pending_migrations`, `total_migrations`, `last_migration` |
//! | `db.health_check()` | [`health_check().to_json()`](crate::DatabaseManager::health_check): the same keys |
//! | `db.get_pool_status()` | [`pool_status().to_json()`](crate::DatabaseManager::pool_status): the same keys, and more |
//! | `HighThroughputDatabaseManager` | [`builder("rpa_db").pool_size(20).max_overflow(30)`](crate::DatabaseManager::builder) |
//! | `database_health_check(names, flow)` | [`database_health_check(&names, flow)`](crate::database_health_check) |
//! | `validate_database_prerequisites(names, flow)` → bool | [`validate_database_prerequisites(&names, flow).passed()`](crate::validate_database_prerequisites); `.require_all()` is stricter |
//! | `health_check_all()` | [`health_check_all(flow)?`](crate::health_check_all), of all databases that are configured for the flow |
//! | `config.get_secret(…)`, `config.get_variable(…)` | [`Settings`](crate::Settings) and `batchdb check` show the settings in force; read your own variables with `std::env` |
//! | `MockDatabaseManager` | `testing::MockDatabase` |
//!
//! ```no_run
//! use batchdb::{DatabaseManager, params};
//!
//! let rpa_db = DatabaseManager::new("rpa_db")?;
//! rpa_db.execute_transaction([
//!     ("INSERT INTO orders (customer_id, amount) VALUES (:customer_id, :amount)", params! { customer_id: 1, amount: 100 }),
//!     ("UPDATE customers SET last_order = now() WHERE id = :customer_id", params! { customer_id: 1 }),
//! ])?;
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! # Settings and folders
//!
//! | there | here |
//! | --- | --- |
//! | `core/envs/.env.development` | `envs/.env.development`; set `BATCHDB_HOME=core` to leave it where it is |
//! | `core/migrations/rpa_db/` | `migrations/rpa_db/`, under the same folder |
//! | `PREFECT_ENVIRONMENT`, or whatever chose the file | `BATCHDB_ENVIRONMENT`, else `PREFECT_ENVIRONMENT` |
//! | `DEVELOPMENT_GLOBAL_RPA_DB_TYPE`, `…_CONNECTION_STRING` | the same |
//! | `DEVELOPMENT_GLOBAL_DATABASE_TIMEOUT=30` | the same, and `…_RPA_DB_TIMEOUT` for one database |
//! | `DEVELOPMENT_GLOBAL_CONNECTION_POOL_SIZE=5` | the same, and `…_RPA_DB_POOL_SIZE` for one database |
//! | `create_engine(pool_size=5, max_overflow=10)` | `POOL_SIZE=5`, `MAX_OVERFLOW=10`: the defaults, and with the same meaning |
//! | `pool_timeout=30`, `pool_recycle=3600` | `POOL_TIMEOUT=30`, `POOL_RECYCLE=3600`. SQLAlchemy's default for the second is never |
//! | `pool_pre_ping=True` | `PING_AFTER_IDLE=500ms`: tests every connection that was idle for longer than that; `0` tests always |
//! | tenacity's `stop_after_attempt(3)`, `wait_exponential(min=4, max=10)` | `RETRY_ATTEMPTS=3`, and the waits of [`RetryPolicy`](crate::RetryPolicy) |
//! | `postgresql+psycopg2://…`, `mssql+pyodbc://…` | the same strings |
//! | migrations that run when a manager is made | `MIGRATE_ON_START=run`: they run at the first connection. The default, `check`, only logs what is pending |
//! | SQL Server databases that are only read | `READ_ONLY=true` for each; nothing is read-only by itself |
//! | Prefect Blocks, later | [`SecretSource`](crate::SecretSource), or a mounted file |
//!
//! Names are compared in upper case, as in the keys: `SurveyHub` is `SURVEYHUB`, but `survey_hub` is a different
//! database (`SURVEY_HUB`). An error names the most similar one.
//!
//! # The history of the migrations
//!
//! Pyway keeps its history in a table that its configuration names; in the Python system that is `schema_version`.
//! batchdb's table has the same name, but other columns. So take the history over once, before the first run:
//!
//! ```sh
//! batchdb migrate rpa_db baseline --from pyway
//! ```
//!
//! or `db.migrations().baseline_from(ForeignHistory::Pyway)?`.
//!
//! | Pyway's | becomes |
//! | --- | --- |
//! | the table `schema_version` (or `pyway`) | is kept; if it was called `schema_version`, as `schema_version_pyway` |
//! | `version` | `version`, with its rank in `version_rank` and `installed_rank` |
//! | `name`, the file | `script` |
//! | `extension` | not read: `type` is always `SQL` |
//! | (nothing) | `description`: that of the present file, else Pyway's `name` |
//! | `checksum`, a CRC-32 in hexadecimal digits | compared with the file if that still exists; batchdb stores a CRC-32 and a SHA-256 that do not depend on line ends |
//! | `apply_timestamp` | `installed_on`, as UTC |
//!
//! After that, Pyway must not run on this database any more. Nothing that was applied is applied again.
//!
//! # Flows and tasks
//!
//! | there | here |
//! | --- | --- |
//! | `@flow(name="rpa1")` | [`with_flow("rpa1", \|\| …)`](crate::with_flow): log lines carry it. Settings of a flow: `.flow("rpa1")` of the builder |
//! | `task.map(items)` | [`map_tasks(items, options, \|item\| …)`](crate::map_tasks) |
//! | `ConcurrentTaskRunner(max_workers=8)` | `.workers(8)` |
//! | `@task(task_run_name="process-{survey[id]}")` | [`MapOptions::new("process-{id}")`](crate::MapOptions::new) |
//! | `retries=2, retry_delay_seconds=10` | `.retries(2).retry_delay(Duration::from_secs(10))` |
//! | `timeout_seconds=60` | `.timeout(Duration::from_secs(60))`: it also ends the database calls, which a timeout of a Prefect task on a thread cannot |
//! | `write.map(process.map(items))` | [`stage(…).then(…).map(items)`](crate::stage) |
//! | `[f.result() for f in futures]` | `results.into_values()?`, or `completed()` and `failed()` |
//! | states COMPLETED, FAILED, CRASHED, CANCELLED; "TimedOut" | [`TaskState`](crate::TaskState): the same, and `NotStarted` |
//! | `get_run_logger()` | the `log` crate; [`init_logging_json`](crate::init_logging_json) for a collector |
//! | schedules, deployments, the server with its pages | not included: use cron, Kubernetes, or Prefect itself, which can also start programs |
//!
//! # What is different on purpose
//!
//! * **Parameters are strict.** An unused name was ignored there, and is an error here. A colon in a string literal, a
//!   comment or a JSON literal is never a parameter here; there it could be one.
//! * **A statement that fails is an error**, never a dictionary with a status in it.
//! * **Only what certainly did not happen is retried.** There, any exception was retried, so an `INSERT` whose answer
//!   was lost was made twice.
//! * **`execute_transaction` and `transaction` retry** after a deadlock, so the closure must be safe to run again.
//! * **A migration and its history row are one transaction**, under a lock. There, eight programs that started at once
//!   all ran the migrations.
//! * **No value is changed on its way**: a decimal is a `BigDecimal`, and reading it as an `f64` is always an error;
//!   write `::float8` in the SQL if you want a float.
//! * **No event loop.** In an async program, call batchdb inside `spawn_blocking`.
