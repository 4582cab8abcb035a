//! What can be found of migrations without running any: one sentence each, with what to do.

use std::fmt;

use serde::Serialize;

use crate::error::Error;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The name of a `.sql` file cannot be understood.
    Misnamed { file: String, reason: &'static str },
    /// The file is not UTF-8.
    NotText { file: String },
    /// Two files have one version.
    Duplicate { first: String, second: String },
    /// A file undoes a version that no file makes.
    OrphanUndo { file: String },
    /// The file is not the one that was applied.
    Changed { file: String },
    /// A version was applied, and its file is gone.
    Missing { file: String },
    /// A version above all files was applied.
    Future { file: String },
    /// A folder inside the folder has files that nobody reads.
    Subfolder { file: String },
    /// A file is waiting whose version is below one that was applied.
    OutOfOrder { file: String, newest: String },
    /// The history says that the migration did not come to its end.
    Failed { file: String },
    /// The same, while somebody runs migrations.
    Running { file: String },
    /// The text cannot be cut into statements.
    Unreadable { file: String, reason: String },
    /// The file begins or ends a transaction itself.
    TransactionControl { file: String, line: usize },
    /// The statement cannot run in a transaction, and the file does not say so.
    OutsideOnly { file: String, line: usize, words: String },
    /// The statement wants rows from its client.
    FromClient { file: String, line: usize },
    /// The statement goes over to another database.
    OtherDatabase { file: String, line: usize },
    /// A directive of the file is wrong, or stands in the wrong place.
    Directive { file: String, line: usize, reason: String },
    /// The settings have no value for a placeholder.
    Placeholder { file: String, name: String },
    /// A file has not been applied yet.
    Pending { file: String },
    /// A version has no file that undoes it.
    UndoMissing { file: String },
    /// Versions are left out between two.
    Gap { before: String, after: String },
}

/// What kind of thing a [`MigrationFinding`](crate::MigrationFinding) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// The name of a `.sql` file cannot be understood.
    Misnamed,
    /// The file is not UTF-8.
    NotText,
    /// Two files have one version.
    Duplicate,
    /// A file undoes a version that no file makes.
    OrphanUndo,
    /// The file is not the one that was applied.
    Changed,
    /// A version was applied, and its file is gone.
    Missing,
    /// A version above all files was applied: by a later release. A warning.
    Future,
    /// A folder inside the folder has `.sql` files, which would never be run.
    Subfolder,
    /// A file is waiting whose version is below one that was applied.
    OutOfOrder,
    /// A migration did not come to its end, and was not repaired.
    Failed,
    /// A migration without a transaction is being run now. No problem: another run waits for it.
    Running,
    /// The file cannot be run as it is: its text has no end, or a statement that has no place in it.
    Unfit,
    /// The settings have no value for a placeholder.
    Placeholder,
    /// A file has not been applied yet. No problem.
    Pending,
    /// A version has no file that undoes it. No problem unless it is to be undone.
    UndoMissing,
    /// Versions are left out between two. A warning.
    Gap,
}

impl FindingKind {
    /// Whether it keeps migrations from being run.
    #[must_use]
    pub fn is_problem(self) -> bool {
        !matches!(
            self,
            FindingKind::Pending
                | FindingKind::Running
                | FindingKind::UndoMissing
                | FindingKind::Gap
                | FindingKind::Future
        )
    }
}

impl Problem {
    pub(crate) fn kind(&self) -> FindingKind {
        match self {
            Problem::Misnamed { .. } => FindingKind::Misnamed,
            Problem::NotText { .. } => FindingKind::NotText,
            Problem::Duplicate { .. } => FindingKind::Duplicate,
            Problem::OrphanUndo { .. } => FindingKind::OrphanUndo,
            Problem::Changed { .. } => FindingKind::Changed,
            Problem::Missing { .. } => FindingKind::Missing,
            Problem::Future { .. } => FindingKind::Future,
            Problem::Subfolder { .. } => FindingKind::Subfolder,
            Problem::OutOfOrder { .. } => FindingKind::OutOfOrder,
            Problem::Failed { .. } => FindingKind::Failed,
            Problem::Running { .. } => FindingKind::Running,
            Problem::Unreadable { .. }
            | Problem::TransactionControl { .. }
            | Problem::OutsideOnly { .. }
            | Problem::FromClient { .. }
            | Problem::OtherDatabase { .. }
            | Problem::Directive { .. } => FindingKind::Unfit,
            Problem::Placeholder { .. } => FindingKind::Placeholder,
            Problem::Pending { .. } => FindingKind::Pending,
            Problem::UndoMissing { .. } => FindingKind::UndoMissing,
            Problem::Gap { .. } => FindingKind::Gap,
        }
    }

