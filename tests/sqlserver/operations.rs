//! Sessions, procedures, messages, health, locks, migrations.

use std::fs;
use std::time::{Duration, Instant};

use batchdb::{Claim, Error, ErrorKind, HealthStatus, Procedure, Value, params};

use crate::log_lines;
use crate::target::{Kind, Left, Target, Told};

pub(crate) fn a_borrower_finds_a_clean_session(target: &Target) -> Told {
    let db = target.builder().pool_size(1).max_overflow(0).build().unwrap();
    let temporary = target.say(
        "CREATE TEMP TABLE mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE TABLE #mine (id int)",
    );
    let read = target.say(
        "SELECT count(*) AS n FROM mine",
        "SELECT count(*) AS n FROM mine",
        "SELECT count(*) AS n FROM #mine",
    );
    db.session(|session| {
        session.execute(temporary, ())?;
        session.execute(
            &read.replace("SELECT count(*) AS n FROM", "INSERT INTO").replace("mine", "mine VALUES (1)"),
            (),
        )?;
        assert_eq!(session.query_one(read, ())?.get::<i64>("n")?, 1);
        Ok::<_, Error>(())
    })
    .unwrap();
    assert!(db.query_one(read, ()).is_err(), "the next borrower has none of it");
    if target.is_t_sql() {
        let table = target.table(&db, "id int");
        db.execute("SET NOCOUNT ON", ()).unwrap();
        let insert = format!("INSERT INTO {table} VALUES (1), (2)");
        assert_eq!(db.execute(&insert, ()).unwrap(), 2, "the counts are there again");
        db.execute("SET DATEFIRST 3", ()).unwrap();
        let first = db.query_one("SELECT CAST(@@DATEFIRST AS int) AS n", ()).unwrap();
        assert_ne!(first.get::<i64>("n").unwrap(), 3);
    }
    Ok(())
}

pub(crate) fn no_setting_of_a_session_outlives_its_borrower(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.builder().pool_size(1).max_overflow(0).build().unwrap();
    let mut unknown = 0;
    for (leaves, asks) in [
        ("USE tempdb", "SELECT DB_NAME() AS v"),
        ("SET LOCK_TIMEOUT 77", "SELECT CAST(@@LOCK_TIMEOUT AS varchar(10)) AS v"),
        ("SET CONTEXT_INFO 0x0102", "SELECT CAST(CONTEXT_INFO() AS varbinary(128)) AS v"),
        (
            "SET ROWCOUNT 1",
            "SELECT CAST(count(*) AS varchar(10)) AS v FROM (SELECT 1 AS n UNION ALL SELECT 2) q",
        ),
        ("SET TEXTSIZE 5", "SELECT CAST(@@TEXTSIZE AS varchar(20)) AS v"),
    ] {
        let asked = || db.query_one(asks, ()).map(batchdb::Row::into_values);
        let (before, left) = (asked(), db.execute(leaves, ()));
        let failed = before.as_ref().err().or(left.as_ref().err());
        if let (Kind::Babelfish, Some(error)) = (target.kind, failed) {
            println!("    {leaves}: {error}");
            unknown += 1;
            continue;
        }
        left.unwrap();
        assert!(asked().unwrap() == before.unwrap(), "{leaves} outlived its borrower");
    }
    match unknown {
        0 => Ok(()),
        _ => target.not_on_babelfish("it does not know all of these settings; those that it knows passed"),
    }
}

