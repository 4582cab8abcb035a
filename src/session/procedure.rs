//! Stored procedures: what they return, and what they put into their output parameters.
//!
//! The call is a text like any other. An ODBC driver has output parameters of its own, but they have their values only
//! when all results were read, need a type that the caller would have to know, and differ from driver to driver. So on
//! SQL Server the server is asked for the types, the outputs are variables of the batch, and its last result is they.

mod place;

use std::fmt::Write;

use crate::backend::Rows;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind, Result};
use crate::params::{IntoParams, Params};
use crate::row::Row;
use crate::sql::ObjectName;

use super::Session;

/// The variable of the batch for what the procedure returns, and its column.
const RETURN: &str = "batchdb_return";

/// A stored procedure, by name. Where a `Procedure` is expected, a plain name works as well; then SQL Server is asked
/// for the output parameters.
///
/// ```
/// use batchdb::Procedure;
///
/// let close_day = Procedure::new("dbo.close_day").output("total", "decimal(10, 2)");
/// ```
#[derive(Debug, Clone)]
pub struct Procedure {
    name: String,
    outputs: Vec<Output>,
    /// All output parameters were named, so the server need not be asked.
    told: bool,
}

impl Procedure {
    /// A procedure; include the schema if it is not the user's default schema.
    #[must_use]
    pub fn new(name: &str) -> Procedure {
        Procedure { name: name.to_owned(), outputs: Vec::new(), told: false }
    }

    /// Declares an output parameter of SQL Server: its name without the `@`, and its SQL type. If at least one is
    /// declared, the server is not asked, which saves a round trip; output parameters that are not declared are not
    /// returned.
    #[must_use]
    pub fn output(mut self, name: &str, sql_type: &str) -> Procedure {
        self.outputs.push(Output { name: name.to_owned(), sql_type: sql_type.to_owned() });
        self.told = true;
        self
    }

    /// Says that there are no output parameters, or that they are not wanted: SQL Server is not asked, which saves a
    /// round trip.
    #[must_use]
    pub fn without_outputs(mut self) -> Procedure {
        self.outputs.clear();
        self.told = true;
        self
    }
}

impl From<&str> for Procedure {
    fn from(name: &str) -> Procedure {
        Procedure::new(name)
    }
}

/// The result of a stored procedure.
#[derive(Debug, Clone)]
pub struct ProcedureResult {
    /// The `RETURN` value on SQL Server; 0 if the procedure does not set it. `None` on PostgreSQL, whose procedures
    /// have none.
    pub return_value: Option<i64>,
    /// Its output parameters by name, without the `@`.
    pub outputs: Row,
    /// The rows of each result, in order.
    pub sets: Vec<Vec<Row>>,
}

/// An output parameter.
#[derive(Debug, Clone)]
struct Output {
    /// Without the `@`.
    name: String,
    /// Its type as it stands in a declaration.
    sql_type: String,
}

