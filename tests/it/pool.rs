//! The pool on a real PostgreSQL: sharing, overflow, order, health, clean sessions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use batchdb::{DatabaseManager, Error, ErrorKind, MapOptions, map_tasks, params};

use crate::common::{self, backend_pid, eventually, fresh, postgres, server, timed, unique};

fn sessions_of(db: &DatabaseManager) -> i64 {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", db.name());
    server().psql("postgres", &count).unwrap().trim().parse().unwrap()
}

#[test]
fn nothing_connects_before_the_first_use() {
    let db = postgres("pool");
    assert_eq!((db.pool_status().status, db.pool_status().opened), ("not_initialized", 0));
    assert_eq!(sessions_of(&db), 0);
    db.execute_query("SELECT 1", ()).unwrap();
    let status = db.pool_status();
    assert_eq!((status.status, status.opened, status.checked_in, status.checked_out), ("active", 1, 1, 0));
}

#[test]
fn handles_for_one_database_share_one_pool() {
    let name = unique("pool");
    server().create_database(&name).unwrap();
    let make = || DatabaseManager::builder(&name).connection_string(server().url_for(&name)).build().unwrap();
    let first = make();
    first.execute_query("SELECT 1", ()).unwrap();
    for _ in 0..5 {
        make().execute_query("SELECT 1", ()).unwrap();
    }
    assert_eq!(first.pool_status().opened, 1);
    // Another setting is another pool.
    let other = DatabaseManager::builder(&name)
        .connection_string(server().url_for(&name))
        .pool_size(2)
        .build()
        .unwrap();
    assert_eq!(other.pool_status().opened, 0);
    // Closing one of several handles closes nothing.
    make().close();
    first.execute_query("SELECT 1", ()).unwrap();
    assert_eq!(first.pool_status().opened, 1);
    let last = first.clone();
    first.close();
    last.execute_query("SELECT 1", ()).unwrap();
    last.close();
    eventually("the sessions end", || sessions_of(&other) == 0);
}

#[test]
fn shutdown_closes_for_everybody() {
    let db = postgres("pool");
    let other = db.clone();
    db.execute_query("SELECT 1", ()).unwrap();
    db.shutdown();
    assert_eq!(other.execute_query("SELECT 1", ()).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(other.pool_status().status, "closed");
    eventually("the sessions end", || sessions_of(&other) == 0);
}

#[test]
fn closing_a_pool_of_a_silent_server_takes_as_long_as_one_goodbye() {
    let db = fresh("pool").pool_size(8).build().unwrap();
    let all_in = Barrier::new(8);
    let pids: Vec<i64> = thread::scope(|scope| {
        let borrow = || {
            db.session(|session| {
                all_in.wait();
                Ok::<_, Error>(backend_pid(session))
            })
        };
        let borrowers: Vec<_> = (0..8).map(|_| scope.spawn(borrow)).collect();
        borrowers.into_iter().map(|borrower| borrower.join().unwrap().unwrap()).collect()
    });
    assert_eq!(db.pool_status().checked_in, 8);
    pids.iter().for_each(|pid| common::signal("STOP", *pid));
    let ((), took) = timed(|| db.shutdown());
    pids.iter().for_each(|pid| common::signal("CONT", *pid));
    // Each of them waits 100 ms for a server that says nothing.
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn overflow_opens_on_demand_and_closes_on_return() {
    let db = fresh("pool").pool_size(2).max_overflow(2).build().unwrap();
    let (all_in, look) = (Arc::new(Barrier::new(5)), Arc::new(Barrier::new(5)));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                db.session(|session| {
                    session.execute_query("SELECT 1", ())?;
                    all_in.wait();
                    look.wait();
                    Ok::<_, Error>(())
                })
                .unwrap();
            });
        }
        all_in.wait();
        let status = db.pool_status();
        assert_eq!((status.checked_out, status.overflow, status.utilization_percent), (4, 2, 100.0));
        let (error, took) = timed(|| {
            let impatient = db.with_deadline(Duration::from_millis(100));
            impatient.execute_query("SELECT 1", ()).unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::Timeout(batchdb::Phase::Checkout));
        assert!(took < Duration::from_millis(600), "{took:?}");
        look.wait();
    });
    let status = db.pool_status();
    assert_eq!((status.checked_in, status.checked_out, status.overflow, status.opened), (2, 0, 0, 4));
    eventually("overflow is closed on the server", || sessions_of(&db) == 2);
}