pub(crate) fn a_procedure_returns_all_that_it_has(target: &Target) -> Told {
    let db = target.db();
    let name = target.unique("batchdb_p");
    match target.kind {
        Kind::Sqlite | Kind::PsqlOdbc => {
            assert_eq!(db.call_procedure("p", ()).unwrap_err().kind(), ErrorKind::Usage);
            return Ok(());
        }
        Kind::Postgres => {
            let body = "total := a * 1.5; note := note || ''é''";
            let head = "a int, INOUT total numeric, INOUT note text";
            db.execute(
                &format!("CREATE PROCEDURE {name}({head}) LANGUAGE plpgsql AS 'BEGIN {body}; END'"),
                (),
            )
            .unwrap();
            target.drop_later(&format!("PROCEDURE {name}"));
            let given = params! { a: 3, total: Value::Null, note: "x" };
            let result = db.call_procedure(name.as_str(), given).unwrap();
            assert_eq!(result.return_value, None);
            assert_eq!(result.outputs.get::<String>("note").unwrap(), "xé");
            assert_eq!(
                result.outputs.value("total").unwrap(),
                &Value::Decimal(Box::new("4.5".parse().unwrap()))
            );
            return Ok(());
        }
        Kind::SqlServer | Kind::Babelfish => (),
    }
    let sql = format!(
        "CREATE PROCEDURE {name} @a int, @total decimal(10, 2) OUTPUT, @note nvarchar(20) OUTPUT AS BEGIN \
         SELECT @a AS a; PRINT 'half way'; SELECT @a + 1 AS b UNION ALL SELECT @a + 2; \
         SET @total = @a * 1.5; SET @note = @note + N'é'; RETURN 7 END"
    );
    db.execute(&sql, ()).unwrap();
    target.drop_later(&format!("PROCEDURE {name}"));
    let told = Procedure::new(&name).output("total", "decimal(10, 2)").output("note", "nvarchar(20)");
    for procedure in [told, Procedure::new(&name), Procedure::new(&format!("dbo.{name}"))] {
        let result = db.call_procedure(procedure, params! { a: 3, note: "x" }).unwrap();
        assert_eq!(result.return_value, Some(7));
        assert_eq!(
            result.outputs.value("total").unwrap(),
            &Value::Decimal(Box::new("4.50".parse().unwrap()))
        );
        assert_eq!(result.outputs.get::<String>("note").unwrap(), "xé");
        assert_eq!(result.sets.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    }
    let given = params! { nowhere: 1 };
    assert!(db.call_procedure(Procedure::new(&name).output("total", "decimal(10, 2)"), given).is_err());
    // Nothing is lost without a word: who is not found is an error, unless it was said what there is.
    let error = db.call_procedure("batchdb_no_such", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax, "{}", error.report());
    assert!(error.to_string().contains("no procedure [batchdb_no_such]"), "{error}");
    let plain = target.unique("batchdb_p");
    db.execute(&format!("CREATE PROCEDURE {plain} @a int AS RETURN @a + 1"), ()).unwrap();
    target.drop_later(&format!("PROCEDURE {plain}"));
    for procedure in [Procedure::new(&plain), Procedure::new(&plain).without_outputs()] {
        let result = db.call_procedure(procedure, params! { a: 3 }).unwrap();
        assert_eq!((result.return_value, result.outputs.values().len()), (Some(4), 0));
    }
    Ok(())
}

pub(crate) fn a_procedure_is_found_behind_a_synonym_and_in_a_session(target: &Target) -> Told {
    target.only_t_sql()?;
    target.not_on_babelfish("it has no synonyms, and no procedures of a session")?;
    let db = target.db();
    let (name, other) = (target.unique("batchdb_p"), target.unique("batchdb_s"));
    db.execute(&format!("CREATE PROCEDURE {name} @a int, @b int OUTPUT AS SET @b = @a + 1"), ()).unwrap();
    target.drop_later(&format!("PROCEDURE {name}"));
    db.execute(&format!("CREATE SYNONYM {other} FOR {name}"), ()).unwrap();
    target.drop_later(&format!("SYNONYM {other}"));
    let result = db.call_procedure(other.as_str(), params! { a: 3 }).unwrap();
    assert_eq!(result.outputs.get::<i64>("b").unwrap(), 4);
    let result = db
        .session(|session| {
            session.execute("CREATE PROCEDURE #mine @a int, @b int OUTPUT AS SET @b = @a + 2", ())?;
            session.call_procedure("#mine", params! { a: 3 })
        })
        .unwrap();
    assert_eq!(result.outputs.get::<i64>("b").unwrap(), 5);
    Ok(())
}

pub(crate) fn what_the_server_says_is_in_the_log(target: &Target) -> Told {
    target.only_t_sql()?;
    let db = target.db();
    log_lines::take();
    db.execute("PRINT N'hälf'; SELECT 1 AS n; RAISERROR('at %d', 0, 1, 7) WITH NOWAIT; PRINT 'done'", ())
        .unwrap();
    let said: Vec<String> =
        log_lines::take().into_iter().filter(|line| line.contains("message of the server")).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("message=hälf") && said[0].contains(db.name()), "{said:?}");
    assert!(said[1].contains("message=at 7") && said[2].contains("message=done"), "{said:?}");
    // What came before an error is told as well.
    assert!(db.execute("PRINT 'before'; SELECT 1 / 0 AS x", ()).is_err());
    assert!(log_lines::take().iter().any(|line| line.contains("message=before")));
    Ok(())
}

