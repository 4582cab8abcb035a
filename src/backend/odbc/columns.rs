//! What the columns of a result are: the kind of their values, and the form in which they are fetched. Pure.

use crate::error::{Error, Result};

use super::flavor::Flavor;
use super::statement::Described;

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) form: Form,
    /// The most units of UTF-16 or bytes of a value, where that is known; 0 for the forms of fixed size.
    pub(super) bound: Option<usize>,
}

/// The kind of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Float,
    Decimal,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
}

/// The form in which the driver hands a value over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Bit,
    Int,
    Float,
    /// A 4-byte float. Asked for as a double, some drivers would read its decimal digits anew.
    Single,
    Date,
    Timestamp,
    Utf8,
    Utf16,
    Bytes,
}

impl Form {
    /// The size in bytes of a unit, or of the whole value where it has a fixed size.
    pub(super) fn unit_size(self) -> usize {
        match self {
            Form::Bit | Form::Utf8 | Form::Bytes => 1,
            Form::Utf16 => 2,
            Form::Single => 4,
            Form::Date => size_of::<odbc_sys::Date>(),
            Form::Int | Form::Float => 8,
            Form::Timestamp => size_of::<odbc_sys::Timestamp>(),
        }
    }
}

/// The column that a driver describes.
///
/// # Errors
///
/// `Decode`, when the type is none that can be carried; it names the column and its type.
pub(super) fn column(described: Described, flavor: Flavor) -> Result<Column> {
    let (kind, form) = match flavor {
        Flavor::Sqlite => {
            let form = if flavor.takes_utf8() { Form::Utf8 } else { Form::Utf16 };
            (declared(&described.type_name), form)
        }
        _ => typed(&described, flavor).ok_or_else(|| unknown(&described))?,
    };
    let bound = bound(&described, kind, form);
    Ok(Column { name: described.name, kind, form, bound })
}

/// How long a value can be at most, by what the driver says.
fn bound(described: &Described, kind: Kind, form: Form) -> Option<usize> {
    /// The longest values of SQL Server's bounded types; a larger size means that there is no bound.
    const LONGEST: usize = 8000;
    let size = described.size;
    match form {
        Form::Utf8 => None,
        Form::Utf16 | Form::Bytes => match kind {
            Kind::Text | Kind::Bytes | Kind::Json => {
                let long = matches!(described.sql_type, -1 | -4 | -10 | -152);
                (!long && (1..=LONGEST).contains(&size)).then_some(size)
            }
            // Sign, point and a leading zero besides the digits.
            Kind::Decimal => (size <= 100).then_some(size + 3),
            // Nothing else is longer than an interval.
            _ => Some(64),
        },
        _ => Some(0),
    }
}

fn unknown(described: &Described) -> Error {
    Error::decode(format!(
        "column \"{}\" is of type {} (ODBC type {}), which cannot be read",
        described.name,
        if described.type_name.is_empty() { "unknown" } else { &described.type_name },
        described.sql_type
    ))
    .with_hint("cast it to text in the SQL")
}

/// Kind and form by the type that the driver reports, and by its name where the number says too little.
fn typed(described: &Described, flavor: Flavor) -> Option<(Kind, Form)> {
    let name = described.type_name.as_str();
    let by_name = match name {
        "bool" | "boolean" => Some((Kind::Bool, Form::Utf16)),
        "uuid" | "uniqueidentifier" => Some((Kind::Uuid, Form::Utf16)),
        "json" | "jsonb" => Some((Kind::Json, Form::Utf16)),
        "timestamptz" | "datetimeoffset" | "timestamp with time zone" => {
            Some((Kind::TimestampTz, Form::Utf16))
        }
        _ => None,
    };
    // A bit is a bit by whatever name.
    if let (Some(known), true) = (by_name, described.sql_type != -7) {
        return Some(known);
    }
    Some(match described.sql_type {
        // psqlODBC has today in its struct for a date that it does not understand, and no month in its text.
        91 if flavor == Flavor::Postgres => (Kind::Date, Form::Utf16),
        // SQL_BIT
        -7 => (Kind::Bool, Form::Bit),
        // SQL_BIGINT may exceed an i64 where it is unsigned.
        -5 if described.unsigned => (Kind::Decimal, Form::Utf16),
        // SQL_TINYINT (0 to 255 on SQL Server), SQL_SMALLINT, SQL_INTEGER, SQL_BIGINT
        -6 | -5 | 4 | 5 => (Kind::Int, Form::Int),
        // SQL_REAL
        7 => (Kind::Float, Form::Single),
        // psqlODBC's money is a float by its number, and a text with a currency sign in truth.
        6 if name == "money" => return None,
        // SQL_FLOAT, SQL_DOUBLE
        6 | 8 => (Kind::Float, Form::Float),
        // SQL_NUMERIC, SQL_DECIMAL
        2 | 3 => (Kind::Decimal, Form::Utf16),
        // SQL_CHAR, SQL_VARCHAR, SQL_LONGVARCHAR, their wide twins, and SQL Server's xml
        1 | 12 | -1 | -8 | -9 | -10 | -152 => (Kind::Text, Form::Utf16),
        // SQL_BINARY, SQL_VARBINARY, SQL_LONGVARBINARY
        -4..=-2 => (Kind::Bytes, Form::Bytes),
        // SQL_TYPE_DATE, and its number in ODBC 2
        91 | 9 => (Kind::Date, Form::Date),
        // SQL_TYPE_TIME, its number in ODBC 2, and SQL Server's time; the struct has no fraction
        92 | 10 | -154 => (Kind::Time, Form::Utf16),
        // SQL_TYPE_TIMESTAMP, and its number in ODBC 2
        93 | 11 => (Kind::Timestamp, Form::Timestamp),
        // SQL Server's datetimeoffset, and the standard's type
        -155 | 95 => (Kind::TimestampTz, Form::Utf16),
        // SQL_GUID
        -11 => (Kind::Uuid, Form::Utf16),
        _ => return None,
    })
}

