//! The first program: two databases, a migration, a query with a named parameter, a row.
//!
//! The settings come from `envs/.env.development` or from the environment; see `README.md`.

#![allow(clippy::print_stdout, reason = "a person reads it")]

use batchdb::{DatabaseManager, Result, params};
use bigdecimal::BigDecimal;

fn main() -> Result<()> {
    batchdb::init_logging();

    let rpa_db = DatabaseManager::new("rpa_db")?;
    rpa_db.run_migrations()?;
    let version = rpa_db.migration_status()?.current_version;
    println!("rpa_db is at {}", version.as_deref().unwrap_or("no version"));

    let survey_hub = DatabaseManager::new("SurveyHub")?;
    let responses = survey_hub.execute_query(
        "SELECT survey_id, customer_id FROM survey_responses WHERE processed = :processed ORDER BY survey_id",
        params! { processed: 0 },
    )?;
    println!("SurveyHub has {} responses to process", responses.len());
    for response in responses.iter().take(3) {
        let (survey, customer): (i64, Option<i64>) =
            (response.get("survey_id")?, response.get("customer_id")?);
        println!(
            "  survey {survey} by {}",
            customer.map_or("nobody known".to_owned(), |id| format!("customer {id}"))
        );
    }

    let summary = rpa_db.query_one("SELECT total_surveys, average_score FROM rpa1_survey_summary", ())?;
    match summary.get::<Option<BigDecimal>>("average_score")? {
        Some(average) => {
            println!("rpa_db has {} results, on average {average:.4}", summary.get::<i64>("total_surveys")?)
        }
        None => println!("rpa_db has no score yet"),
    }
    Ok(())
}