pub(crate) fn a_message_with_nowait_comes_before_its_batch_has_ended(target: &Target) -> Told {
    target.only_t_sql()?;
    target.not_on_babelfish("it keeps what is said until the batch ends")?;
    let db = target.db();
    log_lines::take();
    let rows = db.with_deadline(Duration::from_secs(20));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let text = format!("RAISERROR('now', 0, 1) WITH NOWAIT; {}; PRINT 'later'", target.slow());
            let text = text.replace("00:00:30", "00:00:02").replace("(30)", "(2)");
            rows.execute(&text, ()).unwrap();
        });
        let started = Instant::now();
        while !log_lines::take().iter().any(|line| line.contains("message=now")) {
            assert!(started.elapsed() < Duration::from_secs(5), "it never came");
            std::thread::sleep(Duration::from_millis(10));
        }
        let took = started.elapsed();
        println!("    a message with NOWAIT is in the log after {} ms of 2000", took.as_millis());
        assert!(took < Duration::from_millis(1500), "{took:?}");
    });
    Ok(())
}

pub(crate) fn a_read_only_database_takes_no_writes(target: &Target) -> Told {
    let db = target.db();
    let table = target.table(&db, "id int");
    let read_only = target.builder().read_only(true).build().unwrap();
    let sql = format!("INSERT INTO {table} VALUES (1)");
    assert_eq!(read_only.execute(&sql, ()).unwrap_err().kind(), ErrorKind::ReadOnly);
    let count = read_only.query_one(&format!("SELECT count(*) AS n FROM {table}"), ()).unwrap();
    assert_eq!(count.get::<i64>("n").unwrap(), 0);
    if target.is_t_sql() {
        // A procedure may be called by its name alone, in quotes too, where a batch begins.
        let procedure = target.unique("batchdb_p");
        db.execute(&format!("CREATE PROCEDURE {procedure} AS INSERT INTO {table} VALUES (1)"), ()).unwrap();
        target.drop_later(&format!("PROCEDURE {procedure}"));
        for call in [format!("[{procedure}]\nSELECT 1 AS n"), format!("\"dbo\".[{procedure}]; SELECT 1 AS n")]
        {
            assert_eq!(read_only.execute_query(&call, ()).unwrap_err().kind(), ErrorKind::ReadOnly, "{call}");
        }
        db.execute_query(&format!("[{procedure}]\nSELECT 1 AS n"), ()).unwrap();
    }
    Ok(())
}

pub(crate) fn a_health_check_says_what_is_there(target: &Target) -> Told {
    let db = target.db();
    let health = db.health_check();
    assert_eq!(health.status, HealthStatus::Healthy, "{}", health.to_json());
    assert_eq!(health.server.is_some(), target.is_t_sql());
    if let Some(server) = health.server {
        assert_eq!(server.state.as_deref(), Some("ONLINE"));
        assert!(server.writable && server.version.is_some_and(|version| version.contains('.')));
        // The suite logs in as somebody who may see everything, to a database in no availability group.
        assert!(server.sees_sessions);
        assert_eq!(server.role, None);
    }
    Ok(())
}

pub(crate) fn a_diagnosis_goes_the_whole_way(target: &Target) -> Told {
    let db = target.db();
    db.query_one("SELECT 1 AS one", ()).unwrap();
    let diagnosis = db.diagnose(Duration::from_secs(30), |_| ());
    assert_eq!(diagnosis.failed(), None, "{diagnosis:?}");
    let facts = |name: &str| diagnosis.step(name).map(|step| step.facts.clone()).unwrap_or_default();
    assert!(!facts("login").is_empty() && !facts("round trip").is_empty(), "{diagnosis:?}");
    assert_eq!(facts("versions").len(), 2, "{diagnosis:?}");
    // A question that the server refuses has no fact.
    let asked: &[&str] = match target.kind {
        Kind::PsqlOdbc => &[],
        Kind::Sqlite => &["file", "server"],
        _ => &["permissions", "server", "clock"],
    };
    for name in asked {
        assert!(!facts(name).is_empty(), "{name}: {diagnosis:?}");
    }
    Ok(())
}

