//! One row of a result: values, and names shared by all rows.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use crate::error::{Error, Result};
use crate::value::{self, FromValue, Value};

/// The column names of a result, made once and shared by all its rows.
#[derive(PartialEq, Eq)]
pub(crate) struct Columns {
    names: Box<[Box<str>]>,
}

impl Columns {
    pub(crate) fn new(names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Arc<Columns> {
        Arc::new(Columns { names: names.into_iter().map(Into::into).collect() })
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The place of the one column called `name`.
    fn position(&self, name: &str) -> Result<usize> {
        let mut places = self.names.iter().enumerate().filter(|(_, known)| ***known == *name);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Ok(place),
            (Some(_), Some(_)) => Err(Error::decode(format!("several columns are called \"{name}\""))
                .with_hint("give them names with AS, or read them by index")),
            (None, _) => Err(Error::decode(format!(
                "there is no column \"{name}\"; the columns are {}",
                self.names.join(", ")
            ))),
        }
    }

    fn first_repeated(&self) -> Option<&str> {
        let repeated = |place: usize| self.names[..place].contains(&self.names[place]);
        (0..self.names.len()).find(|&place| repeated(place)).map(|place| &*self.names[place])
    }
}

/// One row of a result.
///
/// ```
/// # fn show(row: &batchdb::Row) -> batchdb::Result<()> {
/// let id: i64 = row.get("survey_id")?;
/// let score: Option<bigdecimal::BigDecimal> = row.get("satisfaction_score")?;
/// let first: String = row.get(0)?;
/// let raw: &batchdb::Value = &row["status"];
/// # Ok(())
/// # }
/// ```
///
/// `Debug` prints the column names and the types of the values, never the values; [`to_json`](Row::to_json) shows them.
///
/// Rows that [`execute_query`](crate::DatabaseManager::execute_query) has read through ODBC share memory in blocks of
/// some dozen rows: keeping one row keeps the whole block in memory. [`into_values`](Row::into_values) copies the
/// values out.
#[derive(Clone)]
pub struct Row(Place);

/// Where the values of a row are stored.
#[derive(Clone)]
enum Place {
    Own {
        columns: Arc<Columns>,
        values: Vec<Value>,
    },
    /// In a block, from this value on.
    Block {
        block: Arc<Block>,
        start: usize,
    },
}

/// The values of some rows, stored one row after the other. A separate allocation for each row, and freeing it, would
/// take a large part of the time of reading a large result.
struct Block {
    columns: Arc<Columns>,
    values: Vec<Value>,
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.names() == other.names() && self.values() == other.values()
    }
}

impl Row {
    pub(crate) fn new(columns: Arc<Columns>, values: Vec<Value>) -> Row {
        debug_assert_eq!(columns.len(), values.len());
        Row(Place::Own { columns, values })
    }

    /// Makes rows of values that are stored one row after the other.
    #[cfg_attr(not(feature = "odbc"), allow(dead_code, reason = "only ODBC fetches many rows at once"))]
    pub(crate) fn block(columns: &Arc<Columns>, values: Vec<Value>) -> impl Iterator<Item = Row> {
        let starts = (0..values.len()).step_by(columns.len().max(1));
        let block = Arc::new(Block { columns: Arc::clone(columns), values });
        starts.map(move |start| Row(Place::Block { block: Arc::clone(&block), start }))
    }

    fn names(&self) -> &Arc<Columns> {
        match &self.0 {
            Place::Own { columns, .. } => columns,
            Place::Block { block, .. } => &block.columns,
        }
    }

    /// Makes a row from names and values, for tests of code that takes rows.
    ///
    /// ```
    /// let row = batchdb::Row::from_pairs([("id", batchdb::Value::from(7_i64))]);
    /// assert_eq!(row.get::<i64>("id")?, 7);
    /// # Ok::<(), batchdb::Error>(())
    /// ```
    pub fn from_pairs<N: Into<Box<str>>>(pairs: impl IntoIterator<Item = (N, Value)>) -> Row {
        let (names, values): (Vec<N>, Vec<Value>) = pairs.into_iter().unzip();
        Row::new(Columns::new(names), values)
    }

