//! From files and history to what is to be done, or to everything that speaks against it. Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::migrate::files::{Files, Script};
use crate::migrate::name::Id;
use crate::migrate::problem::Problem;
use crate::migrate::version::Version;

/// One row of the history.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) id: Id,
    /// The row says from where on migrations are kept; what is older was made without them.
    pub(crate) is_baseline: bool,
    pub(crate) description: String,
    /// The file's name when it was applied.
    pub(crate) file: String,
    pub(crate) crc32: Option<i32>,
    pub(crate) sha256: Option<String>,
    pub(crate) rank: i64,
    pub(crate) installed_by: String,
    pub(crate) installed_on: DateTime<Utc>,
    /// In milliseconds.
    pub(crate) execution_time: i64,
    pub(crate) success: bool,
}

impl Applied {
    /// The version as the file's name spelled it.
    pub(crate) fn name(&self) -> String {
        match (&self.id, self.file.split_once("__")) {
            (Id::Version(_), Some((name, _))) if name.starts_with('V') => name.to_owned(),
            (id, _) => id.to_string(),
        }
    }

    /// Whether `script` has the text that was applied. A row without checksums says nothing against it.
    pub(crate) fn is_of(&self, script: &Script) -> bool {
        match (&self.sha256, self.crc32) {
            (Some(sha256), _) => *sha256 == script.checksum.sha256,
            (None, Some(crc32)) => crc32 == script.checksum.crc32,
            (None, None) => true,
        }
    }
}

/// Migrations in their order, with what has become of each.
#[derive(Debug)]
pub(crate) struct Plan<'f> {
    pub(crate) steps: Vec<Step<'f>>,
    /// What is odd and does not keep the migrations from being run.
    pub(crate) warnings: Vec<String>,
}

/// One migration of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'f> {
    /// What is run: on the way down, the file that undoes.
    pub(crate) script: &'f Script,
    pub(crate) applied: bool,
    /// The row that is to go, as the history spells it: of what is undone, or of a repeatable migration that has changed.
    pub(crate) row: Option<&'f Id>,
    /// A newer version was applied before it.
    pub(crate) late: bool,
}

impl<'f> Plan<'f> {
    /// What is to be run on the way up, in its order.
    pub(crate) fn pending(&self) -> impl Iterator<Item = Step<'f>> {
        self.steps.iter().filter(|step| !step.applied).copied()
    }
}

/// The way up: everything that has not been applied, versions above `to` left out. Repeatable migrations come after the
/// last version, and so not before a version that is left out.
///
/// # Errors
///
/// Every problem there is, not only the first.
pub(crate) fn up<'f>(
    files: &'f Files,
    history: &'f [Applied],
    to: Option<&Version>,
) -> Result<Plan<'f>, Vec<Problem>> {
    let mut problems = files.problems.clone();
    problems.extend(of_rows(files, history));
    let (newest, state) = (newest(history), State::of(history));
    let (mut steps, mut warnings, mut complete) = (Vec::new(), Vec::new(), true);
    for script in &files.versioned {
        let applied = state.has(script);
        if !applied && script.id.version().is_some_and(|version| to.is_some_and(|to| version > to)) {
            complete = false;
            continue;
        }
        let newer = newest.filter(|newest| !applied && script.id < newest.id);
        match newer {
            Some(newer) if script.directives.out_of_order => {
                warnings.push(format!("\"{}\" is run although {} was before it", script.file, newer.name()));
            }
            Some(newer) => {
                problems.push(Problem::OutOfOrder { file: script.file.clone(), newest: newer.name() })
            }
            None => (),
        }
        steps.push(Step { script, applied, row: None, late: newer.is_some() });
    }
    if complete {
        for script in &files.repeatable {
            let row = history.iter().find(|row| row.id == script.id);
            let applied = row.is_some_and(|row| row.is_of(script));
            steps.push(Step { script, applied, row: row.map(|row| &row.id), late: false });
        }
    }
    warnings.extend(gaps(files).iter().map(Problem::to_string));
    if problems.is_empty() { Ok(Plan { steps, warnings }) } else { Err(problems) }
}

/// The way down: what undoes the versions above `to`, oldest first; all of them without `to`.
///
/// # Errors
///
/// Every problem there is: files that are wrong, versions without a file that undoes them, rows that did not end well.
pub(crate) fn down<'f>(
    files: &'f Files,
    history: &'f [Applied],
    to: Option<&Version>,
) -> Result<Plan<'f>, Vec<Problem>> {
    let mut problems = files.problems.clone();
    let failed = history.iter().filter(|row| !row.success);
    problems.extend(failed.map(|row| Problem::Failed { file: row.file.clone() }));
    let mut above: Vec<(&Version, &Applied)> = history
        .iter()
        .filter(|row| row.success && !row.is_baseline)
        .filter_map(|row| Some((row.id.version()?, row)))
        .filter(|(version, _)| to.is_none_or(|to| *version > to))
        .collect();
    above.sort_by_key(|(version, _)| *version);
    let mut steps = Vec::new();
    for (version, row) in above {
        match files.undo_of(version) {
            Some(script) => steps.push(Step { script, applied: true, row: Some(&row.id), late: false }),
            None => problems.push(Problem::UndoMissing { file: row.file.clone() }),
        }
    }
    if problems.is_empty() { Ok(Plan { steps, warnings: Vec::new() }) } else { Err(problems) }
}