pub(crate) fn a_lock_is_had_and_given_back(target: &Target) -> Told {
    match target.kind {
        Kind::PsqlOdbc => return Err(Left::NotItsMatter("the tests of locks have it")),
        Kind::Sqlite => return Err(Left::NotItsMatter("it has no locks by name")),
        _ => (),
    }
    let db = target.builder().pool_size(4).build().unwrap();
    let name = target.unique("lock");
    let held = db.with_lock(&name, Duration::from_secs(5), |_| Ok::<_, Error>(2));
    assert_eq!(held.unwrap(), 2);
    assert_eq!(db.try_lock(&name, |_| Ok::<_, Error>(3)).unwrap(), Some(3));
    Ok(())
}

pub(crate) fn a_lock_that_somebody_has_is_not_given(target: &Target) -> Told {
    match target.kind {
        Kind::PsqlOdbc => return Err(Left::NotItsMatter("the tests of locks have it")),
        Kind::Sqlite => return Err(Left::NotItsMatter("it has no locks by name")),
        _ => (),
    }
    target.not_on_babelfish("sp_getapplock fails where another has the lock")?;
    let db = target.builder().pool_size(4).build().unwrap();
    let name = target.unique("lock");
    let held = db.with_lock(&name, Duration::from_secs(5), |_| {
        let other = db.try_lock(&name, |_| Ok::<_, Error>(1))?;
        assert_eq!(other, None, "somebody else has it");
        Ok::<_, Error>(2)
    });
    assert_eq!(held.unwrap(), 2);
    Ok(())
}

pub(crate) fn rows_are_claimed_once(target: &Target) -> Told {
    if target.kind == Kind::PsqlOdbc {
        return Err(Left::NotItsMatter("the tests of locks have it"));
    }
    target.not_on_babelfish("UPDLOCK and READPAST do nothing")?;
    let db = target.builder().pool_size(4).build().unwrap();
    let table = target.table(&db, "id int PRIMARY KEY, n int");
    db.execute_many(&format!("INSERT INTO {table} VALUES (:id, 0)"), (1..=50).map(|id| params! { id: id }))
        .unwrap();
    let queue = Claim::new(&table, "id").batch(7);
    let mut done = 0;
    let claimed = db
        .claim_all(&queue, |_, rows| {
            done += rows.len();
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!((claimed, done), (50, 50));
    Ok(())
}

pub(crate) fn migrations_run_in_batches(target: &Target) -> Told {
    if target.kind == Kind::PsqlOdbc {
        return Err(Left::NotItsMatter("the tests of migrations have it"));
    }
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (target.unique("batchdb_m"), target.unique("batchdb_m"));
    let go = target.say(";", ";", "\nGO");
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write(
        "V001__one.sql",
        format!("CREATE TABLE {one} (id int PRIMARY KEY){go}\nINSERT INTO {one} VALUES (1){go}\n"),
    );
    let body = target.say(
        format!("CREATE VIEW {two} AS SELECT id FROM {one};"),
        format!("CREATE VIEW {two} AS SELECT id FROM {one};"),
        format!("PRINT 'a view'\nGO\nCREATE VIEW {two} AS SELECT id FROM {one}\nGO\n"),
    );
    write("V002__two.sql", body);
    let db = target.builder().migrations_dir(folder.path()).build().unwrap();
    let history = "schema_version";
    let report = db.run_migrations();
    let report = report.unwrap_or_else(|error| panic!("{}", error.report()));
    assert_eq!(report.applied.len(), 2, "{report:?}");
    let n: i64 = db.query_one(&format!("SELECT count(*) AS n FROM {two}"), ()).unwrap().get("n").unwrap();
    assert_eq!(n, 1);
    // A file that fails leaves nothing of itself.
    let three = target.unique("batchdb_m");
    write(
        "V003__three.sql",
        format!("CREATE TABLE {three} (id int){go}\nINSERT INTO {one} VALUES (1){go}\n"),
    );
    assert!(db.run_migrations().is_err());
    let left = db.query_one(&format!("SELECT count(*) AS n FROM {three}"), ());
    // At once: another target may be the same database through another driver, and would find this history.
    for what in [
        format!("VIEW {two}"),
        format!("TABLE {one}"),
        format!("TABLE {history}"),
        format!("TABLE {history}_history"),
    ] {
        db.execute(&format!("DROP {what}"), ()).unwrap();
    }
    assert!(left.is_err(), "the table of a failed file must not be there");
    Ok(())
}