    /// Reads the value of a column as `T`. The column is given by name or by index from 0. NULL can only be read as an
    /// `Option`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when there is no such column, when several columns have the
    /// name, or when the value cannot be read exactly as `T`.
    pub fn get<T: FromValue>(&self, column: impl ColumnIndex) -> Result<T> {
        let place = column.place(self)?;
        T::from_value(&self.values()[place])
            .map_err(|error| error.at(format_args!("column \"{}\"", self.names().names[place])))
    }

    /// The value of a column, without conversion.
    ///
    /// # Errors
    ///
    /// As [`get`](Row::get), except those of the conversion.
    pub fn value(&self, column: impl ColumnIndex) -> Result<&Value> {
        column.place(self).map(|place| &self.values()[place])
    }

    /// The column names, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names().names.iter().map(|name| &**name)
    }

    /// The names, as all rows of the result share them.
    #[cfg(feature = "testing")]
    pub(crate) fn shared_columns(&self) -> &Arc<Columns> {
        self.names()
    }

    /// The values, in the order of the columns.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        match &self.0 {
            Place::Own { values, .. } => values,
            Place::Block { block, start } => &block.values[*start..*start + block.columns.len()],
        }
    }

    /// The values alone, in the order of the columns.
    #[must_use]
    pub fn into_values(self) -> Vec<Value> {
        match self.0 {
            Place::Own { values, .. } => values,
            Place::Block { .. } => self.values().to_vec(),
        }
    }

    /// The number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names().len()
    }

    /// Whether the row has no column at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the whole row by serde as a struct or a map, whose fields are the columns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when a field is missing, has another type, or two columns have
    /// the same name.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        self.distinct_names()?;
        value::from_pairs(self.columns().zip(self.values()))
    }

    /// The row as a JSON object; see [`Value::to_json`] for the form of the values.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when two columns have the same name.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        self.distinct_names()?;
        Ok(self
            .columns()
            .zip(self.values())
            .map(|(name, value)| (name.to_owned(), value.to_json()))
            .collect())
    }

    /// Name and value of each column, owned.
    pub(crate) fn into_pairs(self) -> Result<impl Iterator<Item = (String, Value)>> {
        self.distinct_names()?;
        let names: Vec<String> = self.columns().map(str::to_owned).collect();
        Ok(names.into_iter().zip(self.into_values()))
    }

    fn distinct_names(&self) -> Result<()> {
        match self.names().first_repeated() {
            None => Ok(()),
            Some(name) => Err(Error::decode(format!(
                "several columns are called \"{name}\", and a record has each name once"
            ))
            .with_hint("give them names with AS")),
        }
    }
}

impl Index<&str> for Row {
    type Output = Value;

    /// The value of a column.
    ///
    /// # Panics
    ///
    /// If there is no such column, or several. [`Row::value`] returns an error instead.
    fn index(&self, name: &str) -> &Value {
        match self.names().position(name) {
            Ok(place) => &self.values()[place],
            Err(error) => panic!("{error}"),
        }
    }
}

impl Index<usize> for Row {
    type Output = Value;

