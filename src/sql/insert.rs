//! `INSERT … VALUES (…)` of one row, written with many.
//!
//! One statement of many rows is many times faster than as many statements, and must do the same. So only what surely
//! does is taken for a plain insert: names, values and functions that look at nothing but their arguments, and at most
//! `ON CONFLICT … DO NOTHING` behind them. `DO UPDATE` refuses to touch a row twice in one statement, a subquery does not
//! see the rows before it, and `CURRENT_TIMESTAMP` is the transaction's on PostgreSQL and the statement's elsewhere.

use std::sync::{Arc, OnceLock};

use super::Statement;
use super::lexer::{Kind, Token, tokens};
use super::template::Template;
use crate::dialect::Dialect;
use crate::error::Result;
use crate::params::Params;
use crate::value::Value;

/// The column in which a batch of T-SQL tells how many rows it has changed.
pub(crate) const COUNT: &str = "batchdb_changed";

/// The parameters of one statement that were fastest on PostgreSQL and SQLite; SQL Server takes 2,100.
const PARAMETERS: usize = 2_000;

/// The most rows of one VALUES on SQL Server.
const ROWS: usize = 1_000;

/// Functions whose result depends on their arguments alone.
const FUNCTIONS: &str = "abs btrim cast ceil ceiling coalesce concat concat_ws convert_from convert_to date_trunc decode \
     encode floor greatest left length least lower lpad ltrim make_date md5 mod nullif replace right round rpad rtrim sign \
     split_part substr substring to_date to_json to_jsonb to_number to_timestamp translate trim trunc upper";

/// What PostgreSQL gives each row anew, or the whole transaction alike, in one statement and in many.
const POSTGRES_FUNCTIONS: &str = "gen_random_uuid nextval now random transaction_timestamp uuid_generate_v4";

/// Types that may have a length.
const TYPES: &str = "bit char character dec decimal float numeric nvarchar time timestamp timestamptz varbinary varchar \
     varying interval";

/// Words that look at more than the row, or at a clock.
const REFUSED: &str = "SELECT WITH TABLE VALUES IN EXISTS ANY ALL SOME OVER NEXT CURRENT_TIMESTAMP CURRENT_DATE \
     CURRENT_TIME LOCALTIME LOCALTIMESTAMP";

/// The clocks that stand still for a transaction of PostgreSQL.
const POSTGRES_CLOCKS: &str = "CURRENT_TIMESTAMP CURRENT_DATE CURRENT_TIME LOCALTIME LOCALTIMESTAMP";

/// A plain insert, in its parts.
#[derive(Debug)]
pub(crate) struct PlainInsert {
    /// The table, in its quotes.
    table: Box<str>,
    /// Up to and with `VALUES`.
    head: Box<str>,
    /// The row in its parentheses.
    row: Arc<Template>,
    /// What follows the row.
    tail: Box<str>,
    /// The text of a single row.
    single: Arc<str>,
    /// The texts of many rows, by the places of `sizes`: a statement cache is not to be filled with one for each number.
    texts: [OnceLock<Arc<str>>; SIZES],
    traits: super::Traits,
    /// Where the row is nothing but parameters for named columns.
    places: Option<Places>,
}

/// The columns of a PostgreSQL table that the parameters of an insert go to, one each.
#[derive(Debug)]
pub(crate) struct Places {
    /// The table's own name, without its schema and without quotes.
    pub(crate) table: String,
    /// The columns, without quotes.
    pub(crate) columns: Arc<[Box<str>]>,
    /// For each column the place of its value among those of a record.
    values: Box<[usize]>,
}

impl Places {
    /// The values of a record, as a row.
    pub(crate) fn fill(&self, record: &BoundRow, row: &mut Vec<Value>) {
        row.extend(self.values.iter().map(|place| record.args[*place].clone()));
    }
}

/// How many numbers of rows have a text of their own, besides the single one.
const SIZES: usize = 3;

/// One record, bound.
#[derive(Debug)]
pub(crate) struct BoundRow {
    /// `(?, NULL)`; numbered placeholders are written by the statement.
    text: Arc<str>,
    args: Vec<Value>,
    /// How many they are, also while a statement has them.
    count: usize,
}

