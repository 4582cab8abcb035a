//! From files and history to what is to be done, or to everything that speaks against it. Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::migrate::files::Script;
use crate::migrate::problem::Problem;
use crate::migrate::version::Version;

/// One row of the history.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) version: Version,
    /// The file's name when it was applied.
    pub(crate) file: String,
    pub(crate) crc32: Option<i32>,
    pub(crate) sha256: Option<String>,
    pub(crate) rank: i64,
    pub(crate) installed_on: DateTime<Utc>,
    pub(crate) success: bool,
}

impl Applied {
    /// The version as the file's name spelled it.
    pub(crate) fn name(&self) -> String {
        match self.file.split_once("__") {
            Some((name, _)) => name.to_owned(),
            None => self.version.to_string(),
        }
    }

    /// Whether `script` has the text that was applied. A row without checksums says nothing against it.
    fn is_of(&self, script: &Script) -> bool {
        match (&self.sha256, self.crc32) {
            (Some(sha256), _) => *sha256 == script.checksum.sha256,
            (None, Some(crc32)) => crc32 == script.checksum.crc32,
            (None, None) => true,
        }
    }
}

/// All migrations of the folder in their order, with what has become of each.
#[derive(Debug)]
pub(crate) struct Plan<'f> {
    pub(crate) steps: Vec<Step<'f>>,
    /// What is odd and does not keep the migrations from being run.
    pub(crate) warnings: Vec<String>,
}

/// One migration of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'f> {
    pub(crate) script: &'f Script,
    pub(crate) applied: bool,
}

impl<'f> Plan<'f> {
    /// The migrations to run, oldest first.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &'f Script> {
        self.steps.iter().filter(|step| !step.applied).map(|step| step.script)
    }
}

/// Compares the files, oldest first, with the history.
///
/// # Errors
///
/// Every problem there is, not only the first.
pub(crate) fn plan<'f>(scripts: &'f [Script], history: &[Applied]) -> Result<Plan<'f>, Vec<Problem>> {
    let mut problems = duplicates(scripts);
    for row in history {
        if !row.success {
            problems.push(Problem::Failed { file: row.file.clone() });
        }
        match scripts.binary_search_by(|script| script.version.cmp(&row.version)) {
            Err(_) => problems.push(Problem::Missing { file: row.file.clone() }),
            Ok(place) if row.success && !row.is_of(&scripts[place]) => {
                problems.push(Problem::Changed { file: scripts[place].file.clone() });
            }
            Ok(_) => (),
        }
    }
    let newest = newest(history);
    let recorded = recorded(history);
    let steps: Vec<Step<'f>> =
        scripts.iter().map(|script| Step { script, applied: recorded.contains(&script.version) }).collect();
    for step in steps.iter().filter(|step| !step.applied) {
        if let Some(newest) = newest.filter(|newest| step.script.version < newest.version) {
            problems.push(Problem::OutOfOrder { file: step.script.file.clone(), newest: newest.name() });
        }
    }
    if problems.is_empty() { Ok(Plan { steps, warnings: gaps(scripts) }) } else { Err(problems) }
}

/// The files, oldest first, that share a version with the one before them.
pub(crate) fn duplicates(scripts: &[Script]) -> Vec<Problem> {
    scripts
        .windows(2)
        .filter(|pair| pair[0].version == pair[1].version)
        .map(|pair| Problem::Duplicate { first: pair[0].file.clone(), second: pair[1].file.clone() })
        .collect()
}

/// The versions of which the history has a row, a failed one included.
pub(crate) fn recorded(history: &[Applied]) -> BTreeSet<&Version> {
    history.iter().map(|row| &row.version).collect()
}

/// The row with the highest version that was applied.
pub(crate) fn newest(history: &[Applied]) -> Option<&Applied> {
    history.iter().filter(|row| row.success).max_by(|a, b| a.version.cmp(&b.version))
}

/// Numbers that are left out between two counted versions. Dates and dotted versions are not counted.
fn gaps(scripts: &[Script]) -> Vec<String> {
    scripts
        .windows(2)
        .filter_map(|pair| {
            let (before, after) = (&pair[0].version, &pair[1].version);
            let skipped = after.counting_number()?.checked_sub(before.counting_number()?)? > 1;
            skipped.then(|| {
                format!("the versions between {before} and {after} are left out; check that no file was lost")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
