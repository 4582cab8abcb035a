//! Named parameters.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::row::Row;
use crate::value::{Value, to_fields};

/// The values of a statement's `:name` parameters.
///
/// Made by [`params!`](crate::params!), which is strict: a name that the statement does not use is an error, and so is
/// a missing one. A whole record ([`record`], a [`Row`], a map) may have more fields than the statement uses.
///
/// `Debug` prints the names and types of the values, never the values.
///
/// ```
/// use batchdb::{Params, params};
///
/// let strict = params! { id: 7, name: "nightly" };
/// assert_eq!(Params::new().set("id", 7).set("name", "nightly"), strict);
/// assert!(!format!("{strict:?}").contains("nightly"));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Params {
    names: Names,
    /// As many as there are names.
    values: Vec<Value>,
    lenient: bool,
}

/// Names, each once. Those that stand in the program are not copied.
#[derive(Clone)]
pub(crate) enum Names {
    InProgram(&'static [&'static str]),
    Given(Vec<String>),
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        match self {
            Names::InProgram(names) => names.len(),
            Names::Given(names) => names.len(),
        }
    }

    fn at(&self, place: usize) -> &str {
        match self {
            Names::InProgram(names) => names[place],
            Names::Given(names) => &names[place],
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|place| self.at(place))
    }

    /// Whether they are these, in this order.
    pub(crate) fn are(&self, names: &[Box<str>]) -> bool {
        fn same(own: &[impl AsRef<str>], names: &[Box<str>]) -> bool {
            own.len() == names.len() && own.iter().zip(names).all(|(own, name)| own.as_ref() == &**name)
        }
        match self {
            Names::InProgram(own) => same(own, names),
            Names::Given(own) => same(own, names),
        }
    }

    /// The place of a name. Names are mostly asked for in their order, so the search begins at `from`.
    pub(crate) fn place(&self, name: &str, from: usize) -> Option<usize> {
        (from..self.len()).chain(0..from).find(|&place| self.at(place) == name)
    }

    fn push(&mut self, name: &str) {
        if let Names::InProgram(names) = self {
            *self = Names::Given(names.iter().map(|&name| name.to_owned()).collect());
        }
        if let Names::Given(names) = self {
            names.push(name.to_owned());
        }
    }
}

impl Default for Names {
    fn default() -> Names {
        Names::InProgram(&[])
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Names) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Params {
    /// An empty set of parameters, to be filled with [`set`](Params::set).
    #[must_use]
    pub fn new() -> Params {
        Params::default()
    }

    /// Adds one parameter, or replaces the value that the name had.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Params {
        match self.names.place(name, 0) {
            Some(place) => self.values[place] = value.into(),
            None => {
                self.names.push(name);
                self.values.push(value.into());
            }
        }
        self
    }

    /// What [`params!`](crate::params!) makes of its names and values. Of a name that is given twice the last counts.
    #[doc(hidden)]
    #[must_use]
    pub fn named<const N: usize>(names: &'static [&'static str; N], values: [Value; N]) -> Params {
        let twice = |place: usize| names[..place].contains(&names[place]);
        if (1..N).any(twice) {
            let pairs = names.iter().zip(values);
            return pairs.fold(Params::new(), |params, (name, value)| params.set(name, value));
        }
        Params { names: Names::InProgram(names), values: values.into(), lenient: false }
    }

    /// Allows names that the statement does not use.
    #[must_use]
    pub fn lenient(mut self) -> Params {
        self.lenient = true;
        self
    }

    /// The value of `name`, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.names.place(name, 0).map(|place| &self.values[place])
    }

    /// The names, in the order in which they were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether names that the statement does not use are allowed.
    pub(crate) fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// The names and, in their order, the values.
    pub(crate) fn into_parts(self) -> (Names, Vec<Value>) {
        (self.names, self.values)
    }

    fn from_pairs(pairs: impl Iterator<Item = (String, Value)>) -> Params {
        let (names, values) = pairs.unzip();
        Params { names: Names::Given(names), values, lenient: true }
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.names.iter().zip(&self.values)).finish()
    }
}

/// Types that can be passed as the parameters of a statement.
///
/// [`params!`](crate::params!), `()` and an array of pairs are strict. A [`Row`], a map and a serde struct through
/// [`record`] are whole records: the statement takes from them the fields that it names.
pub trait IntoParams {
    /// The parameters.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Params`](crate::ErrorKind::Params) when the record has no field names;
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when a row has two columns of one name.
    fn into_params(self) -> Result<Params>;
}

impl IntoParams for Params {
    fn into_params(self) -> Result<Params> {
        Ok(self)
    }
}