    /// The file that it is about.
    pub(crate) fn file(&self) -> &str {
        match self {
            Problem::Misnamed { file, .. }
            | Problem::NotText { file }
            | Problem::Duplicate { second: file, .. }
            | Problem::OrphanUndo { file }
            | Problem::Changed { file }
            | Problem::Missing { file }
            | Problem::Future { file }
            | Problem::Subfolder { file }
            | Problem::OutOfOrder { file, .. }
            | Problem::Failed { file }
            | Problem::Running { file }
            | Problem::Unreadable { file, .. }
            | Problem::TransactionControl { file, .. }
            | Problem::OutsideOnly { file, .. }
            | Problem::FromClient { file, .. }
            | Problem::OtherDatabase { file, .. }
            | Problem::Directive { file, .. }
            | Problem::Placeholder { file, .. }
            | Problem::Pending { file }
            | Problem::UndoMissing { file }
            | Problem::Gap { after: file, .. } => file,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Misnamed { file, reason } => write!(
                f,
                "\"{file}\" is misnamed: {reason}; the form is V<version>__<description>.sql, such as \
                 V003__Add_index.sql, with U in place of V for what undoes it, or R__<description>.sql"
            ),
            Problem::NotText { file } => write!(f, "\"{file}\" is not UTF-8; save it as UTF-8"),
            Problem::Duplicate { first, second } => write!(
                f,
                "\"{first}\" and \"{second}\" have the same version; give the one that was not applied \
                 anywhere a new one"
            ),
            Problem::OrphanUndo { file } => write!(
                f,
                "\"{file}\" undoes a version that no file has; give it the version of the file that it belongs to"
            ),
            Problem::Changed { file } => write!(
                f,
                "\"{file}\" was changed after it was applied; put the applied text back, and make the \
                 change in a new file; or accept the new text by `repair`"
            ),
            Problem::Missing { file } => write!(
                f,
                "\"{file}\" was applied, but the folder has no file of its version; put it back, correct the \
                 folder, or have it forgotten by `repair`"
            ),
            Problem::Future { file } => write!(
                f,
                "\"{file}\" was applied and is newer than every file here; a later release has done so, or the file \
                 was lost"
            ),
            Problem::Subfolder { file } => write!(
                f,
                "the folder \"{file}\" inside the folder of the migrations has .sql files, which are not run; move \
                 them up, or the folder elsewhere"
            ),
            Problem::OutOfOrder { file, newest } => write!(
                f,
                "\"{file}\" has not been applied, but the newer {newest} has; give it a version above \
                 {newest}, or write `-- batchdb: out-of-order` at its head"
            ),
            Problem::Failed { file } => write!(
                f,
                "\"{file}\" did not come to its end: it failed, or its program was killed; \
                 look at what it has done, then `repair`: accept it as done, or have it forgotten and run again"
            ),
            Problem::Running { file } => write!(f, "\"{file}\" is being run now, without a transaction"),
            Problem::Unreadable { file, reason } => write!(f, "\"{file}\" cannot be read: {reason}"),
            Problem::TransactionControl { file, line } => write!(
                f,
                "\"{file}\" line {line} begins or ends a transaction; take the statement out: each file runs in a \
                 transaction of its own, or, with `-- batchdb: no-transaction` at its head, in none"
            ),
            Problem::OutsideOnly { file, line, words } => write!(
                f,
                "\"{file}\" line {line}: {words} cannot run in a transaction; put it into a file of its own with the \
                 line `-- batchdb: no-transaction` at its head"
            ),
            Problem::FromClient { file, line } => write!(
                f,
                "\"{file}\" line {line}: COPY wants rows from a client, and a migration has none; use INSERT, or COPY \
                 from a file of the server"
            ),
            Problem::OtherDatabase { file, line } => write!(
                f,
                "\"{file}\" line {line}: USE goes over to another database, which has a history of its own; put the \
                 statement into the migrations of that database"
            ),
            Problem::Directive { file, line, reason } => {
                write!(f, "\"{file}\" line {line}, the directive of `batchdb`: {reason}")
            }
            Problem::Placeholder { file, name } => write!(
                f,
                "\"{file}\" has ${{{name}}}, for which there is no value; set it by MIGRATION_PLACEHOLDERS, or write \
                 `-- batchdb: no-placeholders` at its head"
            ),
            Problem::Pending { file } => write!(f, "\"{file}\" has not been applied yet"),
            Problem::UndoMissing { file } => write!(f, "\"{file}\" has no file that undoes it"),
            Problem::Gap { before, after } => write!(
                f,
                "the versions between {before} and {after} are left out; check that no file was lost"
            ),
        }
    }
}

/// The same, where somebody holds the lock of the migrations: what has not come to its end is on its way there.
pub(crate) fn while_running(problems: Vec<Problem>) -> Vec<Problem> {
    let told = |problem| match problem {
        Problem::Failed { file } => Problem::Running { file },
        other => other,
    };
    problems.into_iter().map(told).collect()
}

/// One error for all of them, so that one look at the log is enough to mend everything.
pub(crate) fn refusal(problems: &[Problem]) -> Error {
    let sentences: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let found = match problems.len() {
        1 => "1 problem was found with the migrations".to_owned(),
        many => format!("{many} problems were found with the migrations"),
    };
    Error::migration(format!("{found}, and none was run: {}", sentences.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn one_error_names_every_file() {
        let error = refusal(&[
            Problem::Changed { file: "V001__a.sql".into() },
            Problem::Missing { file: "V002__b.sql".into() },
        ]);
        assert_eq!(error.kind(), ErrorKind::Migration);
        let text = error.to_string();
        assert!(text.contains("2 problems") && text.contains("V001__a.sql") && text.contains("V002__b.sql"));
        assert!(refusal(&[Problem::NotText { file: "x.sql".into() }]).to_string().contains("1 problem was"));
    }
}
