//! Types: how each database type is read, and how each value is sent.
//!
//! 1. [The rule](#the-rule)
//! 2. [PostgreSQL](#postgresql)
//! 3. [SQL Server, and ODBC](#sql-server-and-odbc)
//! 4. [SQLite](#sqlite)
//! 5. [Values to types of Rust](#values-to-types-of-rust)
//! 6. [Parameters](#parameters)
//! 7. [JSON](#json)
//!
//! # The rule
//!
//! Every database gives the same [`Value`](crate::Value) for the same kind of data, exactly. If no variant can hold a
//! value (an infinite date, a range, an address), it is the `Text` that the server itself prints, in ISO style, and the
//! server accepts that text as a parameter. If a value cannot be read exactly, the result is an error that names the
//! column.
//!
//! # PostgreSQL
//!
//! | PostgreSQL | `Value` | notes |
//! | --- | --- | --- |
//! | `smallint`, `integer`, `bigint`, `oid`, `xid`, `reg…` | `Int` | |
//! | `xid8` | `Int` | from 2⁶³ on `Decimal` |
//! | `numeric` | `Decimal` | keeps every digit and the scale: `1.50` stays `1.50`. `NaN` and infinities are `Float`s |
//! | `real`, `double precision` | `Float` | `NaN` and infinities too; a `real` is converted to `f64` exactly |
//! | `boolean` | `Bool` | |
//! | `text`, `varchar`, `char(n)`, `name`, `"char"`, `citext`, `xml`, `refcursor` | `Text` | `char(n)` includes its padding |
//! | `bytea` | `Bytes` | |
//! | `date` | `Date` | years BC too. `infinity`, `-infinity`, and years from 262143 on are `Text` |
//! | `timestamp` | `Timestamp` | exceptions as for `date` |
//! | `timestamptz` | `TimestampTz` | in UTC; exceptions as for `date` |
//! | `time` | `Time` | `24:00:00` is `Text` |
//! | `time with time zone` | `Text` | `08:00:37.5+02` |
//! | `interval` | `Interval` | months, days and microseconds, kept apart. `infinity` (PostgreSQL 17) is `Text` |
//! | `uuid` | `Uuid` | |
//! | `json`, `jsonb` | `Json` | `Text` if it holds a number with more digits than an `f64` keeps, or an object with a key twice (`json` only) |
//! | `inet`, `cidr`, `macaddr`, `macaddr8`, `bit`, `varbit`, `pg_lsn`, `tid`, `jsonpath` | `Text` | |
//! | enums | `Text` | the label |
//! | domains | | as their base type |
//! | arrays of all these | `List` | NULL elements are `Null`s; further dimensions are nested lists. An array whose index does not start at 1 is `Text`: `[0:1]={1,2}` |
//! | `int2vector`, `oidvector` | `List` | |
//! | ranges, multiranges | `Text` | `[1,5)`, `{[1,2),[5,)}` |
//! | rows and composite types | `Text` | `(1,"a b",)`; points in time in it are in UTC |
//! | `void` | `Null` | |
//! | all others: `money`, `point`, `tsvector`, types of extensions | error | cast them: `price::numeric`, `place::text` |
//!
//! With `STATEMENT_CACHE=0` the values are the same. But then the driver looks up user-defined types (an enum, a
//! composite type) only while the rows come in: cast such columns to text. In a long result the look-up waits behind
//! the unread rows until the time limit, and it prepares statements, which does not work behind a pooler in transaction
//! mode.
//!
//! # SQL Server, and ODBC
//!
//! | SQL Server | `Value` | notes |
//! | --- | --- | --- |
//! | `bit` | `Bool` | |
//! | `tinyint` (0 to 255), `smallint`, `int`, `bigint` | `Int` | |
//! | `decimal`, `numeric`, `money`, `smallmoney` | `Decimal` | |
//! | `real`, `float` | `Float` | a `real` is converted to `f64` exactly |
//! | `char`, `varchar`, `nchar`, `nvarchar`, `…(max)`, `text`, `ntext` | `Text` | |
//! | `binary`, `varbinary`, `varbinary(max)`, `image`, `rowversion` | `Bytes` | |
//! | `date` | `Date` | |
//! | `time` | `Time` | all seven digits |
//! | `datetime`, `datetime2`, `smalldatetime` | `Timestamp` | all seven digits |
//! | `datetimeoffset` | `TimestampTz` | with its offset |
//! | `uniqueidentifier` | `Uuid` | |
//! | `xml` | `Text` | |
//! | `sql_variant`, and all others | error | cast them to a type of this table |
//!
//! Columns of any other ODBC driver are read by the type codes of the ODBC standard, in the same way.
//!
//! psqlODBC gives the same values as PostgreSQL's own protocol, with these differences. It does not say which texts are
//! arrays, JSON or intervals, so these are `Text`; read them as the type that they are (`get::<Interval>`). An infinite
//! date, or one whose year has five digits, is an error. Three errors of the driver cannot be detected: a date BC loses
//! its sign, the timestamp `infinity` becomes the last second of the year 9999, and a timestamp whose year has five
//! digits becomes today at 00:00. Cast such columns to text, or use PostgreSQL's own protocol.
//!
//! psqlODBC also does not say in which time zone it returns a `timestamptz`. Sessions begin in UTC. If a session has
//! changed that (`SET TIME ZONE`, `set_config`, or a `DateStyle` other than ISO), reading such columns is an error: use
//! `AT TIME ZONE`, or cast to text. A change made inside a function is not noticed.
//!
//! # SQLite
//!
//! A column of SQLite is read by its declared type: `…int…` is `Int`, `…char…`, `…text…` and `clob` are `Text`, `real`,
//! `float` and `double` are `Float`, `decimal` and `numeric` are `Decimal`, and `blob`, `boolean`, `date`, `time`,
//! `timestamp`, `datetime`, `timestamptz`, `interval`, `uuid` and `json` are the variants of these names. The driver
//! returns floats with 15 digits, ends a text at its first NUL character, and loses the rows of `RETURNING`, which is
//! therefore refused.
//!
//! SQLite stores a decimal in a `decimal` column as a float of 15 digits, without its scale. For exact decimals declare
//! the column as `text`; it can be read as `BigDecimal` all the same. SQLite also stores any text in any column, even
//! in an `integer` or a `date` (except in an `integer primary key`), unless a `CHECK` refuses it. It has no `NaN` and
//! would store `NULL` instead, so a `NaN` is refused.
//!
//! # Values to types of Rust
//!
//! [`Row::get`](crate::Row::get), [`Row::read`](crate::Row::read) and `TryFrom` convert exactly or return an error,
//! which names the column and the types but never the value:
//!
//! ```
//! use batchdb::{Interval, Row, Value};
//! use bigdecimal::BigDecimal;
//!
//! let row = Row::from_pairs([
//!     ("id", Value::from(300)),
//!     ("price", Value::from("4.20".parse::<BigDecimal>().unwrap())),
//!     ("due", Value::from("infinity")), // a date that no calendar has
//!     ("wait", Value::from(Interval { months: 1, days: 0, microseconds: 0 })),
//!     ("tags", Value::from(vec![Some("a"), None])),
//! ]);
//! assert!(row.get::<u8>("id").unwrap_err().to_string().contains("column \"id\""));
//! assert!(row.get::<f64>("price").is_err()); // a decimal is read as BigDecimal, or as an integer that it is
//! assert!(row.get::<chrono::NaiveDate>("due").is_err());
//! assert!(row.get::<chrono::TimeDelta>("wait").is_err()); // a month has no fixed length
//! assert_eq!(row.get::<Vec<Option<String>>>("tags")?, [Some("a".to_owned()), None]);
//! # Ok::<(), batchdb::Error>(())
//! ```
//!
//! | type of Rust | is read from |
//! | --- | --- |
//! | integers, up to 128 bits | `Int` and `Decimal` without a fraction, in range |
//! | `f64`, `f32` | `Float`, and an `Int` that it can hold exactly |
//! | `bool` | `Bool`; `Int` 0 and 1 (SQLite's booleans) |
//! | `String` | `Text` |
//! | `Vec<u8>` | `Bytes` |
//! | `BigDecimal` | `Decimal`, `Int`, `Text` |
//! | `NaiveDate`, `NaiveTime`, `NaiveDateTime`, `DateTime<…>`, `Uuid` | their own variant, `Text` |
//! | [`Interval`](crate::Interval) | `Interval`, `Text`. Without months and days also as `TimeDelta` |
//! | `serde_json::Value` | `Json`, `Text` |
//! | `Vec<T>`, `Vec<Option<T>>`, `Vec<Vec<T>>` | `List` |
//! | `Option<T>` | `Null` is `None` |
//!
//! # Parameters
//!
//! On PostgreSQL a value is converted to the type that the server expects: a text to a `date`, an integer to a
//! `numeric`, a list to an array or to `json`, `NULL` to anything. Texts are read by the server's own input functions.
//! Whatever would lose information is refused before it is sent:
//!
//! * a number out of range, a fraction for an integer, an integer or a decimal with more digits than a `real` or
//!   `double precision` holds. A float and a decimal count as the same number when the shortest decimal form of the
//!   float is that decimal: `0.1` is `0.1`. Rounding to the scale of the column, or to a `real`, is not refused;
//! * nanoseconds, which `Utc::now()` has (use chrono's `trunc_subsecs(6)` to keep only microseconds), and leap seconds;
//! * a `DateTime` with an offset for a column without a time zone; a timestamp for a `time`, or for a `date` unless it
//!   is midnight. (A timestamp without offset for a `timestamptz` is taken in the session's time zone, as in SQL.)
//! * a text of more than 63 bytes for a `name`, which would be truncated;
//! * bytes for a text, a list for a single value, lists of different lengths for an array;
//! * a decimal or a float for `money`, because its input function depends on `lc_monetary`: `1.50` is read as 150 in a
//!   locale where the point separates thousands. Write `:amount::numeric`. An integer is that many units in any locale;
//!   a text (also from a CSV file) is read by the server's locale.
//!
//! A text for a date or a timestamp (also from a CSV file) is read by the server's `DateStyle`: with the default `ISO,
//! MDY`, `05.04.2026` is the 4th of May, without an error. Pass a `NaiveDate`, or ISO 8601. For files with the day
//! first see [from a file](super::large_data#from-a-file).
//!
//! A load (`COPY`) is in binary until a row has a value without a binary form, such as the text `infinity` for a
//! `date`, and in text from there on. Both accept the same values and store the same. A
//! statement stores the same too, with one exception: a number, or a text that is a number, in a column such as `interval
//! minute`. A load reads `5` in the unit of the column: five minutes. A statement reads five seconds, and the column keeps
//! whole minutes only: none. Pass an [`Interval`](crate::Interval), or a text with a unit.
//!
//! With `STATEMENT_CACHE=0` the server is not asked first which types it expects. `DateTime`s and bytes are sent with
//! their type, all other values as texts, and the server decides how to convert them.
//!
//! On SQL Server a `NULL` is written into the statement text, because a `NULL` sent as `varchar` is refused by a
//! `varbinary` column. Texts are sent as `varchar` if they are ASCII, so that indexes are used; decimals with their
//! exact precision; timestamps as `datetime2(7)`; times, `DateTime`s and UUIDs as texts. A date before 1753 is a text
//! too, because FreeTDS would send a different day. Fractions finer than 100 ns are refused; the rounding of a
//! `datetime` column is not.
//!
//! Through ODBC the type that a parameter is for is not known, and the server converts what it gets. **A load**
//! (`bulk_insert`, `bulk_upsert`, `import_csv`, `copy_query`) on SQL Server or through psqlODBC first reads the types
//! of the columns from the catalog, and refuses values that would lose information, naming record and column. **In a
//! statement** the server decides:
//!
//! | parameter | column | statement, psqlODBC | statement, SQL Server | load |
//! | --- | --- | --- | --- | --- |
//! | `DateTime` | `timestamp`, `datetime2` | the offset is dropped | the offset is dropped | refused |
//! | `DateTime` | `datetime` | | refused by the server | refused |
//! | `DateTime` | `date`, `time` | the offset and the other part are dropped | the same | refused |
//! | timestamp | `date`, `time` | the other part is dropped | the same | refused, but for midnight in a `date` |
//! | decimal with a fraction | integers | rounded | truncated | refused |
//! | float with a fraction | integers | refused by the server | truncated | refused |
//! | decimal with more digits | floats | rounded | rounded | refused |
//! | text of more than 63 bytes | `name` | truncated | | refused |
//! | float | `money` | read by `lc_monetary` | | refused on PostgreSQL (a decimal is exact) |
//! | `2026-01-05` as a text | `datetime`, `smalldatetime` | | read by the language of the login (`DATEFORMAT`) | read as ISO 8601 |
//! | `2026-01-05T08:00:37` as a text | SQLite's `timestamp`, `datetime`, `timestamptz` | | | stored as a parameter of that type is, without the `T`, so that the two are equal |
//! | `true`, `false` as a text | SQLite's `boolean` | | | stored as 1 and 0 (a statement stores the text, which SQLite does not treat as true) |
//!
//! # JSON
//!
//! [`Value::to_json`](crate::Value::to_json) and serde write integers as numbers, also beyond 2⁵³, and decimals as
//! strings, because most readers would round them. `NaN` and infinities are the strings `NaN`, `inf` and `-inf`; bytes
//! are hexadecimal digits; dates, times and intervals are ISO 8601.
//!
//! The fields of a serde struct as parameters ([`record`](crate::record)) are not converted through JSON: `NaN` and
//! bytes stay what they are, a list is a `List` (which a `json` column stores as JSON), and a nested map or struct is
//! `Json`. A field name that occurs twice (`#[serde(flatten)]`) is an error.
//!
//! serde itself has no types for JSON, dates, decimals and UUIDs. `record` recognizes a field by the name of its Rust
//! type, and converts it as `params!` does, if that type is `serde_json::Value`, `serde_json::Map`,
//! [`Value`](crate::Value), [`Interval`](crate::Interval), `BigDecimal`, `NaiveDate`, `NaiveTime`, `NaiveDateTime`,
//! `DateTime<…>` or `Uuid`, also in an `Option`, a `Vec`, a newtype, or behind a reference, a `Box` or a `Cow`:
//!
//! * A field of type `serde_json::Value` is always JSON: the text `"42"` stays a JSON text, and `null` is JSON's
//!   `null`. For SQL `NULL` use the `None` of an `Option<serde_json::Value>`.
//! * If the record itself is a JSON map (`record(&json!({"id": 7}))`, or a map that is flattened into it), a JSON text
//!   cannot be told from a plain text: its texts are SQL texts, its numbers numbers, its `null`s `NULL`, its arrays
//!   lists, and its objects JSON. A `json` column parses such a text as JSON.
//! * A type that hides its content from serde (`with = "…"`, `transparent`, `untagged`, a type of another crate) is
//!   sent as whatever it serializes to. That is mostly a text, which the server converts to the column's type: a
//!   `timestamp` column drops the offset, and nanoseconds are rounded. To avoid that, pass the value through `params!`
//!   as one of the types above.
