//! What becomes of each type, on the way here and on the way there.
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
//! Every database gives the same [`Value`](crate::Value) for the same kind of thing, exactly or not at all. What no variant
//! holds (an infinite date, a range, an address) is the `Text` that the server itself prints, in ISO style, and the server
//! takes that text back as a parameter. What cannot be carried exactly is an error that names the column.
//!
//! # PostgreSQL
//!
//! | PostgreSQL | `Value` | notes |
//! | --- | --- | --- |
//! | `smallint`, `integer`, `bigint`, `oid`, `xid`, `reg…` | `Int` | |
//! | `xid8` | `Int` | `Decimal` from 2⁶³ on |
//! | `numeric` | `Decimal` | every digit, and its scale: `1.50` stays `1.50`. `NaN` and the infinities are `Float`s |
//! | `real`, `double precision` | `Float` | `NaN` and the infinities too; a `real` widens exactly |
//! | `boolean` | `Bool` | |
//! | `text`, `varchar`, `char(n)`, `name`, `"char"`, `citext`, `xml`, `refcursor` | `Text` | `char(n)` with its padding |
//! | `bytea` | `Bytes` | |
//! | `date` | `Date` | years before our era too. `Text`: `infinity`, `-infinity`, and years from 262143 on |
//! | `timestamp` | `Timestamp` | as `date` |
//! | `timestamptz` | `TimestampTz` | in UTC; else as `date` |
//! | `time` | `Time` | `24:00:00` is `Text` |
//! | `time with time zone` | `Text` | `08:00:37.5+02` |
//! | `interval` | `Interval` | months, days and microseconds, kept apart. `infinity` (PostgreSQL 17) is `Text` |
//! | `uuid` | `Uuid` | |
//! | `json`, `jsonb` | `Json` | `Text`, where a number in it has more digits than a double keeps, or an object of a `json` has a key twice |
//! | `inet`, `cidr`, `macaddr`, `macaddr8`, `bit`, `varbit`, `pg_lsn`, `tid`, `jsonpath` | `Text` | |
//! | enums | `Text` | the label |
//! | domains | | as the type that they are made of |
//! | arrays of all these | `List` | NULLs are `Null`s, and further dimensions are lists in the list. One whose indices begin elsewhere than at 1 is `Text`: `[0:1]={1,2}` |
//! | `int2vector`, `oidvector` | `List` | |
//! | ranges, multiranges | `Text` | `[1,5)`, `{[1,2),[5,)}` |
//! | rows and composite types | `Text` | `(1,"a b",)`; points in time in it are in UTC |
//! | `void` | `Null` | |
//! | all others: `money`, `point`, `tsvector`, types of extensions | error | cast them: `price::numeric`, `place::text` |
//!
//! With `STATEMENT_CACHE=0` the values are the same. There the driver looks up a type of the database's own (an enum, a
//! composite type) while the rows come in: cast such a column to text, because in a long result it would wait for itself
//! until the limit, and because its look-up prepares statements, which a pooler in transaction mode confuses.
//!
//! # SQL Server, and ODBC
//!
//! | SQL Server | `Value` | notes |
//! | --- | --- | --- |
//! | `bit` | `Bool` | |
//! | `tinyint` (0 to 255), `smallint`, `int`, `bigint` | `Int` | |
//! | `decimal`, `numeric`, `money`, `smallmoney` | `Decimal` | |
//! | `real`, `float` | `Float` | a `real` widens exactly |
//! | `char`, `varchar`, `nchar`, `nvarchar`, `…(max)`, `text`, `ntext` | `Text` | |
//! | `binary`, `varbinary`, `varbinary(max)`, `image`, `rowversion` | `Bytes` | |
//! | `date` | `Date` | |
//! | `time` | `Time` | all seven digits |
//! | `datetime`, `datetime2`, `smalldatetime` | `Timestamp` | all seven digits |
//! | `datetimeoffset` | `TimestampTz` | with its offset |
//! | `uniqueidentifier` | `Uuid` | |
//! | `xml` | `Text` | |
//! | `sql_variant`, and all others | error | cast it to the type that it holds |
//!
//! Any other ODBC driver's columns are read by the standard's numbers for the same types.
//!
//! psqlODBC gives what PostgreSQL's own protocol gives, with these differences: it does not say which texts are arrays, JSON
//! or intervals, so they are `Text` and are read as what they are (`get::<Interval>`). An infinite date, or one of a year
//! with five digits, is an error. What nobody can tell are three mistakes of the driver: a date before our era loses its sign, the
//! timestamp `infinity` is the last second of the year 9999, and a timestamp of a year with five digits is the beginning of
//! today. Cast such columns to text, or use PostgreSQL's own protocol.
//!
//! Nor does it say in which zone it gives a point in time. Sessions begin in UTC, and in one that has set another (`SET TIME
//! ZONE`, `set_config`, or a `DateStyle` that is not ISO's) such columns are an error: say `AT TIME ZONE`, or cast to text. What a
//! function sets inside of itself is not seen.
//!
//! # SQLite
//!
//! A column of SQLite has the kind of its declared type: `…int…` is `Int`, `…char…`, `…text…` and `clob` are `Text`, `real`,
//! `float` and `double` are `Float`, `decimal` and `numeric` are `Decimal`, and `blob`, `boolean`, `date`, `time`,
//! `timestamp`, `datetime`, `timestamptz`, `interval`, `uuid` and `json` are what they say. Its driver gives floats with 15
//! digits, ends a text at its first NUL, and loses the rows of `RETURNING`, which is therefore refused.
//!
//! SQLite itself keeps a decimal in such a column as a float of 15 digits, without its scale: a column that must be exact is
//! declared as `text`, and read as `BigDecimal` all the same. It keeps any text in any column, too (but in an `integer primary
//! key`), an `integer` or a `date` included, unless a `CHECK` refuses it. It has no `NaN`, and would keep `NULL` for one, which
//! is therefore refused as a parameter and in a load.
//!
//! # Values to types of Rust
//!
//! [`Row::get`](crate::Row::get), [`Row::read`](crate::Row::read) and `TryFrom` are exact or an error, which names the
//! column and the kinds and never the value:
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
//! | `f64`, `f32` | `Float`, and `Int` that it holds exactly |
//! | `bool` | `Bool`; `Int` 0 and 1, which SQLite has for it |
//! | `String` | `Text` |
//! | `Vec<u8>` | `Bytes` |
//! | `BigDecimal` | `Decimal`, `Int`, text |
//! | `NaiveDate`, `NaiveTime`, `NaiveDateTime`, `DateTime<…>`, `Uuid` | their kind, text |
//! | [`Interval`](crate::Interval) | `Interval`, text; as `TimeDelta` only without months and days |
//! | `serde_json::Value` | `Json`, text |
//! | `Vec<T>`, `Vec<Option<T>>`, `Vec<Vec<T>>` | `List` |
//! | `Option<T>` | `Null` is `None` |
//!
//! # Parameters
//!
//! On PostgreSQL a value takes the type that the server wants: text for a `date`, an integer for a `numeric`, a list for
//! an array or for `json`, a `NULL` for all. The server's own input functions read texts. What would lose something is
//! refused before it is sent:
//!
//! * a number out of range, a fraction for an integer, an integer or a decimal with more digits than a `real` or `double
//!   precision` holds. A float and a decimal are the same number when the shortest digits of the float are those of the
//!   decimal: `0.1` is `0.1`. That a column rounds to its own scale, or to a `real`, is the column's.
//! * nanoseconds, which `Utc::now()` has (chrono's `trunc_subsecs(6)` leaves microseconds), and leap seconds;
//! * a point in time for a column without a zone, a timestamp for a `time`, or for a `date` unless it is midnight. A timestamp
//!   for a `timestamptz` is one in the session's zone, as it is in SQL;
//! * a text of more than 63 bytes for a `name`, which would be cut;
//! * bytes for a text, a list for a single value, lists of different lengths for an array;
//! * a decimal or a float for `money`, whose input function reads `1.50` by `lc_monetary`, as 150 where a point stands between
//!   thousands: say `:amount::numeric`. An integer is that many units in any locale; a text (of a CSV file, too) is read as
//!   the server's locale has it.
//!
//! A text for a date or a point in time (of a CSV file, too) is read by the server's `DateStyle`: with the default `ISO, MDY`
//! `05.04.2026` is the 4th of May, without an error. Give a `NaiveDate`, or ISO 8601; [from a
//! file](super::large_data#from-a-file) has the way for files with the day first.
//!
//! A load (`COPY`) is in binary until a row has no binary form, such as the text `infinity` for a `date`, and in text from
//! there on: what is taken, and what it becomes, is the same in both.
//!
//! With `STATEMENT_CACHE=0` nobody asks the server first which types it wants. Points in time and bytes are told as what
//! they are, all other values go as texts, and what becomes of them is the server's decision.
//!
//! On SQL Server a `NULL` is written into the text, because one that is sent as a `varchar` is refused by a `varbinary`
//! column; texts go as `varchar` where they are ASCII, so that indexes are used, decimals with their exact precision,
//! timestamps as `datetime2(7)`, and times, points in time and UUIDs as texts. A date before 1753 is a text too, because
//! FreeTDS would send another day. What is finer than 100 ns is refused; that a `datetime` rounds to its own ticks is the
//! column's.
//!
//! Through ODBC nobody says which type a parameter is for, and the server converts what it gets. **A load** (`bulk_insert`,
//! `bulk_upsert`, `import_csv`, `copy_query`) asks the catalog for the columns' types first, on SQL Server and through
//! psqlODBC, and refuses what one of them would lose, with the record and the column. **A statement** is the server's:
//!
//! | parameter | column | through psqlODBC | on SQL Server | in a load |
//! | --- | --- | --- | --- | --- |
//! | point in time | `timestamp`, `datetime2` | the offset is dropped | the offset is dropped | refused |
//! | point in time | `datetime` | | refused by the server | refused |
//! | point in time | `date`, `time` | offset and the rest are dropped | the same | refused |
//! | timestamp | `date`, `time` | the other part is dropped | the same | refused, but for midnight in a `date` |
//! | decimal with a fraction | integers | rounded | cut | refused |
//! | float with a fraction | integers | refused by the server | cut | refused |
//! | decimal with more digits | floats | rounded | rounded | refused |
//! | text of more than 63 bytes | `name` | cut | | refused |
//! | float | `money` | read by `lc_monetary` | | refused on PostgreSQL (a decimal is exact) |
//! | `2026-01-05` as a text | `datetime`, `smalldatetime` | | read by the language of the login (`DATEFORMAT`) | read as ISO 8601 |
//! | `2026-01-05T08:00:37` as a text | SQLite's `timestamp`, `datetime`, `timestamptz` | | | as a parameter of that kind would be: with a blank |
//! | `true`, `false` as a text | SQLite's `boolean` | | | 1 and 0 (a statement keeps the text, which is not true) |
//!
//! # JSON
//!
//! [`Value::to_json`](crate::Value::to_json) and serde spell integers as numbers, also those beyond 2⁵³, and decimals as
//! strings, because most readers would round them. `NaN` and the infinities are the strings `NaN`, `inf` and `-inf`, bytes are
//! hexadecimal digits, dates, times and intervals ISO 8601.
//!
//! The fields of a serde struct as parameters ([`record`](crate::record)) do not go by way of JSON: `NaN` and bytes stay what
//! they are, a list is a `List`, which a `json` column takes as JSON, and a map or a struct is `Json`. A name that comes twice
//! (`#[serde(flatten)]`) is an error.
//!
//! serde itself knows neither JSON nor dates, decimals and UUIDs. A field is known by the name of its type, and is what
//! `params!` makes of it, where that is `serde_json::Value`, `serde_json::Map`, [`Value`](crate::Value),
//! [`Interval`](crate::Interval), `BigDecimal`, `NaiveDate`, `NaiveTime`, `NaiveDateTime`, `DateTime<…>` or `Uuid`, also in
//! an `Option`, a `Vec`, a newtype, or behind a reference, a `Box` or a `Cow`:
//!
//! * a field of type `serde_json::Value` is JSON, whatever is in it: the text `"42"` stays a text, and `null` is JSON's. `NULL`
//!   is the `None` of an `Option<serde_json::Value>`.
//! * where the record is itself a map of JSON (`record(&json!({"id": 7}))`, or a map that is flattened into it), nothing tells
//!   a text from a document: its texts are texts, its numbers numbers, its `null`s `NULL`, its arrays lists, and its objects
//!   JSON. A `json` column reads such a text as JSON.
//! * what hides its content from serde (`with = "…"`, `transparent`, `untagged`, a type of another crate) is what it says
//!   to serde. That is mostly text, and the server reads it as the type of its column: a `timestamp` drops its offset, and
//!   nanoseconds are rounded. `params!` takes such a value as one of the types above.
