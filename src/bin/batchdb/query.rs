//! `batchdb query`: one statement and its rows.

use batchdb::{ExportOptions, MigrateOnStart};
use clap::Args;

use super::options::Options;
use super::show::{self, Out};
use super::{Failure, code, params};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb query rpa_db 'SELECT * FROM job WHERE id = :id' -p id=7
  batchdb query rpa_db 'SELECT * FROM job WHERE id IN (:ids)' -p 'ids:=[7,8]' --json
  batchdb query rpa_db 'SELECT * FROM job' --csv > jobs.csv
  batchdb query rpa_db 'DELETE FROM job WHERE id = :id' -p id=7 --write";

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The database
    #[arg(value_name = "DB")]
    database: String,
    /// The database's own SQL, with :name for each parameter
    #[arg(value_name = "SQL")]
    sql: String,
    /// A parameter: name=text, which the server reads as the type it needs, or name:=JSON for a number, null or a list
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Print one JSON object a row, as the rows come
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV with a line of headers, as the rows come
    #[arg(long, conflicts_with = "write")]
    csv: bool,
    /// Allow writing, and print how many rows were changed instead of rows
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(options: &Options, query: &Query, out: Out<'_>) -> Result<u8, Failure> {
    let params = params::parse(&query.params).map_err(Failure::Usage)?;
    // Whoever looks at a database does not mean to migrate it, whatever MIGRATE_ON_START says.
    let builder = options.builder(&query.database).migrate_on_start(MigrateOnStart::Off);
    if query.write {
        let changed = builder.build()?.execute(&query.sql, params)?;
        match query.json {
            true => writeln!(out, "{{\"rows_changed\":{changed}}}")?,
            false => writeln!(out, "{} changed", show::counted(changed, "row"))?,
        }
        return Ok(code::DONE);
    }
    let database = builder.read_only(true).build()?;
    if query.csv {
        database.export(&query.sql, params, out, ExportOptions::csv())?;
    } else if query.json {
        // Row by row, so that the result may be of any size.
        database.query_each(&query.sql, params, |row| {
            writeln!(out, "{}", row.to_json()?)?;
            Ok::<_, Failure>(true)
        })?;
    } else {
        show::rows(out, &database.execute_query(&query.sql, params)?)?;
    }
    Ok(code::DONE)
}
