//! Puts values into a template.

use std::sync::Arc;

use super::Statement;
use super::template::{Fill, ListPlace, Template, Use};
use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::params::{Names, Params};
use crate::value::Value;

impl Template {
    /// Binds the values: a text with the database's placeholders, and the arguments in their order.
    ///
    /// Values are moved, not copied, unless a name is used twice where placeholders carry no numbers.
    ///
    /// # Errors
    ///
    /// `Params`, when a name is used and not given, or given and not used by a strict caller; when a list
    /// stands where the database takes none; when there are more arguments than the database takes.
    pub(crate) fn bind(self: Arc<Template>, params: Params) -> Result<Statement> {
        let values = self.take(params)?;
        let (text, args) = if self.dialect.numbers_parameters() {
            (self.numbered_text(&values), values)
        } else {
            self.unnumbered(values)?
        };
        check_limit(self.dialect, args.len())?;
        Ok(Statement { text, args, traits: self.traits, template: Some(self) })
    }

    /// The values of the names, in the order of the names.
    fn take(&self, params: Params) -> Result<Vec<Value>> {
        let lenient = params.is_lenient();
        let (given, mut values) = params.into_parts();
        // Names are mostly given in the order of their use, each once: then there is nothing to look for.
        if given.are(&self.names) {
            return Ok(values);
        }
        let mut taken = Vec::with_capacity(self.names.len());
        let mut next = 0;
        for name in &self.names {
            let Some(place) = given.place(name, next) else {
                return Err(self.missing(&given));
            };
            taken.push(std::mem::replace(&mut values[place], Value::Null));
            next = place + 1;
        }
        if !lenient && given.len() > self.names.len() {
            return Err(self.unused(&given));
        }
        Ok(taken)
    }

    /// PostgreSQL's text. Its usual two shapes were made beforehand and are shared.
    fn numbered_text(&self, values: &[Value]) -> Arc<str> {
        let is_list = |place: &Use| matches!(values[place.name], Value::List(_));
        let Some(lists) = &self.lists else { return Arc::clone(&self.plain) };
        let mut places = self.uses().filter(|place| place.list.is_some()).map(is_list);
        let first = places.next();
        match first.filter(|first| places.all(|other| other == *first)) {
            Some(true) => Arc::clone(lists),
            Some(false) => Arc::clone(&self.plain),
            None => self
                .render(|text, place| match &place.list {
                    Some(list) if is_list(place) => self.any_of(text, place, list),
                    _ => self.scalar(text, place),
                })
                .into(),
        }
    }

    /// The text and the arguments where each `?` stands for one argument.
    fn unnumbered(&self, mut values: Vec<Value>) -> Result<(Arc<str>, Vec<Value>)> {
        let is_plain = !values.iter().any(|value| matches!(value, Value::Null | Value::List(_)));
        if is_plain && self.uses().all(|place| place.last) {
            return Ok((Arc::clone(&self.plain), values));
        }
        if let Some(place) = self.uses().find(|place| misplaced(place, &values[place.name])) {
            return Err(Error::params(format!(
                "the list `{}` is not alone behind IN",
                self.names[place.name]
            ))
            .with_hint("lists are for `IN (:ids)` and `NOT IN (:ids)`, and must not contain lists"));
        }
        let text = if is_plain {
            Arc::clone(&self.plain)
        } else {
            self.render(|text, place| match (&values[place.name], &place.list) {
                (Value::List(items), Some(list)) => expand(text, self.dialect, items, list),
                (Value::Null, _) => {
                    text.push_str("NULL");
                    Fill::Name
                }
                _ => self.scalar(text, place),
            })
            .into()
        };
        let mut args = Vec::with_capacity(self.uses().count());
        for place in self.uses() {
            let value = &mut values[place.name];
            let value = if place.last { std::mem::replace(value, Value::Null) } else { value.clone() };
            match value {
                Value::Null => (),
                Value::List(items) => args.extend(items.into_iter().filter(|item| !item.is_null())),
                scalar => args.push(scalar),
            }
        }
        Ok((text, args))
    }

