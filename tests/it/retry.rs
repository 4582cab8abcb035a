//! Calls that are made again, and those that must not be, on a real PostgreSQL that is disturbed in the middle.

mod lossy;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use batchdb::testing::EmbeddedPostgres;
use batchdb::{
    DatabaseManager, Error, ErrorKind, Isolation, MapOptions, MigrateOnStart, RetryPolicy,
    TransactionOptions, map_tasks, params,
};

use self::lossy::{Loss, Lossy};
use crate::common::{backend_pid, eventually, fresh, postgres, server, timed, unique};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// The usual policy for tests, which have no ten seconds.
fn quick() -> RetryPolicy {
    RetryPolicy::default().outage_waits(MS(20), MS(100)).conflict_waits(MS(1), MS(50))
}

fn count(db: &DatabaseManager) -> i64 {
    db.query_one("SELECT count(*) AS n FROM t", ()).unwrap().get("n").unwrap()
}

/// A database behind a lossy connection: the handle that goes through it, one that does not, and the connection.
fn lossy(table: &str) -> (DatabaseManager, DatabaseManager, Lossy) {
    let direct = postgres("retry");
    direct.execute(table, ()).unwrap();
    let between = Lossy::before(server().port());
    let url = server().url_for(direct.name());
    let url = url.replace(&format!(":{}/", server().port()), &format!(":{}/", between.port()));
    let through = DatabaseManager::builder(&unique("lossy"))
        .connection_string(url)
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    (through.with_retry(quick()), direct, between)
}

#[test]
fn a_deadlock_is_resolved_by_a_second_attempt() {
    let db = postgres("retry");
    db.execute("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)", ()).unwrap();
    db.execute("INSERT INTO t VALUES (1, 0), (2, 0)", ()).unwrap();
    let (both_hold_one, attempts) = (Barrier::new(2), AtomicUsize::new(0));
    thread::scope(|scope| {
        for (first, second) in [(1, 2), (2, 1)] {
            let (db, both_hold_one, attempts) = (db.clone(), &both_hold_one, &attempts);
            scope.spawn(move || {
                let mut met = false;
                db.transaction(|tx| {
                    attempts.fetch_add(1, Ordering::SeqCst);
                    tx.execute("UPDATE t SET n = n + 1 WHERE id = :id", params! { id: first })?;
                    if !std::mem::replace(&mut met, true) {
                        both_hold_one.wait();
                    }
                    tx.execute("UPDATE t SET n = n + 1 WHERE id = :id", params! { id: second })
                })
                .unwrap();
            });
        }
    });
    assert_eq!(attempts.into_inner(), 3);
    let rows = db.execute_query("SELECT n FROM t ORDER BY id", ()).unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<i64>("n").unwrap()).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn serialization_failures_leave_a_counter_exact() {
    const THREADS: usize = 8;
    const EACH: usize = 25;
    let db = fresh("retry").pool_size(8).build().unwrap();
    db.execute("CREATE TABLE t (n int NOT NULL)", ()).unwrap();
    db.execute("INSERT INTO t VALUES (0)", ()).unwrap();
    let db = db.with_retry(quick().attempts(1000));
    let attempts = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let options = TransactionOptions::new().isolation(Isolation::Serializable);
                for _ in 0..EACH {
                    db.transaction_with(options, |tx| {
                        attempts.fetch_add(1, Ordering::SeqCst);
                        let n: i64 = tx.query_one("SELECT n FROM t", ())?.get("n")?;
                        tx.execute("UPDATE t SET n = :n", params! { n: n + 1 })
                    })
                    .unwrap();
                }
            });
        }
    });
    let n: usize = db.query_one("SELECT n FROM t", ()).unwrap().get("n").unwrap();
    assert_eq!(n, THREADS * EACH);
    assert!(attempts.into_inner() > THREADS * EACH, "nothing collided, so nothing was shown");
}

