//! `${VAR}` in a value: kept as a mark until the value was split into its parts, then replaced.
//!
//! Where a value comes in, a live `${VAR}` becomes the name between two marks that no text can hold, and
//! everything else, a bare `$x` included, is from then on plain text. A URL or an ODBC string is split
//! with the marks in place, so that nothing in the replacement (`@ : / ; }`) can move a boundary.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

// Unicode's noncharacters: reserved for a program's own use, never for exchange.
const OPEN: char = '\u{FDD0}';
const CLOSE: char = '\u{FDD1}';
const BAD: char = '\u{FDD2}';

/// Marks every live `${VAR}` of a value in which `$` has its meaning everywhere.
pub(super) fn mark(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        marked.push_str(&literal(before));
        rest = mark_reference(behind, &mut marked);
    }
    marked.push_str(&literal(rest));
    marked
}

/// Marks what begins with the `$` just before `behind`, and gives back what follows it.
pub(super) fn mark_reference<'a>(behind: &'a str, marked: &mut String) -> &'a str {
    let Some(inner) = behind.strip_prefix('{') else {
        marked.push('$');
        return behind;
    };
    match inner.split_once('}') {
        Some((name, after)) if is_name(name) => {
            marked.extend([OPEN]);
            marked.push_str(name);
            marked.extend([CLOSE]);
            after
        }
        _ => {
            marked.push(BAD);
            inner
        }
    }
}

/// A text in which `$` has no meaning, in the form of a marked one.
pub(super) fn literal(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\u{FDD0}'..='\u{FDEF}') { BAD } else { c }).collect()
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a `${VAR}` stands in the text.
pub(super) fn has_variable(marked: &str) -> bool {
    marked.contains(OPEN)
}

/// The names of the variables in the text, each once, in their order.
pub(super) fn variables(marked: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in marked.split(OPEN).skip(1) {
        let name = part.split(CLOSE).next().unwrap_or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The name of the variable, when the text is one `${VAR}` and nothing else.
pub(super) fn only_variable(marked: &str) -> Option<&str> {
    let name = marked.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    is_name(name).then_some(name)
}

/// How the literal parts of a value are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As they are.
    Plain,
    /// Percent-encoded.
    Percent,
    /// Percent-encoded, with `+` for a space, as in the query of a URL.
    Form,
}

/// Replaces marks and gathers what is wrong with the value on the way.
///
/// A problem does not stop the reading, so that all of them are found at once; whoever started it looks at
/// `problems` before using what was read.
pub(super) struct Expander<'a> {
    process: &'a HashMap<String, String>,
    pub(super) problems: Vec<String>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(process: &'a HashMap<String, String>) -> Expander<'a> {
        Expander { process, problems: Vec::new() }
    }

    /// Notes a problem. The text must hold nothing of the value.
    pub(super) fn problem(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }

    /// The text of a variable. An empty one counts as missing: it is how a forgotten secret looks.
    pub(super) fn variable(&mut self, name: &str) -> String {
        match self.process.get(name) {
            Some(text) if !text.is_empty() => text.clone(),
            Some(_) => {
                self.problem(format!(
                    "`${{{name}}}` stands in it, but `{name}` is empty in the process environment"
                ));
                String::new()
            }
            None => {
                self.problem(format!(
                    "`${{{name}}}` stands in it, but `{name}` is not set in the process environment"
                ));
                String::new()
            }
        }
    }

    /// The value with its variables put in: what was written is decoded, what a variable holds is literal.
    pub(super) fn expand(&mut self, marked: &str, coding: Coding) -> String {
        let mut text = String::with_capacity(marked.len());
        let mut rest = marked;
        while let Some((before, behind)) = rest.split_once(OPEN) {
            text.push_str(&self.decode(before, coding));
            let (name, after) = behind.split_once(CLOSE).unwrap_or((behind, ""));
            text.push_str(&self.variable(name));
            rest = after;
        }
        text.push_str(&self.decode(rest, coding));
        text
    }

    /// The value decoded, with its variables still marked.
    pub(super) fn decode_marked(&mut self, marked: &str, coding: Coding) -> String {
        let pieces = marked.split_inclusive([OPEN, CLOSE]);
        pieces
            .map(|piece| match piece.chars().next_back() {
                Some(mark @ (OPEN | CLOSE)) => {
                    let text = &piece[..piece.len() - mark.len_utf8()];
                    literal(&self.decode(text, coding)) + mark.encode_utf8(&mut [0; 4])
                }
                _ => literal(&self.decode(piece, coding)),
            })
            .collect()
    }

    fn decode(&mut self, text: &str, coding: Coding) -> String {
        if text.contains(BAD) {
            self.problem(
                "`${` stands in it without a name of letters, digits and `_` and a `}` behind that \
                 (where it is meant literally, write `%24{` in a URL, or put it into single quotes in the file)",
            );
        }
        let spaced;
        let text = match coding {
            Coding::Plain => return text.to_owned(),
            Coding::Percent => text,
            Coding::Form => {
                spaced = text.replace('+', " ");
                &spaced
            }
        };
        match percent_decode_str(text).decode_utf8() {
            Ok(decoded) => decoded.into_owned(),
            Err(_) => {
                self.problem("its percent-encoding does not give UTF-8 text");
                String::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process() -> HashMap<String, String> {
        [("PW", "p%40@:/}${X}$PW"), ("EMPTY", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    #[track_caller]
    fn check(text: &str, coding: Coding, expected: Result<&str, &str>) {
        let process = process();
        let mut expander = Expander::new(&process);
        let expanded = expander.expand(&mark(text), coding);
        match expected {
            Ok(expected) => assert_eq!((expanded.as_str(), expander.problems), (expected, vec![])),
            Err(part) => assert!(expander.problems.join("\n").contains(part), "{:?}", expander.problems),
        }
    }

    #[test]
    fn what_is_written_is_decoded_and_what_is_put_in_is_not() {
        check("a%20b+${PW}%41", Coding::Plain, Ok("a%20b+p%40@:/}${X}$PW%41"));
        check("a%20b+${PW}%41", Coding::Percent, Ok("a b+p%40@:/}${X}$PWA"));
        check("a%20b+${PW}%41", Coding::Form, Ok("a b p%40@:/}${X}$PWA"));
    }

    #[test]
    fn a_bare_dollar_is_a_dollar() {
        check("$x$$ $", Coding::Plain, Ok("$x$$ $"));
        check("%24{PW}", Coding::Percent, Ok("${PW}"));
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        check("${NONE}", Coding::Plain, Err("`NONE` is not set"));
        check("${EMPTY}", Coding::Plain, Err("`EMPTY` is empty"));
        for malformed in ["${", "${PW", "${}", "${P W}", "${1}", "${PW:-x}", "\u{FDD0}"] {
            check(malformed, Coding::Plain, Err("without a name"));
        }
    }

    #[test]
    fn a_value_can_be_one_variable() {
        assert_eq!(only_variable(&mark("${PW}")), Some("PW"));
        assert_eq!(only_variable(&mark("${PW}${PW}")), None);
        assert_eq!(only_variable(&mark("x${PW}")), None);
    }
}
