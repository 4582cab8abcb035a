//! What goes in and comes out by many: upserts, chunks, returned rows, refused records, files, copies.

use std::cell::RefCell;
use std::thread;
use std::time::Duration;

use batchdb::{
    BulkOptions, DatabaseManager, Error, ErrorKind, ExportOptions, ImportOptions, Value, copy_query,
    copy_table, params,
};

use crate::target::{Kind, Left, Target, Told};

const COLUMNS: [&str; 2] = ["id", "name"];

fn count(db: &DatabaseManager, table: &str) -> i64 {
    db.query_one(&format!("SELECT count(*) AS n FROM {table}"), ()).unwrap().get("n").unwrap()
}

/// A table of numbers, each with a name of at most 20 characters.
fn jobs(target: &Target, db: &DatabaseManager) -> String {
    let name = target.say(
        "name varchar(20) NOT NULL",
        "name text NOT NULL CHECK (length(name) <= 20)",
        "name nvarchar(20) NOT NULL",
    );
    target.table(db, &format!("id int PRIMARY KEY, {name}"))
}

fn name(db: &DatabaseManager, table: &str, id: i64) -> String {
    let sql = format!("SELECT name FROM {table} WHERE id = :id");
    db.query_one(&sql, params! { id: id }).unwrap().get("name").unwrap()
}

/// What an error of the server names is the table that was meant, and never the one of the session.
#[track_caller]
fn names_no_stage(error: &Error) {
    assert!(!error.to_string().contains("batchdb_stage"), "{error}");
}

pub(crate) fn an_upsert_makes_rows_and_replaces_them(target: &Target) -> Told {
    let db = target.db();
    let table = jobs(target, &db);
    db.bulk_insert(&table, &COLUMNS, (1..=1_000).map(|id| (id, "old"))).unwrap();
    let rows = (501..=3_000).map(|id| (id, format!("né {id}")));
    let changed =
        db.bulk_upsert(&table, &COLUMNS, &["id"], rows).unwrap_or_else(|error| panic!("{}", error.report()));
    assert_eq!((changed, count(&db, &table)), (2_500, 3_000));
    assert_eq!((name(&db, &table, 500), name(&db, &table, 501)), ("old".to_owned(), "né 501".to_owned()));
    // Of several rows with one key the last wins, near and far, in another order of columns.
    let twice = (0..4_000).map(|n| (format!("row {n}"), n % 2_000 + 1));
    assert_eq!(db.bulk_upsert(&table, &["name", "id"], &["id"], twice).unwrap(), 2_000);
    assert_eq!(
        (name(&db, &table, 1), name(&db, &table, 2_000)),
        ("row 2000".to_owned(), "row 3999".to_owned())
    );
    // Within a transaction, several times, and undone with it.
    let undone = db.transaction(|tx| {
        tx.bulk_upsert(&table, &COLUMNS, &["id"], [(1, "a"), (9_001, "b")])?;
        tx.bulk_upsert(&table, &COLUMNS, &["id"], [(1, "c"), (9_002, "d")])?;
        let now: String = tx.query_one(&format!("SELECT name FROM {table} WHERE id = 1"), ())?.get(0)?;
        assert_eq!(now, "c");
        tx.bulk_insert(&table, &COLUMNS, [(1, "twice")])
    });
    assert_eq!(undone.unwrap_err().kind(), ErrorKind::Constraint);
    assert_eq!((name(&db, &table, 1), count(&db, &table)), ("row 2000".to_owned(), 3_000));
    Ok(())
}

pub(crate) fn an_upsert_of_keys_alone_or_of_several(target: &Target) -> Told {
    let db = target.db();
    let short = target.say("varchar(9)", "text", "nvarchar(9)");
    let table = target.table(&db, &format!("a int NOT NULL, b {short} NOT NULL, n int, PRIMARY KEY (a, b)"));
    let keys = [(1, "x"), (1, "y"), (1, "x")];
    assert_eq!(db.bulk_upsert(&table, &["a", "b"], &["a", "b"], keys).unwrap(), 2);
    assert_eq!(db.bulk_upsert(&table, &["a", "b"], &["a", "b"], keys).unwrap(), 0, "they are there");
    let rows = [(1, "x", Some(1)), (2, "é", None)];
    assert_eq!(db.bulk_upsert(&table, &["a", "b", "n"], &["a", "b"], rows).unwrap(), 2);
    let rows = db.execute_query(&format!("SELECT a, n FROM {table} ORDER BY a, b"), ()).unwrap();
    let numbers: Vec<(i64, Option<i64>)> =
        rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect();
    assert_eq!(numbers, [(1, Some(1)), (1, None), (2, None)]);
    Ok(())
}

