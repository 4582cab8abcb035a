//! Columns that the database fills by itself: left out of copies, and told by their names where they were given.

use batchdb::{BulkOptions, DatabaseManager, ErrorKind, ImportOptions, copy_table};

use crate::target::{Kind, Left, Target, Told};

/// A table with a column that the database computes, and on SQL Server one of row versions. (Babelfish has none.)
fn computing(target: &Target, db: &DatabaseManager) -> String {
    let twice = "twice int GENERATED ALWAYS AS (id * 2) STORED";
    let columns = match target.kind {
        Kind::Babelfish => "twice AS id * 2 PERSISTED",
        _ => target.say(twice, twice, "twice AS id * 2 PERSISTED, seen rowversion"),
    };
    target.table(db, &format!("id int, {columns}, name varchar(20)"))
}

fn three(db: &DatabaseManager, table: &str) -> Vec<(i64, i64, String)> {
    let rows = db.execute_query(&format!("SELECT id, twice, name FROM {table} ORDER BY id"), ()).unwrap();
    rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap())).collect()
}

pub(crate) fn a_copy_leaves_out_what_the_target_computes(target: &Target) -> Told {
    let (db, other) = (target.db(), target.db());
    let (from, twin) = (computing(target, &db), computing(target, &db));
    let rows = [(1, "a"), (2, "b")];
    db.bulk_insert(&from, &["id", "name"], rows).unwrap();
    let copied = copy_table(&db, &from, &other, &twin, BulkOptions::new());
    assert_eq!(copied.unwrap_or_else(|failure| panic!("{}", failure.error.report())).rows, 2);
    let wanted = vec![(1, 2, "a".to_owned()), (2, 4, "b".to_owned())];
    assert_eq!(three(&db, &twin), wanted);
    // What the target does not compute is copied as what it is.
    let has_versions = target.is_t_sql() && target.kind != Kind::Babelfish;
    let version = if has_versions { ", seen varbinary(8)" } else { "" };
    let plain = target.table(&db, &format!("name varchar(20), twice int, id int{version}"));
    assert_eq!(copy_table(&db, &from, &other, &plain, BulkOptions::new()).unwrap().rows, 2);
    assert_eq!(three(&db, &plain), wanted);
    // And what only the target computes is passed over, through another database too.
    let postgres = Target::postgres();
    let there = postgres.db();
    let staged = postgres.table(&there, "id int, twice int, name text");
    there.execute(&format!("INSERT INTO {staged} VALUES (3, -1, 'c')"), ()).unwrap();
    assert_eq!(copy_table(&there, &staged, &db, &twin, BulkOptions::new()).unwrap().rows, 1);
    assert_eq!(three(&db, &twin)[2], (3, 6, "c".to_owned()));
    postgres.clean();
    Ok(())
}

pub(crate) fn values_for_what_the_database_computes_are_refused_by_name(target: &Target) -> Told {
    let db = target.db();
    let table = computing(target, &db);
    let index = target.unique("batchdb_i");
    db.execute(&format!("CREATE UNIQUE INDEX {index} ON {table} (id)"), ()).unwrap();
    if target.is_postgres() {
        // Its catalog keeps the default of a column that came later, in a type that is any array.
        db.execute(&format!("ALTER TABLE {table} ADD COLUMN later int DEFAULT 5"), ()).unwrap();
    }
    let rows = [(1, 2, "a"), (2, 4, "b")];
    let columns = ["id", "twice", "name"];
    let inserted = db.bulk_insert(&table, &columns, rows).unwrap_err();
    let upserted = db.bulk_upsert(&table, &columns, &["id"], rows).unwrap_err();
    let file = "id,twice,name\n1,2,a\n2,4,b\n";
    let imported = db.import_csv(&table, file.as_bytes(), ImportOptions::new()).unwrap_err().error;
    for (error, operation) in [(inserted, "bulk_insert"), (upserted, "bulk_upsert"), (imported, "import_csv")]
    {
        if target.kind == Kind::Babelfish {
            continue;
        }
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Constraint, Some(operation)), "{error}");
        assert_eq!((error.database(), error.column()), (Some(db.name()), Some("twice")), "{error}");
        let text = error.to_string();
        assert!(text.contains("that the database generates") && text.contains("leave it out"), "{text}");
    }
    let options = ImportOptions::new().ignore("twice");
    assert_eq!(db.import_csv(&table, file.as_bytes(), options).unwrap().rows, 2);
    assert_eq!(three(&db, &table), [(1, 2, "a".to_owned()), (2, 4, "b".to_owned())]);
    if target.kind == Kind::Babelfish {
        return Err(Left::NotSupported("one number for most errors, so no column is named; all else passed"));
    }
    // An identity is no less told by its name, where it takes no values.
    if target.is_t_sql() || target.is_postgres() {
        let identity = target.say("id bigint GENERATED ALWAYS AS IDENTITY", "", "id bigint IDENTITY(1, 1)");
        let table = target.table(&db, &format!("{identity}, n int"));
        let refused = match target.kind {
            Kind::Postgres => {
                let index = target.unique("batchdb_i");
                db.execute(&format!("CREATE UNIQUE INDEX {index} ON {table} (n)"), ()).unwrap();
                db.bulk_upsert(&table, &["id", "n"], &["n"], [(1, 1)])
            }
            _ => db.bulk_insert(&table, &["id", "n"], [(1, 1)]),
        };
        let error = refused.unwrap_err();
        assert_eq!((error.kind(), error.column()), (ErrorKind::Constraint, Some("id")), "{}", error.report());
    }
    Ok(())
}
