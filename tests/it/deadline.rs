//! Calls end by their deadline, whatever the server does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use batchdb::{
    CancelToken, DatabaseManager, Error, ErrorKind, MapOptions, Phase, TaskState, map_tasks, params,
    with_cancel,
};

use crate::common::{Stopped, backend_pid, eventually, fresh, postgres, server, signal, timed, unique};

const GRACE: Duration = Duration::from_millis(500);

fn sleeping(db: &DatabaseManager) -> bool {
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND state = 'active' AND query LIKE '%pg_sleep%'",
        db.name()
    );
    server().psql("postgres", &query).unwrap().trim() != "0"
}

#[test]
fn a_slow_statement_is_cancelled_on_the_server() {
    let db = postgres("deadline");
    db.execute_query("SELECT 1", ()).unwrap();
    let limit = Duration::from_millis(300);
    let (error, took) = timed(|| {
        db.execute_query_with_timeout("SELECT pg_sleep(:s)", params! { s: 30.0 }, limit).unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{}", error.report());
    assert!(error.to_string().contains("300ms"), "{error}");
    assert!(took >= limit && took < limit + GRACE, "{took:?}");
    eventually("nothing of ours runs on", || !sleeping(&db));
    // The connection of a cancelled call is never used again.
    assert_eq!(db.pool_status().invalid, 1);
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    assert_eq!(db.pool_status().opened, 2);
}

/// PgBouncer drops the cancel of a client that has gone, and one version of it ends itself over that.
#[test]
fn a_cancel_request_is_open_until_the_server_has_closed_it() {
    const CANCEL: [u8; 8] = [0, 0, 0, 16, 4, 210, 22, 46];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (mut up, sender) =
                (TcpStream::connect(("127.0.0.1", server().port())).unwrap(), sender.clone());
            let (mut client_again, mut up_again) = (client.try_clone().unwrap(), up.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut up_again, &mut client_again));
            thread::spawn(move || {
                let (mut client, mut first) = (client, [0; 16]);
                client.read_exact(&mut first).unwrap();
                if first.starts_with(&CANCEL) {
                    // Passed on a moment later, as by a pooler that has to connect first.
                    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                    let early = client.read(&mut [0; 1]).is_ok();
                    sender.send(early).unwrap();
                }
                up.write_all(&first).unwrap();
                client.set_read_timeout(None).unwrap();
                std::io::copy(&mut client, &mut up)
            });
        }
    });
    let name = unique("deadline");
    server().create_database(&name).unwrap();
    let url = server().url_for(&name).replace(&format!(":{}/", server().port()), &format!(":{port}/"));
    let db = DatabaseManager::builder(&name)
        .connection_string(format!("{url}?sslmode=disable"))
        .migrate_on_start(batchdb::MigrateOnStart::Off)
        .build()
        .unwrap();
    db.execute_query_with_timeout("SELECT pg_sleep(30)", (), Duration::from_millis(100)).unwrap_err();
    let closed_early = receiver.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(!closed_early, "the client closed before the request was passed on");
    eventually("nothing of ours runs on", || !sleeping(&db));
}

#[test]
fn the_setting_limits_each_statement() {
    let db = fresh("deadline").timeout(Duration::from_millis(200)).build().unwrap();
    let (error, took) = timed(|| db.execute("SELECT pg_sleep(30)", ()).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query));
    assert!(took < Duration::from_millis(200) + GRACE, "{took:?}");
    // Several statements that are each in time are not limited together.
    let whole = db.session(|session| {
        for _ in 0..3 {
            session.execute("SELECT pg_sleep(0.1)", ())?;
        }
        Ok::<_, Error>(())
    });
    whole.unwrap();
}

#[test]
fn a_stopped_server_holds_nobody() {
    let db = fresh("deadline").pool_size(1).max_overflow(0).build().unwrap();
    let limit = Duration::from_millis(400);
    for round in 0..3 {
        let pid = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
        signal("STOP", pid);
        let (outcome, took) = timed(|| db.execute_query_with_timeout("SELECT 1", (), limit));
        signal("CONT", pid);
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "round {round}: {}", error.report());
        assert!(took < limit + GRACE, "round {round}: {took:?}");
    }
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
}

