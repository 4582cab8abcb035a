//! Being told to stop, while the server is at work for us.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use batchdb::{
    CancelToken, DatabaseManager, Error, ErrorKind, MapOptions, TaskState, map_tasks, with_cancel,
};

use crate::common::{eventually, fresh, postgres, server, timed};

const GRACE: Duration = Duration::from_millis(300);
/// What a call may take beyond its limit.
const LATE: Duration = Duration::from_millis(500);

fn sleeping(db: &DatabaseManager) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
               AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
    server().psql(db.name(), sql).unwrap().parse().unwrap()
}

/// Cancels the token as soon as `when`, and says how long `work` went on after that.
fn stop_in<R: Send>(
    token: &CancelToken,
    when: impl Fn() -> bool,
    work: impl FnOnce() -> R + Send,
) -> (R, Duration) {
    thread::scope(|scope| {
        let running = scope.spawn(work);
        eventually("the work is under way", when);
        timed(|| {
            token.cancel();
            running.join().unwrap()
        })
    })
}

/// Four tasks sleep on the server, six have not begun, when the fan-out is told to stop.
fn a_fan_out_is_stopped(db: &DatabaseManager) {
    let token = CancelToken::new();
    let options =
        MapOptions::default().workers(4).cancel(token.clone()).grace(GRACE).retries(3).retry_if(|_| true);
    let (results, took) = stop_in(
        &token,
        || sleeping(db) == 4,
        || map_tasks(0..10, options, |_| db.execute("SELECT pg_sleep(30)", ())),
    );
    assert!(took >= GRACE && took < GRACE + LATE, "{took:?}");
    let counts = results.counts();
    assert_eq!(counts, [(TaskState::Cancelled, 4), (TaskState::NotStarted, 6)].into(), "{results:?}");
    let record = results.iter().next().unwrap();
    assert_eq!(record.attempts(), 1);
    let error = record.error().unwrap().as_batchdb().unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.to_string().contains("300ms of grace passed in the phase `query`"), "{error}");
    eventually("nothing of ours runs", || sleeping(db) == 0);
    // What is not told to stop goes on.
    db.execute_query("SELECT 1", ()).unwrap();
}

#[test]
fn calls_that_wait_end_with_the_grace_and_are_cancelled_on_the_server() {
    a_fan_out_is_stopped(&postgres("stop"));
}

#[cfg(feature = "odbc")]
#[test]
fn calls_through_odbc_do_so_too() {
    a_fan_out_is_stopped(&crate::odbc::psql_odbc("stop"));
}

#[test]
fn what_runs_may_end_within_the_grace() {
    let db = postgres("stop");
    db.execute("CREATE TABLE t (id int)", ()).unwrap();
    let token = CancelToken::new();
    let options = MapOptions::default().workers(2).cancel(token.clone()).grace(Duration::from_secs(20));
    let (results, _) = stop_in(
        &token,
        || sleeping(&db) == 2,
        || {
            map_tasks(0..9, options, |_| {
                db.transaction(|tx| {
                    tx.execute("SELECT pg_sleep(0.5)", ())?;
                    tx.execute("INSERT INTO t VALUES (1)", ())
                })
            })
        },
    );
    assert_eq!(results.counts(), [(TaskState::Completed, 2), (TaskState::NotStarted, 7)].into());
    assert_eq!(db.query_one("SELECT count(*) FROM t", ()).unwrap().get::<i64>(0).unwrap(), 2);
}

#[test]
fn a_transaction_that_is_cut_off_leaves_nothing_and_its_connection_is_not_reused() {
    let db = fresh("stop").pool_size(1).max_overflow(0).build().unwrap();
    db.execute("CREATE TABLE t (id int)", ()).unwrap();
    let token = CancelToken::new();
    let (outcome, took) = stop_in(
        &token,
        || sleeping(&db) == 1,
        || {
            with_cancel(&token, Duration::ZERO, || {
                db.transaction(|tx| {
                    tx.execute("INSERT INTO t VALUES (1)", ())?;
                    tx.execute("SELECT pg_sleep(30)", ())
                })
            })
        },
    );
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(took < LATE, "{took:?}");
    assert_eq!(db.query_one("SELECT count(*) FROM t", ()).unwrap().get::<i64>(0).unwrap(), 0);
    assert_eq!(db.pool_status().opened, 2);
}

#[test]
fn a_checkout_that_waits_and_a_stream_end_too() {
    let db = fresh("stop").pool_size(1).max_overflow(0).build().unwrap();
    let token = CancelToken::new();
    db.session(|_| {
        let (waited, took) = stop_in(
            &token,
            || db.pool_status().waiting == 1,
            || with_cancel(&token, GRACE, || db.execute_query("SELECT 1", ())),
        );
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(took >= GRACE && took < GRACE + LATE, "{took:?}");
        Ok::<_, Error>(())
    })
    .unwrap();
    let token = CancelToken::new();
    let sql = "SELECT pg_sleep(CASE WHEN n = 3 THEN 30 ELSE 0 END) FROM generate_series(1, 9) AS n";
    let (streamed, took) = stop_in(
        &token,
        || sleeping(&db) == 1,
        || with_cancel(&token, GRACE, || db.query_each(sql, (), |_| Ok::<_, Error>(true))),
    );
    assert_eq!(streamed.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(took >= GRACE && took < GRACE + LATE, "{took:?}");
    eventually("nothing of ours runs", || sleeping(&db) == 0);
}

/// A port that answers no `SYN`, and what keeps it so: a listener that accepts nobody, with its queue full.
fn silent_port() -> (u16, socket2::Socket, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(stream);
    }
    (address.port(), socket, queue)
}

fn at(port: u16) -> DatabaseManager {
    DatabaseManager::builder("stop_connecting")
        .connection_string(format!("postgresql://u:secret@127.0.0.1:{port}/db"))
        .connect_timeout(Duration::from_secs(5))
        .migrate_on_start(batchdb::MigrateOnStart::Off)
        .build()
        .unwrap()
}

#[test]
fn a_connection_that_is_being_opened_ends_with_the_grace() {
    let (port, _listener, _queue) = silent_port();
    let db = at(port);
    let token = CancelToken::new();
    let (outcome, took) = stop_in(
        &token,
        || {
            thread::sleep(Duration::from_millis(100));
            db.pool_status().checked_out == 1
        },
        || with_cancel(&token, GRACE, || db.execute_query("SELECT 1", ())),
    );
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(took >= GRACE && took < GRACE + LATE, "{took:?}");
}

#[test]
fn a_diagnosis_ends_with_the_grace_wherever_it_is() {
    let (no_syn, _listener, _queue) = silent_port();
    // Takes connections, and says nothing when it is asked for TLS.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (port, step) in [(no_syn, "tcp"), (mute.local_addr().unwrap().port(), "tls")] {
        let db = at(port);
        let token = CancelToken::new();
        let (sender, told) = std::sync::mpsc::channel();
        let before = if step == "tcp" { "name" } else { "tcp" };
        let (diagnosis, took) = stop_in(
            &token,
            || told.try_iter().any(|name| name == before),
            || {
                with_cancel(&token, GRACE, || {
                    db.diagnose(Duration::from_secs(30), |step| sender.send(step.name).unwrap())
                })
            },
        );
        assert_eq!(diagnosis.failed().map(|step| step.name), Some(step), "{diagnosis:?}");
        let problem = &diagnosis.failed().unwrap().problems[0];
        assert!(problem.contains("told to stop"), "{problem}");
        assert!(took >= GRACE && took < GRACE + LATE, "{step}: {took:?}");
    }
}
