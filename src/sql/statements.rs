//! Where one statement of a text ends and the next begins.

use super::lexer::{Kind, Token};

/// Watches the tokens of a text go by and tells which `;` ends a statement.
///
/// A `;` in parentheses (`CREATE RULE … DO (…; …)`) or in the body of a routine does not: `CREATE TRIGGER …
/// BEGIN … END`, `CREATE FUNCTION … BEGIN ATOMIC … END`.
#[derive(Debug, Default)]
pub(super) struct Boundaries {
    words: usize,
    creates: bool,
    routine: bool,
    parentheses: usize,
    /// How many `BEGIN` and, inside of them, `CASE` are open.
    blocks: usize,
    after_end: bool,
}

impl Boundaries {
    /// Whether `token` is a `;` that ends the statement.
    pub(super) fn ends_at(&mut self, token: &Token<'_>) -> bool {
        match token.kind {
            Kind::Word => self.word(token),
            Kind::Symbol => {
                self.after_end = false;
                match token.text {
                    "(" => self.parentheses += 1,
                    ")" => self.parentheses = self.parentheses.saturating_sub(1),
                    ";" if self.parentheses == 0 && self.blocks == 0 => {
                        *self = Boundaries::default();
                        return true;
                    }
                    _ => (),
                }
            }
            _ => (),
        }
        false
    }

    fn word(&mut self, token: &Token<'_>) {
        self.words += 1;
        if self.words == 1 {
            self.creates = token.is_word("CREATE");
        } else if self.creates && self.words <= 6 {
            self.routine |= token.is_one_of(&["TRIGGER", "FUNCTION", "PROCEDURE"]);
        }
        if !self.routine {
            return;
        }
        let after_end = std::mem::replace(&mut self.after_end, token.is_word("END"));
        if token.is_word("BEGIN") || (self.blocks > 0 && token.is_word("CASE") && !after_end) {
            self.blocks += 1;
        } else if token.is_word("END") {
            self.blocks = self.blocks.saturating_sub(1);
        } else if after_end && token.is_one_of(&["IF", "LOOP", "WHILE", "REPEAT"]) {
            // `END IF` closes what was never counted.
            self.blocks += 1;
        }
    }
}

/// The statements of a text, as the tokens that the database reads, without the `;` and the empty ones.
pub(super) fn statements<'t, 'a>(significant: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    let mut boundaries = Boundaries::default();
    significant.split(move |token| boundaries.ends_at(token)).filter(|statement| !statement.is_empty())
}
