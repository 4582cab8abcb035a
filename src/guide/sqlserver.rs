//! SQL Server: its connection strings, what is its own, where its two drivers differ, and what is untested.
//!
//! 1. [Connection strings](#connection-strings)
//! 2. [Which driver](#which-driver)
//! 3. [What is its own](#what-is-its-own)
//! 4. [The two drivers](#the-two-drivers)
//! 5. [The suite, and what is untested](#the-suite-and-what-is-untested)
//!
//! # Connection strings
//!
//! Each of these is the same database:
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
//! `${PW}` needs no encoding in any of them. Written out, a value with `;` or braces stands in braces, with each `}`
//! doubled; where no driver is named, quotes do as well, as in ADO.NET (`Password="a;b"`). To who names a driver or a data
//! source a quote is a letter. As in SQLAlchemy, `mssql://` and `mssql+pyodbc://` take a lone name for that of a data source,
//! and log in by Kerberos (`Trusted_Connection=Yes`) where they name neither a user nor another way; behind `sqlserver://` a
//! lone name is a host. A named instance is `host\instance` (in a URL `host%5Cinstance`); with a port, the port decides.
//! `Encrypt`, `TrustServerCertificate`, `HostNameInCertificate`, `MultiSubnetFailover`, `Trusted_Connection` (Kerberos) and
//! `Authentication` (Entra) go to the driver as they are. The server's lists of sessions show the program as
//! `batchdb/{flow}`, unless `APP` says otherwise, so that two flows of one process have a pool each. `READ_ONLY=true` adds
//! `ApplicationIntent=ReadOnly`: a listener of an availability group leads such a session to a secondary.
//!
//! # Which driver
//!
//! Where the string names none, Microsoft's newest that is installed is taken, then FreeTDS. FreeTDS is told the same in
//! its own words (`Port`, `Encryption`, `TDS_Version=7.4`, `ClientCharset=UTF-8`). It checks no certificate: a string
//! with `Encrypt=yes` and without `TrustServerCertificate=yes` does not get it unless it names it. A driver that is named
//! and not installed is an error that lists those that are.
//!
//! A data source (`DSN=`) has its driver in `odbc.ini`. Where that is FreeTDS, by its name or its file, the string is
//! written in its words and says `TDS_Version=7.4` and `ClientCharset=UTF-8`, which go before those of the file; other ones
//! belong into the string. Versions of FreeTDS before 1.3.21 (Debian 12 has 1.3.17) read a `}` in braces as no other driver
//! does, so it is told a value without braces where it can be; one that holds a `}` and also a `;` or begins with `{` is
//! refused.
//!
//! # What is its own
//!
//! * **Text parameters** are `varchar` where they are ASCII, else `nvarchar`: compared with a `varchar` column, an `nvarchar`
//!   makes the server convert the column row by row, and leave its index unused. `TEXT_PARAMETERS` sets one of the two for a
//!   database: `nvarchar` where all columns are, so that a statement has one plan whatever the letters, and `varchar` where no
//!   other may be sent, so that other letters are refused. For one value, `CAST(:name AS varchar(50))` in the statement goes
//!   before all that. Sizes of texts and bytes go in steps (100, 1,000, 4,000 or 8,000, `max`), because each makes a plan. A NUL
//!   in a text is refused.
//! * **Decimals** go with just their digits, though each number of them makes a plan: how many digits a product or a quotient
//!   has is made of what its parts declare, so that wider ones would lose some. Where that matters, cast to the column's type.
//! * **`datetime`** counts in 1/300 s, and what is read of it is rounded to milliseconds. From compatibility level 130 on,
//!   SQL Server compares it unrounded, so that a row is not found by what was read of it: write `at = CAST(:at AS datetime)`.
//! * **NULL** is a word in the statement and no parameter, so that it fits every type.
//! * **Transactions**: `XACT_ABORT` is on, so an error undoes the whole transaction; a savepoint (`SAVE TRANSACTION`) undoes
//!   what the *program* gives up, and no failed statement. A commit asks for `XACT_STATE()` in the same batch.
//!   [`Isolation::Snapshot`](crate::Isolation::Snapshot) is its `SNAPSHOT`, and the level goes back when the transaction ends.
//!   The victim of a deadlock (1205) and a lock that was not given in time (1222) are
//!   [`Conflict`](crate::ErrorKind::Conflict), which `transaction` tries again.
//! * **Several results**: [`query_sets`](crate::DatabaseManager::query_sets) returns all, every other call the first that has
//!   columns. The rest is read to its end, and an error in it is the error of the whole. A count is that of the last
//!   statement, whatever triggers count before it.
//! * **Procedures**: [`call_procedure`](crate::DatabaseManager::call_procedure) returns the results, the output parameters and
//!   what `RETURN` says. The server is asked which parameters it puts out, in its own database or `tempdb` and behind a synonym;
//!   of a procedure on another server a [`Procedure`](crate::Procedure) says it.
//! * **Messages**: `PRINT` and `RAISERROR … WITH NOWAIT` of a severity up to 10 are log lines of level `INFO`, as they come.
//!   Such a text is the procedure's own: keep secrets and personal data out of it, or leave the level out.
//! * **A session that a `SET`, `USE`, `EXEC` or `CREATE` has touched is closed** on return, and the next borrower logs in anew.
//!   FreeTDS has no way to clean one. Microsoft's driver has (`SQL_ATTR_RESET_CONNECTION`, which is `sp_reset_connection`), and
//!   on the server that it was tried on that left the session in the database of a `USE`. Make several such calls in one
//!   [`session`](crate::DatabaseManager::session), which costs one login for all.
//!
//! * **Health**: [`health_check`](crate::DatabaseManager::health_check) and `batchdb doctor` tell version, edition, state,
//!   whether the database takes writes, its role in an availability group (`READ_ONLY=true` that was led to the primary is a
//!   warning of the doctor), and whether the login may see other sessions: `VIEW SERVER STATE`, from 2022 on `VIEW SERVER
//!   PERFORMANCE STATE`, in Azure SQL `VIEW DATABASE STATE`. A database that the server does not open (offline, restoring,
//!   recovering) refuses the login; these two then ask for its state in `master`, by one login more.
//! * **A login that is refused** is told by its reason: of 18456 with 4060 behind it by 4060, which may pass, and no password is
//!   called wrong.
//!
//! # The two drivers
//!
//! Microsoft's driver 18.6 and FreeTDS 1.3.17, as they were found. The last column has the tests of it: they show that what
//! is made of it holds, and most that the drivers do as is said. Where they do not, it says *tried*: that was seen by calls
//! by hand, and is built on no more.
//!
//! | | Microsoft's | FreeTDS | what is made of it | shown by |
//! | --- | --- | --- | --- | --- |
//! | a limit of the driver's own passes | waits for the server's word without a limit: 30 s in the test | asks, waits as long again, gives up: 0.8 s | the caller has gone at its deadline; the thread is counted until it ends | `a_slow_statement_ends_at_its_deadline`, `silence_behind_rows_holds_a_thread_but_no_caller` |
//! | cancel from another thread | passed on | passed on; a server that does not answer holds the call | asked for, never relied on | `a_running_statement_is_cancelled_and_its_thread_is_free_at_once`, `a_slow_statement_ends_at_its_deadline`, `a_lock_is_not_waited_for_longer_than_asked` |
//! | a login to a silent server | ends by the login limit | hangs for ever unless `TDS_Version` is given | it is given | `a_silent_peer_holds_nobody_through_freetds` |
//! | many rows in one call | all bounded columns; a value that is longer than its buffer cannot be had again, although the driver says so (`SQL_GD_BLOCK`) | the same | results with a column that has no bound go value by value | `freetds_says_that_it_gives_values_of_a_block_again_and_does_not` (Microsoft's: tried), `many_rows_come_whole`, `long_values_come_back_whole_in_bounded_memory` |
//! | an error behind rows, in blocks | an error | a *success* with a diagnostic, and the end | diagnostics of successes are read | `an_error_behind_rows_or_counts_is_the_error_of_the_whole` |
//! | an error behind a count | by the next result only | the same | every result is read | `an_error_behind_rows_or_counts_is_the_error_of_the_whole`, `an_error_behind_a_count_is_an_error` |
//! | an array of parameters with a bad row | an error, count −1 | a *success*, and fewer rows | no arrays: `INSERT`s of many rows, and their counts | `rows_of_a_mass_load_go_in`, `a_refused_record_is_named_and_leaves_nothing` (arrays: tried) |
//! | SQLSTATE of a deadlock | `40001` | `42000` | the native number decides | `of_two_in_a_deadlock_one_is_tried_again`, `a_deadlock_leaves_nothing_but_the_rollback` |
//! | SQLSTATE of a lost connection | `08S01` | `01000`, a warning's | the number, 20000 and up | `a_lost_connection_behind_rows_is_an_error` |
//! | a value without a bound | with size 0 `varchar(max)`; by the long types the old `text`, `image` | `varchar(max)` by the long types; with size 0 it is *cut* at 8,000 bytes, without an error | each as it needs it, by the driver's name, because no question tells it | `a_long_parameter_is_of_no_old_type`, `text_comes_back_as_it_went`, `long_values_come_back_whole_in_bounded_memory` |
//! | a count under a trigger | the statement's | the trigger's where the text has no parameters; none where the trigger returns rows | the batch asks for `@@ROWCOUNT` behind a statement that changes rows | `counts_are_those_of_the_statement_under_triggers`, `a_count_is_the_writes_own_under_a_trigger_that_returns_rows`, `an_upsert_under_a_trigger_counts_its_own_rows` |
//! | dates before 1600 | right | the day before or after, without an error | before 1753 they go as text | `values_come_back_as_they_went` |
//! | Unicode | by the wide calls; by the narrow ones other characters, without an error | needs `ClientCharset=UTF-8` | wide calls, and it is given | `text_comes_back_as_it_went` (narrow calls: tried) |
//! | `SQLDescribeParam` | there, by `SQLGetFunctions` | not there in 1.3 | not used: types are those of the values, and NULL is a word | `freetds_has_no_description_of_parameters` (Microsoft's: tried), `lists_and_nulls`, `plain_text_is_varchar_and_other_text_nvarchar` |
//! | after the server has undone a transaction | the next statement begins one | the next statement runs outside of any | the words of transactions are sent as text; what failed can only be rolled back | `a_swallowed_error_is_no_commit` (transactions of the drivers' own: tried) |
//! | a refused login | `18456` first, and the reason behind it | the same | the reason decides | `a_login_is_refused_for_its_reason_and_not_because_it_failed` |
//! | a certificate that is not accepted | `08001` and −1, as a server that is not there | not looked at | told by its words, and not tried again | `a_certificate_that_was_not_accepted_is_told_as_such_and_not_tried_again` |
//! | a server that is not there | "login timeout expired" first, and by the whole limit | at once | the reason behind it decides | `a_server_that_is_not_there_is_no_login_that_took_too_long` |
//! | numbers of errors | `[SQL Server]` stands before the server's | it stands before its own too, which are 20001 to 20146 | the same number of each is told apart | `a_number_is_that_of_who_has_said_it` |
//! | a `}` in a value | doubled in braces | not until 1.3.21 | FreeTDS is told it without braces | `a_password_arrives_as_it_is_whatever_is_in_it` |
//! | messages | a diagnostic each, with the result that they belong to | the same, an error behind them | all are read, and told when they come | `what_the_server_says_is_in_the_log`, `all_messages_of_a_call_are_told_and_an_error_behind_them_is_seen` |
//! | certificates | checked, from 18 on by default | not checked | a string that wants it checked does not get FreeTDS | `a_string_without_a_driver_is_written_for_both`, of the strings (FreeTDS's not checking: tried) |
//!
//! What can be asked is asked: the database's name and the driver's (`SQLGetInfo`), of psqlODBC whether values of a block can be
//! had again, of each whether the handle takes blocks and a limit (by setting them). The rest goes by the database, because the
//! answers are not true or there is no question. FreeTDS and Microsoft's driver both say `SQL_GD_BLOCK` and give no value again,
//! and `SQL_PARC_BATCH`, of which FreeTDS gives nothing. `SQLGetFunctions` tells whether a function is there, which they all are
//! that are used here: SQLite's driver has blocks, and lengths in them that are not true, and a limit, which it ignores. What a
//! driver does with a long parameter, and whether it tells every count, no question tells; that goes by `SQL_DRIVER_NAME`.
//!
//! # The suite, and what is untested
//!
//! `cargo test --all-features --test sqlserver` runs the same bodies on PostgreSQL, through psqlODBC, on SQLite, and on the
//! servers of `BATCHDB_TEST_SQLSERVER`: connection strings, one a line. Its last lines say what passed, what that server does
//! not support, and what did not run. The workflow for continuous integration runs it on SQL Server 2019 and 2022 with both
//! drivers. Without a server, a stand-in that speaks the protocol plays logins, results, types, errors in every place,
//! messages, cancels, silence and cuts to the real FreeTDS.
//!
//! Here it has run with both drivers on Babelfish 4.2, a PostgreSQL that speaks SQL Server's protocol and most of its SQL, and
//! nothing failed. **What only a true SQL Server can show, and nobody has seen yet:**
//!
//! * `SNAPSHOT`, and that the isolation level goes back (`isolation_is_the_transactions_alone`, `a_snapshot_sees_no_later_commit`);
//! * the numbers of most errors: missing objects, syntax, conversions, 1222 (`errors_have_their_kinds_and_leave_the_connection_usable`);
//! * that the server ends what was cancelled, at once (`a_lock_is_not_waited_for_longer_than_asked`);
//! * that a message with `NOWAIT` comes before its batch has ended (`a_message_with_nowait_comes_before_its_batch_has_ended`);
//! * a transaction that `XACT_ABORT` has doomed inside of `TRY … CATCH` (`a_transaction_that_its_batch_has_doomed_is_no_commit`);
//! * application locks that somebody else holds, `UPDLOCK`, `SERIALIZABLE` and `READPAST` (`a_lock_that_somebody_has_is_not_given`,
//!   `rows_are_claimed_once`, `of_two_runners_each_file_is_applied_once`,
//!   `upserts_of_the_same_keys_at_a_time_neither_fail_nor_lose`);
//! * procedures behind a synonym, of a session and of the system (`a_procedure_is_found_behind_a_synonym_and_in_a_session`);
//! * settings of a session that Babelfish does not know (`no_setting_of_a_session_outlives_its_borrower`);
//! * that a `datetime` is not equal to what is read of it, from level 130 on (`a_datetime_that_was_read_finds_its_row` has the cast);
//! * a certificate that nobody has signed (`a_certificate_that_is_not_accepted_is_told_as_such`; the words of the driver are
//!   from a server that does nothing but TLS), and a database that is offline
//!   (`a_database_that_is_not_opened_is_told_by_its_state`);
//! * `datetimeoffset` from a text, `sql_variant`, a `]` in a name (`values_come_back_as_they_went`,
//!   `plain_text_is_varchar_and_other_text_nvarchar`, `pages_and_odd_names`);
//! * without any test: named instances, Kerberos, Entra, `HostNameInCertificate`, routing by `ApplicationIntent`
//!   and the role of a replica, `MultiSubnetFailover`, the passing errors of Azure and its rights, Microsoft's driver 17, and drivers on Windows.