#[test]
fn dropping_a_connection_to_a_stopped_server_holds_nobody() {
    let db = postgres("deadline");
    let pid = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
    signal("STOP", pid);
    let ((), took) = timed(|| db.shutdown());
    signal("CONT", pid);
    assert!(took < GRACE, "{took:?}");
}

#[test]
fn a_stopped_server_in_the_middle_of_a_transaction_holds_nobody() {
    let db = postgres("deadline");
    db.execute("CREATE TABLE t (id int)", ()).unwrap();
    let limit = Duration::from_millis(400);
    let short = db.with_deadline(limit);
    let mut stopped = 0;
    let (outcome, took) = timed(|| {
        short.transaction(|tx| {
            tx.execute("INSERT INTO t VALUES (1)", ())?;
            stopped = backend_pid(tx);
            signal("STOP", stopped);
            Ok::<_, Error>(())
        })
    });
    signal("CONT", stopped);
    // The commit was sent and not answered, so nobody can know.
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{}", error.report());
    assert!(!error.is_transient());
    assert!(took < limit + GRACE, "{took:?}");
}

#[test]
fn a_stream_is_limited_by_fetch_and_not_by_the_time_of_its_reader() {
    let db = fresh("deadline").timeout(Duration::from_millis(300)).build().unwrap();
    let mut rows = 0;
    db.query_each("SELECT generate_series(1, 5)", (), |_| {
        rows += 1;
        thread::sleep(Duration::from_millis(120));
        Ok::<_, Error>(true)
    })
    .unwrap();
    assert_eq!(rows, 5);
    // The first rows come at once, as many as fill the server's buffer, and then the server falls silent.
    let sql = "SELECT repeat('x', 10000), pg_sleep(CASE WHEN i = 20 THEN 30 ELSE 0 END) FROM generate_series(1, 20) i";
    let (error, took) = timed(|| db.query_each(sql, (), |_| Ok::<_, Error>(true)).unwrap_err());
    assert!(matches!(error.kind(), ErrorKind::Timeout(Phase::Fetch | Phase::Query)), "{}", error.report());
    assert!(took < Duration::from_millis(300) + GRACE, "{took:?}");
}

#[test]
fn a_silent_server_does_not_hold_a_login() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://u:secret@127.0.0.1:{}/db", listener.local_addr().unwrap().port());
    for tls in ["disable", "require"] {
        let db = DatabaseManager::builder(&unique("silent"))
            .connection_string(format!("{url}?sslmode={tls}"))
            .connect_timeout(Duration::from_millis(300))
            .build()
            .unwrap();
        let (error, took) = timed(|| db.execute_query("SELECT 1", ()).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Connect), "{}", error.report());
        assert!(took < Duration::from_millis(300) + GRACE, "{took:?}");
        assert!(error.to_string().contains("127.0.0.1") && !error.report().contains("secret"), "{error}");
    }
}

#[test]
fn a_closed_port_is_told_at_once_and_not_asked_again_and_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let db = DatabaseManager::builder(&unique("closed"))
        .connection_string(format!("postgresql://u:secret@127.0.0.1:{port}/db"))
        .build()
        .unwrap();
    let (error, took) = timed(|| db.execute_query("SELECT 1", ()).unwrap_err());
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Connect, true));
    assert!(error.to_string().contains("refused"), "{error}");
    let ((), again) = timed(|| {
        for _ in 0..50 {
            assert_eq!(db.execute_query("SELECT 1", ()).unwrap_err().kind(), ErrorKind::Connect);
        }
    });
    assert!(took + again < Duration::from_secs(1), "{took:?} {again:?}");
}

