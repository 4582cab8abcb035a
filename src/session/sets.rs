//! Statements with more than one result, and stored procedures.

use crate::backend::Rows;
use crate::error::Result;
use crate::params::IntoParams;
use crate::row::Row;

use super::Session;

impl Session<'_> {
    /// Runs a statement and returns the rows of each of its results, in order.
    ///
    /// A result without columns (the count of an `UPDATE`) is none. What the server says between them (`PRINT`) is
    /// written to the log. On PostgreSQL a statement has one result at most.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::query_sets`](crate::DatabaseManager::query_sets).
    pub fn query_sets(&mut self, sql: &str, params: impl IntoParams) -> Result<Vec<Vec<Row>>> {
        let mut sets = Vec::new();
        self.run("query_sets", sql, params, Rows::Sets(&mut sets))?;
        Ok(sets)
    }
}