impl BoundRow {
    /// The memory that its values take, as nearly as matters for a bound on it.
    pub(crate) fn weight(&self) -> usize {
        self.args.iter().map(Value::weight).sum()
    }
}

impl Template {
    /// The statement as a plain insert, where it is one.
    pub(crate) fn plain_insert(&self) -> Option<&PlainInsert> {
        let read = || PlainInsert::read(self.source(), self).map(Box::new);
        self.insert.get_or_init(read).as_deref()
    }
}

impl PlainInsert {
    fn read(sql: &str, template: &Template) -> Option<PlainInsert> {
        let dialect = template.dialect;
        let all: Vec<Token<'_>> = tokens(sql, dialect).filter(Token::is_significant).collect();
        all.get(2)?;
        if !all[0].is_word("INSERT") || !all[1].is_word("INTO") {
            return None;
        }
        let mut at = name(&all, 2)?;
        // Without comments, which `to_regclass` does not accept.
        let table: String = all[2..at].iter().map(|part| part.text).collect();
        let own_name = unquoted(&all[at - 1]);
        let mut columns = Vec::new();
        if all.get(at)?.is("(") {
            let open = at;
            at = list_of_names(&all, at)?;
            columns =
                all[open + 1..at - 1].iter().step_by(2).map(|name| unquoted(name).into_boxed_str()).collect();
        }
        let values = all.get(at).filter(|token| token.is_word("VALUES"))?;
        let open = at + 1;
        let close = closing(&all, open)?;
        if !all[open + 1..close]
            .iter()
            .enumerate()
            .all(|(place, _)| is_plain(&all, open + 1 + place, dialect))
        {
            return None;
        }
        let tail = &all[close + 1..];
        if !tail.is_empty() && !is_do_nothing(tail, dialect) {
            return None;
        }
        let row = Arc::new(Template::parse(&sql[all[open].at..all[close].end()], dialect).ok()?);
        let row_of_names = all[open + 1..close].iter().enumerate().all(|(place, token)| match place % 2 {
            0 => token.kind == Kind::Name,
            _ => token.is(","),
        });
        let ordered: Box<[usize]> = row.uses().map(|place| place.name).collect();
        // One parameter for two columns has one type, which the columns need not have.
        let once = row.names.len() == ordered.len() && ordered.len() == columns.len();
        let fits = dialect == Dialect::Postgres && row_of_names && once;
        let places = Places { table: own_name, columns: columns.into(), values: ordered };
        Some(PlainInsert {
            places: Some(places).filter(|_| fits && tail.is_empty()),
            table: table.into(),
            head: sql[..values.end()].into(),
            row,
            tail: sql[all[close].end()..].into(),
            single: Arc::clone(&template.plain),
            texts: std::array::from_fn(|_| OnceLock::new()),
            traits: template.traits,
        })
    }

    /// The table, in the quotes that the text has.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The columns that the parameters go to, where the row is nothing else.
    pub(crate) fn places(&self) -> Option<&Places> {
        self.places.as_ref()
    }

    /// How many rows one statement has, in falling order; any rest is made of them.
    pub(crate) fn sizes(&self) -> [usize; SIZES + 1] {
        let parameters = match self.row.dialect.numbers_parameters() {
            true => self.row.names.len(),
            false => self.row.uses().count(),
        };
        let most = (PARAMETERS / parameters.max(1)).clamp(1, ROWS);
        [most, (most / 8).max(1), (most / 64).max(1), 1]
    }

    /// Binds one record, as the whole statement would.
    ///
    /// # Errors
    ///
    /// `Params`, as [`Template::bind`].
    pub(crate) fn bind(&self, params: Params) -> Result<BoundRow> {
        let Statement { text, args, .. } = Arc::clone(&self.row).bind(params)?;
        let count = args.len();
        Ok(BoundRow { text, args, count })
    }