#[test]
fn killed_sessions_do_a_transaction_once() {
    const THREADS: i64 = 4;
    const EACH: i64 = 60;
    const ENOUGH: usize = 12;
    let db = postgres("retry");
    db.execute("CREATE TABLE t (id bigint, part int)", ()).unwrap();
    let patient = db.with_retry(quick().attempts(100));
    let (done, attempts, kills) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let acknowledged = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let kill = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
             WHERE datname = '{}' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) victim",
            db.name()
        );
        let killer = scope.spawn({
            let (done, kills) = (&done, &kills);
            move || {
                let killer = DatabaseManager::builder(&unique("killer"))
                    .connection_string(server().url())
                    .migrate_on_start(MigrateOnStart::Off)
                    .build()
                    .unwrap();
                while !done.load(Ordering::SeqCst) {
                    let killed = killer.query_one(&kill, ()).unwrap().get::<i64>(0).unwrap();
                    kills.fetch_add(usize::try_from(killed).unwrap(), Ordering::SeqCst);
                    thread::sleep(MS(20));
                }
            }
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let (patient, attempts, acknowledged, kills) = (&patient, &attempts, &acknowledged, &kills);
                scope.spawn(move || {
                    // A fast machine does its share before anything is killed, so it does more.
                    for turn in 0..100 * EACH {
                        if turn >= EACH && kills.load(Ordering::SeqCst) >= ENOUGH {
                            break;
                        }
                        let id = worker * 100 * EACH + turn;
                        let options = TransactionOptions::new().settle_commit();
                        let outcome = patient.transaction_with(options, |tx| {
                            attempts.fetch_add(1, Ordering::SeqCst);
                            for part in 0..5 {
                                tx.execute(
                                    "INSERT INTO t VALUES (:id, :part)",
                                    params! { id: id, part: part },
                                )?;
                            }
                            Ok::<_, Error>(())
                        });
                        outcome.unwrap_or_else(|error| panic!("{}", error.report()));
                        acknowledged.lock().unwrap().push(id);
                    }
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::SeqCst);
        assert!(ended.iter().all(Result::is_ok));
        killer.join().unwrap();
    });
    let wrong = "SELECT count(*) AS n FROM (SELECT id FROM t GROUP BY id \
                 HAVING count(*) <> 5 OR count(DISTINCT part) <> 5) torn";
    // The last kills may have hit connections that lie idle.
    let torn = patient.execute_query_with_retry(wrong, ()).unwrap();
    assert_eq!(torn[0].get::<i64>("n").unwrap(), 0);
    let acknowledged = acknowledged.into_inner().unwrap().len();
    assert_eq!(count(&db), acknowledged as i64 * 5);
    let (kills, attempts) = (kills.into_inner(), attempts.into_inner());
    assert!(kills >= ENOUGH && attempts > acknowledged, "{kills} kills are too few to show it");
}

