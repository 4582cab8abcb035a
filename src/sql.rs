//! The compiler of `:name` texts, and what can be told of a statement by reading it. Pure.
// (skeleton: the sql helper fills this in)

use std::sync::Arc;

use crate::dialect::Dialect;
use crate::error::Result;
use crate::params::Params;
use crate::value::Value;

/// A statement in the database's own form: text with placeholders, and its arguments in their order.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) text: Arc<str>,
    pub(crate) args: Vec<Value>,
    pub(crate) traits: Traits,
}

/// What reading a statement tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traits {
    /// It begins, ends or divides a transaction (`BEGIN`, `COMMIT`, `SAVEPOINT`, …).
    pub(crate) transaction_control: bool,
    /// It may change data or schema. False only for what surely reads.
    pub(crate) writes: bool,
    /// It may leave something behind in the session (`SET`, `LISTEN`, a temporary table, a session lock).
    pub(crate) leaves_traces: bool,
}

pub(crate) fn compile(_sql: &str, _dialect: Dialect, _params: Params) -> Result<Statement> {
    todo!()
}
