//! `batchdb doctor`: where the way to a database stops, and what to do.

use std::io;
use std::time::{Duration, Instant};

use batchdb::{Diagnosis, DiagnosisStep, ErrorKind, MigrateOnStart, StepOutcome};
use clap::Args;

use super::options::Options;
use super::show::{self, Colour, Out, paint, plain, tell};
use super::{Failure, code};

pub(crate) const EXAMPLES: &str = "\
Examples:
  batchdb doctor rpa_db
  batchdb doctor rpa_db --limit 10s --json

Exit codes:
   0  nothing is wrong
   2  everything works, and something should be looked at
   1  it stops at a step, which is the last one that is told
  78  the settings are wrong";

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The database
    #[arg(value_name = "DB")]
    database: String,
    /// When it ends, whatever the server does
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = show::time)]
    limit: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options, doctor: &Doctor, out: Out<'_>) -> Result<u8, Failure> {
    let began = Instant::now();
    let builder = options.builder(&doctor.database).migrate_on_start(MigrateOnStart::Off);
    let db = match builder.secret_timeout(doctor.limit).build() {
        Ok(db) => db,
        Err(error) if error.kind() == ErrorKind::Config => {
            tell(format_args!("batchdb: it stops at the settings, before anything is connected"));
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    };
    // A step is shown as soon as it is done: the next one may take its time. What cannot be written is told at the end.
    let mut written = Ok(());
    let diagnosis = db.diagnose(doctor.limit.saturating_sub(began.elapsed()), |step| {
        if !doctor.json && written.is_ok() {
            written = show_step(out, step);
        }
    });
    written?;
    match doctor.json {
        true => show::json(out, &diagnosis)?,
        false => verdict(out, &diagnosis)?,
    }
    Ok(match diagnosis.verdict {
        StepOutcome::Passed => code::DONE,
        StepOutcome::Warning => code::DEGRADED,
        _ => code::FAILED,
    })
}

fn show_step(out: Out<'_>, step: &DiagnosisStep) -> io::Result<()> {
    let mark = match step.outcome {
        StepOutcome::Passed => paint(Colour::Green, "ok  "),
        StepOutcome::Warning => paint(Colour::Yellow, "look"),
        _ => paint(Colour::Red, "STOP"),
    };
    let mut first = format!("{mark}  {:<12}", step.name);
    let mut line = |text: &str| {
        let head = std::mem::replace(&mut first, " ".repeat(18));
        writeln!(out, "{head}{}", plain(text))
    };
    for fact in &step.facts {
        line(fact)?;
    }
    for problem in &step.problems {
        line(&format!("! {problem}"))?;
    }
    for advice in &step.advice {
        line(&format!("→ {advice}"))?;
    }
    out.flush()
}

fn verdict(out: Out<'_>, diagnosis: &Diagnosis) -> io::Result<()> {
    let name = &diagnosis.database_name;
    match (diagnosis.failed(), diagnosis.verdict) {
        (Some(step), _) => {
            writeln!(out, "{name}: {}", paint(Colour::Red, &format!("it stops at {}", step.name)))
        }
        (None, StepOutcome::Warning) => {
            writeln!(out, "{name}: {}", paint(Colour::Yellow, "it works; look at what is marked"))
        }
        _ => writeln!(out, "{name}: {}", paint(Colour::Green, "everything is as it should be")),
    }
}
