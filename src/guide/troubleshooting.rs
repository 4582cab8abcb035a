//! Troubleshooting: every kind of error with its messages, causes and remedies.
//!
//! Each [`ErrorKind`](crate::ErrorKind) has its section. A test compares the messages here with those in the code; `…`
//! stands for names and numbers. First, [how to read an error](#how-to-read-an-error); at the end, [no error, but wrong
//! results](#no-error-but-wrong-results).
//!
//! # How to read an error
//!
//! ```text
//! rpa_db: execute failed: a row with this key exists already, constraint "job_pkey" [SQLSTATE 23505]
//! └ name  └ call         └ what happened                      └ what it is about     └ the server's own code
//! ```
//!
//! * [`kind()`](crate::Error::kind) is for your program to match on; [`is_transient()`](crate::Error::is_transient)
//!   says whether the same call can safely be made again.
//! * `Display` and `Debug` contain no value of yours and may be logged. [`report()`](crate::Error::report) adds the
//!   server's own message, which often says more, but may quote your data.
//! * A hint in parentheses at the end says what to do.
//! * The example programs print `Display`. To see the server's message, print `error.report()`, to a place where your
//!   data may be shown.
//!
//! ```no_run
//! use batchdb::{DatabaseManager, ErrorKind, params};
//!
//! # let db = DatabaseManager::new("rpa_db")?;
//! match db.execute("INSERT INTO job (id) VALUES (:id)", params! { id: 7 }) {
//!     Ok(_) => (),
//!     Err(error) if error.kind() == ErrorKind::Constraint => println!("{:?} is there", error.constraint()),
//!     // The same call may be made again: it was not sent, or has surely been undone.
//!     Err(error) if error.is_transient() => println!("try again: {error}"),
//!     // Whether it happened, nobody knows. Look before you do it again.
//!     Err(error) if error.kind() == ErrorKind::OutcomeUnknown => return Err(error),
//!     Err(error) => return Err(error),
//! }
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! # Config
//!
//! Nothing was connected. `batchdb check` shows all settings of an environment, and all problems at once.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `wrong settings for the environment …` | each line below it is one problem, with key, file and line | correct them; for a misspelled key the message names the nearest valid one |
//! | `is not set, neither in the process environment nor in …` | no connection string for this name in this environment | is it the right environment (`BATCHDB_ENVIRONMENT`)? Does the program run where `envs` lies, or is `BATCHDB_HOME` set? |
//! | `the ODBC driver or data source of … is not installed` | the string names a driver that is not installed | install it; `odbcinst -q -d` lists those that are there |
//! | `… is a SQL Server, whose SQL is another than that of TYPE=odbc` | a data source (`DSN=`) leads to a SQL Server | `TYPE=sqlserver` |
//! | `this machine trusts no root certificate` | a small container without certificates | install `ca-certificates`, or set `sslrootcert` |
//! | `the file of … cannot be read as PEM` | a wrong path, or no permission to read it | check the path as the user that runs the program |
//!
//! # Connect
//!
//! The server cannot be reached, or the connection broke before anything was sent. Transient, except for a missing
//! database and for TLS refusals. Calls that [retry](super::transactions_and_retry#calls-that-retry) try again by
//! themselves.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the host name … cannot be resolved` | a misspelled host, or no DNS server | `getent hosts NAME` on that machine, in that container |
//! | `the connection was refused: nothing listens there` | the server is down, or listens on another port | start it; check the port; does it listen on more than `localhost`? |
//! | `the server closed the connection during the login` | it is shutting down, or something else listens on that port | read the server's log |
//! | `the database does not exist` | the database name in the URL is wrong | create it; names are case-sensitive |
//! | `the server takes no more connections` | all programs together need more than `max_connections` | count them: [how many connections](super::pools#how-many-connections) |
//! | `the server is starting up or shutting down` | a restart | wait; `batchdb wait` does |
//! | `the server's certificate was not accepted` | unknown issuer, wrong name, or expired; the hint says which | [TLS](super::tls), [SQL Server](super::sqlserver) |
//! | `the server does not offer TLS, which …` | `sslmode=require` or stricter, and a server without TLS | turn TLS on there |
//! | `the attempt of a moment ago failed, and is not repeated at once` | while a server is unreachable the pool tries once per second; other calls get the error of the last attempt | see the error after these words |
//! | `the server cannot be reached` | the same through ODBC | see the driver's message in `report()` |
//! | `the server is there, and does not open the database now` | SQL Server 4060 and similar: no such database, not online, or no user in it | `batchdb doctor` finds out which |
//! | `the server offers no encryption, and …` | `Encrypt=yes`, the default of Microsoft's driver 18, and a server without TLS | [SQL Server](super::sqlserver) |
//! | `the connection failed while the statement ran` | network failure, restart, or somebody ended the session; nothing of the statement remains | retry |
//!
//! # Auth
//!
//! The server refused the login. It is retried only if the secret, read again, has changed. Because repeated attempts
//! lock accounts, a refusal is remembered for 10 s, and every call that needs a new connection gets the same error; the
//! first call after that tries again.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the server refused the user or the password` | wrong user or password, or `pg_hba.conf` has no line for this user, database and address | try the same with `psql`; `report()` has the server's message |
//! | `the server refused the credentials` | the same through ODBC | the same with `sqlcmd` or `isql` |
//! | `its secret cannot be read again`, before one of the two | the mounted file, the command or the `SecretSource` fails; the refused secret is not tried again for 10 s | run the command by hand as the program's user; `report()` has the message of a `SecretSource` |
//!
//! # Checkout
//!
//! No connection became free within `POOL_TIMEOUT`. Nothing was sent. Transient.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `all … connections of the pool were in use for …` | more workers than connections; slow statements; a connection held during other work; a task that needs two connections at a time | fewer workers, or [more connections](super::pools#how-many-connections); `LEAK_AFTER=60` logs the line that holds one |
//! | `threads of this pool sit in calls of the ODBC driver that do not return` | the server does not answer, and the driver waits without a limit | check the server; the threads end when the driver returns |
//! | `the ODBC driver has not closed … connections of this pool in …` | closing takes the driver or the server longer than `POOL_TIMEOUT` | check the server; a larger `POOL_SIZE` leaves room for connections that are being closed |
//!
//! # Timeout
//!
//! A time limit passed; the error names the phase. The statement was cancelled on the server, and its connection
//! closed. In a transaction, and for a query that only reads, nothing remains. A write outside a transaction may have
//! happened, unless [`is_transient`](crate::Error::is_transient) is true: then PostgreSQL has confirmed that it was
//! stopped.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the limit of … passed in the phase …`: `checkout` | the call's own deadline passed before a connection was free | see [Checkout](#checkout) |
//! | `name resolution`, `connect` | a firewall that drops packets, a DNS server that does not answer; limit: `CONNECT_TIMEOUT` | `nc -vz HOST PORT` from that machine |
//! | `ping` | the call's deadline passed while an idle connection was tested | a longer deadline, or check the network |
//! | `query` | a slow statement, or one that waits for a lock; limit: `TIMEOUT` | `EXPLAIN`; find the lock's holder with `pg_blocking_pids(pid)`; or set a longer limit for the call, or for the task if it was its [`timeout`](crate::MapOptions::timeout) |
//! | `fetch` | the server needs longer than `TIMEOUT` for the next rows | an `ORDER BY` without an index makes the first rows the slowest |
//! | `commit` | the time was over before the commit was sent: everything is undone. (A commit that was sent and not answered is [OutcomeUnknown](#outcomeunknown)) | a longer deadline |
//! | `rollback` | a savepoint could not be undone in time | check the server |
//! | `lock` | somebody else holds the migration lock or the lock of `with_lock`; the message names the holder | wait longer, or check what the holder does |
//!
//! # Constraint
//!
//! The data violates a constraint. [`constraint()`](crate::Error::constraint), `table()` and `column()` return the
//! names, if the database gives them.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `a row with this key exists already` | unique or primary key | `ON CONFLICT DO NOTHING`, `bulk_upsert`, or find out why the key comes twice |
//! | `the row that is referred to does not exist, or is still referred to` | foreign key | write the other row first, delete it last |
//! | `a value is missing where NULL is not allowed` | `NOT NULL` | give a value, or give the column a default |
//! | `a value is refused by a check` | `CHECK` | the constraint's name says which |
//! | `a value is given for a column that the database generates` | `GENERATED ALWAYS` | leave the column out; an identity can be given by `OVERRIDING SYSTEM VALUE`, [`bulk_insert`](crate::DatabaseManager::bulk_insert), or as the key of a [`bulk_upsert`](crate::DatabaseManager::bulk_upsert) |
//!
//! # Conflict
//!
//! The server rolled the work back in favour of another transaction. Transient:
//! [`transaction`](crate::DatabaseManager::transaction) retries by itself.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the statement was in a deadlock and was chosen to be undone` | two transactions lock the same rows in different orders | lock rows in the same order everywhere, such as by key; shorter transactions |
//! | `the transaction collided with another one and was undone` | `REPEATABLE READ` or `SERIALIZABLE` | retry; these isolation levels require that |
//! | `a lock is held by somebody else` | `NOWAIT`, or `lock_timeout` has passed | find out who holds it |
//! | `the server gave the work up in favour of another transaction` | the same on SQL Server (1205, 1222) | the same |
//!
//! # Syntax
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `a table or view that the statement names does not exist` | a misspelled name, another schema, or migrations that are pending | `batchdb migrate DB status` |
//! | `a column that the statement names does not exist` | the same | the same |
//! | `a function or operator of these types does not exist` | a parameter has a different type than expected | a cast: `:id::bigint` |
//! | `the server does not understand the statement` | a syntax error; several statements in one call; a script | `report()` has the server's message and position; run scripts as migrations |
//!
//! # Permission
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the user is not allowed to do this` | a missing `GRANT` | grant it, or use another user; `report()` names the object |
//! | `the server does not allow this` | the same through ODBC | the same |
//!
//! # ReadOnly
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the database is read-only by its settings (READ_ONLY)` | `READ_ONLY=true`, and a statement that writes or might write (`CALL`, `DO`, an unknown verb; on databases that cannot refuse writes themselves also an unknown function) | intended; for a procedure that only reads, use a handle without `READ_ONLY` |
//! | `the session is read-only` | a standby; a read-only transaction; `READ_ONLY=true` and a `SELECT` with a function that writes | connect to the primary; remove the function |
//! | `migrations write, and the database is read-only` | `run_migrations` on such a database | do not call it there |
//!
//! # Params
//!
//! The parameters do not fit the statement, which was not run. Wrong names are found before anything is sent, wrong
//! types after PostgreSQL has prepared the statement.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `not given: …` | a `:name` without a value; or a colon that is not meant as a parameter | give the value; write `\:` for a plain colon |
//! | `given and not used by the statement: …` | a misspelled name; `params!` is strict | correct it; [`record`](crate::record) may have more |
//! | `the list … is not alone behind IN` | a list somewhere else | write `IN (:ids)`, with nothing else in the parentheses |
//! | `the type of a parameter cannot be told` | PostgreSQL cannot infer it, as in `:x IS NULL`, or infers two types for one name | a cast: `:x::int` |
//! | `was given for a parameter of type …` | the conversion would silently change the value | add a cast to the SQL that says what you mean |
//! | `the text has both named parameters and …`, `the text has the placeholder …` | `$1` or `?` in the text | use only named parameters |
//!
//! # RowCount
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `several rows came where at most one was expected` | `query_opt`, and a condition that is not unique | `LIMIT 1` with an `ORDER BY`, or `execute_query` |
//! | `rows were claimed, and … have their keys` | the key of a [`Claim`](crate::Claim) is not unique, or the work has deleted its rows | use a unique key; let the claim delete or update the rows |
//! | `the server kept … of … rows from record …` | a trigger skips rows of a mass load | `execute_many`, which allows that |
//!
//! # Decode
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `a value of type … cannot be read as …` | the column has another type; or it is NULL, and you did not ask for an `Option` | `row.get::<Option<T>>`; the [table of types](super::types) |
//! | `a value of type … is out of range for …` | an `i32` for a `bigint` | a wider type |
//! | `several columns are called …` | a join with two columns of one name | `AS`, or read them by index |
//! | `there is no column …` | a misspelled name; unquoted names are lower case in PostgreSQL | the message lists those that there are |
//! | `values of type … cannot be read` | an unsupported type | cast it in the SQL, as the hint says |
//!
//! # Data
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the server cannot take a value: wrong form, out of range or too long` | a text for a date, a number too large, a text too long; or a division by zero | `report()` has the server's message; in a mass load the error names the record |
//! | `the server could not take or compute a value` | the same through ODBC | the same |
//!
//! # Migration
//!
//! Each run checks everything first, so most of these come before anything has run. See the page on
//! [migrations](super::migrations).
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `failed…; …, and the files after it were not run` | an error in the file's SQL; line and column are those of the file | correct it and run again. Nothing was kept, unless the file has `no-transaction`: then `repair` |
//! | `…, and none was run: …` | files are changed, missing, misnamed or out of order; all of them are listed | restore the file, or `repair` if the change is intended |
//! | `the connection goes through a pooler in transaction mode` | [PgBouncer](super::pgbouncer), where the lock would not work | a connection string that leads to the server directly |
//! | `migrations are for PostgreSQL, SQL Server and SQLite` | another database, or a SQL Server without `TYPE=sqlserver` | `TYPE=sqlserver` |
//! | `there is a history already: …` | a baseline, but migrations have already run | no baseline is needed |
//!
//! # Tasks
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `tasks did not complete, the first is …` | `into_values()`, but some tasks failed; the first one's error is the source | look at `failed()`, or use `completed()` |
//! | `the task … did not complete (…)` | the same for `values()` of a stream | iterate over the records |
//!
//! # Throttled
//!
//! The server is temporarily short of a resource. Transient, with longer waits.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the server is short of a resource` | memory, or a configured limit | fewer connections, less parallel work; check the server |
//! | `the server is short of resources`, `the database is moving to another machine` | the same on SQL Server, and limits of Azure | wait, or use a larger tier |
//!
//! # OutcomeUnknown
//!
//! The connection broke when a write may already have happened. It is never retried by itself; see [what to do about
//! it](super::transactions_and_retry#nobody-knows-whether-it-happened).
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the connection failed; whether the statement was carried out is not known` | the session was ended during a write | check the data; or make the write idempotent and use `idempotent()` |
//! | `the commit was sent and not confirmed` | the connection broke during the commit, or the limit passed while waiting for the answer: a slow disk, a synchronous standby | `settle_commit`, or check the data |
//! | `the work may have been done` | the same through ODBC; or a part of a procedure or batch was committed | check the data |
//! | `the connection broke while … was being committed` | a migration | run the migrations again; the history row decides |
//!
//! # Cancelled
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the statement was cancelled on the server` | an administrator (`pg_cancel_backend`), or the server's `statement_timeout` | not retried, because somebody stopped it on purpose; ask, or raise that limit |
//! | `the program was told to stop, and its … of grace passed in the phase …` | SIGTERM or Ctrl-C, and the call did not end within the grace period | a longer [`grace`](crate::MapOptions::grace), below what the scheduler allows |
//! | `the work was told to stop at once, in the phase …` | `fail_fast`, after another task failed | see the error of that task |
//!
//! # LockLost
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `was lost while the work went on: its connection failed, or a pooler gave it away` | the connection of [`with_lock`](crate::DatabaseManager::with_lock) broke; the work is done, and somebody else may have done it too | make the work safe to repeat, or call [`Lock::check`](crate::Lock::check) before its last step; behind a pooler connect to the server directly |
//!
//! # Closed
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the pool of this database was closed` | [`shutdown`](crate::DatabaseManager::shutdown), or `close` of the last handle, while others still worked | end the work first |
//! | `the connection of this session was given up after an error` | the session was used after an error that closed its connection | return the error; begin a new session |
//!
//! # Usage
//!
//! The call is not allowed there: a defect of the program.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `batchdb blocks its thread and was called inside an async task` | a call in an `async fn` | `spawn_blocking`, or a plain thread |
//! | `a fan-out was started inside a task of another` | `map_tasks` in `map_tasks` | chain stages with `then`, or map the inner items afterwards |
//! | `transactions are not begun or ended by text` | `BEGIN` or `COMMIT` as a statement; `SET IMPLICIT_TRANSACTIONS ON` | [`transaction`](crate::DatabaseManager::transaction) |
//! | `standard_conforming_strings is not switched off by text` | a `SET` on PostgreSQL that changes how `'\'` is read | write `E'…'` for a string with escapes |
//! | `this database has no locks by name` | `with_lock` on SQLite | take the lock on another database, such as the one with the results |
//! | `chunks cannot be committed by themselves within a transaction` | `commit_chunks` in a transaction | load outside of it |
//!
//! # Io
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the server's storage failed or is full` | the disk of the server | free some space there; waiting does not help |
//! | `a thread cannot be started` | the limit on processes of this user or container | raise it, or fewer workers |
//! | `the monitor cannot listen on its address` | the port is taken | another one; 0 takes any |
//! | `cannot be read`, `cannot be written` | a file of migrations or of an export | check path and permissions |
//!
//! # Database
//!
//! Any other answer of the database.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the transaction had failed already; the server has rolled it back` | an error in the transaction was ignored, and the closure went on | return the error, or put that part into a savepoint |
//! | `the database reported an error` | `RAISE` in a function, or something rare | [`sqlstate()`](crate::Error::sqlstate), `native_code()` and `report()` |
//!
//! # No error, but wrong results
//!
//! | what you see | check |
//! | --- | --- |
//! | nothing in the log | is there a logger? `batchdb::init_logging()`, and `RUST_LOG=batchdb=debug` |
//! | the second run finds everything to do again | does the first run write what it has done, and commit it? A program that calls `exit` inside a transaction commits nothing |
//! | it is slow, and the database is idle | one statement per row: see [many rows](super::mass). Or the server is far away: put more work into one call |
//! | it is slow, and all connections are in use | [`pool_status()`](crate::DatabaseManager::pool_status), `SLOW_QUERY=1s` |
//! | it is slower with more workers | [how many workers](super::map_tasks#how-many-workers) |
//! | memory grows | `execute_query` keeps all rows: use [`query_each`](crate::DatabaseManager::query_each), [`map_stream`](super::large_data#through-threads) |
//! | a number comes back as a text | PostgreSQL takes a parameter without a type, as in `SELECT :x AS x`, for a text: `:x::int` |
//! | SQLite has no such table, and yesterday it had | for a mistyped path SQLite created an empty database: [`NoCreat=1`](super::settings#connection-strings) |
//! | a setting has no effect | `batchdb check`: a key with a mistyped [environment, scope or database](super::settings#when-something-is-wrong) is not an error |
//! | day and month of a date are swapped | the text was converted by the server's [`DateStyle`](super::large_data#from-a-file) |
//! | `DatabaseManager::new` works, and the first call fails | nothing is connected before the first call: run a [health check](super::monitoring#health) first |
//! | it works on one machine but not on another | `batchdb check` and `batchdb doctor DB` on the other |
