//! What a backslash in a string is, wherever the database, the role, the session or a pooler would have it otherwise.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use batchdb::{DatabaseManager, Error, ErrorKind, params};

use crate::common::{fresh, server};

/// As this crate reads it, the string ends before `|| :x`; with escapes in plain strings it would end behind it.
const TEXT: &str =
    r"SELECT 'a\' || :x || ':y' AS text, current_setting('standard_conforming_strings') AS plain";

#[track_caller]
fn check(db: &DatabaseManager) {
    let row = db.query_one(TEXT, params! { x: "-" }).unwrap();
    let told = [row.get::<String>("text").unwrap(), row.get("plain").unwrap()];
    assert_eq!(told, [r"a\-:y", "on"]);
}

/// A builder of handles for a database that is asked for escapes in plain strings.
fn odd(prefix: &str) -> (batchdb::DatabaseManagerBuilder, String) {
    let builder = fresh(prefix).pool_size(1).max_overflow(0);
    let name = builder.clone().build().unwrap().name().to_owned();
    let off = format!("ALTER DATABASE {name} SET standard_conforming_strings = off");
    server().psql(&name, &off).unwrap();
    assert_eq!(server().psql(&name, "SHOW standard_conforming_strings").unwrap().trim(), "off");
    (builder, name)
}

#[test]
fn a_backslash_is_a_backslash_whatever_the_database_says() {
    let (builder, name) = odd("quoting");
    let db = builder.clone().build().unwrap();
    check(&db);
    for text in ["RESET ALL", "SET standard_conforming_strings TO DEFAULT", "SET search_path = public"] {
        db.session(|session| {
            session.execute(text, ())?;
            let plain = session.query_one("SHOW standard_conforming_strings", ())?;
            assert_eq!(plain.get::<String>(0)?, "on", "{text}");
            Ok::<_, Error>(())
        })
        .unwrap();
        check(&db);
    }
    // The program's own options are kept.
    let string = format!("{}?options=-c%20work_mem%3D5MB", server().url_for(&name));
    let db = builder.connection_string(string).read_only(true).build().unwrap();
    check(&db);
    assert_eq!(db.query_one("SHOW work_mem", ()).unwrap().get::<String>(0).unwrap(), "5MB");
}

#[test]
fn nobody_makes_it_an_escape_by_text() {
    let db = fresh("quoting").pool_size(1).build().unwrap();
    for text in [
        "SET standard_conforming_strings = off",
        "SELECT set_config('standard_conforming_strings', 'off', false)",
    ] {
        let error = db.execute(text, ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{}", error.report());
        assert!(error.report().contains("E'…'"), "{}", error.report());
    }
    check(&db);
}

#[cfg(feature = "odbc")]
#[test]
fn psqlodbc_is_told_the_same() {
    let (builder, name) = odd("quoting");
    let string = format!(
        "Driver={{PostgreSQL Unicode}};Server={};Port={};Database={name};UID={};PWD={{{}}};",
        server().host(),
        server().port(),
        server().user(),
        server().password()
    );
    for read_only in [false, true] {
        check(&builder.clone().connection_string(string.clone()).read_only(read_only).build().unwrap());
    }
}

/// A server that refuses logins with options, as PgBouncer and Amazon's proxy do, and counts those: it passes all others on.
fn without_options() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, counter) = (client.unwrap(), Arc::clone(&counter));
            thread::spawn(move || serve(&mut client, &counter));
        }
    });
    (port, refused)
}

fn serve(client: &mut TcpStream, refused: &AtomicUsize) {
    let mut length = [0; 4];
    if client.read_exact(&mut length).is_err() {
        return;
    }
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut body).unwrap();
    if body.windows(9).any(|piece| piece == b"\0options\0") {
        refused.fetch_add(1, Ordering::SeqCst);
        let fields = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
        let mut answer = vec![b'E'];
        answer.extend((fields.len() as u32 + 4).to_be_bytes());
        answer.extend(fields);
        client.write_all(&answer).unwrap();
        return;
    }
    let mut up = TcpStream::connect((server().host(), server().port())).unwrap();
    up.write_all(&length).unwrap();
    up.write_all(&body).unwrap();
    let (mut from, mut to) = (up.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(client, &mut up);
    let _ = up.shutdown(std::net::Shutdown::Both);
}

fn string_for(port: u16, database: &str) -> String {
    format!(
        "postgresql://{}:{}@127.0.0.1:{port}/{database}?sslmode=disable",
        server().user(),
        server().password()
    )
}

#[test]
fn who_takes_no_options_with_a_login_is_told_behind_it() {
    let (builder, name) = odd("quoting");
    let (port, refused) = without_options();
    let string = string_for(port, &name);
    for (read_only, handle) in [(false, "writes"), (true, "reads")] {
        let builder = builder.clone().connection_string(string.clone()).read_only(read_only);
        let db = builder.pool_size(1).max_overflow(1).build().unwrap();
        check(&db);
        // A session that was cleaned is told again, and a second connection knows it at once.
        db.session(|session| {
            session.execute_query("SELECT pg_advisory_lock(1)", ())?;
            check(&db);
            Ok::<_, Error>(())
        })
        .unwrap();
        check(&db);
        assert_eq!(refused.swap(0, Ordering::SeqCst), 1, "{handle}: one refused login");
        let setting = db.query_one("SHOW default_transaction_read_only", ()).unwrap();
        assert_eq!(setting.get::<String>(0).unwrap(), if read_only { "on" } else { "off" });
    }
}

#[test]
fn one_migration_hands_it_on_to_the_next() {
    let (builder, name) = odd("quoting");
    let (port, _refused) = without_options();
    let string = string_for(port, &name);
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    write("V001__Create.sql", "CREATE TABLE t (a text);");
    // With escapes in plain strings the first would go on up to the middle of the second.
    write("V002__Fill.sql", r"INSERT INTO t VALUES ('a\'), (' || b || ');");
    write("V003__Alone.sql", "-- batchdb: no-transaction\nINSERT INTO t VALUES ('c\\'), (' || d || ');");
    write("V004__After.sql", r"INSERT INTO t VALUES ('e\'), (' || f || ');");
    let db = builder.connection_string(string).max_overflow(1).migrations_dir(folder.path()).build().unwrap();
    assert_eq!(db.run_migrations().unwrap().applied.len(), 4);
    let told = server().psql(&name, "SELECT string_agg(a, ',' ORDER BY a COLLATE \"C\") FROM t").unwrap();
    assert_eq!(told.trim(), r" || b || , || d || , || f || ,a\,c\,e\".trim());
}