#[test]
fn an_unknown_outcome_is_not_repeated_unless_that_is_harmless() {
    let (db, direct, between) = lossy("CREATE TABLE t (note text)");
    let insert = |db: &DatabaseManager| {
        db.execute_query_with_retry("INSERT INTO t VALUES (:note)", params! { note: "marked-row" })
    };
    between.lose(Loss::Answer, "marked-row", 1);
    let error = insert(&db).unwrap_err();
    assert_eq!(
        (error.kind(), error.is_transient()),
        (ErrorKind::OutcomeUnknown, false),
        "{}",
        error.report()
    );
    assert_eq!((count(&direct), between.sprung()), (1, 1));
    // Lost on its way there: nobody knows that either.
    between.lose(Loss::Message, "marked-row", 1);
    assert_eq!(insert(&db).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert_eq!((count(&direct), between.sprung()), (1, 2));
    // The caller says that twice is no harm; here it shows.
    between.lose(Loss::Answer, "marked-row", 1);
    insert(&db.idempotent()).unwrap();
    assert_eq!((count(&direct), between.sprung()), (3, 3));
    // A read is harmless by itself.
    between.lose(Loss::Answer, "marked-row", 2);
    let read = "SELECT count(*) AS n FROM t WHERE note = :note";
    let rows = db.execute_query_safe(read, params! { note: "marked-row" }, true).unwrap();
    assert_eq!((rows[0].get::<i64>("n").unwrap(), between.sprung()), (3, 5));
    between.lose(Loss::Answer, "marked-row", 1);
    let once = db.execute_query_safe(read, params! { note: "marked-row" }, false).unwrap_err();
    assert_eq!((once.kind(), once.is_transient()), (ErrorKind::Connect, true));
}

#[test]
fn a_function_that_nothing_is_known_of_is_not_called_twice() {
    let (db, direct, between) = lossy("CREATE TABLE t (note text)");
    let function = "CREATE FUNCTION book(note text) RETURNS int LANGUAGE sql AS \
                    $$ INSERT INTO t VALUES (note); SELECT 1 $$";
    direct.execute(function, ()).unwrap();
    between.lose(Loss::Answer, "marked-row", 9);
    let error =
        db.execute_query_with_retry("SELECT book(:note)", params! { note: "marked-row" }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{}", error.report());
    assert_eq!((count(&direct), between.sprung()), (1, 1));
}

#[test]
fn a_procedure_that_has_committed_a_part_is_not_called_twice() {
    let db = postgres("retry").with_retry(quick());
    db.execute("CREATE TABLE t (id int)", ()).unwrap();
    // A conflict, and the code that a stale prepared statement has: either would be tried again were it all undone.
    for (name, code) in [("conflict", "40001"), ("stale", "0A000")] {
        let procedure = format!(
            "CREATE PROCEDURE {name}(fails boolean) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (1); COMMIT; \
             IF fails THEN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END IF; END $$"
        );
        db.execute(&procedure, ()).unwrap();
        db.execute("DELETE FROM t", ()).unwrap();
        let call = |fails: bool| {
            db.execute_query_with_retry(&format!("CALL {name}(:fails)"), params! { fails: fails })
        };
        call(false).unwrap();
        assert_eq!(count(&db), 1);
        let error = call(true).unwrap_err();
        assert_eq!((error.sqlstate(), error.is_transient()), (Some(code), false));
        assert_eq!(count(&db), 2, "{name}");
    }
}

#[test]
fn a_lost_commit_is_settled_by_asking() {
    let (db, direct, between) = lossy("CREATE TABLE t (id int)");
    // What settling asks for, a user of the most common kind may ask.
    let user = format!("{}_user", direct.name());
    let grant = format!(
        "CREATE ROLE {user} LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA public TO {user}; GRANT ALL ON t TO {user}"
    );
    server().psql(direct.name(), &grant).unwrap();
    let plain = DatabaseManager::builder(&unique("lossy"))
        .connection_string(format!("postgresql://{user}:pw@127.0.0.1:{}/{}", between.port(), direct.name()))
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap()
        .with_retry(quick());
    let settled = TransactionOptions::new().settle_commit();
    for (db, options, loss, outcome, attempts, rows) in [
        (&db, TransactionOptions::new(), Loss::Answer, Err(ErrorKind::OutcomeUnknown), 1, 1),
        (&db, TransactionOptions::new(), Loss::Message, Err(ErrorKind::OutcomeUnknown), 1, 0),
        (&db, settled, Loss::Answer, Ok(7), 1, 1),
        (&db, settled, Loss::Message, Ok(7), 2, 1),
        (&plain, settled, Loss::Answer, Ok(7), 1, 1),
        (&plain, settled, Loss::Message, Ok(7), 2, 1),
        // Only one attempt is allowed; then the answer is that it surely did not happen.
        (&db.with_retry(RetryPolicy::never()), settled, Loss::Message, Err(ErrorKind::Connect), 1, 0),
    ] {
        direct.execute("DELETE FROM t", ()).unwrap();
        between.lose(loss, "COMMIT", 1);
        let mut made = 0;
        let found = db.transaction_with(options, |tx| {
            made += 1;
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            Ok::<_, Error>(7)
        });
        let case = format!("{options:?} {loss:?}: {found:?}");
        assert_eq!(found.as_ref().map_err(|error| error.kind()).copied(), outcome, "{case}");
        assert_eq!((made, count(&direct)), (attempts, rows), "{case}");
        if let Err(error) = found {
            assert_eq!(error.is_transient(), error.kind() == ErrorKind::Connect, "{case}");
        }
    }
    assert_eq!(between.sprung(), 7);
    // It costs no round trip: the mark comes with the answer to BEGIN. Without a loss nobody is asked anything.
    let opened = between.connections();
    db.transaction_with(settled, |tx| tx.execute("INSERT INTO t VALUES (2)", ())).unwrap();
    assert_eq!(between.connections(), opened);
}

#[test]
fn a_wrong_password_is_offered_once() {
    let between = Lossy::before(server().port());
    let db = DatabaseManager::builder(&unique("retry"))
        .connection_string(format!("postgresql://postgres:not-it@127.0.0.1:{}/postgres", between.port()))
        .build()
        .unwrap()
        .with_retry(quick().attempts(9))
        .idempotent();
    assert_eq!(db.execute_query_with_retry("SELECT 1", ()).unwrap_err().kind(), ErrorKind::Auth);
    let refused = db.transaction(|tx| tx.execute("SELECT 1", ())).unwrap_err();
    assert_eq!((refused.kind(), between.connections()), (ErrorKind::Auth, 1));
}

#[test]
fn a_server_that_comes_back_is_waited_for() {
    let server = EmbeddedPostgres::start().unwrap();
    let db = DatabaseManager::builder(&unique("retry"))
        .connection_string(server.url())
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap()
        .with_retry(RetryPolicy::default().attempts(20).outage_waits(MS(300), MS(600)));
    db.execute("CREATE TABLE t (id int)", ()).unwrap();
    server.stop().unwrap();
    let once = db.with_retry(RetryPolicy::never());
    eventually("the server is gone", || once.execute_query_safe("SELECT 1", (), true).is_err());
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(MS(1200));
            server.restart().unwrap();
        });
        let (rows, took) = timed(|| db.execute_query_with_retry("SELECT 1 AS one", ()));
        assert_eq!(rows.unwrap()[0].get::<i64>("one").unwrap(), 1);
        assert!(took > MS(1000), "{took:?}");
    });
    // The connection that it left behind is dead, and a transaction begins on another one.
    server.restart().unwrap();
    db.transaction(|tx| tx.execute("INSERT INTO t VALUES (1)", ())).unwrap();
    assert_eq!(count(&db), 1);
}

