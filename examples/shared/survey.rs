//! What a survey response is worth. Pure: no database, no clock but the one that is handed in.

#![allow(dead_code, reason = "each example uses its own part of it")]

use std::collections::HashMap;
use std::fmt;

use batchdb::{Row, Value};
use bigdecimal::{BigDecimal, RoundingMode, Zero};
use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

/// The score is the mean of `question_1` to `question_5`.
const QUESTIONS: usize = 5;

/// What a question counts that was not answered.
const NOT_ANSWERED: i64 = 3;

/// Far more digits than any scale has, and few enough that `1e999999999` cannot fill the memory.
const MOST_DIGITS: usize = 100;

/// One response as SurveyHub has it. No `Debug`: it is somebody's answers.
#[derive(Serialize)]
pub(crate) struct Response {
    pub(crate) survey_id: i64,
    pub(crate) customer_id: Option<i64>,
    /// Not for logs and names of tasks.
    #[serde(skip)]
    pub(crate) response_data: Option<String>,
}

impl Response {
    /// Reads a row with the columns `survey_id`, `customer_id` and `response_data`, whether the last is text or
    /// a type for JSON.
    pub(crate) fn from_row(row: &Row) -> batchdb::Result<Response> {
        let response_data = match row.value("response_data")? {
            Value::Null => None,
            Value::Text(text) => Some(text.to_string()),
            other => Some(other.to_json().to_string()),
        };
        Ok(Response { survey_id: row.get("survey_id")?, customer_id: row.get("customer_id")?, response_data })
    }
}

/// What became of a response: a row of `rpa1_processed_surveys`.
#[derive(Serialize)]
pub(crate) struct ProcessedSurvey {
    pub(crate) survey_id: i64,
    pub(crate) customer_id: Option<i64>,
    /// Exact, as the column is. None for a failed survey.
    pub(crate) satisfaction_score: Option<BigDecimal>,
    pub(crate) processed_at: DateTime<Utc>,
    /// `completed` or `failed`.
    pub(crate) status: &'static str,
    pub(crate) error: Option<String>,
}

/// Scores a response. One that cannot be scored is processed as well: it is `failed`, and says why.
pub(crate) fn process(response: &Response, now: DateTime<Utc>) -> ProcessedSurvey {
    let (satisfaction_score, error) = match satisfaction_score(response.response_data.as_deref()) {
        Ok(score) => (Some(score), None),
        Err(error) => (None, Some(error.to_string())),
    };
    ProcessedSurvey {
        survey_id: response.survey_id,
        customer_id: response.customer_id,
        status: if error.is_none() { "completed" } else { "failed" },
        satisfaction_score,
        // A clock has nanoseconds, which PostgreSQL would round: a parameter that has them is refused.
        processed_at: now.trunc_subsecs(6),
        error,
    }
}

/// Why a response cannot be scored. Says where, and quotes nothing of the response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ScoreError {
    Missing,
    NotJson { line: usize, column: usize },
    NotAnObject,
    NullAnswer(usize),
    NotNumeric(usize),
    TooLong(usize),
}

impl fmt::Display for ScoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScoreError::Missing => write!(f, "response_data is NULL"),
            ScoreError::NotJson { line, column } => {
                write!(f, "response_data is not valid JSON (line {line}, column {column})")
            }
            ScoreError::NotAnObject => write!(f, "response_data is valid JSON, but not an object"),
            ScoreError::NullAnswer(question) => write!(f, "the answer question_{question} is null"),
            ScoreError::NotNumeric(question) => write!(f, "the answer question_{question} is not a number"),
            ScoreError::TooLong(question) => {
                write!(f, "the answer question_{question} has more than {MOST_DIGITS} digits")
            }
        }
    }
}

impl std::error::Error for ScoreError {}

/// The mean of the answers, exact. A missing answer counts 3, a null or non-numeric one is an error.
pub(crate) fn satisfaction_score(response_data: Option<&str>) -> Result<BigDecimal, ScoreError> {
    let text = response_data.ok_or(ScoreError::Missing)?;
    let not_json =
        |error: serde_json::Error| ScoreError::NotJson { line: error.line(), column: error.column() };
    let whole: &RawValue = serde_json::from_str(text).map_err(not_json)?;
    // The raw text of an answer keeps each of its digits, which a float would not.
    let answers: HashMap<String, &RawValue> =
        serde_json::from_str(whole.get()).map_err(|_| ScoreError::NotAnObject)?;
    let mut sum = BigDecimal::zero();
    for question in 1..=QUESTIONS {
        sum += match answers.get(&format!("question_{question}")) {
            Some(answer) => number(answer.get(), question)?,
            None => BigDecimal::from(NOT_ANSWERED),
        };
    }
    // A fifth is two tenths: a product is exact where a quotient would be rounded.
    Ok(sum * BigDecimal::new(2.into(), 1))
}

/// The number that an answer is: a JSON number, or a string that spells one.
fn number(json: &str, question: usize) -> Result<BigDecimal, ScoreError> {
    if json == "null" {
        return Err(ScoreError::NullAnswer(question));
    }
    let spelled: Option<String> = if json.starts_with('"') { serde_json::from_str(json).ok() } else { None };
    let text = spelled.as_deref().unwrap_or(json).trim();
    if !is_decimal(text) {
        return Err(ScoreError::NotNumeric(question));
    }
    text.parse::<BigDecimal>()
        .ok()
        .filter(|number| {
            let exponent = number.fractional_digit_count().unsigned_abs();
            text.len() <= MOST_DIGITS && exponent <= MOST_DIGITS as u64
        })
        .ok_or(ScoreError::TooLong(question))
}

