//! The monitor, asked by programs and looked at by a browser.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use batchdb::{DatabaseManager, Error, Monitor};

use crate::common::{backend_pid, eventually, fresh, postgres, signal, timed};

/// The status and the body that a request gets.
fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "{request} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("no-store"), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn programs_are_told_what_they_ask_for() {
    let db = postgres("monitor");
    db.execute_query("SELECT 1", ()).unwrap();
    db.execute_query("SELECT 'value7' FROM nothing7", ()).unwrap_err();
    let monitor = Monitor::serve("127.0.0.1:0", [&db]).unwrap();
    let get = |path: &str| ask(monitor.address(), &format!("GET {path}"));

    let (status, metrics) = get("/metrics");
    let wanted = format!("batchdb_operation_duration_seconds_count{{database=\"{}\"", db.name());
    assert!(status == 200 && metrics.contains(&wanted), "{metrics}");
    let (_, json) = get("/metrics.json?now");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let of_db = json["databases"].as_array().unwrap().iter().find(|of| of["database"] == db.name()).unwrap();
    assert_eq!(of_db["last_errors"][0]["kind"], "Syntax");
    assert!(!of_db["last_errors"].to_string().contains("value7"), "{}", of_db["last_errors"]);
    assert_eq!(get("/healthz"), (200, "ok\n".to_owned()));
    let (status, report) = get("/readyz");
    assert!(status == 200 && report.contains("\"overall_status\":\"healthy\""), "{report}");
    assert_eq!(get("/nothing").0, 404);
    assert_eq!(ask(monitor.address(), "POST /metrics").0, 405);
}

#[test]
fn a_program_whose_database_is_away_lives_and_is_not_ready() {
    let away = DatabaseManager::builder("monitor_away")
        .connection_string("postgresql://job:secret7@127.0.0.1:1/none")
        .build()
        .unwrap();
    let monitor = Monitor::serve("127.0.0.1:0", [&away]).unwrap();
    assert_eq!(ask(monitor.address(), "GET /healthz").0, 200);
    let (status, report) = ask(monitor.address(), "GET /readyz");
    assert_eq!(status, 503);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    // Who asks has not logged in: the words of drivers and vaults, hosts and users are not for him.
    assert_eq!(report["databases"]["monitor_away"]["error"], "see the log of the program");
    assert!(
        !["secret7", "127.0.0.1", "refused"].iter().any(|word| report.to_string().contains(word)),
        "{report}"
    );
    let address = monitor.address();
    let ((), took) = timed(|| drop(monitor));
    assert!(took < Duration::from_secs(2), "{took:?}");
    eventually("the port is free again", || std::net::TcpListener::bind(address).is_ok());
}

#[test]
fn probes_for_readiness_leave_room_for_that_for_liveness() {
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://job:p@127.0.0.1:{}/none", silent.local_addr().unwrap().port());
    let db = DatabaseManager::builder("monitor_silent")
        .connection_string(url)
        .connect_timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    let monitor = Monitor::serve("127.0.0.1:0", [&db]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(ask(monitor.address(), "GET /readyz").0, 503));
        }
        std::thread::sleep(Duration::from_millis(200));
        let ((status, _), took) = timed(|| ask(monitor.address(), "GET /healthz"));
        assert!(status == 200 && took < Duration::from_secs(1), "{status} after {took:?}");
    });
}

#[test]
fn nothing_that_a_stranger_sends_takes_the_monitor_away() {
    let monitor = Monitor::serve("127.0.0.1:0", []).unwrap();
    let address = monitor.address();
    let lives = |after: &str| {
        let ((status, _), took) = timed(|| ask(address, "GET /healthz"));
        assert!(status == 200 && took < Duration::from_secs(1), "{after}: {status} after {took:?}");
    };
    let mut kept = Vec::new();
    // A body of which not a byte comes, of sizes that nobody must make room for.
    for length in ["2000", "1000000000000000", "18446744073709551615"] {
        for method in ["GET", "POST"] {
            for _ in 0..4 {
                let mut stream = TcpStream::connect(address).unwrap();
                write!(stream, "{method} /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
                    .unwrap();
                kept.push(stream);
            }
            lives(&format!("{method} with a length of {length}"));
        }
    }
    // Heads that never end, and one that has no end.
    for _ in 0..40 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /healthz HT").unwrap();
        kept.push(stream);
    }
    lives("40 heads of which the end does not come");
    let mut endless = TcpStream::connect(address).unwrap();
    let mut head = b"GET /healthz HTTP/1.1\r\nX: ".to_vec();
    head.resize(20_000, b'a');
    endless.write_all(&head).unwrap();
    endless.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut told = [0; 12];
    endless.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 431");
    // Who asks and does not listen.
    for _ in 0..40 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        kept.push(stream);
    }
    lives("40 that do not listen");
    let ((), took) = timed(|| drop(monitor));
    assert!(took < Duration::from_secs(2), "{took:?}");
    eventually("the port is free again", || std::net::TcpListener::bind(address).is_ok());
}

