//! The types that can be a row of a mass load.

use crate::error::{Error, Result};
use crate::row::Row;
use crate::value::Value;

/// One row for [`bulk_insert`](crate::DatabaseManager::bulk_insert): its values, in the order of the columns.
///
/// A tuple of up to 16 values, an array or a vector of them, a [`Row`] (its values in their order; the names do not
/// matter), and a `Result` of any of these: an `Err` ends the load, and it fails with that error.
///
/// ```
/// use batchdb::{Error, IntoRow, Value};
///
/// struct Score { id: i64, points: f64 }
///
/// impl IntoRow for Score {
///     fn append_to(self, row: &mut Vec<Value>) -> Result<(), Error> {
///         (self.id, self.points).append_to(row)
///     }
/// }
/// ```
pub trait IntoRow {
    /// Appends the values to `row`, which is empty. Its memory is reused from row to row.
    ///
    /// # Errors
    ///
    /// Whatever prevents the row from being read. It ends the load.
    fn append_to(self, row: &mut Vec<Value>) -> Result<()>;
}

impl<V: Into<Value>> IntoRow for Vec<V> {
    fn append_to(self, row: &mut Vec<Value>) -> Result<()> {
        row.extend(self.into_iter().map(Into::into));
        Ok(())
    }
}

impl<V: Into<Value>, const N: usize> IntoRow for [V; N] {
    fn append_to(self, row: &mut Vec<Value>) -> Result<()> {
        row.extend(self.into_iter().map(Into::into));
        Ok(())
    }
}

impl IntoRow for &[Value] {
    fn append_to(self, row: &mut Vec<Value>) -> Result<()> {
        row.extend_from_slice(self);
        Ok(())
    }
}

impl IntoRow for Row {
    fn append_to(self, row: &mut Vec<Value>) -> Result<()> {
        row.extend(self.into_values());
        Ok(())
    }
}

impl IntoRow for &Row {
    fn append_to(self, row: &mut Vec<Value>) -> Result<()> {
        self.values().append_to(row)
    }
}

impl<R: IntoRow, E: Into<Error>> IntoRow for Result<R, E> {
    fn append_to(self, row: &mut Vec<Value>) -> Result<()> {
        self.map_err(Into::into)?.append_to(row)
    }
}

macro_rules! tuples {
    ($($name:ident),+) => { tuples!(@ [] $($name)+); };
    (@ [$($before:ident)*]) => {};
    (@ [$($before:ident)*] $next:ident $($rest:ident)*) => {
        impl<$($before: Into<Value>,)* $next: Into<Value>> IntoRow for ($($before,)* $next,) {
            fn append_to(self, row: &mut Vec<Value>) -> Result<()> {
                #[allow(non_snake_case, reason = "the values bear the names of their types")]
                let ($($before,)* $next,) = self;
                row.extend([$($before.into(),)* $next.into()]);
                Ok(())
            }
        }
        tuples!(@ [$($before)* $next] $($rest)*);
    };
}

tuples!(A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(row: impl IntoRow, wanted: &[Value]) {
        let mut values = Vec::new();
        row.append_to(&mut values).unwrap();
        assert!(values == wanted, "{values:?}");
    }

    #[test]
    fn rows_come_in_many_shapes() {
        let (one, two) = (Value::Int(1), Value::from("two"));
        check((1, "two"), &[one.clone(), two.clone()]);
        check([1, 1], &[one.clone(), one.clone()]);
        check(vec![one.clone(), two.clone()], &[one.clone(), two.clone()]);
        check(Row::from_pairs([("a", one.clone()), ("a", two.clone())]), &[one.clone(), two]);
        check(Ok::<_, Error>((Some(1), None::<i64>)), &[one, Value::Null]);
        check(
            (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
            &(0..16).map(Value::Int).collect::<Vec<_>>(),
        );
        assert!(Err::<(i64,), _>(Error::decode("no")).append_to(&mut Vec::new()).is_err());
    }
}
