//! A text that was read: where its parameters are, and what it is once they are all scalars.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::insert::PlainInsert;
use super::lexer::{Kind, Token, tokens};
use super::{Traits, refuse_nul, traits};
use crate::dialect::Dialect;
use crate::error::{Error, Result};

/// A text that was read once and may be bound many times.
#[derive(Debug)]
pub(crate) struct Template {
    pub(super) dialect: Dialect,
    source: Arc<str>,
    /// The names, each once, in the order of their first use.
    pub(super) names: Vec<Box<str>>,
    cuts: Vec<Cut>,
    /// The text when every value is a scalar (and none is NULL where NULL is written into the text).
    pub(super) plain: Arc<str>,
    /// On PostgreSQL: the text when every `IN (:ids)` is given a list.
    pub(super) lists: Option<Arc<str>>,
    pub(super) traits: Traits,
    /// What it is as an insert of many rows, once somebody has asked.
    pub(super) insert: OnceLock<Option<Box<PlainInsert>>>,
}

/// A piece of the source that is replaced.
#[derive(Debug)]
enum Cut {
    /// `\:` becomes `:`.
    Escape(usize),
    Use(Use),
}

/// One place at which a parameter stands.
#[derive(Debug)]
pub(super) struct Use {
    span: Range<usize>,
    /// Which of the template's names.
    pub(super) name: usize,
    /// Whether the name is not used again after this.
    pub(super) last: bool,
    pub(super) list: Option<ListPlace>,
}

/// A parameter that stands alone behind `IN`: `[NOT] IN (:ids)` or `[NOT] IN :ids`.
#[derive(Debug, Clone)]
pub(super) struct ListPlace {
    /// From `NOT` or `IN` to the parenthesis or the name.
    span: Range<usize>,
    pub(super) negated: bool,
    /// Whether parentheses are missing.
    pub(super) bare: bool,
}

/// What a parameter becomes in the text.
pub(super) enum Fill {
    /// This takes the place of the name.
    Name,
    /// This takes the place of the whole `[NOT] IN (:ids)`.
    Predicate,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// `Params`, when the text holds a parameter in the database's own form that would be counted together
    /// with ours, or a NUL character.
    pub(super) fn parse(sql: &str, dialect: Dialect) -> Result<Template> {
        refuse_nul(sql)?;
        let significant: Vec<Token<'_>> = tokens(sql, dialect).filter(Token::is_significant).collect();
        let mut template = Template {
            dialect,
            source: sql.into(),
            names: Vec::new(),
            cuts: Vec::new(),
            plain: Arc::default(),
            lists: None,
            traits: traits::read(&significant, dialect),
            insert: OnceLock::new(),
        };
        let mut numbers = HashMap::new();
        for (index, token) in significant.iter().enumerate() {
            match token.kind {
                Kind::Name => {
                    let next = numbers.len();
                    let name = *numbers.entry(&token.text[1..]).or_insert(next);
                    template.add_use(&significant, index, name);
                }
                Kind::Escape => template.cuts.push(Cut::Escape(token.at)),
                _ => (),
            }
        }
        template.refuse_placeholders(&significant)?;
        template.mark_last_uses();
        template.plain = if template.cuts.is_empty() {
            Arc::clone(&template.source)
        } else {
            template.render(|text, place| template.scalar(text, place)).into()
        };
        if dialect.numbers_parameters() && template.uses().any(|place| place.list.is_some()) {
            template.lists = Some(
                template
                    .render(|text, place| match &place.list {
                        Some(list) => template.any_of(text, place, list),
                        None => template.scalar(text, place),
                    })
                    .into(),
            );
        }
        Ok(template)
    }

    /// The text as it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The names of the parameters, in the order of the arguments of a database that numbers them.
    #[cfg(feature = "testing")]
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Whether it may change data or schema.
    pub(crate) fn writes(&self) -> bool {
        self.traits.writes
    }

    /// Whether this is the template of that text.
    pub(super) fn is_of(&self, sql: &str, dialect: Dialect) -> bool {
        self.dialect == dialect && *self.source == *sql
    }

    /// The text for scalars with numbered placeholders behind the first `before`.
    pub(super) fn render_from(&self, before: usize) -> String {
        self.render(|text, place| {
            text.push_str(&format!("${}", before + place.name + 1));
            Fill::Name
        })
    }

