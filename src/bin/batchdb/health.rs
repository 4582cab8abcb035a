//! `batchdb health`: whether databases work.

use std::collections::HashMap;

use batchdb::{DatabaseManager, HealthStatus};
use clap::Args;

use super::options::Options;
use super::show::{self, Out};
use super::watch::Watch;
use super::{Failure, code};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb health                        all databases of the environment
  batchdb health rpa_db --json          for a program
  batchdb health --watch 5s             again every five seconds

Exit codes: 0 healthy, 2 degraded, 1 unhealthy or not configured";

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// The databases [default: all that are configured]
    #[arg(value_name = "DB")]
    databases: Vec<String>,
    /// Print one JSON object; with --watch one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    watch: Watch,
}

pub(crate) fn run(options: &Options, health: &Health, out: Out<'_>) -> Result<u8, Failure> {
    let names = options.wanted(&health.databases)?;
    // Kept from one look to the next: a look must not cost a login.
    let mut opened: HashMap<&str, DatabaseManager> = HashMap::new();
    health.watch.each(health.json, out, |out| {
        let mut open = |name| match opened.get(name) {
            Some(db) => Ok(db.clone()),
            // Also where the last look could not: a secret may be there by now.
            None => options.builder(name).build().inspect(|db| drop(opened.insert(name, db.clone()))),
        };
        let databases: Vec<_> = names.iter().map(|name| (name.as_str(), open(name))).collect();
        let report = batchdb::health_check_of(databases);
        match (health.json, health.watch.is_on()) {
            (true, true) => show::json_line(out, &report)?,
            (true, false) => show::json(out, &report)?,
            (false, _) => show::health(out, &report)?,
        }
        Ok(match report.overall_status {
            HealthStatus::Healthy => code::DONE,
            HealthStatus::Degraded => code::DEGRADED,
            _ => code::FAILED,
        })
    })
}