    /// The statement for these rows; takes their values.
    pub(crate) fn statement(&self, rows: &mut [BoundRow]) -> Statement {
        let texts = rows.iter().map(|row| &*row.text);
        let text = match self.row.dialect {
            dialect if dialect.numbers_parameters() => self.numbered(rows.len()),
            Dialect::SqlServer => {
                counted(texts.map(|row| format!("{} {row}{}", self.head, self.tail))).into()
            }
            _ => format!("{} {}{}", self.head, texts.collect::<Vec<_>>().join(", "), self.tail).into(),
        };
        let mut args = Vec::with_capacity(rows.iter().map(|row| row.args.len()).sum());
        rows.iter_mut().for_each(|row| args.append(&mut row.args));
        Statement { text, args, traits: self.traits, template: None }
    }

    /// Gives the values of a statement back to its rows.
    pub(crate) fn take_back(rows: &mut [BoundRow], statement: Statement) {
        let mut args = statement.args.into_iter();
        for row in rows {
            row.args = args.by_ref().take(row.count).collect();
        }
    }

    fn numbered(&self, rows: usize) -> Arc<str> {
        let place = self.sizes().iter().position(|size| *size == rows);
        match place {
            _ if rows == 1 => Arc::clone(&self.single),
            Some(place) => Arc::clone(self.texts[place].get_or_init(|| self.render(rows))),
            None => self.render(rows),
        }
    }

    fn render(&self, rows: usize) -> Arc<str> {
        let mut text = format!("{} ", self.head);
        for row in 0..rows {
            text.push_str(if row == 0 { "" } else { ", " });
            text.push_str(&self.row.render_from(row * self.row.names.len()));
        }
        text.push_str(&self.tail);
        text.into()
    }
}

/// Statements of T-SQL in one batch, which returns the number of rows that they changed in all.
///
/// It does what a loop of them does, where one of many rows would not: SQL Server makes the values of a column one type
/// before it looks at the column, and rounds decimals for that. Neither counts nor rows of a trigger count here: the column
/// has the name by which a connection knows the answer to a question for the count.
pub(crate) fn counted(statements: impl Iterator<Item = String>) -> String {
    let mut text = String::from("DECLARE @batchdb_rows bigint = 0;");
    for statement in statements {
        text.push_str(&statement);
        // On a line of its own: the statement may end in a comment.
        text.push_str("\n; SET @batchdb_rows += @@ROWCOUNT;\n");
    }
    text + "SELECT @batchdb_rows AS " + COUNT
}

/// A name as PostgreSQL has it in its catalog.
fn unquoted(name: &Token<'_>) -> String {
    match name.kind {
        Kind::Quoted => name.text[1..name.text.len() - 1].replace("\"\"", "\""),
        _ => name.text.to_ascii_lowercase(),
    }
}

/// The place behind a name that may carry its schema.
fn name(all: &[Token<'_>], mut at: usize) -> Option<usize> {
    loop {
        all.get(at).filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted))?;
        match all.get(at + 1) {
            Some(dot) if dot.is(".") => at += 2,
            _ => return Some(at + 1),
        }
    }
}