#[test]
fn an_exhausted_pool_says_so_and_names_its_size() {
    let db =
        fresh("pool").pool_size(1).max_overflow(0).pool_timeout(Duration::from_millis(100)).build().unwrap();
    let other = || thread::scope(|scope| scope.spawn(|| db.execute_query("SELECT 1", ())).join().unwrap());
    let error = db.session(|_| other()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Checkout);
    assert!(
        error.to_string().contains("all 1 connections") && error.to_string().contains("POOL_SIZE"),
        "{error}"
    );
    assert!(error.is_transient());
}

#[test]
fn waiters_are_served_in_order() {
    let db = fresh("pool").pool_size(1).max_overflow(0).build().unwrap();
    let order = Mutex::new(Vec::new());
    thread::scope(|scope| {
        db.session(|_| {
            for number in 0..6 {
                let (db, order) = (&db, &order);
                scope.spawn(move || {
                    db.session(|session| {
                        order.lock().unwrap().push(number);
                        session.execute_query("SELECT 1", ())
                    })
                    .unwrap();
                });
                eventually("the waiter stands in line", || db.pool_status().waiting == number + 1);
            }
            Ok::<_, Error>(())
        })
        .unwrap();
    });
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(db.pool_status().opened, 1);
}

#[test]
fn a_dead_idle_connection_is_replaced_without_a_word_to_the_caller() {
    let db = fresh("pool").ping_after_idle(Duration::ZERO).build().unwrap();
    let pid = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
    server().psql("postgres", &format!("SELECT pg_terminate_backend({pid})")).unwrap();
    eventually("the session is gone", || sessions_of(&db) == 0);
    db.execute_query("SELECT 1", ()).unwrap();
    let status = db.pool_status();
    assert_eq!((status.opened, status.invalid), (2, 1));
}

#[test]
fn connections_are_recycled_when_they_are_old() {
    let db = fresh("pool").pool_recycle(Duration::from_millis(50)).build().unwrap();
    let pid = || db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
    let first = pid();
    thread::sleep(Duration::from_millis(60));
    assert_ne!(pid(), first);
    assert_eq!(db.pool_status().invalid, 0, "old age is no defect");
}

#[test]
fn the_next_borrower_gets_a_clean_session() {
    let db = fresh("pool").pool_size(1).max_overflow(0).build().unwrap();
    let pid = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
    for leave in [
        "SET search_path = nowhere",
        "SET statement_timeout = '77s'",
        "SELECT set_config('batchdb.left', 'over', false)",
        "CREATE TEMP TABLE left_over (id int)",
        "EXPLAIN ANALYZE CREATE TEMP TABLE left_over AS SELECT 1",
        "SELECT 1 AS id INTO pg_temp.left_over",
        "LISTEN left_over",
        "SELECT pg_advisory_lock(4711)",
        "PREPARE left_over AS SELECT 1",
        "DECLARE left_over CURSOR WITH HOLD FOR SELECT 1",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    ] {
        db.execute(leave, ()).unwrap();
        let row = db
            .query_one(
                "SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout,
                        current_setting('batchdb.left', true) AS custom, to_regclass('left_over') IS NULL AS no_table,
                        (SELECT count(*) FROM pg_listening_channels()) AS channels,
                        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
                        (SELECT count(*) FROM pg_prepared_statements WHERE name = 'left_over') AS prepared,
                        (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors,
                        current_setting('transaction_isolation') AS isolation",
                (),
            )
            .unwrap();
        let seen = row.to_json().unwrap();
        assert_eq!(seen["path"], "\"$user\", public", "{leave}");
        assert_eq!(seen["timeout"], "0", "{leave}");
        assert!(seen["custom"].is_null() || seen["custom"] == "", "{leave}");
        assert_eq!(seen["no_table"], true, "{leave}");
        assert_eq!(
            (&seen["channels"], &seen["locks"], &seen["prepared"], &seen["cursors"]),
            (&0.into(), &0.into(), &0.into(), &0.into()),
            "{leave}"
        );
        assert_eq!(seen["isolation"], "read committed", "{leave}");
    }
    let after = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
    assert_eq!(pid, after, "cleaning keeps the connection");
}

#[test]
fn a_session_without_the_drivers_own_statements_is_not_used_again() {
    let take_all = "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$";
    for (take_away, is_seen) in
        [("DISCARD ALL", true), ("DEALLOCATE ALL", true), ("deallocate prepare all", true), (take_all, false)]
    {
        let db = fresh("pool").pool_size(1).max_overflow(0).build().unwrap();
        db.execute("CREATE TYPE first AS ENUM ('a')", ()).unwrap();
        db.execute("CREATE TYPE second AS ENUM ('b')", ()).unwrap();
        assert_eq!(db.query_one("SELECT 'a'::first", ()).unwrap().get::<String>(0).unwrap(), "a");
        let before = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
        db.session(|session| {
            session.query_one("SELECT 1", ())?;
            session.execute(take_away, ())?;
            // What was prepared before is prepared anew.
            session.query_one("SELECT 1", ())
        })
        .unwrap();
        let after = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
        assert_eq!(before != after, is_seen, "{take_away}");
        if !is_seen {
            let error = db.query_one("SELECT 'b'::second", ()).unwrap_err();
            assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Connect, Some("26000")));
            assert!(error.is_transient() && error.report().contains("DEALLOCATE ALL"), "{}", error.report());
        }
        let row = db.query_one("SELECT 'b'::second", ()).unwrap();
        assert_eq!(row.get::<String>(0).unwrap(), "b", "{take_away}");
    }
}

