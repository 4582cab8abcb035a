//! What an SQLite file is asked.

use crate::backend::Found;
use crate::error::Result;
use crate::session::Session;
use crate::settings::Settings;

pub(super) fn server(session: &mut Session<'_>, settings: &Settings) -> Result<Found> {
    let mut text = |sql: &str| -> Result<String> { session.query_one(sql, ())?.get(0) };
    let mut found = Found::fact(format!("SQLite {}", text("SELECT sqlite_version() AS version")?));
    let journal = text("SELECT journal_mode FROM pragma_journal_mode")?;
    found.and(format!("journal_mode {journal}"));
    let writers = settings.pool_size() + settings.max_overflow();
    if journal != "wal" && writers > 1 && !settings.is_read_only() {
        found.and("a writer waits for all readers (`PRAGMA journal_mode = wal` changes that, for good)");
    }
    Ok(found)
}
