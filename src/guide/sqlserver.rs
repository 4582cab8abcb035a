//! SQL Server: connection strings, what behaves differently, where its two drivers differ, and what is untested.
//!
//! 1. [Connection strings](#connection-strings)
//! 2. [Which driver](#which-driver)
//! 3. [What behaves differently](#what-behaves-differently)
//! 4. [The two drivers](#the-two-drivers)
//! 5. [The suite, and what is untested](#the-suite-and-what-is-untested)
//!
//! # Connection strings
//!
//! Each of these leads to the same database:
//!
//! ```text
//! mssql+pyodbc://sa:${PW}@db.example:1433/hub?driver=ODBC+Driver+18+for+SQL+Server&Encrypt=yes
//! mssql+pyodbc:///?odbc_connect=Driver%3D…                      an ODBC string inside, used alone
//! sqlserver://sa:${PW}@db.example:1433/hub
//! jdbc:sqlserver://db.example:1433;databaseName=hub;user=sa;password={…};encrypt=true
//! Server=tcp:db.example,1433;Initial Catalog=hub;User ID=sa;Password=${PW};Encrypt=True
//! Driver={ODBC Driver 18 for SQL Server};Server=db.example,1433;Database=hub;UID=sa;PWD={…}
//! DSN=hub;UID=sa;PWD={…}                                        with TYPE=sqlserver
//! ```
//!
//! * **Quoting.** `${PW}` needs no encoding in any of them. If you write a value with `;` or braces into the string
//!   itself, put it in braces and double each `}`. If the string names neither a driver nor a data source, quotes work
//!   as well, as in ADO.NET (`Password="a;b"`); otherwise a quote is an ordinary character.
//! * **URLs with only a name.** As in SQLAlchemy, `mssql://name` and `mssql+pyodbc://name` mean a data source;
//!   `sqlserver://name` means a host. Without a user or another way to log in, the two `mssql` forms log in by Kerberos
//!   (`Trusted_Connection=Yes`).
//! * **Named instances** are `host\instance`, in a URL `host%5Cinstance`. If there is a port too, the port decides.
//! * **Options.** `Encrypt`, `TrustServerCertificate`, `HostNameInCertificate`, `MultiSubnetFailover`,
//!   `Trusted_Connection` (Kerberos) and `Authentication` (Entra) are passed to the driver unchanged.
//! * **Program name.** The server's session lists show `batchdb/{flow}`, unless `APP` says otherwise. Therefore two
//!   flows of one process have a pool each.
//! * **`READ_ONLY=true`** adds `ApplicationIntent=ReadOnly`, with which the listener of an availability group routes to
//!   a secondary.
//!
//! # Which driver
//!
//! If the string names no driver, batchdb takes Microsoft's newest installed driver, else FreeTDS. For FreeTDS the
//! options are translated to its own names (`Port`, `Encryption`, `TDS_Version=7.4`, `ClientCharset=UTF-8`). FreeTDS
//! never checks a certificate, so a string with `Encrypt=yes` and without `TrustServerCertificate=yes` gets it only if
//! it names it. If the named driver is not installed, the error lists those that are.
//!
//! The driver of a data source (`DSN=`) is named in `odbc.ini`. If that is FreeTDS, batchdb adds `TDS_Version=7.4` and
//! `ClientCharset=UTF-8` to the string, which override the values in the file; if you need others, put them into the
//! string. Versions of FreeTDS before 1.3.21 (Debian 12 has 1.3.17) read a `}` inside braces differently from other
//! drivers. So FreeTDS gets values without braces if possible; a value that contains `}` and also contains `;` or
//! begins with `{` is refused.
//!
//! # What behaves differently
//!
//! * **Text parameters** are sent as `varchar` if they are ASCII, else as `nvarchar`. (Compared with a `varchar`
//!   column, an `nvarchar` parameter makes the server convert every row, so the index is not used.) `TEXT_PARAMETERS`
//!   sets one of the two for a database: `nvarchar` if all columns are `nvarchar`, so that each statement has a single
//!   plan; `varchar` if nothing else may be sent, so that non-ASCII texts are refused. For a single value, `CAST(:name
//!   AS varchar(50))` in the statement overrides this. The declared sizes of texts and bytes go in steps (100, 1,000,
//!   4,000 or 8,000, `max`), because every size needs a plan of its own. A NUL character in a text is refused.
//! * **Decimals** are declared with exactly the digits that they have. Each precision needs a plan of its own, but a
//!   wider declaration could lose digits: SQL Server computes the precision of a product or quotient from the declared
//!   precisions of its operands. If the number of plans matters, cast to the column's type.
//! * **`datetime`** counts in 1/300 s; a value that was read is rounded to milliseconds. From compatibility level 130
//!   on, SQL Server compares without rounding, so a row is not found by the value that was read from it: write `at =
//!   CAST(:at AS datetime)`.
//! * **NULL** is written into the statement text instead of being sent as a parameter, so that it fits every type.
//! * **Transactions**: `XACT_ABORT` is on, so an error undoes the whole transaction. A savepoint (`SAVE TRANSACTION`)
//!   can undo only work that the *program* abandons, not a failed statement. A commit checks `XACT_STATE()` in the same
//!   batch. [`Isolation::Snapshot`](crate::Isolation::Snapshot) is `SNAPSHOT`; the previous isolation level is restored
//!   when the transaction ends. A deadlock victim (1205) and a lock timeout (1222) are
//!   [`Conflict`](crate::ErrorKind::Conflict), which `transaction` retries.
//! * **Several results**: [`query_sets`](crate::DatabaseManager::query_sets) returns all of them, every other call
//!   returns the first that has columns. The others are read to the end, and an error in any of them fails the call. A
//!   row count is that of the last statement, whatever triggers count.
//! * **Procedures**: [`call_procedure`](crate::DatabaseManager::call_procedure) returns the results, the output
//!   parameters and the `RETURN` value. It asks the server which output parameters the procedure has, also in another
//!   database, in `tempdb` and behind a synonym. For a procedure on a linked server, name them with
//!   [`Procedure`](crate::Procedure).
//! * **Messages**: `PRINT` and `RAISERROR … WITH NOWAIT` with a severity up to 10 are logged at level `INFO` as they
//!   come, with their full text: keep secrets and personal data out of them, or do not log that level.
//! * **A connection on which a `SET`, `USE`, `EXEC` or `CREATE` ran is closed** when it is returned, and the next call
//!   logs in again. FreeTDS has no way to clean a session. Microsoft's driver has one (`SQL_ATTR_RESET_CONNECTION`,
//!   which is `sp_reset_connection`), but on the server where it was tried the session stayed in the database of a
//!   `USE`. To save logins, make several such calls in one [`session`](crate::DatabaseManager::session).
//!
//! * **Health**: [`health_check`](crate::DatabaseManager::health_check) and `batchdb doctor` report version, edition,
//!   state, whether the database accepts writes, its role in an availability group, and whether the login may see other
//!   sessions (`VIEW SERVER STATE`; from 2022 on `VIEW SERVER PERFORMANCE STATE`; in Azure SQL `VIEW DATABASE STATE`).
//!   `doctor` warns if a session with `READ_ONLY=true` was routed to the primary. A database that is not open (offline,
//!   restoring, recovering) refuses the login; both then log in to `master` and ask for its state.
//! * **A refused login** is reported by its real reason: 18456 ("login failed") followed by 4060 (the database cannot
//!   be opened) is reported as 4060, which is transient, and not as a wrong password.
//!
//! # The two drivers
//!
//! Observed with Microsoft's driver 18.6 and FreeTDS 1.3.17. The last column names the tests. They show that batchdb
//! handles the difference, and most also that the drivers really behave so. *Tried* means that a driver's behaviour was
//! only seen in manual calls.
//!
//! | | Microsoft's | FreeTDS | what batchdb does | shown by |
//! | --- | --- | --- | --- | --- |
//! | the driver's own time limit passes | waits for the server's answer without a limit: 30 s in the test | sends a cancel, waits as long again, gives up: 0.8 s | the caller returns at its deadline; the thread is counted until it ends | `a_slow_statement_ends_at_its_deadline`, `silence_behind_rows_holds_a_thread_but_no_caller` |
//! | cancel from another thread | sent to the server | sent to the server; if that does not answer, the call hangs | sends it, but never relies on it | `a_running_statement_is_cancelled_and_its_thread_is_free_at_once`, `a_slow_statement_ends_at_its_deadline`, `a_lock_is_not_waited_for_longer_than_asked` |
//! | login to a silent server | ends at the login limit | hangs for ever unless `TDS_Version` is set | sets it | `a_silent_peer_holds_nobody_through_freetds` |
//! | many rows in one call | for columns of bounded length; a value longer than its buffer cannot be read again, although the driver claims it can (`SQL_GD_BLOCK`) | the same | reads results with an unbounded column value by value | `freetds_says_that_it_gives_values_of_a_block_again_and_does_not` (Microsoft's: tried), `many_rows_come_whole`, `long_values_come_back_whole_in_bounded_memory` |
//! | an error after some rows, in blocks | an error | a *success* with a diagnostic, and the end | reads the diagnostics of successes | `an_error_behind_rows_or_counts_is_the_error_of_the_whole` |
//! | an error after a row count | reported only with the next result | the same | reads every result | `an_error_behind_rows_or_counts_is_the_error_of_the_whole`, `an_error_behind_a_count_is_an_error` |
//! | an array of parameters with a bad row | an error, count −1 | a *success*, and fewer rows | uses no arrays, but multi-row `INSERT`s and their counts | `rows_of_a_mass_load_go_in`, `a_refused_record_is_named_and_leaves_nothing` (arrays: tried) |
//! | SQLSTATE of a deadlock | `40001` | `42000` | decides by the native error number | `of_two_in_a_deadlock_one_is_tried_again`, `a_deadlock_leaves_nothing_but_the_rollback` |
//! | SQLSTATE of a lost connection | `08S01` | `01000`, the code of a warning | decides by the number, 20000 and up | `a_lost_connection_behind_rows_is_an_error` |
//! | a parameter of unbounded length | with size 0 `varchar(max)`; with the long types the old `text`, `image` | with the long types `varchar(max)`; with size 0 *truncated* at 8,000 bytes, without an error | what each driver needs, by the driver's name, because no query reveals it | `a_long_parameter_is_of_no_old_type`, `text_comes_back_as_it_went`, `long_values_come_back_whole_in_bounded_memory` |
//! | row count with a trigger | the statement's | the trigger's if the text has no parameters; none if the trigger returns rows | asks for `@@ROWCOUNT` in the same batch | `counts_are_those_of_the_statement_under_triggers`, `a_count_is_the_writes_own_under_a_trigger_that_returns_rows`, `an_upsert_under_a_trigger_counts_its_own_rows` |
//! | dates before 1600 | correct | one day off, without an error | sends dates before 1753 as text | `values_come_back_as_they_went` |
//! | Unicode | correct with wide calls; with narrow calls wrong characters, without an error | needs `ClientCharset=UTF-8` | uses wide calls, and sets it | `text_comes_back_as_it_went` (narrow calls: tried) |
//! | `SQLDescribeParam` | available, says `SQLGetFunctions` | not available in 1.3 | does not use it: the types are those of the values, and NULL is written into the text | `freetds_has_no_description_of_parameters` (Microsoft's: tried), `lists_and_nulls`, `plain_text_is_varchar_and_other_text_nvarchar` |
//! | after the server has rolled back a transaction | the next statement begins a new one | the next statement runs outside any transaction | sends `BEGIN`, `COMMIT` and so on as text; after an error allows only the rollback | `a_swallowed_error_is_no_commit` (transactions of the drivers' own: tried) |
//! | a refused login | `18456` first, then the reason | the same | decides by the reason | `a_login_is_refused_for_its_reason_and_not_because_it_failed` |
//! | a certificate that is not accepted | `08001` and −1, like an unreachable server | not checked | recognizes the message text, and does not retry | `a_certificate_that_was_not_accepted_is_told_as_such_and_not_tried_again` |
//! | an unreachable server | "login timeout expired" first, after the whole limit | an error at once | decides by the reason that follows | `a_server_that_is_not_there_is_no_login_that_took_too_long` |
//! | error numbers | `[SQL Server]` only before the server's | also before its own (20001 to 20146) | distinguishes equal numbers of server and driver | `a_number_is_that_of_who_has_said_it` |
//! | a `}` in a value in braces | read when doubled | not before 1.3.21 | gives FreeTDS the value without braces | `a_password_arrives_as_it_is_whatever_is_in_it` |
//! | messages | one diagnostic each, with the result that they belong to | the same, an error after them | reads all, and logs them as they come | `what_the_server_says_is_in_the_log`, `all_messages_of_a_call_are_told_and_an_error_behind_them_is_seen` |
//! | certificates | checked, by default from version 18 on | not checked | does not choose FreeTDS for a string that wants the check | `a_string_without_a_driver_is_written_for_both`, of the strings (FreeTDS's not checking: tried) |
//!
//! batchdb asks the driver what it can: the names of database and driver (`SQLGetInfo`), for psqlODBC whether values of
//! a block can be read again, and for every driver whether it accepts blocks and a time limit (by setting them).
//! Everything else is decided by the name of the database or the driver (`SQL_DRIVER_NAME`), because the drivers'
//! answers are wrong or there is no query for it. Both drivers claim `SQL_GD_BLOCK` but cannot read a value again; both
//! claim `SQL_PARC_BATCH`, but FreeTDS does not deliver it. SQLite's driver accepts blocks but reports wrong lengths in
//! them, and accepts a time limit but ignores it. No query reveals what a driver does with a long parameter, or whether
//! it reports every row count.
//!
//! # The suite, and what is untested
//!
//! `cargo test --all-features --test sqlserver` runs the same test bodies on PostgreSQL, through psqlODBC, on SQLite,
//! and on the servers in `BATCHDB_TEST_SQLSERVER` (connection strings, one per line). Its last lines say what passed,
//! what each server does not support, and what did not run. The workflow for continuous integration is written to run
//! it on SQL Server 2019 and 2022 with both drivers. Without a server, a scripted stand-in that speaks the TDS protocol
//! plays logins, results, types, errors in every place, messages, cancels, silence and broken connections to the real
//! FreeTDS.
//!
//! So far it has run with both drivers on Babelfish 4.2, a PostgreSQL that speaks SQL Server's protocol and most of its
//! SQL, and nothing failed. **Not yet tested, because only a real SQL Server can show it:**
//!
//! * `SNAPSHOT`, and that the isolation level is restored (`isolation_is_the_transactions_alone`,
//!   `a_snapshot_sees_no_later_commit`);
//! * the numbers of most errors: missing objects, syntax, conversions, 1222 (`errors_have_their_kinds_and_leave_the_connection_usable`);
//! * that the server ends a cancelled statement at once (`a_lock_is_not_waited_for_longer_than_asked`);
//! * that a message with `NOWAIT` arrives before its batch has ended
//!   (`a_message_with_nowait_comes_before_its_batch_has_ended`);
//! * a transaction that `XACT_ABORT` has doomed inside `TRY … CATCH`
//!   (`a_transaction_that_its_batch_has_doomed_is_no_commit`);
//! * application locks that another session holds, `UPDLOCK`, `SERIALIZABLE` and `READPAST`
//!   (`a_lock_that_somebody_has_is_not_given`, `rows_are_claimed_once`, `of_two_runners_each_file_is_applied_once`,
//!   `upserts_of_the_same_keys_at_a_time_neither_fail_nor_lose`);
//! * procedures behind a synonym, temporary ones (`#name`), and the system's
//!   (`a_procedure_is_found_behind_a_synonym_and_in_a_session`);
//! * settings of a session that Babelfish does not know (`no_setting_of_a_session_outlives_its_borrower`);
//! * that from level 130 on a `datetime` is not equal to the value that was read from it
//!   (`a_datetime_that_was_read_finds_its_row` uses the cast);
//! * an untrusted certificate (`a_certificate_that_is_not_accepted_is_told_as_such`; the driver's message texts were
//!   taken from a server that does only TLS), and a database that is offline
//!   (`a_database_that_is_not_opened_is_told_by_its_state`);
//! * `datetimeoffset` from a text, `sql_variant`, a `]` in a name (`values_come_back_as_they_went`,
//!   `plain_text_is_varchar_and_other_text_nvarchar`, `pages_and_odd_names`);
//! * without any test: named instances, Kerberos, Entra, `HostNameInCertificate`, routing by `ApplicationIntent` and
//!   the role of a replica, `MultiSubnetFailover`, transient errors and permissions of Azure, Microsoft's driver 17,
//!   and drivers on Windows.
