//! The only file that names `schemamama`: its `Migrator` walks a plan in order and calls back.
//!
//! `schemamama` counts versions in an `i64` and knows neither checksums nor locks. So the versions that
//! it is given are places in a plan that was checked before, and the lock is held around the whole walk.

use std::cell::RefCell;
use std::collections::BTreeSet;

use schemamama::{Adapter, Migration, Migrator, Version};

use crate::error::{Error, Result};
use crate::migrate::plan::{Plan, Step};

type Run<'a, 'f> = &'a mut dyn FnMut(Step<'f>) -> Result<()>;

/// Runs what is pending, in its order, and stops at the first failure.
///
/// # Errors
///
/// The error of `run` as it is.
pub(crate) fn up<'f>(plan: &Plan<'f>, run: Run<'_, 'f>) -> Result<()> {
    migrator(plan, run).up(None).map_err(error)
}

/// Runs every step, the last one first, and stops at the first failure.
///
/// # Errors
///
/// The error of `run` as it is.
pub(crate) fn down<'f>(plan: &Plan<'f>, run: Run<'_, 'f>) -> Result<()> {
    migrator(plan, run).down(None).map_err(error)
}

fn migrator<'a, 'f>(plan: &Plan<'f>, run: Run<'a, 'f>) -> Migrator<Walk<'a, 'f>> {
    let numbered = || (1..).zip(&plan.steps);
    let applied = numbered().filter(|(_, step)| step.applied).map(|(place, _)| place).collect();
    let mut migrator = Migrator::new(Walk { applied: RefCell::new(applied), run: RefCell::new(run) });
    for (place, &step) in numbered() {
        migrator.register(Box::new(Place { place, step }));
    }
    migrator
}

fn error(error: schemamama::Error<Error>) -> Error {
    match error {
        schemamama::Error::Adapter(error) | schemamama::Error::Migration { error, .. } => error,
    }
}

/// A step of the plan, under its place in the plan.
struct Place<'f> {
    place: Version,
    step: Step<'f>,
}

impl Migration for Place<'_> {
    fn version(&self) -> Version {
        self.place
    }

    fn description(&self) -> String {
        self.step.script.file.clone()
    }
}

/// What the migrator sees of the database. Its methods take `&self`, hence the cells.
struct Walk<'a, 'f> {
    applied: RefCell<BTreeSet<Version>>,
    run: RefCell<Run<'a, 'f>>,
}

impl<'f> Adapter for Walk<'_, 'f> {
    type MigrationType = Place<'f>;
    type Error = Error;

    fn current_version(&self) -> Result<Option<Version>> {
        Ok(self.applied.borrow().last().copied())
    }

    fn migrated_versions(&self) -> Result<BTreeSet<Version>> {
        Ok(self.applied.borrow().clone())
    }

    fn apply_migration(&self, migration: &Place<'f>) -> Result<()> {
        (self.run.borrow_mut())(migration.step)?;
        self.applied.borrow_mut().insert(migration.place);
        Ok(())
    }

    fn revert_migration(&self, migration: &Place<'f>) -> Result<()> {
        (self.run.borrow_mut())(migration.step)?;
        self.applied.borrow_mut().remove(&migration.place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::files::Script;

    fn plan(scripts: &[Script], applied: usize) -> Plan<'_> {
        let step = |(place, script)| Step { script, applied: place < applied, row: None, late: false };
        Plan { steps: scripts.iter().enumerate().map(step).collect(), warnings: Vec::new() }
    }

    fn scripts() -> Vec<Script> {
        ["V1__a.sql", "V1.5__b.sql", "V20260115103000__c.sql"].map(|file| Script::fake(file, "")).into()
    }

    #[test]
    fn what_is_pending_is_run_in_order() {
        let scripts = scripts();
        let mut ran = Vec::new();
        up(&plan(&scripts, 1), &mut |step| {
            ran.push(step.script.id.to_string());
            Ok(())
        })
        .unwrap();
        assert_eq!(ran, ["V1.5", "V20260115103000"]);
    }

    #[test]
    fn the_way_down_begins_at_the_end() {
        let scripts = scripts();
        let mut ran = Vec::new();
        down(&plan(&scripts, 3), &mut |step| {
            ran.push(step.script.id.to_string());
            Ok(())
        })
        .unwrap();
        assert_eq!(ran, ["V20260115103000", "V1.5", "V1"]);
    }

    #[test]
    fn the_first_failure_ends_the_walk_with_its_own_error() {
        let scripts = scripts();
        let mut ran = 0;
        let error = up(&plan(&scripts, 0), &mut |step| {
            ran += 1;
            if ran == 2 { Err(Error::migration(step.script.file.clone())) } else { Ok(()) }
        })
        .unwrap_err();
        assert_eq!((ran, error.to_string().as_str()), (2, "V1.5__b.sql"));
    }
}
