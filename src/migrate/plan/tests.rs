use super::*;

/// Files by their names; each has its own name as its text.
fn files(names: &[&str]) -> Files {
    Files::fake(&names.iter().map(|name| (*name, *name)).collect::<Vec<_>>())
}

fn row(script: &Script) -> Applied {
    Applied {
        id: script.id.clone(),
        is_baseline: false,
        description: script.description.clone(),
        file: script.file.clone(),
        crc32: Some(script.checksum.crc32),
        sha256: Some(script.checksum.sha256.clone()),
        rank: 1,
        installed_by: "me".into(),
        installed_on: DateTime::UNIX_EPOCH,
        execution_time: 5,
        success: true,
    }
}

fn history(names: &[&str]) -> Vec<Applied> {
    let files = files(names);
    files.versioned.iter().chain(&files.repeatable).map(row).collect()
}

fn baseline(version: &str) -> Applied {
    Applied {
        id: Id::parse(version).unwrap(),
        is_baseline: true,
        file: "<< Baseline >>".into(),
        crc32: None,
        sha256: None,
        ..history(&["V1__a.sql"]).remove(0)
    }
}

fn names<'f>(steps: impl Iterator<Item = Step<'f>>) -> Vec<&'f str> {
    steps.map(|step| step.script.file.as_str()).collect()
}

#[track_caller]
fn check(on_disk: &[&str], applied: &[&str], pending: &[&str]) {
    let files = files(on_disk);
    let rows = history(applied);
    let plan = up(&files, &rows, None).unwrap();
    assert_eq!(names(plan.pending()), pending);
}

#[track_caller]
fn check_problems(on_disk: &[&str], applied: &[Applied], expected: &[Problem]) {
    assert_eq!(up(&files(on_disk), applied, None).unwrap_err(), expected);
}

#[test]
fn what_is_not_in_the_history_is_pending_in_order() {
    check(&[], &[], &[]);
    check(&["V1__a.sql", "V2__b.sql"], &[], &["V1__a.sql", "V2__b.sql"]);
    check(&["V1__a.sql", "V2__b.sql", "V10__c.sql"], &["V1__a.sql"], &["V2__b.sql", "V10__c.sql"]);
    check(&["V1__a.sql"], &["V1__a.sql"], &[]);
}

#[test]
fn repeatable_ones_come_last_and_when_they_have_changed() {
    check(&["R__b.sql", "R__a.sql", "V1__x.sql"], &[], &["V1__x.sql", "R__a.sql", "R__b.sql"]);
    check(&["R__b.sql", "R__a.sql", "V1__x.sql"], &["V1__x.sql", "R__a.sql"], &["R__b.sql"]);
    let files = files(&["R__a.sql"]);
    let mut rows = history(&["R__a.sql", "R__gone.sql"]);
    rows[0].sha256 = Some("0".into());
    let plan = up(&files, &rows, None).unwrap();
    assert!(plan.pending().all(|step| step.row.is_some()));
    assert_eq!(names(plan.pending()), ["R__a.sql"]);
}

#[test]
fn a_limit_leaves_out_what_is_above_and_repeatable_ones_with_it() {
    let files = files(&["V1__a.sql", "V2__b.sql", "V3__c.sql", "R__d.sql"]);
    let to = |version: &str| Version::parse(version).unwrap();
    let rows = history(&["V1__a.sql"]);
    let plan = up(&files, &rows, Some(&to("2.0"))).unwrap();
    assert_eq!(names(plan.pending()), ["V2__b.sql"]);
    let plan = up(&files, &[], Some(&to("3"))).unwrap();
    assert_eq!(plan.pending().count(), 4);
}

#[test]
fn versions_are_matched_by_number_and_not_by_spelling() {
    let files = files(&["V001__a.sql"]);
    let applied = Applied { id: Id::parse("1.0").unwrap(), ..row(&files.versioned[0]) };
    assert_eq!(up(&files, &[applied], None).unwrap().pending().count(), 0);
}

#[test]
fn a_changed_text_is_a_problem_by_either_checksum() {
    let files = files(&["V1__a.sql"]);
    let changed = [Problem::Changed { file: "V1__a.sql".into() }];
    let sha = Applied { sha256: Some("0".into()), ..row(&files.versioned[0]) };
    check_problems(&["V1__a.sql"], &[sha], &changed);
    let crc = Applied { sha256: None, crc32: Some(1), ..row(&files.versioned[0]) };
    check_problems(&["V1__a.sql"], &[crc], &changed);
}

#[test]
fn the_strong_checksum_decides_and_a_row_without_any_is_trusted() {
    let files = files(&["V1__a.sql"]);
    let foreign = Applied { crc32: Some(1), ..row(&files.versioned[0]) };
    assert!(up(&files, &[foreign], None).is_ok());
    let bare = Applied { crc32: None, sha256: None, ..row(&files.versioned[0]) };
    assert!(up(&files, &[bare], None).is_ok());
}

