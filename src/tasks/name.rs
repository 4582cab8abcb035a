//! Names of tasks from a template such as `process-survey-{survey_id}`.

use std::sync::atomic::{AtomicBool, Ordering};

use ::log::Level;
use serde::Serialize;

use super::field::Found;
use crate::log_line;

/// A template, taken apart once for all items of a fan-out.
#[derive(Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    fields: Vec<Box<str>>,
    warned: AtomicBool,
}

#[derive(Debug)]
enum Piece {
    Text(Box<str>),
    Index,
    /// The place of the field's name in `fields`.
    Field(usize),
}

impl Template {
    pub(super) fn parse(template: &str) -> Template {
        let mut parsed = Template { pieces: Vec::new(), fields: Vec::new(), warned: AtomicBool::new(false) };
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            match after.split_once('}') {
                Some((name, tail)) if is_name(name) => {
                    parsed.pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                    let piece = if name == "index" { Piece::Index } else { parsed.field(name) };
                    parsed.pieces.push(piece);
                    rest = tail;
                }
                _ => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        parsed.pieces.push(Piece::Text(text.into()));
        parsed
    }

    fn field(&mut self, name: &str) -> Piece {
        let place = self.fields.iter().position(|known| **known == *name).unwrap_or_else(|| {
            self.fields.push(name.into());
            self.fields.len() - 1
        });
        Piece::Field(place)
    }

    pub(super) fn render(&self, index: usize, item: &impl Serialize) -> String {
        let found = Found::read(&self.fields, item);
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Index => name.push_str(&index.to_string()),
                Piece::Field(place) => match found.text(*place) {
                    Some(text) => name.push_str(text),
                    None => self.leave(&self.fields[*place], &mut name),
                },
            }
        }
        name
    }

    fn leave(&self, field: &str, name: &mut String) {
        name.extend(["{", field, "}"]);
        if !self.warned.swap(true, Ordering::Relaxed) {
            let fields = [("field", field.into())];
            log_line::event(Level::Warn, "an item has no such field for its task's name", &fields);
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::row::{Columns, Row};
    use crate::value::Value;

    #[derive(Serialize)]
    struct Survey {
        id: i64,
        customer: Option<&'static str>,
        tags: Vec<i32>,
        state: State,
    }

    #[derive(Serialize)]
    enum State {
        Open,
    }

    const SURVEY: Survey = Survey { id: 7, customer: Some("acme"), tags: Vec::new(), state: State::Open };

    fn name(template: &str, item: &impl Serialize) -> String {
        Template::parse(template).render(3, item)
    }

    #[test]
    fn fields_and_the_index_fill_the_placeholders() {
        assert_eq!(name("s-{id}-{customer}-{state}-{index}-{id}", &SURVEY), "s-7-acme-Open-3-7");
        assert_eq!(name("{id}", &&SURVEY), "7");
        assert_eq!(name("plain", &SURVEY), "plain");
        assert_eq!(name("{id}", &BTreeMap::from([("id", "x"), ("other", "y")])), "x");
        assert_eq!(name("{index}", &5), "3");
    }

    #[test]
    fn what_is_no_field_stays_as_it_is() {
        assert_eq!(name("a{b}{tags}{", &SURVEY), "a{b}{tags}{");
        assert_eq!(name("{}{{id}}{ \" }", &SURVEY), "{}{7}{ \" }");
        assert_eq!(name("{id}", &5), "{id}");
        assert_eq!(name("{customer}", &Survey { customer: None, ..SURVEY }), "{customer}");
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = BTreeMap::from([("note", "é".repeat(1000))]);
        assert_eq!(name("{note}", &long), "é".repeat(80));
    }

    #[test]
    fn columns_of_a_row_are_fields() {
        let columns = Columns::new(["survey_id", "state"]);
        let row = Row::new(columns, vec![Value::Int(12), Value::from("open")]);
        assert_eq!(name("process-survey-{survey_id}", &row), "process-survey-12");
    }
}