/// Whether the text is a sign, digits, a fraction and an exponent, of which only the digits must be there.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = |text| str::strip_prefix(text, ['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    digits(unsigned(whole)) && digits(fraction) && digits(unsigned(exponent))
}

/// The mean of the scores, rounded half up to four places; none of none.
pub(crate) fn average<'a>(scores: impl IntoIterator<Item = &'a BigDecimal>) -> Option<BigDecimal> {
    let (mut sum, mut count) = (BigDecimal::zero(), 0_u64);
    for score in scores {
        sum += score;
        count += 1;
    }
    (count > 0).then(|| (sum / BigDecimal::from(count)).with_scale_round(4, RoundingMode::HalfUp))
}

/// A decimal as a number of JSON, which has no exact ones.
pub(crate) fn json_number(number: Option<&BigDecimal>) -> serde_json::Value {
    number.and_then(|number| number.to_string().parse::<f64>().ok()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(response_data: &str, expected: &str) {
        let score = satisfaction_score(Some(response_data)).unwrap();
        assert_eq!(score, expected.parse::<BigDecimal>().unwrap(), "{response_data} gave {score}");
    }

    #[track_caller]
    fn check_error(response_data: &str, expected: ScoreError) {
        assert_eq!(satisfaction_score(Some(response_data)), Err(expected), "{response_data}");
    }

    #[test]
    fn a_score_is_the_exact_mean_of_five_answers() {
        check(
            r#"{"question_1": 2, "question_2": 4, "question_3": 3, "question_4": 4, "question_5": 4, "age": 16}"#,
            "3.4",
        );
        check(
            r#"{"question_1": 4.1, "question_2": 4.1, "question_3": 4.1, "question_4": 4.1, "question_5": 4.1}"#,
            "4.1",
        );
        check(r#"{"question_1": 0.10000000000000000000000001}"#, "2.420000000000000000000000002");
        check(r#"{"question_1": 100, "question_2": -5, "question_3": 1e1}"#, "22.2");
    }

    #[test]
    fn a_missing_answer_counts_three() {
        check("{}", "3");
        check(r#"{"question_1": 5, "question_6": 99}"#, "3.4");
        check(" \n{\"question_2\": 1, \"nested\": {\"question_1\": null}} ", "2.6");
    }

    #[test]
    fn a_string_may_spell_a_number() {
        check(r#"{"question_1": "4", "question_2": " 4.5 ", "question_3": "\u0034"}"#, "3.7");
        for text in ["", "four", "4,5", "1_0", ".-5", "0x4", "NaN", "inf", "4 5", "+", "1e", "٤"] {
            check_error(&serde_json::json!({ "question_1": text }).to_string(), ScoreError::NotNumeric(1));
        }
    }

    #[test]
    fn an_answer_that_is_no_number_fails_the_survey() {
        check_error(r#"{"question_3": null}"#, ScoreError::NullAnswer(3));
        for answer in ["true", "false", "[4]", "{\"value\": 4}", "[]"] {
            check_error(&format!("{{\"question_5\": {answer}}}"), ScoreError::NotNumeric(5));
        }
        // The last of two equal names counts, as everywhere else where JSON is read into a map.
        check_error(r#"{"question_1": 4, "question_1": null}"#, ScoreError::NullAnswer(1));
    }

    #[test]
    fn an_answer_cannot_fill_the_memory() {
        for answer in ["1e999999999", "1e-101", "9e99999999999999999999", &"9".repeat(101)] {
            check_error(&format!("{{\"question_1\": {answer}}}"), ScoreError::TooLong(1));
        }
        check(r#"{"question_1": 1e100, "question_2": -1e100}"#, "1.8");
    }

    #[test]
    fn broken_json_is_told_by_its_place() {
        check_error("{\"question_1\": 4,", ScoreError::NotJson { line: 1, column: 17 });
        check_error("", ScoreError::NotJson { line: 1, column: 0 });
        check_error("{} {}", ScoreError::NotJson { line: 1, column: 4 });
        check_error("{'question_1': 4}", ScoreError::NotJson { line: 1, column: 2 });
        assert_eq!(satisfaction_score(None), Err(ScoreError::Missing));
    }

    #[test]
    fn only_an_object_has_answers() {
        for text in ["null", "4", "\"text\"", "[1, 2, 3, 4, 5]", "true"] {
            check_error(text, ScoreError::NotAnObject);
        }
    }

    #[test]
    fn an_error_quotes_nothing_of_the_response() {
        for data in [r#"{"question_1": "hunter2"}"#, r#"{"question_1": hunter2}"#, r#""hunter2""#, "hunter2"]
        {
            let response = Response { survey_id: 1, customer_id: None, response_data: Some(data.to_owned()) };
            let processed = process(&response, Utc::now());
            assert_eq!((processed.status, &processed.satisfaction_score), ("failed", &None));
            let error = processed.error.unwrap();
            assert!(!error.contains("hunter"), "{error}");
        }
    }

    #[test]
    fn an_average_is_rounded_at_the_end_only() {
        let decimals = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(average(&decimals(&[])), None);
        for (scores, expected) in [
            (&["4.2", "4.2", "4.3"][..], "4.2333"),
            (&["1", "2"], "1.5"),
            (&["0.00005"], "0.0001"),
            (&["0.00004999999999999999999999999"], "0"),
        ] {
            assert_eq!(average(&decimals(scores)), Some(expected.parse().unwrap()), "{scores:?}");
        }
        assert_eq!(json_number(average(&decimals(&["4.2", "4.2", "4.3"])).as_ref()).to_string(), "4.2333");
        assert!(json_number(None).is_null());
    }
}
