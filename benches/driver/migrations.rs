//! A thousand migrations.

use std::cell::Cell;
use std::fs;

use crate::bare_files;
use crate::table::{Bar, Measured, Table, timed};
use crate::world::World;

pub(crate) fn thousand(world: &World, table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("V0000__Create_note.sql"), "CREATE TABLE note (text text NOT NULL);\n")
        .unwrap();
    for number in 1..1_000 {
        let text = format!(
            "CREATE TABLE t_{number} (id int PRIMARY KEY, name text);\nINSERT INTO note VALUES ('table {number}');\n"
        );
        fs::write(folder.path().join(format!("V{number:04}__Create_table_{number}.sql")), text).unwrap();
    }
    // A database for each run, which is gone before the next: a server with many tables is a slower one.
    let count = Cell::new(0);
    let in_a_database = |run: &dyn Fn(&str) -> Measured| {
        count.set(count.get() + 1);
        let name = format!("migrated_{}", count.get());
        world.server.create_database(&name).unwrap();
        let measured = run(&name);
        world.server.psql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
        measured
    };
    let ours = |name: &str| {
        let db = world.builder(name).migrations_dir(folder.path()).build().unwrap();
        db.execute_query("SELECT 1 AS one", ()).unwrap();
        let measured = timed(|| {
            db.run_migrations().unwrap();
            bare_files::count(&mut bare_files::connect(&world.server.url_for(name)))
        });
        db.close();
        measured
    };
    let bare = |name: &str| {
        let mut client = bare_files::connect(&world.server.url_for(name));
        timed(|| bare_files::run(&mut client, folder.path()))
    };
    table.speed(
        "1,000 migrations, times the bare files",
        Bar::AtMost(1.3),
        5,
        || in_a_database(&ours),
        || in_a_database(&bare),
    );
}
