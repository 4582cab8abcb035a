//! Prepared statements, kept per connection, the least recently used one dropped first.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use postgres::types::Type;
use postgres::{Row as DriverRow, Statement};

use super::decode::{Decoder, Raw};
use crate::error::{Error, Result};
use crate::row::{Columns, Row};

/// How the rows of one statement are read: made once, used for every row.
#[derive(Clone)]
pub(super) struct Shape {
    columns: Arc<Columns>,
    /// An error if a column has a type that we cannot read; it matters only when rows are wanted.
    decoders: Result<Arc<[Decoder]>>,
}

impl Shape {
    pub(super) fn of<'a>(columns: impl Iterator<Item = (&'a str, &'a Type)>) -> Shape {
        let (names, types): (Vec<&str>, Vec<&Type>) = columns.unzip();
        let decoders = types
            .iter()
            .zip(&names)
            .map(|(ty, name)| Decoder::of(ty).map_err(|error| error.at(format_args!("column \"{name}\""))))
            .collect();
        Shape { columns: Columns::new(names), decoders }
    }

    /// The names of the columns.
    pub(super) fn columns(&self) -> &Arc<Columns> {
        &self.columns
    }

    /// Whether the rows can be read at all; asked before the statement runs.
    pub(super) fn check(&self) -> Result<()> {
        self.decoders.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// Reads one row.
    pub(super) fn read(&self, row: &DriverRow) -> Result<Row> {
        let decoders = self.decoders.as_ref().map_err(Clone::clone)?;
        let mut values = Vec::with_capacity(decoders.len());
        for (place, decoder) in decoders.iter().enumerate() {
            let raw = row.try_get::<_, Raw<'_>>(place).map_err(|error| {
                Error::decode("the server sent a row of another shape than it announced").with_source(error)
            })?;
            let value = decoder.read(raw.0).map_err(|error| {
                error.at(format_args!(
                    "column \"{}\"",
                    row.columns().get(place).map_or("?", |column| column.name())
                ))
            })?;
            values.push(value);
        }
        Ok(Row::new(Arc::clone(&self.columns), values))
    }
}

/// A prepared statement and the shape of its rows.
pub(super) struct Prepared {
    pub(super) statement: Statement,
    pub(super) shape: Shape,
}

impl Prepared {
    pub(super) fn new(statement: Statement) -> Arc<Prepared> {
        let shape = Shape::of(statement.columns().iter().map(|column| (column.name(), column.type_())));
        Arc::new(Prepared { statement, shape })
    }
}

/// The prepared statements of one connection.
pub(super) struct StatementCache {
    /// `None`: the cache is off, and nothing is prepared by name.
    statements: Option<LruCache<Arc<str>, Arc<Prepared>>>,
    /// The statement that was used last, which a loop uses again. It is recognized by the address of its text, without
    /// hashing. Its position in the cache need not be updated, because it is the most recently used one already.
    last: Option<(Arc<str>, Arc<Prepared>)>,
}

impl StatementCache {
    pub(super) fn new(size: usize) -> StatementCache {
        StatementCache { statements: NonZeroUsize::new(size).map(LruCache::new), last: None }
    }

    pub(super) fn is_on(&self) -> bool {
        self.statements.is_some()
    }

    pub(super) fn get(&mut self, text: &Arc<str>) -> Option<Arc<Prepared>> {
        if let Some((_, prepared)) = self.last.as_ref().filter(|(last, _)| Arc::ptr_eq(last, text)) {
            return Some(Arc::clone(prepared));
        }
        let known = self.statements.as_mut()?.get(text).map(Arc::clone)?;
        self.last = Some((Arc::clone(text), Arc::clone(&known)));
        Some(known)
    }

    pub(super) fn put(&mut self, text: &Arc<str>, prepared: &Arc<Prepared>) {
        if let Some(statements) = &mut self.statements {
            statements.put(Arc::clone(text), Arc::clone(prepared));
            self.last = Some((Arc::clone(text), Arc::clone(prepared)));
        }
    }

    pub(super) fn forget(&mut self, text: &Arc<str>) {
        if let Some(statements) = &mut self.statements {
            statements.pop(text);
        }
        self.last = None;
    }

    pub(super) fn clear(&mut self) {
        if let Some(statements) = &mut self.statements {
            statements.clear();
        }
        self.last = None;
    }
}