impl Session<'_> {
    /// Calls a stored procedure by name, with its parameters by name.
    ///
    /// # Errors
    ///
    /// See [`DatabaseManager::call_procedure`](crate::DatabaseManager::call_procedure).
    pub fn call_procedure(
        &mut self,
        procedure: impl Into<Procedure>,
        params: impl IntoParams,
    ) -> Result<ProcedureResult> {
        let operation = "call_procedure";
        self.try_call(operation, procedure.into(), params)
            .map_err(|error| error.during(operation).in_database(&self.settings.database))
    }

    fn try_call(
        &mut self,
        operation: &'static str,
        Procedure { name: procedure, outputs, told }: Procedure,
        params: impl IntoParams,
    ) -> Result<ProcedureResult> {
        let params = params.into_params()?;
        let names = params.names().chain(outputs.iter().map(|output| output.name.as_str()));
        if let Some(name) = names.into_iter().find(|name| !is_name(name)) {
            return Err(Error::params(format!("{name:?} cannot be the name of a procedure's parameter")));
        }
        let (text, outputs) = match self.dialect()? {
            Dialect::SqlServer => {
                let outputs = match told {
                    true => outputs,
                    false => self.outputs(operation, &procedure)?,
                };
                (batch(&procedure, &params, &outputs), true)
            }
            Dialect::Postgres => (call(&procedure, &params), false),
            Dialect::Sqlite | Dialect::Odbc => {
                return Err(Error::usage("how procedures are called there is not known to batchdb")
                    .with_hint("send the database's own statement by `execute` or `query_sets`"));
            }
        };
        let mut sets = Vec::new();
        self.run(operation, &text, params, Rows::Sets(&mut sets))?;
        // The last result is what the text itself asks for; PostgreSQL gives none where nothing is put out.
        let last = match sets.pop().and_then(|rows| rows.into_iter().next()) {
            Some(row) => row,
            None if outputs => return Err(Error::decode("the procedure's outputs did not come back")),
            None => Row::from_pairs::<String>([]),
        };
        let return_value = if outputs { last.get(RETURN)? } else { None };
        let outputs = last.into_pairs()?.filter(|(name, _)| name != RETURN);
        Ok(ProcedureResult { return_value, outputs: Row::from_pairs(outputs), sets })
    }

    /// Asks SQL Server for the output parameters of a procedure. A synonym has those of what it stands for.
    fn outputs(&mut self, operation: &'static str, procedure: &str) -> Result<Vec<Output>> {
        let mut place = place::of(procedure)?;
        let mut found = match (self.look_up(operation, &place, procedure), place::in_master(procedure)) {
            (Err(error), Some(master)) if error.kind() == ErrorKind::Syntax => {
                place = master;
                self.look_up(operation, &place, procedure)?
            }
            (found, _) => found?,
        };
        // A synonym stands for no other.
        if let Some(base) = found.first().map(|row| row.get::<Option<String>>("base")).transpose()?.flatten()
        {
            found = self.look_up(operation, &place::of_synonym(&place, &base)?, procedure)?;
        }
        let output = |row: &Row| {
            // A procedure without any has one row, which says that it is there.
            let Some(name) = row.get::<Option<String>>("name")? else { return Ok(None) };
            let base: String = row.get("type")?;
            let (length, precision, scale) =
                (row.get("max_length")?, row.get("precision")?, row.get("scale")?);
            Ok(Some(Output {
                name: name.trim_start_matches('@').to_owned(),
                sql_type: declared(&base, length, precision, scale),
            }))
        };
        found.iter().filter_map(|row| output(row).transpose()).collect()
    }

    /// The rows about a procedure, of which there is one at least.
    fn look_up(&mut self, operation: &'static str, place: &ObjectName, procedure: &str) -> Result<Vec<Row>> {
        let mut found = Vec::new();
        self.run(operation, &place::question(place), (), Rows::Collect(&mut found))?;
        match found.first().map(|row| row.get::<Option<i64>>("id")).transpose()?.flatten() {
            Some(_) => Ok(found),
            None => Err(Error::new(
                ErrorKind::Syntax,
                format!("the server shows no procedure {}", Dialect::SqlServer.quote_path(procedure)),
            )
            .with_hint(UNASKED)),
        }
    }
}

/// What a program can do where the server cannot be asked.
const UNASKED: &str = "check its name, schema and database, and that you may execute it; with `Procedure::output` or \
                       `Procedure::without_outputs` the server is not asked";

/// Whether the text can stand behind an `@`, or before a `=>`, without quotes.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A type of `sys.parameters` as a declaration has it.
fn declared(base: &str, length: i64, precision: i64, scale: i64) -> String {
    let of = |length: i64| if length < 0 { "max".to_owned() } else { length.to_string() };
    match base.to_ascii_lowercase().as_str() {
        // The length is in bytes, of which these have two for a character.
        "nvarchar" | "nchar" => format!("{base}({})", of(if length < 0 { -1 } else { length / 2 })),
        "varchar" | "char" | "varbinary" | "binary" => format!("{base}({})", of(length)),
        "decimal" | "numeric" => format!("{base}({precision}, {scale})"),
        "datetime2" | "datetimeoffset" | "time" => format!("{base}({scale})"),
        _ => base.to_owned(),
    }
}

