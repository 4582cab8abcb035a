//! Errors, wherever they come, and limits.

use std::time::{Duration, Instant};

use batchdb::{DatabaseManager, Error, ErrorKind, Phase, params};

use crate::target::{Kind, Left, Target, Told};

const GRACE: Duration = Duration::from_millis(500);

pub(crate) fn errors_have_their_kinds_and_leave_the_connection_usable(target: &Target) -> Told {
    let db = target.builder().pool_size(1).build().unwrap();
    let text = target.say("varchar(5)", "text CHECK (length(name) < 6)", "varchar(5)");
    let table = target.table(&db, &format!("id int PRIMARY KEY, name {text} NOT NULL"));
    let child = target.table(&db, &format!("id int REFERENCES {table} (id), n int CHECK (n > 0)"));
    db.execute(&format!("INSERT INTO {table} VALUES (1, 'a')"), ()).unwrap();
    let mut cases = vec![
        (format!("INSERT INTO {table} VALUES (1, 'a')"), ErrorKind::Constraint),
        (format!("INSERT INTO {table} VALUES (2, NULL)"), ErrorKind::Constraint),
        (format!("INSERT INTO {child} VALUES (NULL, 0)"), ErrorKind::Constraint),
        ("SELECT * FROM batchdb_nowhere".to_owned(), ErrorKind::Syntax),
        (format!("SELECT nowhere FROM {table}"), ErrorKind::Syntax),
        ("SELEC 1".to_owned(), ErrorKind::Syntax),
        ("SELECT (1".to_owned(), ErrorKind::Syntax),
    ];
    if target.kind != Kind::Sqlite {
        cases.push((format!("INSERT INTO {child} VALUES (7, 1)"), ErrorKind::Constraint));
        cases.push((format!("INSERT INTO {table} VALUES (2, 'abcdefg')"), ErrorKind::Data));
        cases.push(("SELECT 1 / 0 AS x".to_owned(), ErrorKind::Data));
        cases.push(("SELECT CAST('abc' AS int) AS x".to_owned(), ErrorKind::Data));
    }
    let (mut wrong, mut numberless) = (Vec::new(), 0);
    for (sql, kind) in cases {
        match db.execute_query(&sql, ()) {
            Ok(_) => wrong.push(format!("{sql}: went through")),
            Err(error) if target.has_no_number(&error) => numberless += 1,
            Err(error) if error.kind() != kind => wrong.push(format!("{sql}: {}", error.report())),
            Err(_) => (),
        }
        assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if numberless > 0 {
        return Err(Left::NotSupported(
            "one number, 33557097, for all errors that PostgreSQL has no class of its own for",
        ));
    }
    Ok(())
}

pub(crate) fn an_error_behind_rows_or_counts_is_the_error_of_the_whole(target: &Target) -> Told {
    let db = target.db();
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("it computes a result before its first row"));
    }
    if target.is_postgres() {
        let sql = "SELECT 100 / (150 - i) AS x FROM generate_series(1, 1000) i";
        assert_eq!(db.execute_query(sql, ()).unwrap_err().kind(), ErrorKind::Data);
        return Ok(());
    }
    let table = target.table(&db, "id int PRIMARY KEY");
    for sql in [
        format!("INSERT INTO {table} VALUES (1); INSERT INTO {table} VALUES (1)"),
        format!("SELECT 1 AS n; INSERT INTO {table} VALUES (2); RAISERROR('it failed', 16, 1)"),
        format!("PRINT 'a'; INSERT INTO {table} VALUES (3); THROW 50001, 'it failed', 1"),
        "WITH d(d) AS (SELECT d FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) v(d)) \
         SELECT 100 / (650 - (a.d * 100 + b.d * 10 + c.d)) AS x FROM d a, d b, d c"
            .to_owned(),
    ] {
        let error = db.execute_query(&sql, ()).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Constraint | ErrorKind::Database | ErrorKind::Data),
            "{sql}: {}",
            error.report()
        );
        assert!(db.execute(&sql, ()).is_err(), "{sql}");
    }
    Ok(())
}

pub(crate) fn a_wrong_password_is_refused_as_such(target: &Target) -> Told {
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("it has no logins"));
    }
    let text = target.connection_string();
    let lower = text.to_ascii_lowercase();
    let wrong = match lower.find("pwd=") {
        Some(at) => {
            let end = text[at..].find(';').map_or(text.len(), |length| at + length);
            format!("{}PWD=wr0ng-secret{}", &text[..at], &text[end..])
        }
        None => {
            let (before, behind) = text.split_once('@').unwrap();
            format!("{}:wr0ng-secret@{behind}", before.rsplit_once(':').unwrap().0)
        }
    };
    let builder = target.builder().connection_string(wrong);
    let asked = builder.build().unwrap().execute_query("SELECT 1", ());
    if asked.is_ok() {
        target.not_on_babelfish("this one is set up to take any password")?;
    }
    let error = asked.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{}", error.report());
    assert!(!error.report().contains("wr0ng-secret"));
    Ok(())
}

/// The target's connection string with another value for one of its words.
fn with(target: &Target, word: &str, value: &str) -> String {
    let is_other =
        |pair: &&str| !pair.split('=').next().unwrap_or_default().trim().eq_ignore_ascii_case(word);
    let others: Vec<&str> = target.connection_string().split(';').filter(is_other).collect();
    format!("{};{word}={value}", others.join(";").trim_end_matches(';'))
}

