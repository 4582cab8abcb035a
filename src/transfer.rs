//! Tables and results on their way to files and to other databases: `export`, `import_csv`, `copy_query`.
//!
//! All of them stream: a query's rows are pulled by [`RowIter`](crate::RowIter), rows go into a table by
//! `bulk_insert`, and what is between the two is a few rows at a time.

mod copy;
mod csv;
mod export;
mod file;
mod format;
mod import;
mod spell;

pub use copy::{copy_query, copy_table};
pub use export::ExportOptions;
pub use format::CsvFormat;
pub use import::ImportOptions;
