//! The only file that names `schemamama`: its `Migrator` walks a plan in order and calls back.
//!
//! `schemamama` counts versions in an `i64` and knows neither checksums nor locks. So the versions that
//! it is given are places in a plan that was checked before, and the lock is held around the whole walk.

use std::cell::RefCell;
use std::collections::BTreeSet;

use schemamama::{Adapter, Migration, Migrator, Version};

use crate::error::{Error, Result};
use crate::migrate::files::Script;
use crate::migrate::plan::{Plan, Step};

/// Applies what is pending, oldest first, and stops at the first failure.
///
/// # Errors
///
/// The error of `apply` as it is.
pub(crate) fn apply_pending<'f>(
    plan: &Plan<'f>,
    apply: &mut dyn FnMut(&'f Script) -> Result<()>,
) -> Result<()> {
    let numbered = || (1..).zip(&plan.steps);
    let applied = numbered().filter(|(_, step)| step.applied).map(|(place, _)| place).collect();
    let mut migrator = Migrator::new(Walk { applied: RefCell::new(applied), apply: RefCell::new(apply) });
    for (place, &step) in numbered() {
        migrator.register(Box::new(Place { place, step }));
    }
    migrator.up(None).map_err(|error| match error {
        schemamama::Error::Adapter(error) | schemamama::Error::Migration { error, .. } => error,
    })
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
    apply: RefCell<&'a mut dyn FnMut(&'f Script) -> Result<()>>,
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
        (self.apply.borrow_mut())(migration.step.script)?;
        self.applied.borrow_mut().insert(migration.place);
        Ok(())
    }

    fn revert_migration(&self, migration: &Place<'f>) -> Result<()> {
        Err(Error::migration(format!("\"{}\" cannot be undone", migration.step.script.file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(scripts: &[Script], applied: usize) -> Plan<'_> {
        let steps =
            scripts.iter().enumerate().map(|(place, script)| Step { script, applied: place < applied });
        Plan { steps: steps.collect(), warnings: Vec::new() }
    }

    fn scripts() -> Vec<Script> {
        ["V1__a.sql", "V1.5__b.sql", "V20260115103000__c.sql"].map(|file| Script::fake(file, "")).into()
    }

    #[test]
    fn what_is_pending_is_applied_in_order() {
        let scripts = scripts();
        let mut ran = Vec::new();
        apply_pending(&plan(&scripts, 1), &mut |script| {
            ran.push(script.version.to_string());
            Ok(())
        })
        .unwrap();
        assert_eq!(ran, ["V1.5", "V20260115103000"]);
    }

    #[test]
    fn the_first_failure_ends_the_walk_with_its_own_error() {
        let scripts = scripts();
        let mut ran = 0;
        let error = apply_pending(&plan(&scripts, 0), &mut |script| {
            ran += 1;
            if ran == 2 { Err(Error::migration(script.file.clone())) } else { Ok(()) }
        })
        .unwrap_err();
        assert_eq!((ran, error.to_string().as_str()), (2, "V1.5__b.sql"));
    }
}