pub(crate) fn a_certificate_that_is_not_accepted_is_told_as_such(target: &Target) -> Told {
    target.only_t_sql()?;
    if !target.name.ends_with("microsoft") {
        return Err(Left::NotItsMatter("FreeTDS looks at no certificate"));
    }
    let strict = with(target, "Encrypt", "yes");
    let strict = strict.replace("TrustServerCertificate=yes", "TrustServerCertificate=no");
    let builder = target.builder().connection_string(strict);
    let (error, took) = {
        let started = Instant::now();
        let error = builder.build().unwrap().execute_query("SELECT 1", ()).unwrap_err();
        (error, started.elapsed())
    };
    assert_eq!(error.kind(), ErrorKind::Connect, "{}", error.report());
    assert!(took < Duration::from_secs(5), "{took:?}");
    if target.kind == Kind::Babelfish && error.to_string().contains("offers no encryption") {
        return Err(Left::NotSupported("its TLS is off here: the error says that it offers no encryption"));
    }
    // A server that was just installed has signed its certificate itself.
    assert!(error.to_string().contains("the server's certificate was not accepted"), "{}", error.report());
    assert!(error.to_string().contains("TrustServerCertificate") && !error.is_transient(), "{error}");
    Ok(())
}

/// A database that is taken offline by a test. Of one that is dropped there, the files would stay.
struct Closed<'t> {
    db: &'t DatabaseManager,
    name: &'t str,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        for sql in ["ALTER DATABASE [«»] SET ONLINE", "DROP DATABASE [«»]"] {
            let done = self.db.execute(&sql.replace("«»", self.name), ());
            assert!(done.is_ok() || std::thread::panicking(), "{sql}: {done:?}");
        }
    }
}

pub(crate) fn a_database_that_is_not_opened_is_told_by_its_state(target: &Target) -> Told {
    target.only_t_sql()?;
    let health_of = |database: &str| {
        let string = with(target, "Database", database);
        let health = target.builder().connection_string(string).build().unwrap().health_check();
        assert!(!health.connection, "{}", health.to_json());
        health
    };
    let absent = health_of("batchdb_nowhere");
    let error = absent.error.unwrap();
    assert!(error.contains("the database is not there"), "{error}");
    assert!(absent.server.is_some_and(|server| server.version.is_some()), "it was asked in master");
    target.not_on_babelfish("databases have one state there")?;
    let (db, name) = (target.db(), target.unique("batchdb_closed"));
    db.execute(&format!("CREATE DATABASE [{name}]"), ()).unwrap();
    let closed = Closed { db: &db, name: &name };
    db.execute(&format!("ALTER DATABASE [{name}] SET OFFLINE WITH ROLLBACK IMMEDIATE"), ()).unwrap();
    let offline = health_of(&name);
    drop(closed);
    assert_eq!(offline.server.unwrap().state.as_deref(), Some("OFFLINE"));
    let error = offline.error.unwrap();
    assert!(error.contains("the database is OFFLINE") && !error.contains("credentials"), "{error}");
    Ok(())
}

pub(crate) fn a_slow_statement_ends_at_its_deadline(target: &Target) -> Told {
    let db = target.builder().pool_size(1).build().unwrap();
    db.execute_query("SELECT 1", ()).unwrap();
    let limit = Duration::from_millis(400);
    let started = Instant::now();
    let error = db.execute_query_with_timeout(target.slow(), (), limit).unwrap_err();
    let took = started.elapsed();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{}", error.report());
    assert!(took >= limit && took < limit + GRACE, "{took:?}");
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    let end = Instant::now() + Duration::from_secs(35);
    while db.pool_status().abandoned > 0 {
        assert!(Instant::now() < end, "the driver keeps its thread");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!(
        "    the driver gave its thread back {} ms after the call",
        (started.elapsed() - took).as_millis()
    );
    Ok(())
}

pub(crate) fn a_lock_is_not_waited_for_longer_than_asked(target: &Target) -> Told {
    let db = target.builder().pool_size(2).build().unwrap();
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("one writer at a time, by its driver's own limit"));
    }
    let table = target.table(&db, "id int PRIMARY KEY, n int");
    db.execute(&format!("INSERT INTO {table} VALUES (1, 0)"), ()).unwrap();
    let update = format!("UPDATE {table} SET n = n + 1 WHERE id = :id");
    db.transaction(|tx| {
        tx.execute(&update, params! { id: 1 })?;
        let asked = target.say("SET lock_timeout = 300", "", "SET LOCK_TIMEOUT 300");
        let started = Instant::now();
        let error = db
            .session(|session| {
                session.execute(asked, ())?;
                session.execute(&update, params! { id: 1 })
            })
            .unwrap_err();
        let is_conflict = error.kind() == ErrorKind::Conflict || target.has_no_number(&error);
        assert!(is_conflict, "{}", error.report());
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        let limit = Duration::from_millis(300);
        let started = Instant::now();
        let error = db.execute_query_with_timeout(&update, params! { id: 1 }, limit).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{}", error.report());
        assert!(started.elapsed() < limit + GRACE, "{:?}", started.elapsed());
        Ok::<_, Error>(())
    })
    .unwrap();
    let n: i64 = db.query_one(&format!("SELECT n FROM {table}"), ()).unwrap().get("n").unwrap();
    // An attention is not looked at there while a statement waits, so what was given up is carried out behind its back;
    // its error has said that nobody knows.
    if target.kind == Kind::Babelfish && n == 2 {
        return Err(Left::NotSupported(
            "a cancel (attention) is not served while a statement waits for a lock",
        ));
    }
    assert_eq!(n, 1, "neither of the two that gave up was carried out");
    Ok(())
}
