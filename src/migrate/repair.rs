//! Repairing what the history says, one version at a time or all at once: never the database itself.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::migrate::files::Files;
use crate::migrate::history::{Action, History, system_user};
use crate::migrate::name::Id;
use crate::migrate::plan::{self, Applied};
use crate::migrate::run::last_rank;
use crate::session::Session;

/// The kinds of repair of the migration history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repair {
    /// A failed migration counts as applied: somebody has finished it by hand. A named version that was never run is
    /// recorded as applied, without running it. A failed undo counts as done: its version is not applied any more.
    AcceptAsDone,
    /// A failed migration is removed from the history, so that it runs again; so is one whose file is missing. For a
    /// failed undo only the attempt is removed: the version counts as applied, and can be undone again.
    Forget,
    /// The present text of the file counts as the one that was applied.
    AcceptText,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// What was repaired.
    pub repaired: Vec<RepairedMigration>,
}

/// One migration that was repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepairedMigration {
    /// The version as the file's name spells it, or the name of a repeatable migration.
    pub version: String,
    /// The file's name.
    pub file: String,
    /// What was done, in words.
    pub action: &'static str,
}

/// What is to be done about one row.
enum Mend<'a> {
    Succeed(&'a Applied),
    Delete(&'a Applied, &'static str),
    Undone(&'a Applied),
    Accept(&'a Applied),
    Restore(&'a Applied, String),
    Insert(Applied),
}

/// Repairs, in a transaction, what `only` names, or everything of the kind.
///
/// # Errors
///
/// `Migration`, when what was named needs no such repair, and when everything would be forgotten because there is no file.
pub(crate) fn repair(
    session: &mut Session<'_>,
    history: &History,
    files: &Files,
    how: Repair,
    only: Option<&Id>,
    now: DateTime<Utc>,
) -> Result<RepairReport> {
    session.transaction(|tx| {
        let rows = history.read(tx)?;
        let mends = find(files, &rows, how, only, now);
        if let Some(only) = only.filter(|_| mends.is_empty()) {
            return Err(Error::migration(format!("{only} needs no such repair"))
                .with_hint("`validate` says what is wrong with which version"));
        }
        if only.is_none() {
            refuse_without_files(files, &mends)?;
        }
        let mut report = RepairReport::default();
        for mend in mends {
            let (row, action) = carry_out(tx, history, files, &mend)?;
            history.note_row(tx, Action::Repaired, row, Some(action))?;
            report.repaired.push(RepairedMigration { version: row.name(), file: row.file.clone(), action });
        }
        Ok(report)
    })
}

/// Decides, and touches nothing.
fn find<'a>(
    files: &Files,
    rows: &'a [Applied],
    how: Repair,
    only: Option<&Id>,
    now: DateTime<Utc>,
) -> Vec<Mend<'a>> {
    let wanted = rows.iter().filter(|row| only.is_none_or(|only| row.id == *only) && !row.is_baseline);
    let mut mends: Vec<Mend<'a>> = wanted
        .filter_map(|row| match (how, files.find(&row.id)) {
            (Repair::AcceptAsDone, _) if is_undo(row) => Some(Mend::Undone(row)),
            (Repair::Forget, script) if is_undo(row) => Some(Mend::Restore(
                row,
                script.map_or_else(|| undone_file(row), |script| script.file.clone()),
            )),
            (Repair::AcceptAsDone, _) if !row.success => Some(Mend::Succeed(row)),
            (Repair::Forget, _) if !row.success => Some(Mend::Delete(row, "forgotten, to be run again")),
            (Repair::Forget, None) if only.is_none() && plan::is_future(files, row) => None,
            (Repair::Forget, None) => Some(Mend::Delete(row, GONE)),
            // A repeatable migration that has changed is in no trouble: it is run again, unless somebody says by its name
            // that it need not be.
            (Repair::AcceptText, Some(script))
                if row.success && !row.is_of(script) && (only.is_some() || row.id.version().is_some()) =>
            {
                Some(Mend::Accept(row))
            }
            _ => None,
        })
        .collect();
    let unknown = only.filter(|only| how == Repair::AcceptAsDone && !rows.iter().any(|row| row.id == **only));
    if let Some(script) = unknown.and_then(|only| files.find(only)) {
        mends.push(Mend::Insert(Applied {
            id: script.id.clone(),
            is_baseline: false,
            description: script.description.clone(),
            file: script.file.clone(),
            crc32: Some(script.checksum.crc32),
            sha256: Some(script.checksum.sha256.clone()),
            rank: last_rank(rows) + 1,
            installed_by: system_user(),
            installed_on: now,
            execution_time: 0,
            success: true,
        }));
    }
    // The repeatable migrations that they take out may stand among the others.
    mends.sort_by_key(|mend| matches!(mend, Mend::Undone(_)));
    mends
}

/// What is done about a row that has lost its file.
const GONE: &str = "forgotten, because its file is gone";

/// Where there is no file of any version, the folder is the wrong one: the history would be gone, and every migration
/// would run again over the tables that it has made.
fn refuse_without_files(files: &Files, mends: &[Mend<'_>]) -> Result<()> {
    let lost = mends.iter().filter(|mend| matches!(mend, Mend::Delete(_, action) if *action == GONE)).count();
    if lost == 0 || (files.found && !files.versioned.is_empty()) {
        return Ok(());
    }
    Err(Error::migration(format!(
        "there is no file of any version, and {lost} rows of the history would be forgotten"
    ))
    .with_hint("check that the migrations folder is the right one; to forget a single version, name it"))
}

/// The file of the version that an undo was to undo, where the folder has none any more: the two are named alike.
fn undone_file(row: &Applied) -> String {
    format!("V{}", row.file.strip_prefix('U').unwrap_or(&row.file))
}

/// Whether it is an undo that did not come to its end.
fn is_undo(row: &Applied) -> bool {
    !row.success && row.file.starts_with('U')
}

fn carry_out<'a>(
    tx: &mut Session<'_>,
    history: &History,
    files: &Files,
    mend: &'a Mend<'a>,
) -> Result<(&'a Applied, &'static str)> {
    match mend {
        Mend::Succeed(row) => {
            history.set_success(tx, &row.id, true)?;
            Ok((row, "accepted as done"))
        }
        Mend::Delete(row, action) => {
            history.forget(tx, &row.id)?;
            Ok((row, action))
        }
        Mend::Undone(row) => {
            history.forget(tx, &row.id)?;
            // As after an undo that came to its end: a view may have gone with the table.
            history.forget_repeatable(tx)?;
            Ok((row, "accepted as undone"))
        }
        Mend::Accept(row) => {
            if let Some(script) = files.find(&row.id) {
                history.accept(tx, &row.id, script)?;
            }
            Ok((row, "the text of its file accepted"))
        }
        Mend::Restore(row, file) => {
            history.set_script(tx, &row.id, file, true)?;
            Ok((row, "the attempt to undo it forgotten"))
        }
        Mend::Insert(row) => {
            history.adopt(tx, row)?;
            Ok((row, "accepted as done, without being run"))
        }
    }
}

/// How long a repair may take: it changes a few rows of ours.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::files::Script;

    fn row(file: &str, success: bool, changed: bool) -> Applied {
        let script = Script::fake(file, "");
        Applied {
            id: script.id,
            is_baseline: false,
            description: script.description,
            file: file.into(),
            crc32: None,
            sha256: Some(if changed { "0".into() } else { script.checksum.sha256 }),
            rank: 3,
            installed_by: "me".into(),
            installed_on: DateTime::UNIX_EPOCH,
            execution_time: 0,
            success,
        }
    }

    /// What would be done: each as a letter and a version.
    fn found(how: Repair, only: Option<&str>) -> Vec<String> {
        let files = Files::fake(&[("V1__a.sql", ""), ("V2__b.sql", ""), ("V4__d.sql", "")]);
        let rows =
            [row("V1__a.sql", true, true), row("V2__b.sql", false, false), row("V3__gone.sql", true, false)];
        let only = only.map(|id| Id::parse(id).unwrap());
        let show = |mend: &Mend<'_>| match mend {
            Mend::Succeed(row) => format!("s{}", row.id),
            Mend::Delete(row, _) => format!("d{}", row.id),
            Mend::Undone(row) => format!("u{}", row.id),
            Mend::Accept(row) => format!("a{}", row.id),
            Mend::Restore(row, _) => format!("r{}", row.id),
            Mend::Insert(row) => format!("i{} {}", row.id, row.rank),
        };
        find(&files, &rows, how, only.as_ref(), DateTime::UNIX_EPOCH).iter().map(show).collect()
    }

    #[test]
    fn each_repair_is_for_its_own_trouble() {
        assert_eq!(found(Repair::AcceptAsDone, None), ["sV2"]);
        assert_eq!(found(Repair::Forget, None), ["dV2", "dV3"]);
        assert_eq!(found(Repair::AcceptText, None), ["aV1"]);
    }

    #[test]
    fn one_version_is_repaired_alone() {
        assert_eq!(found(Repair::Forget, Some("3.0")), ["dV3"]);
        assert_eq!(found(Repair::AcceptText, Some("2")), Vec::<String>::new());
        assert_eq!(found(Repair::AcceptAsDone, Some("4")), ["iV4 4"]);
        assert_eq!(found(Repair::AcceptAsDone, Some("1")), Vec::<String>::new());
    }
}