    /// The places of the parameters, in the order of the text.
    pub(super) fn uses(&self) -> impl DoubleEndedIterator<Item = &Use> {
        self.cuts.iter().filter_map(|cut| match cut {
            Cut::Use(place) => Some(place),
            Cut::Escape(_) => None,
        })
    }

    /// Writes the text anew; `fill` writes each parameter and says what it has replaced.
    pub(super) fn render(&self, mut fill: impl FnMut(&mut String, &Use) -> Fill) -> String {
        let mut text = String::with_capacity(self.source.len() + 16);
        let mut at = 0;
        for cut in &self.cuts {
            match cut {
                Cut::Escape(from) => {
                    text.push_str(&self.source[at..*from]);
                    text.push(':');
                    at = from + 2;
                }
                Cut::Use(place) => {
                    let mut put = String::new();
                    let span = match (fill(&mut put, place), &place.list) {
                        (Fill::Predicate, Some(list)) => &list.span,
                        _ => &place.span,
                    };
                    text.push_str(&self.source[at..span.start]);
                    text.push_str(&put);
                    at = span.end;
                }
            }
        }
        text.push_str(&self.source[at..]);
        text
    }

    /// Writes the placeholder of a scalar.
    pub(super) fn scalar(&self, text: &mut String, place: &Use) -> Fill {
        if self.dialect.numbers_parameters() {
            text.push_str(&format!("${}", place.name + 1));
        } else {
            text.push('?');
        }
        Fill::Name
    }

    /// Writes PostgreSQL's predicate over an array: right for the empty list, and one text for every length.
    pub(super) fn any_of(&self, text: &mut String, place: &Use, list: &ListPlace) -> Fill {
        text.push_str(if list.negated { "<> ALL(" } else { "= ANY(" });
        self.scalar(text, place);
        text.push(')');
        Fill::Predicate
    }

    fn add_use(&mut self, significant: &[Token<'_>], index: usize, name: usize) {
        let token = &significant[index];
        if name == self.names.len() {
            self.names.push(token.text[1..].into());
        }
        // In `a[:i:j]` the second colon is the slice's own as well, and stays.
        let follows_name = index.checked_sub(1).is_some_and(|before| {
            significant[before].kind == Kind::Name && significant[before].end() == token.at
        });
        self.cuts.push(Cut::Use(Use {
            span: token.at + usize::from(follows_name)..token.end(),
            name,
            last: false,
            list: list_place(significant, index),
        }));
    }

    fn mark_last_uses(&mut self) {
        let mut seen = vec![false; self.names.len()];
        for cut in self.cuts.iter_mut().rev() {
            if let Cut::Use(place) = cut {
                place.last = !std::mem::replace(&mut seen[place.name], true);
            }
        }
    }

    /// A placeholder of the caller's would be counted together with ours and shift the arguments. On
    /// PostgreSQL `$1` in a text without names is left to the server, which says what is missing.
    fn refuse_placeholders(&self, significant: &[Token<'_>]) -> Result<()> {
        let found = significant.iter().find(|token| token.kind == Kind::Placeholder);
        match found {
            Some(token) if self.dialect == Dialect::Postgres && !self.names.is_empty() => {
                Err(Error::params(format!("the text has both named parameters and `{}`", token.text))
                    .with_hint("use named parameters only"))
            }
            Some(token) if self.dialect != Dialect::Postgres => {
                Err(Error::params(format!("the text has the placeholder `{}`", token.text))
                    .with_hint("use named parameters, such as `:id`"))
            }
            _ => Ok(()),
        }
    }
}

/// Where the name at `index` stands alone behind `IN`, the place of that predicate.
fn list_place(significant: &[Token<'_>], index: usize) -> Option<ListPlace> {
    let before = |steps: usize| index.checked_sub(steps).map(|at| &significant[at]);
    let enclosed = before(1)?.is("(");
    let close = significant.get(index + 1).filter(|token| token.is(")"));
    let (word, end) = match (enclosed, close) {
        (true, Some(close)) => (2, close.end()),
        (true, None) => return None,
        (false, _) => (1, significant[index].end()),
    };
    let keyword = before(word).filter(|token| token.is_word("IN"))?;
    let not = before(word + 1).filter(|token| token.is_word("NOT"));
    Some(ListPlace { span: not.unwrap_or(keyword).at..end, negated: not.is_some(), bare: !enclosed })
}
