//! The same bodies on every database that is at hand: PostgreSQL by its own protocol and through psqlODBC, SQLite through
//! its driver, and the T-SQL servers of `BATCHDB_TEST_SQLSERVER`, one connection string a line.
//!
//! A table at the end says of each body and each database whether it passed, failed, or did not run, and why. What did
//! not run is never called passed. Words on the command line choose the bodies whose names have one of them.
#![allow(clippy::unwrap_used, reason = "a test that fails by `unwrap` says where and why")]
#![allow(clippy::print_stdout, reason = "the report is what this program is for")]

mod errors;
mod generated;
mod loads;
mod log_lines;
mod mass;
mod migrations;
mod operations;
mod results;
mod survey;
mod target;
mod transactions;
mod values;

#[path = "../examples/answers.rs"]
#[allow(dead_code, reason = "the tests of the examples use all of it")]
mod answers;
#[path = "../../examples/shared/survey_hub.rs"]
mod survey_hub;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};
use std::time::Instant;

use target::{Left, Target, Told};

type Body = fn(&Target) -> Told;

macro_rules! bodies {
    ($($room:ident :: { $($name:ident),+ $(,)? }),+ $(,)?) => {
        &[$($((stringify!($name), $room::$name as Body)),+),+]
    };
}

const BODIES: &[(&str, Body)] = bodies! {
    values::{
        values_come_back_as_they_went,
        every_type_of_the_server_is_read,
        text_comes_back_as_it_went,
        long_values_come_back_whole_in_bounded_memory,
        a_nul_in_a_text_arrives_or_is_refused,
        lists_and_nulls,
        plain_text_is_varchar_and_other_text_nvarchar,
        a_long_parameter_is_of_no_old_type,
        a_datetime_that_was_read_finds_its_row,
    },
    loads::{
        a_load_loses_nothing_in_its_columns,
        a_load_keeps_every_letter_or_names_its_record,
    },
    results::{
        many_rows_come_whole,
        a_stream_may_end_early,
        several_results_come_in_order,
        counts_are_those_of_the_statement_under_triggers,
        a_count_is_the_writes_own_under_a_trigger_that_returns_rows,
        what_a_write_puts_out_comes_back,
        records_go_in_together_or_not_at_all,
        rows_of_a_mass_load_go_in,
        pages_and_odd_names,
    },
    mass::{
        an_upsert_makes_rows_and_replaces_them,
        an_upsert_of_keys_alone_or_of_several,
        an_upsert_that_is_refused_changes_nothing,
        an_upsert_under_a_trigger_counts_its_own_rows,
        an_upsert_leaves_an_identity_column_to_the_database,
        an_upsert_by_an_identity_column_sets_it_where_that_is_allowed,
        an_upsert_keeps_every_row_with_null_in_its_key,
        an_upsert_of_many_keys_alone_ends_in_time,
        upserts_of_the_same_keys_at_a_time_neither_fail_nor_lose,
        rows_of_many_statements_come_in_the_order_of_the_records,
        a_refused_record_is_named_and_leaves_nothing,
        a_name_that_does_not_exist_is_answered_with_the_nearest,
        committed_chunks_stay_and_the_failure_says_how_many,
        a_file_has_the_table_and_fills_another,
        a_copy_has_what_the_table_has,
    },
    generated::{
        a_copy_leaves_out_what_the_target_computes,
        values_for_what_the_database_computes_are_refused_by_name,
    },
    errors::{
        errors_have_their_kinds_and_leave_the_connection_usable,
        an_error_behind_rows_or_counts_is_the_error_of_the_whole,
        a_wrong_password_is_refused_as_such,
        a_certificate_that_is_not_accepted_is_told_as_such,
        a_database_that_is_not_opened_is_told_by_its_state,
        a_slow_statement_ends_at_its_deadline,
        a_lock_is_not_waited_for_longer_than_asked,
    },
    transactions::{
        a_transaction_is_done_or_undone,
        what_was_written_in_a_transaction_that_nobody_ends_is_no_success,
        a_savepoint_is_undone_by_itself,
        a_swallowed_error_is_no_commit,
        a_transaction_that_its_batch_has_doomed_is_no_commit,
        isolation_is_the_transactions_alone,
        a_snapshot_sees_no_later_commit,
        of_two_in_a_deadlock_one_is_tried_again,
    },
    operations::{
        a_borrower_finds_a_clean_session,
        no_setting_of_a_session_outlives_its_borrower,
        a_procedure_returns_all_that_it_has,
        a_procedure_is_found_behind_a_synonym_and_in_a_session,
        what_the_server_says_is_in_the_log,
        a_message_with_nowait_comes_before_its_batch_has_ended,
        a_read_only_database_takes_no_writes,
        a_health_check_says_what_is_there,
        a_diagnosis_goes_the_whole_way,
        a_lock_is_had_and_given_back,
        a_lock_that_somebody_has_is_not_given,
        rows_are_claimed_once,
        migrations_run_in_batches,
    },
    survey::{
        the_survey_job_reads_scores_and_marks,
    },
    migrations::{
        the_sample_migrations_go_up_and_down,
        a_migration_that_fails_says_where,
        a_file_that_ends_half_way_is_told_and_repaired,
        a_rehearsal_leaves_nothing_behind,
        all_that_is_wrong_with_the_files_is_told_at_once,
        a_history_of_flyway_is_adopted,
        of_two_runners_each_file_is_applied_once,
        a_batch_goes_as_often_as_it_says_and_its_words_are_in_the_log,
    },
};

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Left(Left),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Left(Left::NotItsMatter(_)) => "–",
            Outcome::Left(Left::NotSupported(_)) => "not supported",
        }
    }
}