/// The place behind `(a, "b")`.
fn list_of_names(all: &[Token<'_>], open: usize) -> Option<usize> {
    let close = closing(all, open)?;
    let inside = &all[open + 1..close];
    let is_list = inside.iter().enumerate().all(|(place, token)| match place % 2 {
        0 => matches!(token.kind, Kind::Word | Kind::Quoted),
        _ => token.is(","),
    });
    (is_list && inside.len() % 2 == 1).then_some(close + 1)
}

/// The place of the parenthesis that closes the one at `open`.
fn closing(all: &[Token<'_>], open: usize) -> Option<usize> {
    all.get(open).filter(|token| token.is("("))?;
    let mut depth = 0_usize;
    for (place, token) in all.iter().enumerate().skip(open) {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth -= 1;
            if depth == 0 {
                return Some(place);
            }
        }
    }
    None
}

/// Whether a token within the row looks at nothing but the row.
fn is_plain(all: &[Token<'_>], at: usize, dialect: Dialect) -> bool {
    let token = &all[at];
    let is_in =
        |words: &str| words.split_ascii_whitespace().any(|word| token.text.eq_ignore_ascii_case(word));
    let postgres = dialect == Dialect::Postgres;
    let calls = all.get(at + 1).is_some_and(|next| next.is("("));
    match token.kind {
        Kind::Name | Kind::Literal | Kind::Number => !calls,
        Kind::Symbol => !matches!(token.text, ";" | "@" | "?"),
        Kind::Word if calls => {
            let is_type = at.checked_sub(1).is_some_and(|before| all[before].is("::")) || is_in(TYPES);
            let qualified = at.checked_sub(1).is_some_and(|before| all[before].is("."));
            !qualified && (is_type || is_in(FUNCTIONS) || (postgres && is_in(POSTGRES_FUNCTIONS)))
        }
        Kind::Word => !is_in(REFUSED) || (postgres && is_in(POSTGRES_CLOCKS)),
        _ => false,
    }
}

/// `ON CONFLICT DO NOTHING`, with or without columns: a row that an earlier one of the same statement conflicts with is
/// left out as it would be by a statement of its own.
fn is_do_nothing(tail: &[Token<'_>], dialect: Dialect) -> bool {
    let words = |tokens: &[Token<'_>], wanted: &[&str]| {
        tokens.len() == wanted.len() && tokens.iter().zip(wanted).all(|(token, word)| token.is_word(word))
    };
    if !matches!(dialect, Dialect::Postgres | Dialect::Sqlite) || tail.len() < 4 {
        return false;
    }
    let behind = if tail[2].is("(") { list_of_names(tail, 2) } else { Some(2) };
    words(&tail[..2], &["ON", "CONFLICT"]) && behind.is_some_and(|at| words(&tail[at..], &["DO", "NOTHING"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;

    fn insert(sql: &str, dialect: Dialect) -> Option<Template> {
        let template = Template::parse(sql, dialect).unwrap();
        template.plain_insert().is_some().then_some(template)
    }

    #[track_caller]
    fn check(sql: &str, dialect: Dialect, wanted: &str) {
        let template = insert(sql, dialect).expect(sql);
        let insert = template.plain_insert().unwrap();
        let mut rows =
            [params! { a: 1, b: None::<i64> }, params! { a: 2, b: 3 }].map(|p| insert.bind(p).unwrap());
        assert_eq!(&*insert.statement(&mut rows).text, wanted);
    }

    #[test]
    fn many_rows_are_written_in_each_dialect() {
        let sql = "INSERT INTO s.\"t\" (x, \"y\") VALUES (:a, :b::numeric(10, 2)) ON CONFLICT (x) DO NOTHING";
        check(
            sql,
            Dialect::Postgres,
            "INSERT INTO s.\"t\" (x, \"y\") VALUES ($1, $2::numeric(10, 2)), ($3, $4::numeric(10, 2)) ON CONFLICT (x) \
             DO NOTHING",
        );
        check(
            "insert into [t] values (upper(:a), :b, :a)",
            Dialect::SqlServer,
            "DECLARE @batchdb_rows bigint = 0;insert into [t] values (upper(?), NULL, ?)\n; SET @batchdb_rows += \
             @@ROWCOUNT;\ninsert into [t] values (upper(?), ?, ?)\n; SET @batchdb_rows += @@ROWCOUNT;\nSELECT \
             @batchdb_rows AS batchdb_changed",
        );
        check(
            "insert into t values (:a, :b) -- nightly",
            Dialect::SqlServer,
            "DECLARE @batchdb_rows bigint = 0;insert into t values (?, NULL) -- nightly\n; SET @batchdb_rows += \
             @@ROWCOUNT;\ninsert into t values (?, ?) -- nightly\n; SET @batchdb_rows += @@ROWCOUNT;\nSELECT \
             @batchdb_rows AS batchdb_changed",
        );
        check("INSERT INTO t VALUES (:a, :b)", Dialect::Odbc, "INSERT INTO t VALUES (?, NULL), (?, ?)");
    }

    #[test]
    fn values_come_back_to_their_rows() {
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            let template = insert("INSERT INTO t VALUES (:a, :b, '?')", dialect).unwrap();
            let insert = template.plain_insert().unwrap();
            let mut rows = [params! { a: 1, b: 2 }, params! { a: 3, b: 4 }].map(|p| insert.bind(p).unwrap());
            let statement = insert.statement(&mut rows);
            PlainInsert::take_back(&mut rows, statement);
            assert!(rows[1].args == [Value::Int(3), Value::Int(4)]);
        }
    }

    #[test]
    fn what_might_do_something_else_is_left_alone() {
        for sql in [
            "INSERT INTO t (a) VALUES (:a), (:b)",
            "INSERT INTO t (a) SELECT :a",
            "INSERT INTO t (a) VALUES ((SELECT max(a) + 1 FROM t))",
            "INSERT INTO t (a) VALUES (book_order(:a))",
            "INSERT INTO t (a) VALUES (clock_timestamp())",
            "INSERT INTO t (a) VALUES (pg_catalog.now())",
            "INSERT INTO t (a) VALUES (:a) ON CONFLICT (a) DO UPDATE SET a = 1",
            "INSERT INTO t (a) VALUES (:a) RETURNING id",
            "INSERT INTO t AS x (a) VALUES (:a)",
            "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (:a)",
            "INSERT INTO t (a.b) VALUES (:a)",
            "INSERT INTO t (a) VALUES (:a);",
            "INSERT INTO t DEFAULT VALUES",
            "WITH x AS (SELECT 1) INSERT INTO t (a) VALUES (:a)",
            "UPDATE t SET a = :a",
            "INSERT",
        ] {
            assert!(insert(sql, Dialect::Postgres).is_none(), "{sql}");
        }
        assert!(insert("INSERT INTO t VALUES (now(), CURRENT_DATE, DEFAULT)", Dialect::Postgres).is_some());
        assert!(insert("INSERT INTO t VALUES (now())", Dialect::Odbc).is_none());
        assert!(insert("INSERT INTO t VALUES (CURRENT_TIMESTAMP)", Dialect::Sqlite).is_none());
        assert!(insert("INSERT INTO t VALUES (:a) ON CONFLICT DO NOTHING", Dialect::SqlServer).is_none());
    }

    #[test]
    fn a_row_of_parameters_is_one_of_columns() {
        let sql = "INSERT INTO S.\"a\"\"T\" (Id, \"Name\") VALUES (:id, :name)";
        let template = insert(sql, Dialect::Postgres).unwrap();
        let insert_into = template.plain_insert().unwrap();
        let places = insert_into.places().unwrap();
        assert_eq!((&*places.table, &*insert_into.table), ("a\"T", "S.\"a\"\"T\""));
        assert_eq!(places.columns.iter().map(|name| &**name).collect::<Vec<_>>(), ["id", "Name"]);
        let record = insert_into.bind(params! { name: "x", id: 1 }).unwrap();
        let mut row = Vec::new();
        places.fill(&record, &mut row);
        assert!(row == [Value::Int(1), Value::from("x")]);
        for sql in [
            "INSERT INTO t (a, b) VALUES (:a, 1)",
            "INSERT INTO t VALUES (:a)",
            "INSERT INTO t (a) VALUES (:a::int)",
            "INSERT INTO t (a) VALUES (:a) ON CONFLICT DO NOTHING",
            "INSERT INTO t (a, b) VALUES (:a)",
            "INSERT INTO t (a, b) VALUES (:a, :a)",
        ] {
            let template = insert(sql, Dialect::Postgres).unwrap();
            assert!(template.plain_insert().unwrap().places().is_none(), "{sql}");
        }
    }

    #[test]
    fn a_few_numbers_of_rows_have_a_text_each() {
        let template = insert("INSERT INTO t VALUES (:a, :b, :c)", Dialect::Postgres).unwrap();
        let insert = template.plain_insert().unwrap();
        assert_eq!(insert.sizes(), [666, 83, 10, 1]);
        assert!(Arc::ptr_eq(&insert.numbered(83), &insert.numbered(83)));
        assert!(Arc::ptr_eq(&insert.numbered(1), &template.plain));
        assert!(insert.numbered(2).ends_with("($1, $2, $3), ($4, $5, $6)"));
    }
}