/// The kind of a column of SQLite by its declared type, after the rules of SQLite's own affinity; the
/// driver gives a column without one the type of its first value.
///
/// Every value is fetched as text and read strictly: asked for a number, the driver would make NULL of a
/// text in an integer column.
pub(super) fn declared(type_name: &str) -> Kind {
    let has = |part: &str| type_name.contains(part);
    if has("uuid") || has("guid") || has("uniqueidentifier") {
        Kind::Uuid
    } else if has("json") {
        Kind::Json
    } else if has("char") || has("clob") || has("text") || has("string") {
        Kind::Text
    } else if has("interval") {
        Kind::Interval
    } else if has("bool") || type_name == "bit" {
        Kind::Bool
    } else if has("int") || has("serial") {
        Kind::Int
    } else if has("blob") || has("binary") || has("bytea") || has("image") {
        Kind::Bytes
    } else if has("real") || has("floa") || has("doub") {
        Kind::Float
    } else if has("dec") || has("numeric") || has("number") || has("money") {
        Kind::Decimal
    } else if has("timestamptz") || has("datetimeoffset") || has("with time zone") {
        Kind::TimestampTz
    } else if has("timestamp") || has("datetime") {
        Kind::Timestamp
    } else if has("date") {
        Kind::Date
    } else if has("time") {
        Kind::Time
    } else {
        Kind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(sql_type: i16, type_name: &str) -> Described {
        Described { name: "c".into(), sql_type, size: 10, unsigned: false, type_name: type_name.into() }
    }

    #[track_caller]
    fn check(flavor: Flavor, sql_type: i16, type_name: &str, kind: Kind) {
        assert_eq!(column(described(sql_type, type_name), flavor).unwrap().kind, kind);
    }

    #[test]
    fn psqlodbc_types_are_known_by_name_where_the_number_lies() {
        check(Flavor::Postgres, 12, "bool", Kind::Bool);
        check(Flavor::Postgres, 93, "timestamptz", Kind::TimestampTz);
        check(Flavor::Postgres, 93, "timestamp without time zone", Kind::Timestamp);
        check(Flavor::Postgres, -11, "uuid", Kind::Uuid);
        check(Flavor::Postgres, -9, "unknown", Kind::Text);
    }

    #[test]
    fn sql_server_types_are_known_by_their_own_numbers() {
        check(Flavor::SqlServer, -6, "tinyint", Kind::Int);
        check(Flavor::SqlServer, -155, "datetimeoffset", Kind::TimestampTz);
        check(Flavor::SqlServer, -154, "time", Kind::Time);
        check(Flavor::SqlServer, 93, "datetime2", Kind::Timestamp);
        check(Flavor::SqlServer, -2, "timestamp", Kind::Bytes);
        check(Flavor::SqlServer, 3, "money", Kind::Decimal);
        check(Flavor::SqlServer, -152, "xml", Kind::Text);
    }

    #[test]
    fn an_unknown_type_is_an_error_that_names_column_and_type() {
        let error = column(described(-150, "sql_variant"), Flavor::SqlServer).unwrap_err();
        assert!(error.to_string().contains("\"c\" is of type sql_variant"), "{error}");
        assert!(error.to_string().contains("cast it to text"), "{error}");
        assert!(column(described(6, "money"), Flavor::Postgres).is_err());
    }

    #[test]
    fn only_what_has_a_true_bound_is_bounded() {
        let bound = |sql_type, size| {
            let described = Described { size, ..described(sql_type, "") };
            column(described, Flavor::SqlServer).unwrap().bound
        };
        assert_eq!(bound(-9, 40), Some(40));
        assert_eq!(bound(-9, 0), None);
        assert_eq!(bound(12, 2_147_483_647), None);
        assert_eq!(bound(-10, 255), None);
        assert_eq!(bound(3, 10), Some(13));
        assert_eq!(bound(4, 10), Some(0));
    }

    #[test]
    fn sqlite_columns_are_known_by_their_declared_type() {
        for (name, kind) in [
            ("integer", Kind::Int),
            ("bigint", Kind::Int),
            ("varchar(20)", Kind::Text),
            ("decimal(10,2)", Kind::Decimal),
            ("double", Kind::Float),
            ("timestamp", Kind::Timestamp),
            ("datetime", Kind::Timestamp),
            ("date", Kind::Date),
            ("time", Kind::Time),
            ("interval", Kind::Interval),
            ("boolean", Kind::Bool),
            ("blob", Kind::Bytes),
            ("uniqueidentifier", Kind::Uuid),
            ("geometry", Kind::Text),
        ] {
            check(Flavor::Sqlite, 12, name, kind);
        }
    }
}