    fn missing(&self, given: &Names) -> Error {
        let missing = self.names.iter().filter(|name| !given.iter().any(|known| *known == ***name));
        let missing = list_names(missing.map(|name| &**name));
        let given = list_names(given.iter());
        Error::params(format!("not given: {missing}")).with_hint(if given.is_empty() {
            "no parameters were given; write `\\:` for a colon that is not a parameter".to_owned()
        } else {
            format!("given: {given}")
        })
    }

    fn unused(&self, given: &Names) -> Error {
        let unused = given.iter().filter(|name| !self.names.iter().any(|used| **used == **name));
        let used = list_names(self.names.iter().map(|name| &**name));
        let used = if used.is_empty() { "none".to_owned() } else { used };
        Error::params(format!("given and not used by the statement: {}", list_names(unused)))
            .with_hint(format!("used: {used}; `Params::lenient` allows more"))
    }
}

fn list_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Whether the value is a list that cannot be written out where the parameter stands.
fn misplaced(place: &Use, value: &Value) -> bool {
    match value {
        Value::List(items) => place.list.is_none() || items.iter().any(|item| matches!(item, Value::List(_))),
        _ => false,
    }
}

/// Writes a list out: a placeholder for each item.
///
/// SQL's own meaning stays: `NOT IN` over a list with a NULL in it is true of no row.
fn expand(text: &mut String, dialect: Dialect, items: &[Value], list: &ListPlace) -> Fill {
    if items.is_empty() {
        return empty(text, dialect, list);
    }
    let marks: Vec<_> = items.iter().map(|item| if item.is_null() { "NULL" } else { "?" }).collect();
    let marks = marks.join(", ");
    if list.bare {
        text.push_str(&format!("({marks})"));
    } else {
        text.push_str(&marks);
    }
    Fill::Name
}

/// Writes the empty list: `IN` is false and `NOT IN` true of every row, also where the operand is NULL.
fn empty(text: &mut String, dialect: Dialect, list: &ListPlace) -> Fill {
    let query = match dialect {
        // A bare NULL would be an integer, which cannot be compared with dates and GUIDs; a varchar can be
        // compared with everything.
        Dialect::SqlServer => "SELECT CAST(NULL AS varchar(1)) WHERE 1 = 0",
        Dialect::Sqlite => "SELECT NULL WHERE 1 = 0",
        // PostgreSQL behind ODBC takes the NULL of a subquery for text and compares it with nothing else. A
        // test of the truth value, standard SQL, has the operand's type.
        Dialect::Odbc | Dialect::Postgres => {
            text.push_str(if list.negated { "NOT IN (NULL) IS NOT FALSE" } else { "IN (NULL) IS TRUE" });
            return Fill::Predicate;
        }
    };
    if list.bare {
        text.push_str(&format!("({query})"));
    } else {
        text.push_str(query);
    }
    Fill::Name
}

/// How many arguments one statement takes, and who says so.
fn limit(dialect: Dialect) -> (usize, &'static str) {
    match dialect {
        // The count is a 16-bit number in the Bind message, and SQLUSMALLINT in SQLBindParameter.
        Dialect::Postgres => (65_535, "PostgreSQL's protocol"),
        Dialect::Odbc => (65_535, "ODBC"),
        // Error 8003: "The server supports a maximum of 2100 parameters."
        Dialect::SqlServer => (2_100, "SQL Server"),
        // SQLITE_MAX_VARIABLE_NUMBER, since 3.32.0.
        Dialect::Sqlite => (32_766, "SQLite"),
    }
}

fn check_limit(dialect: Dialect, count: usize) -> Result<()> {
    let (limit, whose) = limit(dialect);
    if count <= limit {
        return Ok(());
    }
    Err(Error::params(format!("the statement has {count} arguments, and {whose} takes at most {limit}"))
        .with_hint("send the list in parts, or load it into a table with `bulk_insert` and join"))
}
