//! `batchdb copy`: from one database into another.

use batchdb::{MigrateOnStart, copy_query};
use clap::Args;

use super::import::Load;
use super::options::Options;
use super::progress::Progress;
use super::show::Out;
use super::{Failure, code, params};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb copy --from SurveyHub 'SELECT survey_id, customer_id FROM survey_responses' --to rpa_db staging.survey
  batchdb copy --from SurveyHub 'SELECT * FROM day WHERE day = :day' -p day=2026-01-05 --to rpa_db day

The columns of the query go to the columns of the table by name. The rows are streamed: a few are in memory at a time.";

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The database that is read
    #[arg(long, value_name = "DB")]
    from: String,
    /// The query, with :name for each parameter
    #[arg(value_name = "SQL")]
    sql: String,
    /// The database that is written
    #[arg(long, value_name = "DB")]
    to: String,
    /// The table; it may carry its schema
    #[arg(value_name = "TABLE")]
    table: String,
    /// A parameter: name=text, or name:=JSON for a number, null or a list
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    #[command(flatten)]
    load: Load,
}

pub(crate) fn run(options: &Options, copy: &Copy, out: Out<'_>) -> Result<u8, Failure> {
    let params = params::parse(&copy.params).map_err(Failure::Usage)?;
    let open = |name: &str| options.builder(name).migrate_on_start(MigrateOnStart::Off);
    let (from, to) = (open(&copy.from).read_only(true).build()?, open(&copy.to).build()?);
    let progress = Progress::new("copied", None);
    let report = copy_query(&from, &copy.sql, params, &to, &copy.table, copy.load.options(&progress))?;
    writeln!(out, "{}: {}", copy.table, progress.done(report.rows))?;
    Ok(code::DONE)
}
