//! Letters that the code page of a `char`, `varchar` or `text` column of SQL Server lacks: the server keeps a `?` in their
//! place, or a letter that looks alike, without a word.
//!
//! Nobody here knows its code pages, so the server is asked: once for each letter, which are few however many rows come.
//! Pure.

use std::collections::{BTreeMap, HashSet};

use crate::error::{Error, Result};
use crate::sql::{Statement, Traits};
use crate::value::Value;

/// What stands between two letters of a question: it is in every code page.
const BETWEEN: char = '\n';

/// The columns of a load whose letters are those of a code page.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// By the places of the columns: which page it is, if any.
    columns: Vec<Option<usize>>,
    pages: Vec<Page>,
}

/// The letters of a collation.
#[derive(Debug)]
struct Page {
    collation: String,
    known: HashSet<char>,
    /// Those that were not asked for yet: in which record and which column each came first.
    new: BTreeMap<char, (u64, usize)>,
}

impl Letters {
    /// By the collations of the columns.
    pub(super) fn new(collations: impl IntoIterator<Item = Option<String>>) -> Letters {
        let mut letters = Letters::default();
        for collation in collations {
            let page = collation.map(|collation| letters.page(collation));
            letters.columns.push(page);
        }
        letters
    }

    fn page(&mut self, collation: String) -> usize {
        let known = self.pages.iter().position(|page| page.collation == collation);
        known.unwrap_or_else(|| {
            self.pages.push(Page { collation, known: HashSet::new(), new: BTreeMap::new() });
            self.pages.len() - 1
        })
    }

    /// Looks at a record.
    pub(super) fn look(&mut self, row: &[Value], number: u64) {
        for (place, (value, page)) in row.iter().zip(&self.columns).enumerate() {
            let Some(page) = page.and_then(|page| self.pages.get_mut(page)) else { continue };
            match value {
                Value::Text(text) => page.look(text, number, place),
                Value::Json(json) => page.look(&json.to_string(), number, place),
                _ => (),
            }
        }
    }

    /// The next question: what the server would keep of these letters. [`answered`](Letters::answered) comes before another.
    pub(super) fn question(&self) -> Option<Statement> {
        let page = self.pages.iter().find(|page| !page.new.is_empty())?;
        // It comes back in the code page, as a row of the table would: what the driver cannot read of that is lost as well, and
        // Babelfish loses letters on that way alone.
        let text = format!(
            "SELECT CAST(CAST(? AS nvarchar(max)) COLLATE {} AS varchar(max)) AS letters",
            page.collation
        );
        let args = vec![page.asked().into()];
        Some(Statement { text: text.into(), args, traits: Traits::default(), template: None })
    }

    /// Takes the answer.
    ///
    /// # Errors
    ///
    /// `Params` for the first record that has a letter of which another is kept.
    pub(super) fn answered(&mut self, kept: &str, names: &[Box<str>]) -> Result<()> {
        let Some(page) = self.pages.iter_mut().find(|page| !page.new.is_empty()) else { return Ok(()) };
        let new = std::mem::take(&mut page.new);
        let mut kept = kept.split(BETWEEN);
        let lost = new
            .iter()
            .filter(|(letter, _)| kept.next().is_none_or(|kept| !kept.chars().eq(std::iter::once(**letter))));
        let Some((record, place)) = lost.map(|(_, first)| *first).min() else {
            page.known.extend(new.into_keys());
            return Ok(());
        };
        let name = names.get(place).map_or("", |name| name);
        Err(Error::params(
            "a letter is not in the code page of the column, which would keep another in its place",
        )
        .with_hint("let the column be nvarchar, or of a collation with UTF-8")
        .at(format_args!("column \"{name}\""))
        .at_records(record..=record))
    }
}

impl Page {
    fn look(&mut self, text: &str, number: u64, place: usize) {
        if text.is_ascii() {
            return;
        }
        for letter in text.chars().filter(|letter| !letter.is_ascii()) {
            if !self.known.contains(&letter) {
                self.new.entry(letter).or_insert((number, place));
            }
        }
    }

    fn asked(&self) -> String {
        let letters: Vec<String> = self.new.keys().map(char::to_string).collect();
        letters.join(&BETWEEN.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> [Box<str>; 3] {
        ["id", "a", "b"].map(Box::from)
    }

    /// What is asked next, of which collation.
    fn asked(letters: &Letters) -> Option<(String, String)> {
        letters.question().map(|statement| {
            let collation =
                statement.text.split_once("COLLATE ").unwrap().1.split(' ').next().unwrap().to_owned();
            (collation, String::try_from(statement.args[0].clone()).unwrap())
        })
    }

    fn of(collation: &str, letters: &str) -> Option<(String, String)> {
        Some((collation.to_owned(), letters.to_owned()))
    }

    #[test]
    fn each_letter_is_asked_for_once_in_each_code_page() {
        let collations = [None, Some("Polish_CI_AS"), Some("Latin1_General_BIN")];
        let mut letters = Letters::new(collations.map(|name| name.map(str::to_owned)));
        letters.look(&[Value::Int(1), "plain".into(), Value::Null], 1);
        assert_eq!(asked(&letters), None);
        letters.look(&["日".into(), "Łódź".into(), "é😀é".into()], 2);
        assert_eq!(asked(&letters), of("Polish_CI_AS", "ó\nŁ\nź"));
        letters.answered("ó\nŁ\nź", &names()).unwrap();
        assert_eq!(asked(&letters), of("Latin1_General_BIN", "é\n😀"));
        letters.look(&[Value::Null, Value::Null, "Łé".into()], 3);
        let error = letters.answered("é\nL\n??", &names()).unwrap_err();
        assert!(error.to_string().starts_with("record 2: column \"b\": a letter is not in"), "{error}");
        letters.look(&[Value::Null, "Łóż".into(), Value::Null], 4);
        assert_eq!(asked(&letters), of("Polish_CI_AS", "ż"));
        letters.answered("ż", &names()).unwrap();
        assert_eq!(asked(&letters), None);
    }

    #[test]
    fn an_answer_that_is_not_whole_is_no_answer() {
        for kept in ["", "é", "é\n", "é\nee"] {
            let mut letters = Letters::new([Some("Latin1_General_BIN".to_owned())]);
            letters.look(&["èé".into()], 7);
            assert!(letters.answered(kept, &names()).is_err(), "{kept}");
        }
    }
}