#[test]
fn a_task_ends_by_its_own_deadline() {
    let db = postgres("deadline");
    // Both tasks find a connection open: a login may take long on a busy machine.
    db.session(|_| db.execute_query("SELECT 1", ())).unwrap();
    let limit = Duration::from_millis(400);
    let (results, took) = timed(|| {
        map_tasks([30.0_f64, 0.0], MapOptions::new("sleep-{index}").workers(2).timeout(limit), |seconds| {
            db.execute("SELECT pg_sleep(:s)", params! { s: *seconds })
        })
    });
    let states: Vec<TaskState> = results.iter().map(|record| record.state()).collect();
    assert_eq!(states, [TaskState::TimedOut, TaskState::Completed]);
    assert!(took < limit + GRACE, "{took:?}");
}

#[test]
fn a_call_inside_an_async_task_is_an_error_and_no_panic() {
    let db = postgres("deadline");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let clone = db.clone();
    let error = runtime.block_on(async move { clone.execute_query("SELECT 1", ()).unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("spawn_blocking"), "{error}");
    let clone = db.clone();
    let blocking = runtime
        .block_on(async { tokio::task::spawn_blocking(move || clone.execute_query("SELECT 1", ())).await });
    assert_eq!(blocking.unwrap().unwrap().len(), 1);
    runtime.block_on(async move { db.shutdown() });
}

/// Runs `work` while somebody else is in the middle of the first use of a database, which takes two seconds.
fn during_the_first_use<R>(work: impl FnOnce(&DatabaseManager) -> R) -> R {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("V001__Slow.sql"), "SELECT pg_sleep(2);").unwrap();
    let db = fresh("deadline")
        .migrations_dir(folder.path())
        .migrate_on_start(batchdb::MigrateOnStart::Run)
        .build()
        .unwrap();
    thread::scope(|scope| {
        scope.spawn(|| db.execute_query("SELECT 1", ()).unwrap());
        eventually("the first one migrates", || sleeping(&db));
        work(&db)
    })
}

#[test]
fn a_call_does_not_wait_longer_for_somebody_elses_first_use_than_its_own_deadline() {
    let limit = Duration::from_millis(300);
    during_the_first_use(|db| {
        let (error, took) = timed(|| db.with_deadline(limit).execute_query("SELECT 1", ()).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Lock), "{error}");
        assert!(took < limit + GRACE, "{took:?}");
    });
}

#[test]
fn a_task_does_not_wait_longer_for_somebody_elses_first_use_than_its_own_timeout() {
    let limit = Duration::from_millis(300);
    during_the_first_use(|db| {
        let (results, took) = timed(|| {
            map_tasks([()], MapOptions::default().timeout(limit), |()| db.execute_query("SELECT 1", ()))
        });
        let record = results.iter().next().unwrap();
        assert_eq!(record.state(), TaskState::TimedOut, "{record:?}");
        assert!(took < limit + GRACE, "{took:?}");
    });
}

#[test]
fn who_waits_for_somebody_elses_first_use_hears_that_it_is_to_stop() {
    let grace = Duration::from_millis(300);
    during_the_first_use(|db| {
        let token = CancelToken::new();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| with_cancel(&token, grace, || db.execute_query("SELECT 1", ())));
            // Long enough to be in the wait; whoever comes later finds the token cancelled, which is no other end.
            thread::sleep(Duration::from_millis(100));
            let (outcome, took) = timed(|| {
                token.cancel();
                waiting.join().unwrap()
            });
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
            assert!(took < grace + GRACE, "{took:?}");
        });
    });
}

#[test]
fn undoing_on_a_server_that_has_stopped_takes_its_own_limit_and_no_grace_besides() {
    let db = postgres("deadline");
    let undone = || {
        let mut stopped = None;
        let outcome = db.transaction(|tx| {
            tx.execute_query("SELECT 1", ())?;
            stopped = Some((Stopped::at(backend_pid(tx)), std::time::Instant::now()));
            Err::<(), _>(tx.execute_query("SELECT :missing", ()).unwrap_err())
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Params);
        stopped.unwrap().1.elapsed()
    };
    // A rollback and the cleaning behind it come one after the other, and have the 500 ms together. With a grace it would be
    // more every time; without, a busy machine may make it more once.
    let took = (0..3).map(|_| undone()).min().unwrap();
    assert!(took < Duration::from_millis(450), "{took:?}");
}