impl IntoParams for &Params {
    fn into_params(self) -> Result<Params> {
        Ok(self.clone())
    }
}

impl IntoParams for Result<Params> {
    fn into_params(self) -> Result<Params> {
        self
    }
}

impl IntoParams for () {
    fn into_params(self) -> Result<Params> {
        Ok(Params::new())
    }
}

impl IntoParams for Row {
    fn into_params(self) -> Result<Params> {
        Ok(Params::from_pairs(self.into_pairs()?))
    }
}

impl IntoParams for &Row {
    fn into_params(self) -> Result<Params> {
        self.clone().into_params()
    }
}

impl<V: Into<Value>> IntoParams for HashMap<String, V> {
    fn into_params(self) -> Result<Params> {
        Ok(Params::from_pairs(self.into_iter().map(|(name, value)| (name, value.into()))))
    }
}

impl<V: Into<Value>> IntoParams for BTreeMap<String, V> {
    fn into_params(self) -> Result<Params> {
        Ok(Params::from_pairs(self.into_iter().map(|(name, value)| (name, value.into()))))
    }
}

impl<V: Into<Value>, const N: usize> IntoParams for [(&str, V); N] {
    fn into_params(self) -> Result<Params> {
        Ok(self.into_iter().fold(Params::new(), |params, (name, value)| params.set(name, value)))
    }
}

/// The fields of a serializable struct or map as parameters. It may have more fields than the statement uses.
///
/// A field that is itself a map or a struct becomes JSON. JSON values, dates, decimals and UUIDs, for which serde has
/// no types of its own, are recognized by the names of their Rust types and converted as [`params!`](crate::params!)
/// does; the guide says [which types are recognized](crate::guide::types#json). If the record itself is JSON
/// (`json!({…})`), its values are converted by their JSON type: a string is a text.
///
/// # Errors
///
/// [`ErrorKind::Params`](crate::ErrorKind::Params) when the record is not a map or a struct, or has a name twice.
///
/// ```
/// use batchdb::record;
///
/// #[derive(serde::Serialize)]
/// struct Survey { survey_id: i64, status: &'static str }
///
/// let params = record(&Survey { survey_id: 7, status: "completed" })?;
/// assert_eq!(params.names().collect::<Vec<_>>(), ["survey_id", "status"]);
/// # Ok::<(), batchdb::Error>(())
/// ```
pub fn record(fields: &impl Serialize) -> Result<Params> {
    match to_fields(fields)? {
        Some(fields) => Ok(Params::from_pairs(fields.into_iter())),
        None => {
            Err(Error::params("a record must be a struct or a map, whose field names are the parameters"))
        }
    }
}

/// Named parameters: `params! { id: 7, status: "done" }`. Strict in both directions: unused and missing names are
/// errors.
///
/// A value is anything that converts into a [`Value`](crate::Value): integers, floats, `bool`, texts, bytes, `chrono`
/// dates and times, `BigDecimal`, `Uuid`, JSON, a `Vec` (for `IN` or an array), and an `Option` of these (`None` is
/// NULL).
///
/// ```
/// use batchdb::params;
///
/// let status = "done";
/// let params = params! { id: 7, status: status, note: None::<String> };
/// assert_eq!(params.names().collect::<Vec<_>>(), ["id", "status", "note"]);
/// ```
#[macro_export]
macro_rules! params {
    () => { $crate::Params::new() };
    ($($name:ident : $value:expr),+ $(,)?) => {
        $crate::Params::named(
            &[$(stringify!($name)),+],
            [$(::std::convert::Into::<$crate::Value>::into($value)),+],
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_and_kinds_only() {
        let shown = format!("{:?}", params! { password: "hunter2", n: 3 });
        assert_eq!(shown, "{\"password\": <text>, \"n\": <integer>}");
    }

    #[test]
    fn a_second_value_replaces_the_first() {
        assert_eq!(params! { a: 1, a: 2 }, params! { a: 2 });
    }

    #[test]
    fn records_keep_field_names_and_refuse_other_shapes() {
        #[derive(Serialize)]
        struct Record {
            id: i32,
            tags: Vec<&'static str>,
            data: BTreeMap<&'static str, i32>,
        }
        let params = record(&Record { id: 1, tags: vec!["a"], data: [("x", 1)].into() }).unwrap();
        assert!(params.is_lenient());
        assert_eq!(params.get("tags"), Some(&Value::from(vec!["a"])));
        assert_eq!(params.get("data"), Some(&Value::from(serde_json::json!({"x": 1}))));
        assert!(record(&[1, 2]).is_err());
    }
}