#[test]
fn no_wait_goes_on_past_a_deadline() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let db = DatabaseManager::builder(&unique("closed"))
        .connection_string(format!("postgresql://u@127.0.0.1:{port}/d"))
        .build()
        .unwrap();
    // The first wait would be 4 s at least.
    let (error, took) =
        timed(|| db.with_deadline(Duration::from_secs(2)).execute_query_with_retry("SELECT 1", ()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Connect);
    assert!(took < MS(1000), "{took:?}");
    let options = MapOptions::new("t").timeout(Duration::from_secs(2));
    let (results, took) = timed(|| map_tasks([1], options, |_| db.execute_query_with_retry("SELECT 1", ())));
    assert_eq!(results.failed().count(), 1);
    assert!(took < MS(1000), "{took:?}");
    // Without one it waits, and ends by its budget.
    let budget = RetryPolicy::default().attempts(99).outage_waits(MS(100), MS(100)).budget(MS(550));
    let (error, took) = timed(|| db.with_retry(budget).execute_query_with_retry("SELECT 1", ()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Connect);
    assert!((MS(500)..MS(1500)).contains(&took), "{took:?}");
}

/// How often a closure runs whose transaction fails in this way.
fn attempts_at<R, E: From<Error>>(
    db: &DatabaseManager,
    mut work: impl FnMut(&mut batchdb::Transaction<'_, '_>) -> Result<R, E>,
) -> usize {
    let mut attempts = 0;
    let outcome = db.transaction(|tx| {
        attempts += 1;
        work(tx)
    });
    assert!(outcome.is_err());
    attempts
}

#[test]
fn what_the_database_said_decides_and_not_what_the_closure_makes_of_it() {
    type Boxed = Box<dyn std::error::Error>;
    let db = postgres("retry").with_retry(quick());
    db.execute("CREATE TABLE t (id int PRIMARY KEY)", ()).unwrap();
    db.execute("INSERT INTO t VALUES (1)", ()).unwrap();
    let conflict = "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$";
    let own = || -> Boxed { "an error of the caller's own".into() };
    // Refused data stays refused, however it is told; so do the caller's own errors.
    assert_eq!(attempts_at::<_, Error>(&db, |tx| tx.execute("INSERT INTO t VALUES (1)", ()).map(drop)), 1);
    assert_eq!(attempts_at::<(), Boxed>(&db, |_| Err(own())), 1);
    // A conflict is one, also in the caller's wrapping, and when the closure says nothing of it.
    assert_eq!(attempts_at::<_, Error>(&db, |tx| tx.execute(conflict, ()).map(drop)), 3);
    assert_eq!(attempts_at::<_, Boxed>(&db, |tx| tx.execute(conflict, ()).map(drop).map_err(|_| own())), 3);
    assert_eq!(attempts_at::<_, Error>(&db, |tx| Ok(tx.execute(conflict, ()).is_ok())), 3);
    // Refused data that the closure says nothing of ends it all the same.
    assert_eq!(attempts_at::<_, Error>(&db, |tx| Ok(tx.execute("INSERT INTO t VALUES (1)", ()).is_ok())), 1);
    // A conflict that a savepoint has undone is over.
    let undone = attempts_at::<(), Boxed>(&db, |tx| {
        let part = tx.transaction(|part| part.execute(conflict, ()));
        assert!(part.is_err());
        Err(own())
    });
    assert_eq!(undone, 1);
    // A lost session has undone what was done in it.
    let lost = attempts_at::<_, Error>(&db, |tx| {
        let pid = backend_pid(tx);
        server().psql("postgres", &format!("SELECT pg_terminate_backend({pid})")).unwrap();
        tx.execute("INSERT INTO t VALUES (2)", ()).map(drop)
    });
    assert_eq!((lost, count(&db)), (3, 1));
    assert_eq!(
        attempts_at::<_, Error>(&db.with_retry(RetryPolicy::never()), |tx| tx
            .execute(conflict, ())
            .map(drop)),
        1
    );
}

#[test]
fn transaction_once_runs_once() {
    let db = postgres("retry").with_retry(quick());
    let conflict = "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$";
    let moved = vec![1];
    let mut attempts = 0;
    let error = db.transaction_once(|tx| {
        attempts += moved.into_iter().sum::<i32>();
        tx.execute(conflict, ())
    });
    assert_eq!((attempts, error.unwrap_err().is_transient()), (1, true));
    // Neither does what runs in a session: what was done in it before would be missing.
    let mut attempts = 0;
    let error = db.session(|session| {
        session.transaction(|tx| {
            attempts += 1;
            tx.execute(conflict, ())
        })
    });
    assert_eq!((attempts, error.unwrap_err().is_transient()), (1, true));
}

#[test]
fn several_statements_are_repeated_together() {
    let (db, direct, between) = lossy("CREATE TABLE t (note text)");
    between.lose(Loss::Answer, "marked-row", 1);
    let statements = [
        ("INSERT INTO t VALUES (:note)", params! { note: "first" }),
        ("INSERT INTO t VALUES (:note) RETURNING note", params! { note: "marked-row" }),
    ];
    let results = db.execute_transaction(statements).unwrap();
    assert_eq!(results[1][0].get::<String>("note").unwrap(), "marked-row");
    assert_eq!((count(&direct), between.sprung()), (2, 1));
}