/// All that can be said of files and history, problem or not.
pub(crate) fn findings(files: &Files, history: &[Applied]) -> Vec<Problem> {
    let mut found = match up(files, history, None) {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    };
    found.extend(pending(files, history).map(|script| Problem::Pending { file: script.file.clone() }));
    let alone = files
        .versioned
        .iter()
        .filter(|script| script.id.version().is_some_and(|version| files.undo_of(version).is_none()));
    found.extend(alone.map(|script| Problem::UndoMissing { file: script.file.clone() }));
    found.extend(future(files, history));
    found.extend(gaps(files));
    found
}

/// The files that a run without a limit would run, if nothing spoke against it.
pub(crate) fn pending<'f>(files: &'f Files, history: &[Applied]) -> impl Iterator<Item = &'f Script> {
    let state = State::of(history);
    let versioned: Vec<&Script> = files.versioned.iter().filter(|script| !state.has(script)).collect();
    let changed = |script: &&Script| !history.iter().any(|row| row.id == script.id && row.is_of(script));
    let repeatable: Vec<&Script> = files.repeatable.iter().filter(changed).collect();
    versioned.into_iter().chain(repeatable)
}

/// The row with the highest version that was applied.
pub(crate) fn newest(history: &[Applied]) -> Option<&Applied> {
    let versions = history.iter().filter(|row| row.success && row.id.version().is_some());
    versions.max_by(|a, b| a.id.cmp(&b.id))
}

/// What the history says of versions.
struct State<'h> {
    recorded: BTreeSet<&'h Id>,
    baseline: Option<&'h Id>,
}

impl<'h> State<'h> {
    fn of(history: &'h [Applied]) -> State<'h> {
        State {
            recorded: history.iter().map(|row| &row.id).collect(),
            baseline: history.iter().filter(|row| row.is_baseline).map(|row| &row.id).max(),
        }
    }

    /// Whether there is a row of the version, a failed one included, or it is below where migrations begin.
    fn has(&self, script: &Script) -> bool {
        self.recorded.contains(&script.id) || self.baseline.is_some_and(|baseline| script.id <= *baseline)
    }
}

/// The versions of a later release: of an earlier one, started again, they are no trouble.
pub(crate) fn future(files: &Files, history: &[Applied]) -> Vec<Problem> {
    let rows = history.iter().filter(|row| !row.is_baseline && is_future(files, row));
    rows.map(|row| Problem::Future { file: row.file.clone() }).collect()
}

/// Whether the row is of a version above all files. Where there is no file at all, the folder is the wrong one.
pub(crate) fn is_future(files: &Files, row: &Applied) -> bool {
    row.id.version().is_some() && files.versioned.last().is_some_and(|newest| newest.id < row.id)
}

/// What speaks against the rows of the history.
fn of_rows(files: &Files, history: &[Applied]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for row in history {
        let script = match row.id {
            Id::Version(_) => files
                .versioned
                .binary_search_by(|script| script.id.cmp(&row.id))
                .ok()
                .map(|at| &files.versioned[at]),
            Id::Repeatable(_) => files.repeatable.iter().find(|script| script.id == row.id),
        };
        if !row.success {
            problems.push(Problem::Failed { file: row.file.clone() });
        }
        match script {
            _ if row.is_baseline => (),
            None if row.id.version().is_some() && !is_future(files, row) => {
                problems.push(Problem::Missing { file: row.file.clone() })
            }
            Some(script) if row.success && row.id.version().is_some() && !row.is_of(script) => {
                problems.push(Problem::Changed { file: script.file.clone() });
            }
            _ => (),
        }
    }
    problems
}

/// Numbers that are left out between two counted versions. Dates and dotted versions are not counted.
fn gaps(files: &Files) -> Vec<Problem> {
    let versions: Vec<&Version> = files.versioned.iter().filter_map(|script| script.id.version()).collect();
    let skips = |pair: &[&Version]| {
        let [before, after] = [pair[0].counting_number()?, pair[1].counting_number()?];
        (after.checked_sub(before)? > 1)
            .then(|| Problem::Gap { before: pair[0].to_string(), after: pair[1].to_string() })
    };
    versions.windows(2).filter_map(skips).collect()
}

#[cfg(test)]
mod tests;
