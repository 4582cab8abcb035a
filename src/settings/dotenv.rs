//! The text of a `.env` file as keys and marked values. Pure.
//!
//! The grammar is `dotenvy`'s, but not its substitution, which replaces `$x` and `${VAR}` silently, a missing
//! one by nothing, before a URL can be split. So every live `$` is hidden from it. Nor its errors, which
//! quote the line: ours give its number.

use std::cell::Cell;
use std::io::Read;

use super::template;

/// One statement of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    pub(super) content: Content,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A key and its value, with every live `${VAR}` marked.
    Pair(String, String),
    /// Not a statement. The key is what stands before `=`, where that can be one.
    Malformed { key: Option<String>, lines: usize },
}

// A live `$` goes through the parser as `A\\B`, which comes out as `A\B` where a backslash escapes, and as it
// went in between single quotes: so it tells where it stood.
const A: char = '\u{FDD3}';
const B: char = '\u{FDD4}';

/// Reads the text of a file. Later statements of one key do not replace earlier ones: all are returned.
pub(super) fn parse(text: &str) -> Vec<Item> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let lines: Vec<&str> = text.lines().collect();
    // The line feed at the end keeps the parser from calling trailing blanks on the last line an error.
    let hidden = hide_dollars(text) + "\n";
    let consumed = Cell::new(0);
    let items = dotenvy::Iter::new(ByLine { rest: hidden.as_bytes(), consumed: &consumed });
    let mut before = 0;
    let mut parsed = Vec::new();
    for item in items {
        let end = consumed.get();
        // The parser skips blank lines and comments without a word.
        let is_skipped = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let skipped = lines.iter().skip(before).take_while(|line| is_skipped(line)).count();
        let first = before + skipped;
        before = end;
        let content = match item {
            Ok((key, value)) => Content::Pair(key, show_dollars(&value)),
            Err(_) => Content::Malformed {
                key: lines.get(first).and_then(|line| key_of(line)),
                lines: end.min(lines.len()).saturating_sub(first),
            },
        };
        parsed.push(Item { line: first + 1, content });
    }
    parsed
}

/// Hands out one line at a time, so that the number of lines that the parser has taken is known.
struct ByLine<'a> {
    rest: &'a [u8],
    consumed: &'a Cell<usize>,
}

impl Read for ByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let line = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let (now, later) = self.rest.split_at(line.min(buffer.len()));
        buffer[..now.len()].copy_from_slice(now);
        self.rest = later;
        if now.ends_with(b"\n") {
            self.consumed.set(self.consumed.get() + 1);
        }
        Ok(now.len())
    }
}

fn hide_dollars(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut backslashes = 0;
    for c in text.chars() {
        match c {
            // Behind an odd number of backslashes it is escaped, and the parser does the right thing.
            '$' if backslashes % 2 == 0 => hidden.extend([A, '\\', '\\', B]),
            _ => hidden.push(c),
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
    }
    hidden
}

fn show_dollars(hidden: &str) -> String {
    let mut marked = String::with_capacity(hidden.len());
    let mut rest = hidden;
    while let Some((before, behind)) = rest.split_once(A) {
        marked.push_str(&template::literal(before));
        rest = if let Some(behind) = behind.strip_prefix("\\\\").and_then(|text| text.strip_prefix(B)) {
            marked.push('$');
            behind
        } else {
            let behind = behind.strip_prefix('\\').unwrap_or(behind);
            template::mark_reference(behind.strip_prefix(B).unwrap_or(behind), &mut marked)
        };
    }
    marked.push_str(&template::literal(rest));
    marked
}

fn key_of(line: &str) -> Option<String> {
    let key = line.split_once('=')?.0.trim();
    let key = key.strip_prefix("export ").unwrap_or(key).trim_start();
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    is_key.then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::template::{Coding, Expander};
    use super::*;

    /// Each statement as `line key=value`, with `VAR` in the process environment as `<v>`.
    fn read(text: &str) -> Vec<String> {
        let process = HashMap::from([("VAR".to_owned(), "<v>".to_owned())]);
        let show = |item: Item| match item.content {
            Content::Pair(key, value) => {
                let mut expander = Expander::new(&process);
                let value = expander.expand(&value, Coding::Plain);
                let problems = expander.problems.len();
                format!("{} {key}={value}{}", item.line, "!".repeat(problems))
            }
            Content::Malformed { key, lines } => {
                format!("{} {}: malformed, {lines}", item.line, key.unwrap_or_default())
            }
        };
        parse(text).into_iter().map(show).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(read(text), expected, "{text}");
    }

    #[test]
    fn a_file_of_any_system_is_read() {
        check("A=1\nB=2", &["1 A=1", "2 B=2"]);
        check("\u{FEFF}A=1\r\n\r\n# note\r\nexport B='2'\r\n", &["1 A=1", "4 B=2"]);
        check("A=\"x y\"   # note\nB=x#y\nC=\nD=  ", &["1 A=x y", "2 B=x#y", "3 C=", "4 D="]);
        check("A=1  ", &["1 A=1"]);
        check("", &[]);
        check("# it's a comment\n  # another\nA=1", &["3 A=1"]);
        check("A=1\nA=2", &["1 A=1", "2 A=2"]);
        check("A=\"first\nsecond\"\nB=1", &["1 A=first\nsecond", "3 B=1"]);
        check(&format!("A={}\nB=1", "x".repeat(20_000)), &[&format!("1 A={}", "x".repeat(20_000)), "2 B=1"]);
    }

    #[test]
    fn only_a_live_reference_is_one() {
        check("A=${VAR}", &["1 A=<v>"]);
        check("A=\"a ${VAR}\"'${VAR}'${VAR}", &["1 A=a <v>${VAR}<v>"]);
        check("A='${VAR}$VAR'", &["1 A=${VAR}$VAR"]);
        check("A=\\${VAR}", &["1 A=${VAR}"]);
        check("A=\"\\${VAR}\\\\${VAR}\"", &["1 A=${VAR}\\<v>"]);
        check("A='\\${VAR}\\\\$VAR'", &["1 A=\\${VAR}\\\\$VAR"]);
        check("A=$VAR$", &["1 A=$VAR$"]);
        check("A=x${MISSING}y", &["1 A=xy!"]);
        check("A=${VAR", &["1 A=\u{FDD2}VAR!"]);
        check("# ${VAR\nA=1 # ${VAR", &["2 A=1"]);
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_line() {
        check("A=1\n\nB=a b\nC=3", &["1 A=1", "3 B: malformed, 1", "4 C=3"]);
        check("nonsense\nA=1", &["1 : malformed, 1", "2 A=1"]);
        check("A=1\n# n\nB='open\nC=3\n", &["1 A=1", "3 B: malformed, 2"]);
        check("A=C:\\dir", &["1 A: malformed, 1"]);
        check("export A B=1", &["1 : malformed, 1"]);
    }
}