    /// The value of a column, from 0.
    ///
    /// # Panics
    ///
    /// If the row has fewer columns.
    fn index(&self, place: usize) -> &Value {
        &self.values()[place]
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.columns().zip(self.values())).finish()
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.distinct_names().map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.columns().zip(self.values()) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A column's name, or its index from 0.
pub trait ColumnIndex: sealed::Sealed {
    #[doc(hidden)]
    fn place(&self, row: &Row) -> Result<usize>;
}

impl ColumnIndex for &str {
    fn place(&self, row: &Row) -> Result<usize> {
        row.names().position(self)
    }
}

impl ColumnIndex for usize {
    fn place(&self, row: &Row) -> Result<usize> {
        if *self < row.len() {
            return Ok(*self);
        }
        Err(Error::decode(format!(
            "there is no column {self}; the row has {} columns, counted from 0",
            row.len()
        )))
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for usize {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twins() -> Row {
        Row::from_pairs([("id", Value::Int(1)), ("id", Value::Int(2)), ("name", Value::from("x"))])
    }

    #[test]
    fn the_words_of_a_type_that_refuses_a_value_are_the_source() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(try_from = "String")]
        struct Mail;

        impl TryFrom<String> for Mail {
            type Error = String;

            fn try_from(text: String) -> Result<Mail, String> {
                Err(format!("invalid mail address: {text}"))
            }
        }

        #[derive(Debug, serde::Deserialize)]
        struct Customer {
            #[allow(dead_code, reason = "only read")]
            mail: Mail,
        }

        let row = Row::from_pairs([("mail", "bob7@example.org".into())]);
        let error = row.read::<Customer>().unwrap_err();
        assert!(!error.to_string().contains("bob7") && error.report().contains("bob7"), "{error}");
        let missing = Row::from_pairs([("other", 1.into())]).read::<Customer>().unwrap_err();
        assert!(missing.to_string().contains("missing field `mail`"), "{missing}");
    }

    #[test]
    fn a_null_and_a_row_are_told_as_what_they_are() {
        #[derive(Debug, serde::Deserialize)]
        struct Customer {
            #[allow(dead_code, reason = "only read")]
            name: String,
        }

        let row = Row::from_pairs([("name", Value::Null)]);
        let error = row.read::<Customer>().unwrap_err().to_string();
        assert!(error.contains("NULL found where a string was expected (read it as an Option)"), "{error}");
        let error = row.read::<i64>().unwrap_err().to_string();
        assert!(error.contains("fields with names found where i64 was expected"), "{error}");
    }

    #[test]
    fn twin_columns_are_read_by_index_and_refused_by_name() {
        let row = twins();
        assert_eq!(row.get::<i64>(1).unwrap(), 2);
        assert_eq!(row.get::<String>("name").unwrap(), "x");
        assert!(row.get::<i64>("id").unwrap_err().to_string().contains("several"));
        assert!(row.to_json().is_err());
        assert!(serde_json::to_string(&row).is_err());
        assert!(row.read::<serde_json::Value>().is_err());
    }

    #[test]
    fn rows_of_a_block_are_as_rows_of_their_own() {
        let columns = Columns::new(["id", "name"]);
        let values = |id: i64| vec![Value::Int(id), Value::from(format!("item {id}"))];
        let own = |id| Row::new(Arc::clone(&columns), values(id));
        let rows: Vec<Row> = Row::block(&columns, (1..=3).flat_map(values).collect()).collect();
        assert_eq!(rows, [own(1), own(2), own(3)]);
        let last = rows.into_iter().last().unwrap();
        assert_eq!((last.get::<i64>("id").unwrap(), &last[1], last.len()), (3, &Value::from("item 3"), 2));
        assert_eq!(last.into_values(), values(3));
    }

    #[test]
    fn a_missing_column_names_the_others() {
        let error = twins().get::<i64>("nmae").unwrap_err().to_string();
        assert!(error.contains("nmae") && error.contains("id, id, name"), "{error}");
        assert!(twins().get::<i64>(3).is_err());
    }

    #[test]
    fn conversion_errors_name_the_column_and_not_the_value() {
        let row = Row::from_pairs([("secret", Value::from("hunter2"))]);
        let error = row.get::<i64>("secret").unwrap_err();
        assert!(error.to_string().contains("column \"secret\""));
        assert!(!format!("{error:?} {row:?}").contains("hunter2"));
    }
}