#[test]
fn a_slow_request_has_an_end_and_a_head_alone_has_no_body() {
    let monitor = Monitor::serve("127.0.0.1:0", []).unwrap();
    let head = ask(monitor.address(), "HEAD /healthz");
    assert_eq!(head, (200, String::new()));
    assert_eq!(ask(monitor.address(), "GET /\u{1} x").0, 400);

    // A byte every now and then keeps no connection for ever.
    let mut slow = TcpStream::connect(monitor.address()).unwrap();
    let mut read = slow.try_clone().unwrap();
    let (text, took) = timed(|| {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for byte in b"GET /healthz HTTP/1.1\r\nX: ".iter().chain(std::iter::repeat_n(&b'a', 200)) {
                    if slow.write_all(&[*byte]).is_err() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
            let mut text = String::new();
            // The connection may end hard: bytes came that nobody read.
            let _ = read.read_to_string(&mut text);
            let _ = read.shutdown(std::net::Shutdown::Both);
            text
        })
    });
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_look_has_its_own_limit_and_an_old_one_is_no_answer() {
    let db = fresh("monitor").timeout(Duration::from_secs(60)).build().unwrap();
    let monitor = Monitor::serve("127.0.0.1:0", [&db]).unwrap();
    let pid = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
    assert_eq!(ask(monitor.address(), "GET /readyz").0, 200);
    signal("STOP", pid);
    eventually("a silent server is not ready", || ask(monitor.address(), "GET /readyz").0 == 503);
    let ((), took) = timed(|| drop(monitor));
    signal("CONT", pid);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// The value of an attribute of the page's body.
fn attribute<'p>(page: &'p str, name: &str) -> Option<&'p str> {
    page.split_once(&format!("{name}=\""))?.1.split('"').next()
}

#[test]
fn a_browser_sees_the_numbers_change_and_no_error() {
    let db = postgres("monitor");
    let monitor = Monitor::serve("127.0.0.1:0", [&db]).unwrap();
    let over = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let shot = std::env::var_os("MONITOR_SCREENSHOT");
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                db.execute_query("SELECT pg_sleep(0.002)", ()).unwrap();
                let _ = db.execute("INSERT INTO nothing VALUES (1)", ());
            }
        });
        let mut browser = Command::new("chromium");
        browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]);
        browser.args(["--disable-background-networking", "--disable-component-update", "--disable-quic"]);
        browser.args(["--enable-logging=stderr", "--v=0", "--window-size=1200,1000"]);
        // Time runs as fast as answers come, until five seconds of the page's own have passed.
        browser.arg("--virtual-time-budget=5000");
        browser.arg(format!("--user-data-dir={}", folder.path().display()));
        match &shot {
            Some(path) => browser.arg(format!("--screenshot={}", path.display())),
            None => browser.arg("--dump-dom"),
        };
        let output = browser.arg(format!("http://{}/", monitor.address())).output();
        over.store(true, Ordering::Relaxed);
        output.expect("chromium is needed for this test: `make setup` installs it")
    });
    let (page, log) = (String::from_utf8_lossy(&seen.stdout), String::from_utf8_lossy(&seen.stderr));
    let told: Vec<_> = log.lines().filter(|line| line.contains(":CONSOLE")).collect();
    assert_eq!(told, Vec::<&str>::new(), "the page's console");
    if shot.is_some() {
        return;
    }
    let number = |name: &str| -> u64 {
        attribute(&page, name)
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("no {name}: {page}\n{log}"))
    };
    assert!(number("data-updates") >= 2, "{page}");
    assert!(number("data-calls") > number("data-first-calls"), "{page}");
    assert!(page.contains(db.name()) && page.contains("Syntax"), "{page}");
}