fn main() -> ExitCode {
    if let Some(code) = survey::played() {
        return code;
    }
    if let Some(code) = with_honest_memory() {
        return code;
    }
    log_lines::keep();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if std::env::args().any(|word| word == "--list") {
        BODIES.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let bodies: Vec<_> = BODIES
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())))
        .collect();
    if bodies.is_empty() {
        return ExitCode::SUCCESS;
    }
    let mut targets = vec![Target::postgres(), Target::psql_odbc(), Target::sqlite()];
    let strings = std::env::var("BATCHDB_TEST_SQLSERVER").unwrap_or_default();
    let strings = strings.lines().map(str::trim).filter(|line| !line.is_empty());
    targets.extend((1..).zip(strings).map(|(number, text)| Target::sql_server(number, text)));

    let mut table = Vec::new();
    for (name, body) in bodies {
        let outcomes: Vec<Outcome> = targets.iter().map(|target| run(name, *body, target)).collect();
        table.push((*name, outcomes));
    }
    targets.iter().for_each(Target::clean);
    report(&targets, &table)
}

/// Runs the suite in a process whose allocator gives large values back at once, unless this is it: what it has kept of one
/// value would hide what the next one needs.
fn with_honest_memory() -> Option<ExitCode> {
    const MAPPED: &str = "MALLOC_MMAP_THRESHOLD_";
    if std::env::var_os(MAPPED).is_some() {
        return None;
    }
    let mut suite = Command::new(std::env::current_exe().unwrap());
    let status = suite.args(std::env::args().skip(1)).env(MAPPED, "131072").status().unwrap();
    Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(name: &str, body: Body, target: &Target) -> Outcome {
    let started = Instant::now();
    let outcome = match catch_unwind(AssertUnwindSafe(|| body(target))) {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(left)) => Outcome::Left(left),
        Err(_) => Outcome::Failed,
    };
    println!("{name} on {}: {} in {} ms", target.name, outcome.word(), started.elapsed().as_millis());
    outcome
}

/// Prints the table, and what did not run with the reasons.
fn report(targets: &[Target], table: &[(&str, Vec<Outcome>)]) -> ExitCode {
    let width = table.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let titles: Vec<String> = targets.iter().map(|target| format!("{:>20}", target.name)).collect();
    println!("\n{:width$} {}", "", titles.concat());
    for (name, outcomes) in table {
        let words: Vec<String> = outcomes.iter().map(|outcome| format!("{:>20}", outcome.word())).collect();
        println!("{name:width$} {}", words.concat());
    }
    for (place, target) in targets.iter().enumerate() {
        let count = |word| table.iter().filter(|(_, outcomes)| outcomes[place].word() == word).count();
        println!(
            "{}: {} passed, {} failed, {} not supported by that server, {} not its matter",
            target.name,
            count("passed"),
            count("FAILED"),
            count("not supported"),
            count("–")
        );
        for (name, outcomes) in table {
            if let Outcome::Left(Left::NotSupported(why)) = &outcomes[place] {
                println!("    {name}: {why}");
            }
        }
    }
    if !targets.iter().any(Target::is_t_sql) {
        println!(
            "NOT RUN on SQL Server: BATCHDB_TEST_SQLSERVER is not set (connection strings, one a line). What T-SQL \
             needs of a server is untested here, but for what the scripted server of the other tests plays."
        );
    }
    let failed = table.iter().flat_map(|(_, outcomes)| outcomes).any(|outcome| *outcome == Outcome::Failed);
    println!("sqlserver: {}", if failed { "FAILED" } else { "nothing failed" });
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