/// The batch that calls a procedure of SQL Server and asks for what it put out.
fn batch(procedure: &str, params: &Params, outputs: &[Output]) -> String {
    let is_output = |name: &str| outputs.iter().position(|output| output.name.eq_ignore_ascii_case(name));
    let mut text = format!("DECLARE @{RETURN} int; ");
    for (number, output) in outputs.iter().enumerate() {
        let given = params.names().find(|name| output.name.eq_ignore_ascii_case(name));
        let value = given.map_or(String::new(), |name| format!(" = :{name}"));
        let _ = write!(text, "DECLARE @batchdb_{number} {}{value}; ", output.sql_type);
    }
    let inputs = params.names().filter(|name| is_output(name).is_none());
    let inputs = inputs.map(|name| format!("@{name} = :{name}"));
    let places = outputs.iter().enumerate();
    let places = places.map(|(number, output)| format!("@{} = @batchdb_{number} OUTPUT", output.name));
    let arguments: Vec<String> = inputs.chain(places).collect();
    let name = Dialect::SqlServer.quote_path(procedure);
    let _ = write!(text, "EXEC @{RETURN} = {name} {}; SELECT @{RETURN} AS {RETURN}", arguments.join(", "));
    for (number, output) in outputs.iter().enumerate() {
        let _ = write!(text, ", @batchdb_{number} AS {}", Dialect::SqlServer.quote(&output.name));
    }
    text
}

/// The statement that calls a procedure of PostgreSQL.
fn call(procedure: &str, params: &Params) -> String {
    let arguments: Vec<String> = params.names().map(|name| format!("{name} => :{name}")).collect();
    format!("CALL {}({})", Dialect::Postgres.quote_path(procedure), arguments.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn a_call_is_a_batch_whose_last_result_is_what_was_put_out() {
        let params = Params::new().set("id", 7).set("Total", Value::Null);
        let output = |name: &str, sql_type: &str| Output { name: name.into(), sql_type: sql_type.into() };
        assert_eq!(
            batch("dbo.p", &params, &[output("total", "decimal(10, 2)"), output("note", "nvarchar(20)")]),
            "DECLARE @batchdb_return int; DECLARE @batchdb_0 decimal(10, 2) = :Total; \
             DECLARE @batchdb_1 nvarchar(20); EXEC @batchdb_return = [dbo].[p] @id = :id, \
             @total = @batchdb_0 OUTPUT, @note = @batchdb_1 OUTPUT; SELECT @batchdb_return AS batchdb_return, \
             @batchdb_0 AS [total], @batchdb_1 AS [note]"
        );
        assert_eq!(
            batch("p", &Params::new(), &[]),
            "DECLARE @batchdb_return int; EXEC @batchdb_return = [p] ; SELECT @batchdb_return AS batchdb_return"
        );
        assert_eq!(call("s.p", &params), "CALL \"s\".\"p\"(id => :id, Total => :Total)");
    }

    #[test]
    fn types_are_declared_as_the_catalogue_has_them() {
        for (base, length, precision, scale, expected) in [
            ("nvarchar", 40, 0, 0, "nvarchar(20)"),
            ("nvarchar", -1, 0, 0, "nvarchar(max)"),
            ("varbinary", -1, 0, 0, "varbinary(max)"),
            ("char", 3, 0, 0, "char(3)"),
            ("decimal", 9, 10, 2, "decimal(10, 2)"),
            ("datetime2", 8, 27, 7, "datetime2(7)"),
            ("int", 4, 10, 0, "int"),
        ] {
            assert_eq!(declared(base, length, precision, scale), expected);
        }
    }

    #[test]
    fn only_words_are_names_of_parameters() {
        for (name, expected) in [("a1_b", true), ("größe", true), ("1a", false), ("a b", false), ("", false)]
        {
            assert_eq!(is_name(name), expected, "{name}");
        }
    }
}