#[test]
fn a_panicking_borrower_costs_its_connection_and_nothing_else() {
    let db = fresh("pool").pool_size(1).max_overflow(0).build().unwrap();
    db.execute("CREATE TABLE t (id int)", ()).unwrap();
    for _ in 0..3 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            db.session(|session| -> Result<(), Error> {
                session.execute("INSERT INTO t VALUES (1)", ())?;
                panic!("on purpose")
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    }
    assert_eq!(db.pool_status().invalid, 3);
}

#[test]
fn a_wrong_password_is_told_at_once_after_one_login() {
    let name = unique("pool");
    server().create_database(&name).unwrap();
    // A role of its own, so that the server's log tells its logins from those of other tests.
    server().psql("postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD 'right'")).unwrap();
    let url = format!("postgresql://{name}:wr0ng-secret@{}:{}/{name}", server().host(), server().port());
    let db = DatabaseManager::builder(&name).connection_string(url).build().unwrap();
    let refused = AtomicUsize::new(0);
    let ((), took) = timed(|| {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let error = db.execute_query("SELECT 1", ()).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Auth, "{}", error.report());
                    assert!(!error.is_transient());
                    assert!(
                        !error.report().contains("wr0ng-secret")
                            && !format!("{error:?}").contains("wr0ng-secret")
                    );
                    refused.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
    });
    assert_eq!(refused.load(Ordering::SeqCst), 8);
    assert!(took < Duration::from_secs(2), "{took:?}");
    let log = std::fs::read_to_string(server().log_path()).unwrap();
    let logins =
        log.lines().filter(|line| line.contains("FATAL") && line.contains(&format!("user \"{name}\"")));
    let mine = logins.count();
    assert_eq!(mine, 1, "the server saw {mine} logins");
}

#[test]
fn tasks_may_open_their_own_handles_and_share_the_pool() {
    let name = unique("pool");
    server().create_database(&name).unwrap();
    let url = server().url_for(&name);
    let results = map_tasks(0..1_000_i64, MapOptions::new("task-{index}").workers(8), |number| {
        let db = DatabaseManager::builder(&name)
            .connection_string(url.clone())
            .pool_size(4)
            .max_overflow(1)
            .build()?;
        db.query_one("SELECT :n::int8 AS n", params! { n: *number })?.get::<i64>("n")
    });
    assert_eq!(results.into_values().unwrap(), (0..1_000).collect::<Vec<i64>>());
    let db =
        DatabaseManager::builder(&name).connection_string(url).pool_size(4).max_overflow(1).build().unwrap();
    let opened = db.pool_status().opened;
    assert!((1..=200).contains(&opened), "{opened} logins");
    let status = db.pool_status();
    assert_eq!((status.checked_out, status.waiting), (0, 0));
    common::eventually("overflow is closed", || db.pool_status().checked_in <= 4);
}

