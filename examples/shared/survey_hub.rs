//! Makes a SurveyHub to try things out on: an SQLite file, through its ODBC driver.

#![allow(dead_code, reason = "each example uses its own part of it")]

use std::error::Error;
use std::io::Read;
use std::path::Path;

use batchdb::{DatabaseManager, record};
use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// One row of `survey_responses`, and one record of a CSV file with these columns, in any order.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct NewResponse {
    pub(crate) survey_id: i64,
    pub(crate) customer_id: Option<i64>,
    pub(crate) response_data: String,
    pub(crate) submitted_at: Option<String>,
    /// Not in every file.
    #[serde(default)]
    pub(crate) processed: Option<i64>,
}

/// The ODBC connection string of an SQLite file.
pub(crate) fn connection_string(file: &Path) -> Result<String, Box<dyn Error>> {
    let path = file
        .to_str()
        .filter(|path| !path.contains([';', '{', '}']))
        .ok_or_else(|| format!("the path {} cannot stand in an ODBC connection string", file.display()))?;
    Ok(format!("Driver=SQLite3;Database={path}"))
}

/// Makes the table in a new file, and fills it.
pub(crate) fn create(file: &Path, responses: &[NewResponse]) -> Result<(), Box<dyn Error>> {
    // An environment without a file of settings: what is set for a real SurveyHub does not apply to this one.
    let survey_hub = DatabaseManager::builder("SurveyHub")
        .environment("demo")
        .connection_string(connection_string(file)?)
        .database_type("odbc")
        .build()?;
    survey_hub.execute(
        "CREATE TABLE survey_responses (survey_id INTEGER PRIMARY KEY, customer_id INTEGER, response_data TEXT,
             submitted_at TEXT, processed INTEGER NOT NULL DEFAULT 0)",
        (),
    )?;
    survey_hub.execute_many(
        "INSERT INTO survey_responses (survey_id, customer_id, response_data, submitted_at, processed)
         VALUES (:survey_id, :customer_id, :response_data, :submitted_at, :processed)",
        responses.iter().map(record),
    )?;
    Ok(())
}

/// Reads responses from CSV with a line of headers.
pub(crate) fn from_csv(input: impl Read) -> Result<Vec<NewResponse>, csv::Error> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(input);
    let mut responses = Vec::new();
    for record in reader.deserialize() {
        let record: NewResponse = record?;
        responses.push(NewResponse { processed: record.processed.or(Some(0)), ..record });
    }
    Ok(responses)
}

/// Made-up answers, the same each time. One in about seven is missing, as people leave questions out.
pub(crate) fn made_up(count: u32) -> Vec<NewResponse> {
    let start =
        NaiveDate::from_ymd_opt(2026, 1, 5).unwrap_or_default().and_hms_opt(8, 0, 0).unwrap_or_default();
    let response = |survey_id: u32| {
        let answers = (1..=5).filter_map(|question: u32| {
            let mixed = mix(survey_id * 5 + question);
            (!mixed.is_multiple_of(7)).then(|| (format!("question_{question}"), json!(mixed % 5 + 1)))
        });
        NewResponse {
            survey_id: survey_id.into(),
            customer_id: Some(i64::from(60_000 + mix(survey_id) % 5_000)),
            response_data: answers.collect::<serde_json::Value>().to_string(),
            submitted_at: Some(
                (start + TimeDelta::seconds(37 * i64::from(survey_id))).format("%FT%T").to_string(),
            ),
            processed: Some(0),
        }
    };
    (1..=count).map(response).collect()
}

/// Spreads neighbouring numbers. Not `rand`, so that everybody gets the same answers for ever.
fn mix(number: u32) -> u32 {
    let number = (number ^ (number >> 16)).wrapping_mul(0x45d9_f3b5);
    let number = (number ^ (number >> 15)).wrapping_mul(0x2c1b_3c6d);
    number ^ (number >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(text: &str) -> Vec<String> {
        from_csv(text.as_bytes()).unwrap().iter().map(|one| serde_json::to_string(one).unwrap()).collect()
    }

    #[test]
    fn columns_may_stand_in_any_order_and_the_file_may_come_from_any_system() {
        let expected = [
            r#"{"survey_id":7,"customer_id":70,"response_data":"{\"question_1\": 4}","submitted_at":"2026-01-05","processed":1}"#,
        ];
        let text = "survey_id,customer_id,response_data,submitted_at,processed\n7,70,\"{\"\"question_1\"\": 4}\",2026-01-05,1\n";
        assert_eq!(read(text), expected);
        assert_eq!(read(&format!("\u{feff}{}", text.replace('\n', "\r\n"))), expected);
        let mixed = "processed, response_data ,extra,survey_id,submitted_at,customer_id\n1,\"{\"\"question_1\"\": 4}\",x,7,2026-01-05,70";
        assert_eq!(read(mixed), expected);
    }

    #[test]
    fn what_may_be_left_out_may_be_left_out() {
        assert_eq!(
            read("survey_id,customer_id,response_data,submitted_at\n7,,,\n"),
            [r#"{"survey_id":7,"customer_id":null,"response_data":"","submitted_at":null,"processed":0}"#]
        );
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line() {
        let error =
            from_csv("survey_id,customer_id,response_data,submitted_at\n1,1,{},x\nx,1,{},x\n".as_bytes());
        let error = error.err().unwrap().to_string();
        assert!(error.contains("line: 3"), "{error}");
        let error = from_csv("survey_id,data\n1,{}\n".as_bytes()).err().unwrap().to_string();
        assert!(error.contains("response_data"), "{error}");
    }

    #[test]
    fn made_up_answers_are_the_same_each_time_and_within_their_scale() {
        let answers = made_up(500);
        assert_eq!(answers.len(), 500);
        assert!(
            answers.iter().zip(made_up(500)).all(|(one, other)| one.response_data == other.response_data)
        );
        let mut missing = 0;
        for response in &answers {
            let data: serde_json::Value = serde_json::from_str(&response.response_data).unwrap();
            let given: Vec<i64> = data.as_object().unwrap().values().map(|v| v.as_i64().unwrap()).collect();
            assert!(given.iter().all(|answer| (1..=5).contains(answer)), "{data}");
            missing += 5 - given.len();
        }
        assert!((250..500).contains(&missing), "{missing}");
    }
}
