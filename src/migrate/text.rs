//! The text of a migration as it is sent, with `${name}` replaced, and the way back to its place in the file. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::settings::{self, Secret};

/// A text in which placeholders were replaced.
#[derive(Debug)]
pub(crate) struct Text<'f> {
    /// The text of the file.
    file: &'f str,
    /// What is sent, where it differs.
    sent: Option<Secret>,
    /// Where each replacement stands: from and to in what is sent, from and to in the file.
    replaced: Vec<[usize; 4]>,
}

/// A place in a file, as people count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: Option<usize>,
}

impl<'f> Text<'f> {
    /// The text as it stands.
    pub(crate) fn plain(file: &'f str) -> Text<'f> {
        Text { file, sent: None, replaced: Vec::new() }
    }

    /// Replaces each `${name}`. What has no form of a name is left alone.
    ///
    /// # Errors
    ///
    /// The names for which there is no value.
    pub(crate) fn new(
        file: &'f str,
        values: &BTreeMap<String, Secret>,
    ) -> Result<Text<'f>, BTreeSet<&'f str>> {
        let (mut sent, mut replaced, mut missing) = (String::new(), Vec::new(), BTreeSet::new());
        let mut copied = 0;
        for (at, _) in file.match_indices("${") {
            let Some((name, _)) = file[at + 2..].split_once('}') else { break };
            if at < copied || !settings::is_placeholder(name) {
                continue;
            }
            let Some(value) = values.get(name) else {
                missing.insert(name);
                continue;
            };
            sent.push_str(&file[copied..at]);
            let from = sent.len();
            sent.push_str(value.expose());
            copied = at + name.len() + 3;
            replaced.push([from, sent.len(), at, copied]);
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        if replaced.is_empty() {
            return Ok(Text::plain(file));
        }
        sent.push_str(&file[copied..]);
        Ok(Text { file, sent: Some(Secret::new(sent)), replaced })
    }

    /// What is sent.
    pub(crate) fn sent(&self) -> &str {
        self.sent.as_ref().map_or(self.file, Secret::expose)
    }

    /// The byte of the file for a byte of what is sent. In a value that was put in, it is where its name begins.
    pub(crate) fn in_file(&self, at: usize) -> usize {
        let Some(&[from, to, before, behind]) = self.replaced.iter().rfind(|[from, ..]| *from <= at) else {
            return at;
        };
        if at < to && from < to { before } else { behind + (at - to) }
    }

    /// The line and column for a byte of what is sent.
    pub(crate) fn place(&self, at: usize) -> Place {
        place_in(self.file, self.in_file(at))
    }

    /// A part of what is sent, as it stands in the file.
    pub(crate) fn excerpt(&self, from: usize, to: usize) -> &'f str {
        self.file.get(self.in_file(from)..self.in_file(to)).unwrap_or_default()
    }
}

/// The line and column of a byte, counted from 1, columns in characters.
pub(crate) fn place_in(text: &str, at: usize) -> Place {
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = &text[..at];
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: Some(before[line..].chars().count() + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect()
    }

    #[test]
    fn placeholders_are_replaced_and_places_lead_back() {
        let file = "CREATE SCHEMA ${schema};\nGRANT x TO ${empty}${owner}; -- end";
        let values = values(&[("schema", "a\nlong\nname"), ("owner", "me"), ("empty", "")]);
        let text = Text::new(file, &values).unwrap();
        assert_eq!(text.sent(), "CREATE SCHEMA a\nlong\nname;\nGRANT x TO me; -- end");
        let at = |needle: &str| text.sent().find(needle).unwrap();
        assert_eq!(text.place(at("GRANT")), Place { line: 2, column: Some(1) });
        assert_eq!(text.place(at("-- end")), place_in(file, file.find("-- end").unwrap()));
        assert_eq!(text.place(at("long")), Place { line: 1, column: Some(15) });
        assert_eq!(text.excerpt(at("GRANT"), at("; --")), "GRANT x TO ${empty}${owner}");
        assert!(!format!("{text:?}").contains("long"));
    }

    #[test]
    fn a_missing_value_is_told_by_its_name() {
        let missing = Text::new("${b} ${a} ${a} ${c}", &values(&[("c", "")])).unwrap_err();
        assert_eq!(Vec::from_iter(missing), ["a", "b"]);
    }

    #[test]
    fn what_is_no_placeholder_is_left_alone() {
        let file = "SELECT '${', '${}', '${a b}', '$a', $1, $x$ $${ $x$";
        let text = Text::new(file, &values(&[])).unwrap();
        assert_eq!((text.sent(), text.in_file(9)), (file, 9));
    }

    #[test]
    fn columns_are_characters() {
        let text = "é\nüx";
        assert_eq!(place_in(text, text.find('x').unwrap()), Place { line: 2, column: Some(2) });
        assert_eq!(place_in(text, 0), Place { line: 1, column: Some(1) });
    }
}
