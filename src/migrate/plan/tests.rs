use super::*;

/// The files of a folder; each has its own name as its text.
fn files(names: &[&str]) -> Vec<Script> {
    names.iter().map(|name| Script::fake(name, name)).collect()
}

fn row(script: &Script) -> Applied {
    Applied {
        version: script.version.clone(),
        file: script.file.clone(),
        crc32: Some(script.checksum.crc32),
        sha256: Some(script.checksum.sha256.clone()),
        rank: 1,
        installed_on: DateTime::UNIX_EPOCH,
        success: true,
    }
}

fn history(names: &[&str]) -> Vec<Applied> {
    files(names).iter().map(row).collect()
}

#[track_caller]
fn check(on_disk: &[&str], applied: &[&str], pending: &[&str]) {
    let scripts = files(on_disk);
    let plan = plan(&scripts, &history(applied)).unwrap();
    assert_eq!(plan.pending().map(|script| script.file.as_str()).collect::<Vec<_>>(), pending);
}

#[track_caller]
fn check_problems(on_disk: &[&str], applied: &[Applied], expected: &[Problem]) {
    assert_eq!(plan(&files(on_disk), applied).unwrap_err(), expected);
}

#[test]
fn what_is_not_in_the_history_is_pending_in_order() {
    check(&[], &[], &[]);
    check(&["V1__a.sql", "V2__b.sql"], &[], &["V1__a.sql", "V2__b.sql"]);
    check(&["V1__a.sql", "V2__b.sql", "V10__c.sql"], &["V1__a.sql"], &["V2__b.sql", "V10__c.sql"]);
    check(&["V1__a.sql"], &["V1__a.sql"], &[]);
}

#[test]
fn versions_are_matched_by_number_and_not_by_spelling() {
    let scripts = files(&["V001__a.sql"]);
    let mut applied = row(&scripts[0]);
    applied.version = Version::parse("1.0").unwrap();
    assert_eq!(plan(&scripts, &[applied]).unwrap().pending().count(), 0);
}

#[test]
fn a_changed_text_is_a_problem_by_either_checksum() {
    let scripts = files(&["V1__a.sql"]);
    let changed = [Problem::Changed { file: "V1__a.sql".into() }];
    let sha = Applied { sha256: Some("0".into()), ..row(&scripts[0]) };
    check_problems(&["V1__a.sql"], &[sha], &changed);
    let crc = Applied { sha256: None, crc32: Some(1), ..row(&scripts[0]) };
    check_problems(&["V1__a.sql"], &[crc], &changed);
}

#[test]
fn the_strong_checksum_decides_and_a_row_without_any_is_trusted() {
    let scripts = files(&["V1__a.sql"]);
    let foreign = Applied { crc32: Some(1), ..row(&scripts[0]) };
    assert!(plan(&scripts, &[foreign]).is_ok());
    let bare = Applied { crc32: None, sha256: None, ..row(&scripts[0]) };
    assert!(plan(&scripts, &[bare]).is_ok());
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
            Problem::Duplicate { first: "V6__x.sql".into(), second: "V6.0__y.sql".into() },
            Problem::Changed { file: "V1__a.sql".into() },
            Problem::Missing { file: "V3__gone.sql".into() },
            Problem::Failed { file: "V4__broken.sql".into() },
            Problem::OutOfOrder { file: "V2__new.sql".into(), newest: "V5".into() },
        ],
    );
}

#[test]
fn a_failed_row_is_neither_pending_nor_the_newest() {
    let scripts = files(&["V1__a.sql", "V2__b.sql"]);
    let failed = Applied { success: false, ..row(&scripts[1]) };
    assert!(newest(std::slice::from_ref(&failed)).is_none());
    check_problems(
        &["V1__a.sql", "V2__b.sql"],
        &[row(&scripts[0]), failed],
        &[Problem::Failed { file: "V2__b.sql".into() }],
    );
}

#[test]
fn a_left_out_number_is_a_warning() {
    let warnings = |names: &[&str]| plan(&files(names), &[]).unwrap().warnings;
    assert_eq!(warnings(&["V001__a.sql", "V003__b.sql", "V004__c.sql"]).len(), 1);
    assert!(warnings(&["V001__a.sql", "V003__b.sql"])[0].contains("between V001 and V003"));
    assert!(warnings(&["V1__a.sql", "V1.5__b.sql", "V2__c.sql"]).is_empty());
    assert!(warnings(&["V20260101__a.sql", "V20260115__b.sql"]).is_empty());
}

#[test]
fn a_row_is_named_as_its_file_spelled_it() {
    assert_eq!(history(&["V1_02__a.sql"])[0].name(), "V1_02");
    let odd = Applied { file: "imported".into(), ..history(&["V001__a.sql"]).remove(0) };
    assert_eq!(odd.name(), "V001");
}
