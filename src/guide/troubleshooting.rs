//! Troubleshooting: every kind of error with its messages, their causes and what to do.
//!
//! Each kind of [`ErrorKind`](crate::ErrorKind) has its section, and a test holds the messages here against those of
//! the code; `…` stands for names and numbers. First, [how to read an error](#how-to-read-an-error); at the end, [no
//! error, and still wrong](#no-error-and-still-wrong).
//!
//! # How to read an error
//!
//! ```text
//! rpa_db: execute failed: a row with this key exists already, constraint "job_pkey" [SQLSTATE 23505]
//! └ name  └ call         └ what happened                      └ what it is about     └ the server's own code
//! ```
//!
//! * [`kind()`](crate::Error::kind) is one word for your program, [`is_transient()`](crate::Error::is_transient) says
//!   whether the same call may simply be made again.
//! * `Display` and `Debug` hold no value of yours and may be logged. [`report()`](crate::Error::report) adds the
//!   server's own words, which often say more and may quote values.
//! * A hint in parentheses at the end says what to do.
//! * The example programs print `Display`. To see the server's words, print `error.report()`, to a place that may hold data.
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
//! Nothing was connected. `batchdb check` shows all settings of an environment, and every problem at once.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `wrong settings for the environment …` | each line below it is one problem, with its key, its file and its line | correct them; the nearest known key stands beside a misspelled one |
//! | `is not set, neither in the process environment nor in …` | no connection string for this name in this environment | is it the right environment (`BATCHDB_ENVIRONMENT`)? Does the program run where `envs` lies, or is `BATCHDB_HOME` set? |
//! | `the ODBC driver or data source of … is not installed` | the string names a driver that the machine does not have | install it; `odbcinst -q -d` lists those that are there |
//! | `… is a SQL Server, whose SQL is another than that of TYPE=odbc` | a data source (`DSN=`) that leads to one | `TYPE=sqlserver` |
//! | `this machine trusts no root certificate` | a small container without certificates | install `ca-certificates`, or name the issuer by `sslrootcert` |
//! | `the file of … cannot be read as PEM` | a wrong path, or no right to read it | look at the path as the user that the program runs as |
//!
//! # Connect
//!
//! The server cannot be reached, or the connection broke before anything was sent. Transient, but for a database that
//! does not exist and for what TLS refuses. Calls that [repeat
//! themselves](super::transactions_and_retry#calls-that-retry) wait for it.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the host name … cannot be resolved` | a misspelled host, or no name server | `getent hosts NAME` on that machine, in that container |
//! | `the connection was refused: nothing listens there` | the server is down, or the port another | start it; compare the port; does it listen on more than `localhost`? |
//! | `the server closed the connection during the login` | it is going down, or something else listens on that port | look into the server's log |
//! | `the database does not exist` | the name at the end of the URL | create it; names are case-sensitive |
//! | `the server takes no more connections` | all programs together want more than `max_connections` | count them: [how many connections](super::pools#how-many-connections) |
//! | `the server is starting up or shutting down` | a restart | wait; `batchdb wait` does |
//! | `the server's certificate was not accepted` | another issuer, another name, or its time is over; the hint says which | [TLS](super::tls), [SQL Server](super::sqlserver) |
//! | `the server does not offer TLS, which …` | `sslmode=require` or more, and a server without TLS | switch it on there |
//! | `the attempt of a moment ago failed, and is not repeated at once` | while a server is away one caller a second tries; the others wait for the attempt that is under way, or get the error of the last one | what stands behind it |
//! | `the server cannot be reached` | the same through ODBC | the driver's words in `report()` |
//! | `the server is there, and does not open the database now` | SQL Server 4060 and its like: no such name, not online, no user in it | `batchdb doctor` asks `master` which |
//! | `the server offers no encryption, and …` | `Encrypt=yes`, the default of Microsoft's driver 18, and a server without TLS | [SQL Server](super::sqlserver) |
//! | `the connection failed while the statement ran` | network, restart, or somebody ended the session; nothing of it remains | it may be made again |
//!
//! # Auth
//!
//! The server refused the login. It is repeated by itself only where the secret, read again, is another one. A refusal
//! is remembered for 10 s, in which every call that needs a new connection gets it, because repeated attempts lock
//! accounts; the first one after that tries again.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the server refused the user or the password` | a wrong one, or `pg_hba.conf` has no line for this user, database and address | try the same with `psql`; `report()` has the server's words |
//! | `the server refused the credentials` | the same through ODBC | the same with `sqlcmd` or `isql` |
//! | `its secret cannot be read again`, before one of the two | the mounted file, the vault's command or the `SecretSource` fails; the refused secret is not offered again for 10 s | run the command by hand, as that user; `report()` has the words of a `SecretSource` |
//!
//! # Checkout
//!
//! No connection became free within `POOL_TIMEOUT`. Nothing was sent. Transient.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `all … connections of the pool were in use for …` | more workers than connections; slow statements; a connection that is held while other work is done; a task that needs two at a time | fewer workers, or [more connections](super::pools#how-many-connections); `LEAK_AFTER=60` names the line that holds one |
//! | `threads of this pool sit in calls of the ODBC driver that do not return` | the server of that driver is silent, and its driver waits without a limit | see to the server; the threads end when the driver returns |
//! | `the ODBC driver has not closed … connections of this pool in …` | ending a session takes this driver, or its server, longer than `POOL_TIMEOUT` | see to the server; a larger `POOL_SIZE` leaves room for those that are being closed |
//!
//! # Timeout
//!
//! A limit passed, and the error names the phase. The statement was cancelled on the server, and its connection thrown
//! away. In a transaction, and for a query that only reads, nothing remains. A write outside of a transaction may have
//! happened, unless [`is_transient`](crate::Error::is_transient) is true: then PostgreSQL has confirmed that it
//! stopped.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the limit of … passed in the phase …`: `checkout` | the call's own deadline was over before a connection was free | as [Checkout](#checkout) |
//! | `name resolution`, `connect` | a firewall that drops packets, a name server that is silent; `CONNECT_TIMEOUT` | `nc -vz HOST PORT` from that machine |
//! | `ping` | the call's deadline passed while an idle connection was tested | a longer deadline, or look at the network |
//! | `query` | a slow statement, or one that waits for a lock; `TIMEOUT` | `EXPLAIN`; who holds the lock: `pg_blocking_pids(pid)`; or a longer limit for this call, and for the task whose [`timeout`](crate::MapOptions::timeout) it was |
//! | `fetch` | the server needs longer than `TIMEOUT` for the next rows | an `ORDER BY` without an index makes the first rows the slowest |
//! | `commit` | the call's time was over before the commit was sent: all is undone. (One that was sent and not answered is [OutcomeUnknown](#outcomeunknown)) | a longer deadline |
//! | `rollback` | a savepoint could not be undone in time | look at the server |
//! | `lock` | somebody else holds the lock of the migrations, or of `with_lock`; the message names the holder | wait longer, or see what the holder does |
//!
//! # Constraint
//!
//! A rule of the data. [`constraint()`](crate::Error::constraint), `table()` and `column()` have the names, where the
//! database gives them.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `a row with this key exists already` | unique or primary key | `ON CONFLICT DO NOTHING`, `bulk_upsert`, or look why it comes twice |
//! | `the row that is referred to does not exist, or is still referred to` | foreign key | write the other row first, delete it last |
//! | `a value is missing where NULL is not allowed` | `NOT NULL` | give the value, or the column a default |
//! | `a value is refused by a check` | `CHECK` | the constraint's name says which |
//! | `a value is given for a column that the database generates` | `GENERATED ALWAYS` | leave the column out; an identity can be given by `OVERRIDING SYSTEM VALUE`, [`bulk_insert`](crate::DatabaseManager::bulk_insert), or as the key of a [`bulk_upsert`](crate::DatabaseManager::bulk_upsert) |
//!
//! # Conflict
//!
//! The server undid the work for the sake of another transaction. Transient:
//! [`transaction`](crate::DatabaseManager::transaction) tries again by itself.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the statement was in a deadlock and was chosen to be undone` | two transactions lock the same rows in different orders | one order everywhere, such as that of the key; shorter transactions |
//! | `the transaction collided with another one and was undone` | `REPEATABLE READ` or `SERIALIZABLE` | run it again; that is what these levels ask for |
//! | `a lock is held by somebody else` | `NOWAIT`, or `lock_timeout` has passed | see who holds it |
//! | `the server gave the work up in favour of another transaction` | the same on SQL Server (1205, 1222) | the same |
//!
//! # Syntax
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `a table or view that the statement names does not exist` | a misspelled name, another schema, or migrations that are pending | `batchdb migrate DB status` |
//! | `a column that the statement names does not exist` | the same | the same |
//! | `a function or operator of these types does not exist` | a parameter has another type than was thought | a cast: `:id::bigint` |
//! | `the server does not understand the statement` | its grammar; several statements in one call; a script | `report()` says at which character; scripts are migrations |
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
//! | `the database is read-only by its settings (READ_ONLY)` | `READ_ONLY=true`, and a statement that writes by its words, or whose words do not tell (`CALL`, `DO`, a verb that is not known, on databases that cannot be told to refuse writes also a function that is not known) | that is its purpose; for a procedure that reads only, another handle without it |
//! | `the session is read-only` | a standby; a transaction that was begun as read-only; `READ_ONLY=true` and a `SELECT` whose function writes | connect to the primary; leave the function out |
//! | `migrations write, and the database is read-only` | `run_migrations` on such a database | leave it out there |
//!
//! # Params
//!
//! The parameters do not fit the statement, which was not run. What is wrong with the names is found before anything is
//! sent; what is wrong with the types, when PostgreSQL has prepared the statement.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `not given: …` | a `:name` without a value; or a colon that was not meant as one | give it; write `\:` for a mere colon |
//! | `given and not used by the statement: …` | a misspelled name; `params!` is strict | correct it; [`record`](crate::record) may have more |
//! | `the list … is not alone behind IN` | a list somewhere else | `IN (:ids)` and nothing besides |
//! | `the type of a parameter cannot be told` | PostgreSQL cannot infer it, as in `:x IS NULL`, or infers two for one name | a cast: `:x::int` |
//! | `was given for a parameter of type …` | a value that the column would change without a word | say in the SQL what is meant, by a cast |
//! | `the text has both named parameters and …`, `the text has the placeholder …` | `$1` or `?` | named parameters only |
//!
//! # RowCount
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `several rows came where at most one was expected` | `query_opt`, and a condition that is not unique | `LIMIT 1` with an `ORDER BY`, or `execute_query` |
//! | `rows were claimed, and … have their keys` | the key of a [`Claim`](crate::Claim) is not unique, or the work has deleted its rows | a unique key; leave the rows to the claim |
//! | `the server kept … of … rows from record …` | a trigger leaves rows of a mass load out | `execute_many`, which leaves that to the trigger |
//!
//! # Decode
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `a value of type … cannot be read as …` | another type was asked for; or NULL, and no `Option` | `row.get::<Option<T>>`; the [table of types](super::types) |
//! | `a value of type … is out of range for …` | an `i32` for a `bigint` | a wider type |
//! | `several columns are called …` | a join with two columns of one name | `AS`, or read them by index |
//! | `there is no column …` | a misspelled name; unquoted names are lower case in PostgreSQL | the message lists those that there are |
//! | `values of type … cannot be read` | a type that has no form here | cast it in the SQL, as the hint says |
//!
//! # Data
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the server cannot take a value: wrong form, out of range or too long` | a text for a date, a number too large, a text too long; or a division by zero | `report()` has the server's words; in a mass load the error names the record |
//! | `the server could not take or compute a value` | the same through ODBC | the same |
//!
//! # Migration
//!
//! Each run checks everything first, so that most of these come before anything has run. The page on
//! [migrations](super::migrations) has the rest.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `failed…; …, and the files after it were not run` | the file's own SQL; line and column are those of the file | correct it and run again. Nothing was kept, unless it runs without a transaction: then `repair` |
//! | `…, and none was run: …` | files that were changed, lost, misnamed, or are out of order; all of them are listed | restore the file, or `repair` what is meant to be so |
//! | `the connection goes through a pooler in transaction mode` | [PgBouncer](super::pgbouncer), where no lock would hold | a connection string of the server itself |
//! | `migrations are for PostgreSQL, SQL Server and SQLite` | another database, or a SQL Server that was not said to be one | `TYPE=sqlserver` |
//! | `there is a history already: …` | a baseline where migrations have run | none is needed |
//!
//! # Tasks
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `tasks did not complete, the first is …` | `into_values()` of a fan-out, some of whose tasks failed; the first one's error is the source | look at `failed()`, or take `completed()` |
//! | `the task … did not complete (…)` | the same of a stream's `values()` | go through the records |
//!
//! # Throttled
//!
//! The server is short of something for now. Transient, after a longer wait.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the server is short of a resource` | memory, or a limit of its configuration | fewer connections, less parallel work; look at the server |
//! | `the server is short of resources`, `the database is moving to another machine` | the same of SQL Server, and limits of Azure | wait, or a larger tier |
//!
//! # OutcomeUnknown
//!
//! The connection broke when a write may have happened already. It is never repeated by itself; [three
//! answers](super::transactions_and_retry#nobody-knows-whether-it-happened) to it.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the connection failed; whether the statement was carried out is not known` | the session was ended under a write | look at the data; or make it harmless and say `idempotent()` |
//! | `the commit was sent and not confirmed` | the connection broke under the commit, or the limit passed while it waited for its answer: a slow disk, a synchronous standby | `settle_commit`, or look |
//! | `the work may have been done` | the same through ODBC; or a part of a procedure or batch was committed | look at the data |
//! | `the connection broke while … was being committed` | a migration | run the migrations again: its row tells |
//!
//! # Cancelled
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the statement was cancelled on the server` | an administrator (`pg_cancel_backend`), or the server's own `statement_timeout` | final, because somebody did not want it; raise that limit, or ask them |
//! | `the program was told to stop, and its … of grace passed in the phase …` | SIGTERM or Ctrl-C, and the call was not done within the grace | a longer [`grace`](crate::MapOptions::grace), below what the scheduler allows |
//! | `the work was told to stop at once, in the phase …` | `fail_fast`, after the failure of another task | that one's error says why |
//!
//! # LockLost
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `was lost while the work went on: its connection failed, or a pooler gave it away` | the connection of [`with_lock`](crate::DatabaseManager::with_lock) broke; the work is done, and somebody else may have done it too | make the work bear that, or ask [`Lock::check`](crate::Lock::check) before its last step; behind a pooler connect to the server itself |
//!
//! # Closed
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the pool of this database was closed` | [`shutdown`](crate::DatabaseManager::shutdown), or `close` of the last handle, while others still worked | end the work first |
//! | `the connection of this session was given up after an error` | a session went on after an error that had cost it its connection | return the error; begin a new session |
//!
//! # Usage
//!
//! The call is not possible there. It is a defect of the program.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `batchdb blocks its thread and was called inside an async task` | a call in an `async fn` | `spawn_blocking`, or a plain thread |
//! | `a fan-out was started inside a task of another` | `map_tasks` in `map_tasks` | chain stages with `then`, or map the inner items afterwards |
//! | `transactions are not begun or ended by text` | `BEGIN` or `COMMIT` as a statement; `SET IMPLICIT_TRANSACTIONS ON` | [`transaction`](crate::DatabaseManager::transaction) |
//! | `standard_conforming_strings is not switched off by text` | a `SET` of PostgreSQL after which `'\'` would be read in another way | write `E'…'` for a string with escapes |
//! | `this database has no locks by name` | `with_lock` on SQLite | the lock on the database that the results go to |
//! | `chunks cannot be committed by themselves within a transaction` | `commit_chunks` in a transaction | load outside of it |
//!
//! # Io
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the server's storage failed or is full` | the disk of the server | make room there; waiting does not help |
//! | `a thread cannot be started` | the limit on processes of this user or container | raise it, or fewer workers |
//! | `the monitor cannot listen on its address` | the port is taken | another one; 0 takes any |
//! | `cannot be read`, `cannot be written` | a file of migrations or of an export | path and rights |
//!
//! # Database
//!
//! Any other answer of the database.
//!
//! | message | cause | remedy |
//! | --- | --- | --- |
//! | `the transaction had failed already; the server has rolled it back` | an error in the transaction was swallowed, and it went on | return the error, or put that part into a savepoint |
//! | `the database reported an error` | `RAISE` in a function, or something rare | [`sqlstate()`](crate::Error::sqlstate), `native_code()` and `report()` |
//!
//! # No error, and still wrong
//!
//! | what you see | look at |
//! | --- | --- |
//! | nothing in the log | is there a logger? `batchdb::init_logging()`, and `RUST_LOG=batchdb=debug` |
//! | the second run finds everything to do again | does the first one write what it has done, and commit it? A program that ends by `exit` in a transaction commits nothing |
//! | it is slow, and the database is idle | one statement a row: [many rows](super::mass). Or a round trip far away: as many as you can in one call |
//! | it is slow, and all connections are in use | [`pool_status()`](crate::DatabaseManager::pool_status), `SLOW_QUERY=1s` |
//! | it is slower with more workers | [how many workers](super::map_tasks#how-many-workers) |
//! | memory grows | `execute_query` keeps all rows: [`query_each`](crate::DatabaseManager::query_each), [`map_stream`](super::large_data#through-threads) |
//! | a number comes back as a text | a parameter that nothing in the SQL gives a type, as in `SELECT :x AS x`, is a text to PostgreSQL: `:x::int` |
//! | SQLite has no such table, and yesterday it had | a mistyped path made an empty database: [`NoCreat=1`](super::settings#connection-strings) |
//! | a setting has no effect | `batchdb check`: a key whose [environment, scope or database](super::settings#when-something-is-wrong) is mistyped is no error |
//! | day and month of a date are swapped | the text was read by the server's [`DateStyle`](super::large_data#from-a-file) |
//! | `DatabaseManager::new` works, and the first call fails | nothing is connected before the first call: [health checks](super::monitoring#health) ask early |
//! | it works here and not there | `batchdb check` and `batchdb doctor DB` there |