#[test]
fn checkouts_are_counted_and_timed() {
    let db = fresh("pool").pool_size(1).max_overflow(0).build().unwrap();
    let status = db.pool_status();
    let times = [status.checkout_mean_ms, status.checkout_p95_ms, status.checkout_max_ms];
    assert_eq!((status.checkouts, times), (0, [0.0; 3]));
    let keys = status.to_json();
    for key in ["checkouts", "checkout_mean_ms", "checkout_p95_ms", "checkout_max_ms", "abandoned", "waiting"]
    {
        assert!(keys.get(key).is_some_and(serde_json::Value::is_number), "{key}");
    }
    for _ in 0..100 {
        db.execute_query("SELECT 1", ()).unwrap();
    }
    thread::scope(|scope| {
        let waiter = db.session(|_| {
            let waiter = scope.spawn(|| db.execute_query("SELECT 1", ()));
            eventually("the waiter stands in line", || db.pool_status().waiting == 1);
            thread::sleep(Duration::from_millis(200));
            Ok::<_, Error>(waiter)
        });
        waiter.unwrap().join().unwrap().unwrap();
    });
    let status = db.pool_status();
    assert_eq!(status.checkouts, 102);
    assert!(status.checkout_max_ms >= 200.0 && status.checkout_p95_ms < 200.0, "{status:?}");
    assert!((1.9..status.checkout_max_ms).contains(&status.checkout_mean_ms), "{status:?}");
}

#[test]
fn no_connection_is_lost_under_load() {
    let db = fresh("pool").pool_size(2).max_overflow(2).build().unwrap();
    thread::scope(|scope| {
        for worker in 0..16_usize {
            let db = &db;
            scope.spawn(move || {
                for round in 0..60_usize {
                    if (worker + round).is_multiple_of(17) {
                        // Broken on return: the server ends the session.
                        let _ = db.execute("SELECT pg_terminate_backend(pg_backend_pid())", ());
                    } else {
                        db.execute_query("SELECT 1", ()).unwrap();
                    }
                }
            });
        }
    });
    let status = db.pool_status();
    assert_eq!((status.checked_out, status.waiting), (0, 0));
    assert!(status.checked_in <= 2, "{status:?}");
    eventually("as many sessions as the pool knows", || {
        sessions_of(&db) == db.pool_status().checked_in as i64
    });
}

#[test]
fn a_thread_does_not_wait_for_what_it_holds_itself() {
    let db =
        fresh("pool").pool_size(2).max_overflow(0).pool_timeout(Duration::from_secs(20)).build().unwrap();
    db.execute("CREATE TABLE t (id int)", ()).unwrap();
    let ask = || db.query_one("SELECT 1 AS id", ()).and_then(|row| row.get::<i32>("id"));
    let refused = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Usage, "{}", error.report());
        assert!(error.to_string().contains("holds all 2 connections"), "{error}");
    };
    let ((), took) = timed(|| {
        db.session(|_| {
            // One is free yet, and holds whoever takes it.
            assert_eq!(ask()?, 1);
            // The input of each call has the second, and asks for a third.
            let rows = || (0..20).map(|_| db.session(|_| ask()).map(|id| (id,)));
            refused(db.bulk_insert("t", &["id"], (0..20).map(|_| ask().map(|id| (id,)))).unwrap_err());
            assert_eq!(rows().next().unwrap().unwrap_err().kind(), ErrorKind::Usage);
            let records =
                (0..20).map(|_| batchdb::params! { id: ask().unwrap_or_else(|error| { refused(error); 7 }) });
            db.execute_many("INSERT INTO t VALUES (:id)", records)?;
            // Another thread may wait for what this one gives back.
            std::thread::scope(|scope| {
                let waiting = db.session(|_| {
                    let waiting = scope.spawn(ask);
                    std::thread::sleep(Duration::from_millis(100));
                    Ok::<_, Error>(waiting)
                })?;
                assert_eq!(waiting.join().unwrap()?, 1);
                Ok::<_, Error>(())
            })
        })
        .unwrap();
    });
    assert!(took < Duration::from_secs(10), "{took:?}");
    let left: i64 = db.query_one("SELECT count(*) AS n FROM t WHERE id = 7", ()).unwrap().get("n").unwrap();
    assert_eq!(left, 20);
}