#[test]
fn all_problems_are_told_at_once() {
    let mut applied = history(&["V1__a.sql", "V3__gone.sql", "V4__broken.sql", "V5__late.sql"]);
    applied[0].sha256 = Some("0".into());
    applied[2].success = false;
    check_problems(
        &["V1__a.sql", "V2__new.sql", "V4__broken.sql", "V5__late.sql", "V6__x.sql", "V6.0__y.sql"],
        &applied,
        &[
            Problem::Duplicate { first: "V6.0__y.sql".into(), second: "V6__x.sql".into() },
            Problem::Changed { file: "V1__a.sql".into() },
            Problem::Missing { file: "V3__gone.sql".into() },
            Problem::Failed { file: "V4__broken.sql".into() },
            Problem::OutOfOrder { file: "V2__new.sql".into(), newest: "V5".into() },
        ],
    );
}

#[test]
fn a_failed_row_is_neither_pending_nor_the_newest() {
    let files = files(&["V1__a.sql", "V2__b.sql"]);
    let failed = Applied { success: false, ..row(&files.versioned[1]) };
    assert!(newest(std::slice::from_ref(&failed)).is_none());
    check_problems(
        &["V1__a.sql", "V2__b.sql"],
        &[row(&files.versioned[0]), failed],
        &[Problem::Failed { file: "V2__b.sql".into() }],
    );
}

#[test]
fn a_file_may_say_that_it_runs_out_of_order() {
    let files =
        Files::fake(&[("V1__a.sql", "-- batchdb: out-of-order\nSELECT 1"), ("V2__b.sql", "V2__b.sql")]);
    let rows = history(&["V2__b.sql"]);
    let plan = up(&files, &rows, None).unwrap();
    assert!(plan.pending().all(|step| step.late));
    assert_eq!(names(plan.pending()), ["V1__a.sql"]);
    assert!(plan.warnings[0].contains("V2 was before it"), "{:?}", plan.warnings);
}

#[test]
fn what_is_below_the_baseline_was_made_without_migrations() {
    let files = files(&["V1__a.sql", "V2__b.sql", "V3__c.sql"]);
    let rows = [baseline("2")];
    assert_eq!(names(up(&files, &rows, None).unwrap().pending()), ["V3__c.sql"]);
    assert_eq!(pending(&files, &rows).count(), 1);
    assert_eq!(newest(&rows).map(Applied::name).as_deref(), Some("V2"));
    assert_eq!(down(&files, &rows, None).unwrap().steps.len(), 0);
}

#[test]
fn the_way_down_needs_a_file_for_each_version() {
    let all = files(&["V1__a.sql", "V2__b.sql", "V3__c.sql", "U2__b.sql", "U3__c.sql"]);
    let rows = history(&["V1__a.sql", "V2__b.sql", "V3__c.sql", "R__x.sql"]);
    let to = Version::parse("1");
    let plan = down(&all, &rows, to.as_ref()).unwrap();
    assert_eq!(names(plan.steps.into_iter()), ["U2__b.sql", "U3__c.sql"]);
    let missing = [Problem::UndoMissing { file: "V1__a.sql".into() }];
    assert_eq!(down(&all, &rows, None).unwrap_err(), missing);
}

#[test]
fn a_left_out_number_is_a_warning() {
    let warnings = |names: &[&str]| up(&files(names), &[], None).unwrap().warnings;
    assert_eq!(warnings(&["V001__a.sql", "V003__b.sql", "V004__c.sql"]).len(), 1);
    assert!(warnings(&["V001__a.sql", "V003__b.sql"])[0].contains("between V001 and V003"));
    assert!(warnings(&["V1__a.sql", "V1.5__b.sql", "V2__c.sql"]).is_empty());
    assert!(warnings(&["V20260101__a.sql", "V20260115__b.sql"]).is_empty());
}

#[test]
fn findings_tell_what_is_no_problem_too() {
    let found = findings(&files(&["V1__a.sql", "V3__b.sql", "U1__a.sql"]), &history(&["V1__a.sql"]));
    assert_eq!(
        found,
        [
            Problem::Pending { file: "V3__b.sql".into() },
            Problem::UndoMissing { file: "V3__b.sql".into() },
            Problem::Gap { before: "V1".into(), after: "V3".into() },
        ]
    );
    assert!(found.iter().all(|problem| !problem.kind().is_problem()));
}

#[test]
fn a_row_is_named_as_its_file_spelled_it() {
    assert_eq!(history(&["V1_02__a.sql"])[0].name(), "V1_02");
    let odd = Applied { file: "imported".into(), ..history(&["V001__a.sql"]).remove(0) };
    assert_eq!(odd.name(), "V001");
    assert_eq!(history(&["R__a_b.sql"])[0].name(), "R__a_b");
}
