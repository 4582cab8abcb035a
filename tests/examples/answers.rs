//! Answers to surveys, and what a right job makes of them, computed in whole numbers and without the code under test.

use std::fmt::Write as _;

use crate::survey_hub::NewResponse;

/// Five answers in hundredths, or none.
type Answers = [Option<i64>; 5];

/// What a CSV file looks like.
#[derive(Clone, Copy, Default)]
pub(crate) struct Form {
    pub(crate) bom: bool,
    pub(crate) crlf: bool,
    /// The columns backwards, and without `processed`.
    pub(crate) reordered: bool,
}

/// Responses whose outcome is known.
pub(crate) struct Survey {
    answers: Vec<Answers>,
}

impl Survey {
    /// `count` responses with answers from 0 to `scale` in steps of a fraction of 1; one answer in eight is missing.
    pub(crate) fn new(count: i64, scale: i64, steps: i64) -> Survey {
        let answer = |id: i64, question: i64| {
            // Quadratic, so that no two neighbours and no two questions are alike.
            let number = (id * id * 7 + id * question * 13 + question * question * 5) % 104_729;
            (number % 8 != 0).then(|| number % (scale * steps + 1) * 100 / steps)
        };
        let five = |id| [1, 2, 3, 4, 5].map(|question| answer(id, question));
        Survey { answers: (1..=count).map(five).collect() }
    }

    /// Reads the whole numbers out of a CSV file's text, column by column.
    pub(crate) fn of_csv(text: &[u8]) -> Survey {
        let mut reader = csv::Reader::from_reader(text);
        let column = reader.headers().unwrap().iter().position(|name| name == "response_data").unwrap();
        let five = |record: Result<csv::StringRecord, csv::Error>| -> Answers {
            let data: serde_json::Value = serde_json::from_str(&record.unwrap()[column]).unwrap();
            [1, 2, 3, 4, 5]
                .map(|question| data[format!("question_{question}")].as_i64().map(|answer| answer * 100))
        };
        Survey { answers: reader.records().map(five).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// The sum of all answers in hundredths, that is, five hundred times the sum of the scores.
    pub(crate) fn sum_in_500ths(&self) -> i64 {
        self.answers.iter().flatten().map(|answer| answer.unwrap_or(300)).sum()
    }

    /// The average score, rounded half up to four places.
    pub(crate) fn average(&self) -> f64 {
        let count = i64::try_from(self.len()).unwrap();
        let ten_thousandths = (self.sum_in_500ths() * 40 + count) / (2 * count);
        format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000).parse().unwrap()
    }

    pub(crate) fn responses(&self) -> Vec<NewResponse> {
        (1..)
            .zip(&self.answers)
            .map(|(id, answers)| NewResponse {
                survey_id: id,
                customer_id: Some(1000 + id),
                response_data: data(answers),
                submitted_at: Some(submitted_at(id)),
                processed: Some(0),
            })
            .collect()
    }

    pub(crate) fn csv(&self, form: Form) -> String {
        let end = if form.crlf { "\r\n" } else { "\n" };
        let mut text = if form.bom { "\u{feff}".to_owned() } else { String::new() };
        text += if form.reordered {
            "submitted_at,response_data,customer_id,survey_id"
        } else {
            "survey_id,customer_id,response_data,submitted_at,processed"
        };
        text += end;
        for (id, answers) in (1..).zip(&self.answers) {
            let (data, at) = (data(answers).replace('"', "\"\""), submitted_at(id));
            if form.reordered {
                write!(text, "{at},\"{data}\",{},{id}{end}", 1000 + id).unwrap();
            } else {
                write!(text, "{id},{},\"{data}\",{at},0{end}", 1000 + id).unwrap();
            }
        }
        text
    }
}

/// Two responses an hour.
fn submitted_at(id: i64) -> String {
    format!("2026-01-{:02}T{:02}:{:02}:00", 1 + id / 48 % 28, id / 2 % 24, id % 2 * 30)
}

fn data(answers: &Answers) -> String {
    let mut data = String::from("{");
    for (question, answer) in (1..).zip(answers) {
        if let Some(answer) = answer {
            let (whole, part) = (answer / 100, answer % 100);
            let part = if part == 0 { String::new() } else { format!(".{part:02}") };
            write!(data, "\"question_{question}\": {whole}{part}, ").unwrap();
        }
    }
    data + "\"age\": 40}"
}