pub(crate) fn an_upsert_that_is_refused_changes_nothing(target: &Target) -> Told {
    let db = target.db();
    let table = jobs(target, &db);
    db.bulk_insert(&table, &COLUMNS, (1..=10).map(|id| (id, "old"))).unwrap();
    let rows = |bad: fn(i64) -> Option<String>| {
        (1..=2_000_i64).map(move |id| (id, if id == 1_500 { bad(id) } else { Some("new".to_owned()) }))
    };
    let unchanged = || assert_eq!((count(&db, &table), name(&db, &table, 1)), (10, "old".to_owned()));
    let error = db.bulk_upsert(&table, &COLUMNS, &["id"], rows(|_| None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{}", error.report());
    names_no_stage(&error);
    unchanged();
    let error = db.bulk_upsert(&table, &COLUMNS, &["id"], rows(|_| Some("x".repeat(21)))).unwrap_err();
    let too_long = if target.kind == Kind::Sqlite { ErrorKind::Constraint } else { ErrorKind::Data };
    assert_eq!(error.kind(), too_long, "{}", error.report());
    names_no_stage(&error);
    unchanged();
    let error = db.bulk_upsert(&table, &["id", "nmae"], &["id"], [(1, "x")]).unwrap_err();
    assert!(
        error.to_string().contains("bulk_upsert failed") && error.to_string().contains("nmae"),
        "{error}"
    );
    unchanged();
    assert_eq!(db.query_one("SELECT 1 AS n", ()).unwrap().get::<i64>("n").unwrap(), 1);
    Ok(())
}

pub(crate) fn an_upsert_under_a_trigger_counts_its_own_rows(target: &Target) -> Told {
    let db = target.db();
    let (table, seen) = (jobs(target, &db), target.table(&db, "id int"));
    let trigger = target.unique("batchdb_tr");
    match target.kind {
        Kind::Sqlite => {
            let body = format!("INSERT INTO {seen} VALUES (new.id)");
            for (number, event) in ["INSERT", "UPDATE"].into_iter().enumerate() {
                let head = format!("CREATE TRIGGER {trigger}{number} AFTER {event} ON {table}");
                db.execute(&format!("{head} BEGIN {body}; END"), ()).unwrap();
            }
        }
        Kind::Postgres | Kind::PsqlOdbc => {
            let body = format!("INSERT INTO {seen} VALUES (new.id); RETURN new");
            let head = format!("CREATE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql");
            db.execute(&format!("{head} AS 'BEGIN {body}; END'"), ()).unwrap();
            let head = format!("CREATE TRIGGER {trigger} AFTER INSERT OR UPDATE ON {table}");
            db.execute(&format!("{head} FOR EACH ROW EXECUTE FUNCTION {trigger}()"), ()).unwrap();
        }
        Kind::SqlServer | Kind::Babelfish => {
            let body = format!("INSERT INTO {seen} SELECT id FROM inserted; UPDATE {seen} SET id = id");
            let head = format!("CREATE TRIGGER {trigger} ON {table} AFTER INSERT, UPDATE");
            db.execute(&format!("{head} AS BEGIN {body} END"), ()).unwrap();
        }
    }
    assert_eq!(db.bulk_upsert(&table, &COLUMNS, &["id"], (1..=5).map(|id| (id, "a"))).unwrap(), 5);
    assert_eq!(db.bulk_upsert(&table, &COLUMNS, &["id"], (4..=8).map(|id| (id, "b"))).unwrap(), 5);
    assert_eq!((count(&db, &table), count(&db, &seen)), (8, 10));
    Ok(())
}

pub(crate) fn an_upsert_leaves_an_identity_column_to_the_database(target: &Target) -> Told {
    let db = target.db();
    let identity = target.say(
        "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code int UNIQUE",
        "id INTEGER PRIMARY KEY, code int UNIQUE",
        "id bigint IDENTITY(1, 1) PRIMARY KEY, code int NOT NULL UNIQUE",
    );
    let table = target.table(&db, &format!("{identity}, n int"));
    assert_eq!(db.bulk_upsert(&table, &["code", "n"], &["code"], [(7, 1), (8, 1)]).unwrap(), 2);
    assert_eq!(db.bulk_upsert(&table, &["code", "n"], &["code"], [(8, 2), (9, 2)]).unwrap(), 2);
    let rows = db.execute_query(&format!("SELECT id, n FROM {table} ORDER BY code"), ()).unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.get("id").unwrap()).collect();
    // PostgreSQL takes a number for a row that then replaces another.
    assert!(ids[0] == 1 && ids[1] == 2 && ids[2] >= 3, "{ids:?}");
    assert_eq!(rows.iter().map(|row| row.get::<i64>("n").unwrap()).collect::<Vec<_>>(), [1, 2, 2]);
    Ok(())
}

pub(crate) fn an_upsert_by_an_identity_column_sets_it_where_that_is_allowed(target: &Target) -> Told {
    let db = target.db();
    let identity = target.say(
        "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "INTEGER PRIMARY KEY",
        "bigint IDENTITY(1, 1) PRIMARY KEY",
    );
    let table = target.table(&db, &format!("id {identity}, code int NOT NULL, n int"));
    let columns = ["id", "n", "code"];
    if target.is_t_sql() {
        // As with any `INSERT`, and with `bulk_insert`.
        let error = db.bulk_upsert(&table, &columns, &["id"], [(7, 1, 7)]).unwrap_err();
        let kind = error.kind();
        assert!(target.has_no_number(&error) || kind == ErrorKind::Constraint, "{}", error.report());
    }
    db.session(|session| {
        if target.is_t_sql() {
            session.execute(&format!("SET IDENTITY_INSERT {table} ON"), ())?;
            session.bulk_insert(&table, &columns, [(9, 0, 0)])?;
        }
        assert_eq!(session.bulk_upsert(&table, &columns, &["id"], [(7, 1, 7), (8, 1, 8)])?, 2);
        assert_eq!(session.bulk_upsert(&table, &columns, &["id"], [(8, 2, 8), (9, 2, 9)])?, 2);
        Ok::<_, Error>(())
    })
    .unwrap_or_else(|error| panic!("{}", error.report()));
    let rows = db.execute_query(&format!("SELECT id, n FROM {table} ORDER BY id"), ()).unwrap();
    let pairs: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect();
    assert_eq!(pairs, [(7, 1), (8, 2), (9, 2)]);
    // One that is no key cannot be set.
    if target.kind != Kind::Sqlite {
        let error = db.bulk_upsert(&table, &columns, &["code"], [(70, 1, 7)]).unwrap_err();
        let kind = error.kind();
        assert!(target.has_no_number(&error) || kind == ErrorKind::Constraint, "{}", error.report());
        assert_eq!(count(&db, &table), 3);
    }
    Ok(())
}

pub(crate) fn an_upsert_keeps_every_row_with_null_in_its_key(target: &Target) -> Told {
    let db = target.db();
    // PostgreSQL and SQLite want an index, to which NULLs are different; to SQL Server's they are equal.
    let unique = target.say(", UNIQUE (a, b)", ", UNIQUE (a, b)", "");
    let table = target.table(&db, &format!("a int, b int, n int{unique}"));
    let rows = [
        (None, Some(1), 1),
        (None, Some(1), 2),
        (Some(1), Some(1), 3),
        (Some(1), Some(1), 4),
        (None, None, 5),
    ];
    for there in [4, 7] {
        assert_eq!(db.bulk_upsert(&table, &["a", "b", "n"], &["a", "b"], rows).unwrap(), 4);
        assert_eq!(count(&db, &table), there);
    }
    let sums = db.query_one(&format!("SELECT sum(n) AS n FROM {table}"), ()).unwrap();
    assert_eq!(sums.get::<i64>("n").unwrap(), 4 + 2 * (1 + 2 + 5));
    let keys = [(None, Some(1)), (None, Some(1)), (Some(1), Some(1))];
    assert_eq!(db.bulk_upsert(&table, &["a", "b"], &["a", "b"], keys).unwrap(), 2);
    assert_eq!(count(&db, &table), 9);
    if target.kind == Kind::SqlServer {
        let table = target.table(&db, "k int UNIQUE, n int");
        db.bulk_upsert(&table, &["k", "n"], &["k"], [(None, 1), (Some(1), 1)]).unwrap();
        let error = db.bulk_upsert(&table, &["k", "n"], &["k"], [(None, 2), (Some(2), 2)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint, "{}", error.report());
        assert_eq!(count(&db, &table), 2);
    }
    Ok(())
}

pub(crate) fn an_upsert_of_many_keys_alone_ends_in_time(target: &Target) -> Told {
    let db = target.builder().timeout(Duration::from_secs(15)).build().unwrap();
    let table = target.table(&db, "a int NOT NULL, b int NOT NULL, PRIMARY KEY (a, b)");
    // A stand-in takes its time to load them.
    let keys = if target.is_t_sql() { 10_000 } else { 60_000 };
    for new in [keys, 0] {
        let rows = (0..keys).map(|n| (n % 300, n));
        let upserted = db.bulk_upsert(&table, &["a", "b"], &["a", "b"], rows);
        assert_eq!(upserted.unwrap_or_else(|error| panic!("{}", error.report())), new as u64);
    }
    Ok(())
}

pub(crate) fn upserts_of_the_same_keys_at_a_time_neither_fail_nor_lose(target: &Target) -> Told {
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("one writer at a time"));
    }
    let db = target.builder().pool_size(4).build().unwrap();
    let table = jobs(target, &db);
    let failures: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (db, table) = (&db, &table);
                scope.spawn(move || {
                    (0..5)
                        .filter_map(|round| {
                            let rows = (1..=200).map(|id| (id, format!("{worker}/{round}")));
                            db.bulk_upsert(table, &COLUMNS, &["id"], rows).err().map(|error| error.report())
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    // Whatever failed has changed nothing: every row is of one upsert.
    let last = format!("SELECT count(DISTINCT name) AS n FROM {table}");
    assert_eq!(count(&db, &table), 200);
    assert_eq!(db.query_one(&last, ()).unwrap().get::<i64>("n").unwrap(), 1);
    if !failures.is_empty() {
        target
            .not_on_babelfish("its UPDLOCK and SERIALIZABLE lock nothing, so two of them insert one key")?;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

pub(crate) fn rows_of_many_statements_come_in_the_order_of_the_records(target: &Target) -> Told {
    if target.kind == Kind::Sqlite {
        return Err(Left::NotItsMatter("its driver would lose the rows"));
    }
    let db = target.db();
    let identity = target.say("bigint GENERATED ALWAYS AS IDENTITY", "", "bigint IDENTITY(1, 1)");
    let table = target.table(&db, &format!("id {identity} PRIMARY KEY, n int UNIQUE"));
    let insert = target.say(
        format!("INSERT INTO {table} (n) VALUES (:n) RETURNING id, n"),
        String::new(),
        format!("INSERT INTO {table} (n) OUTPUT inserted.id, inserted.n VALUES (:n)"),
    );
    let made = db.execute_many_returning(&insert, (1..=300).rev().map(|n| params! { n: n })).unwrap();
    let pairs: Vec<(i64, i64)> = made.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect();
    assert!(pairs.iter().zip(1..).all(|((id, n), at)| *id == at && *n == 301 - at), "{pairs:?}");
    // The record that is refused is named, and nothing stays of those before it.
    let error = db.execute_many_returning(&insert, [500, 501, 7, 502].map(|n| params! { n: n })).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{}", error.report());
    assert!(error.to_string().contains("record 3"), "{error}");
    assert_eq!(count(&db, &table), 300);
    Ok(())
}

pub(crate) fn a_refused_record_is_named_and_leaves_nothing(target: &Target) -> Told {
    let db = target.db();
    let table = jobs(target, &db);
    let load = |bad: fn(i64) -> (i64, Option<String>)| {
        let rows =
            (1..=2_500_i64).map(|id| if id == 2_345 { bad(id) } else { (id, Some(format!("row {id}"))) });
        db.bulk_insert(&table, &COLUMNS, rows).unwrap_err()
    };
    let too_long = if target.kind == Kind::Sqlite { ErrorKind::Constraint } else { ErrorKind::Data };
    for (what, error, kind) in [
        ("twice", load(|_| (7, Some("again".into()))), ErrorKind::Constraint),
        ("NULL", load(|id| (id, None)), ErrorKind::Constraint),
        ("too long", load(|id| (id, Some("again".repeat(5)))), too_long),
    ] {
        assert_eq!(error.kind(), kind, "{what}: {}", error.report());
        let text = error.to_string();
        // SQL Server undoes all with the statement, so the batch is named there.
        let named = error.records().unwrap();
        assert!(named.contains(&2_345), "{what}: {error}");
        assert!(named.clone().count() <= if target.is_t_sql() { 1_000 } else { 1 }, "{what}: {error}");
        let (first, last) = (named.start(), named.end());
        let words =
            if first == last { format!("record {first}: ") } else { format!("records {first} to {last}: ") };
        assert!(text.contains(&words), "{what}: {error}");
        assert!(!format!("{error} {error:?}").contains("again"), "{what}: {error}");
    }
    assert_eq!(count(&db, &table), 0);
    // So with `execute_many`.
    let sql = format!("INSERT INTO {table} (id, name) VALUES (:id, :name)");
    let records = (1..=300).map(|id| params! { id: if id == 250 { 7 } else { id }, name: "x" });
    let error = db.execute_many(&sql, records).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{}", error.report());
    assert!(error.records().is_some_and(|named| named.contains(&250)), "{error}");
    assert_eq!(count(&db, &table), 0);
    Ok(())
}

pub(crate) fn a_name_that_does_not_exist_is_answered_with_the_nearest(target: &Target) -> Told {
    let db = target.db();
    let table = jobs(target, &db);
    let error = db.bulk_insert(&table, &["id", "nmae"], [(1, "x")]).unwrap_err();
    assert!(error.to_string().contains("the nearest is name"), "{}", error.report());
    let wrong = format!("{table}s");
    let error = db.bulk_insert(&wrong, &COLUMNS, [(1, "x")]).unwrap_err();
    assert!(error.to_string().contains(&format!("there is {table}")), "{}", error.report());
    if target.is_t_sql() {
        let error = db.bulk_insert(&format!("dbo.{table}"), &["id", "naem"], [(1, "x")]).unwrap_err();
        assert!(error.to_string().contains("the nearest is name"), "{}", error.report());
    }
    Ok(())
}

pub(crate) fn committed_chunks_stay_and_the_failure_says_how_many(target: &Target) -> Told {
    let db = target.db();
    let table = jobs(target, &db);
    let told = RefCell::new(Vec::new());
    let options = || BulkOptions::new().chunk_rows(100).commit_chunks();
    let report = db
        .bulk_insert_with(
            &table,
            &COLUMNS,
            (1..=200).map(|id| (id, "x")),
            options().progress(|rows| told.borrow_mut().push(rows)),
        )
        .unwrap();
    assert_eq!((report.rows, report.chunks), (200, 2));
    assert_eq!(*told.borrow(), [100, 200]);
    let rows = (201..=1_000).map(|id| if id == 555 { (7, "again") } else { (id, "x") });
    let failure = db.bulk_insert_with(&table, &COLUMNS, rows, options()).unwrap_err();
    assert_eq!(failure.error.kind(), ErrorKind::Constraint, "{failure}");
    assert!(failure.to_string().ends_with("300 rows stay"), "{failure}");
    assert_eq!((failure.report.rows, failure.report.chunks, failure.in_doubt), (300, 3, 0), "{failure}");
    assert_eq!(count(&db, &table), 500);
    // The input can be gone on with behind what stays.
    let rest = (201..=1_000).skip(failure.report.rows as usize).map(|id| (id, "y"));
    db.bulk_insert_with(&table, &COLUMNS, rest, options()).unwrap();
    assert_eq!(count(&db, &table), 1_000);
    Ok(())
}

/// A table of what files and copies carry, with a row of each kind of corner.
fn mixed(target: &Target, db: &DatabaseManager, fill: bool) -> String {
    let columns = target.say(
        "id int PRIMARY KEY, name varchar(60), amount numeric(12, 2), day date, raw bytea",
        "id int PRIMARY KEY, name text, amount decimal(12, 2), day date, raw blob",
        "id int PRIMARY KEY, name nvarchar(60), amount decimal(12, 2), day date, raw varbinary(20)",
    );
    let table = target.table(db, columns);
    if fill {
        let row = |id: i64| {
            let name = match id % 4 {
                0 => Value::Null,
                1 => Value::from(""),
                2 => Value::from("é€😀 \"quoted\", and\na line"),
                _ => Value::from(format!("row {id}")),
            };
            let amount = Value::Decimal(Box::new(format!("-{id}.25").parse().unwrap()));
            let amount = if target.kind == Kind::Sqlite { Value::from(format!("{id}.25")) } else { amount };
            let day = if target.kind == Kind::Sqlite {
                Value::from("2026-01-05")
            } else {
                Value::Date("2026-01-05".parse().unwrap())
            };
            let raw = if id % 3 == 0 { Value::Null } else { Value::from(vec![0_u8, 255, id as u8]) };
            [Value::Int(id), name, amount, day, raw]
        };
        db.bulk_insert(&table, &["id", "name", "amount", "day", "raw"], (1..=1_500).map(row)).unwrap();
    }
    table
}

fn content(db: &DatabaseManager, table: &str) -> Vec<String> {
    let rows = db.execute_query(&format!("SELECT * FROM {table} ORDER BY id"), ()).unwrap();
    rows.iter().map(|row| row.to_json().unwrap().to_string()).collect()
}

pub(crate) fn a_file_has_the_table_and_fills_another(target: &Target) -> Told {
    let db = target.db();
    let (from, to) = (mixed(target, &db, true), mixed(target, &db, false));
    let sql = format!("SELECT * FROM {from} ORDER BY id");
    let mut file = Vec::new();
    assert_eq!(db.export(&sql, (), &mut file, ExportOptions::csv()).unwrap(), 1_500);
    let report = db.import_csv(&to, &file[..], ImportOptions::new().bytes("raw"));
    let report = report.unwrap_or_else(|failure| panic!("{}", failure.error.report()));
    assert_eq!(report.rows, 1_500);
    assert!(content(&db, &from) == content(&db, &to), "the rows are others");
    Ok(())
}

pub(crate) fn a_copy_has_what_the_table_has(target: &Target) -> Told {
    let (db, other) = (target.db(), target.db());
    let (from, to) = (mixed(target, &db, true), mixed(target, &other, false));
    let report = copy_table(&db, &from, &other, &to, BulkOptions::new().chunk_rows(400)).unwrap();
    assert_eq!((report.rows, report.chunks), (1_500, 4));
    assert!(content(&db, &from) == content(&db, &to), "the rows are others");
    let few = mixed(target, &db, false);
    let sql = format!("SELECT id, name FROM {from} WHERE id IN (:ids)");
    let report =
        copy_query(&db, &sql, params! { ids: vec![1, 2, 3] }, &other, &few, BulkOptions::new()).unwrap();
    assert_eq!((report.rows, count(&db, &few)), (3, 3));
    // To another database and back.
    let postgres = Target::postgres();
    let there = postgres.db();
    let middle = mixed(&postgres, &there, false);
    let back = mixed(target, &db, false);
    assert_eq!(copy_table(&db, &from, &there, &middle, BulkOptions::new()).unwrap().rows, 1_500);
    assert_eq!(copy_table(&there, &middle, &db, &back, BulkOptions::new()).unwrap().rows, 1_500);
    assert!(content(&db, &from) == content(&db, &back), "the rows are others");
    postgres.clean();
    Ok(())
}
