//! Functions that read and do nothing else, for the question whether a query may be sent a second time.
//!
//! A query whose connection broke is harmless to repeat, unless a function in it did something: `SELECT
//! book_order(7)` is no reading. What a function of a user does nobody can tell by its name, so only the
//! databases' own are trusted.

use super::lexer::{Kind, Token};
use crate::dialect::Dialect;

/// Keywords that may stand before a parenthesis, and types that take a length. No function can have their name without
/// quotes; the words of which that is not true are those of [`is_in_place`].
const RESERVED: &str = "\
    ALL AND ANY ARRAY AS ASYMMETRIC BETWEEN BIT CASE CHAR CHARACTER DEC DECIMAL DISTINCT ELSE END EXCEPT EXISTS \
    FETCH FLOAT FOR FROM GROUP HAVING IN INTERSECT INTERVAL LATERAL LIMIT NCHAR NOT NUMERIC OFFSET ON ONLY OR \
    PRECISION ROW SELECT SOME SYMMETRIC TABLE THEN TIME TIMESTAMP TO UNION USING VALUES VARCHAR WHEN WHERE WINDOW \
    WITH";

/// Words behind which an operand begins, besides the reserved ones.
const OPERATORS: &str = "BY ESCAPE ILIKE LIKE";

/// Functions of PostgreSQL and of the SQL standard, in lower case.
const READING: [&str; 10] = [
    // Aggregates and windows.
    "array_agg avg bit_and bit_or bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank every \
     first_value grouping json_agg json_arrayagg json_object_agg json_objectagg jsonb_agg jsonb_object_agg lag \
     last_value lead listagg max min mode nth_value ntile percent_rank percentile_cont percentile_disc rank \
     row_number stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance",
    // Choice, types and formats.
    "cast coalesce convert format format_type greatest least nullif pg_typeof to_char to_date to_number \
     to_timestamp",
    // Numbers.
    "abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees div exp floor gcd lcm ln log log10 mod pi \
     power radians random round scale sign sin sqrt tan trim_scale trunc width_bucket",
    // Texts and bytes.
    "ascii bit_length btrim char_length character_length chr concat concat_ws convert_from convert_to decode \
     encode initcap left length lower lpad ltrim md5 normalize octet_length overlay position quote_ident \
     quote_literal quote_nullable regexp_count regexp_instr regexp_like regexp_match regexp_matches \
     regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right \
     rpad rtrim sha224 sha256 sha384 sha512 split_part starts_with string_to_array string_to_table strpos \
     substr substring to_hex translate trim unistr upper",
    // Times.
    "age clock_timestamp date date_bin date_part date_trunc extract isfinite justify_days justify_hours \
     justify_interval localtime localtimestamp make_date make_interval make_time make_timestamp \
     make_timestamptz now overlaps pg_sleep statement_timestamp timestamptz timetz transaction_timestamp timezone",
    // Arrays, ranges and sets.
    "array_append array_cat array_dims array_length array_lower array_ndims array_position array_positions \
     array_prepend array_remove array_replace array_to_string array_upper cardinality daterange \
     generate_series generate_subscripts int4range int8range isempty lower_inc numrange tsrange tstzrange \
     unnest upper_inc",
    // JSON and XML.
    "json_array json_array_elements json_array_elements_text json_array_length json_build_array \
     json_build_object json_each json_each_text json_exists json_extract_path json_extract_path_text json_object \
     json_object_keys json_populate_record json_populate_recordset json_query json_strip_nulls json_table \
     json_to_record json_to_recordset json_typeof json_value jsonb_array_elements jsonb_array_elements_text \
     jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path \
     jsonb_extract_path_text jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query \
     jsonb_path_query_array jsonb_path_query_first jsonb_populate_record jsonb_populate_recordset \
     jsonb_pretty jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json \
     to_json to_jsonb xmlagg xmlelement xmlforest xmltable xpath",
    // Full text.
    "phraseto_tsquery plainto_tsquery to_tsquery to_tsvector ts_headline ts_rank ts_rank_cd \
     websearch_to_tsquery",
    // What the server tells of itself.
    "col_description current_database current_schema current_schemas current_setting has_schema_privilege \
     has_table_privilege inet_server_addr inet_server_port obj_description pg_backend_pid pg_column_size \
     pg_control_system pg_current_wal_lsn pg_database_size pg_get_constraintdef pg_get_expr pg_get_indexdef \
     pg_get_viewdef pg_is_in_recovery pg_postmaster_start_time pg_relation_size pg_size_pretty \
     pg_table_is_visible pg_total_relation_size pg_walfile_name pg_xact_status to_regclass to_regtype version",
    // Identifiers.
    "gen_random_uuid uuid_generate_v4",
];

/// Functions of MySQL, MariaDB, Oracle, Db2 and their like, which are nobody's own there. On PostgreSQL they would be.
const READING_ELSEWHERE: [&str; 6] = [
    "bin bit_count bitand convert_tz next_day oct sha1 sha2 soundex substring_index sys_context",
    // Words of their grammars before a parenthesis.
    "against index keep match minus partition pivot unpivot",
    "any_value conv crc32 decode elt field find_in_set group_concat hex if ifnull instr interval isnull lcase \
     locate mid nvl nvl2 quote rand space strcmp truncate ucase unhex uuid",
    "add_months addtime adddate curdate curtime current_date current_time current_timestamp datediff date_add \
     date_format date_sub day dayname dayofmonth dayofweek dayofyear days from_days from_unixtime hour \
     last_day makedate maketime microsecond minute month monthname months_between period_add period_diff quarter \
     sec_to_time second str_to_date subdate subtime sysdate timediff timestampadd timestampdiff time_format \
     time_to_sec to_days unix_timestamp utc_date utc_time utc_timestamp week weekday weekofyear year yearweek",
    "inet_aton inet_ntoa json_contains json_contains_path json_depth json_extract json_keys json_length \
     json_overlaps json_search json_type json_unquote json_valid",
    "bigint blob char clob connection_id current_user database dbclob digits double int integer last_insert_id \
     real row_count schema session_user smallint string system_user user value varbinary varchar_format",
];

/// Whether the statement calls a function that nothing is known of.
pub(super) fn calls_unknown(statement: &[Token<'_>], dialect: Dialect) -> bool {
    (1..statement.len()).any(|place| {
        let (name, before) = (&statement[place - 1], &statement[..place - 1]);
        statement[place].is("(")
            && matches!(name.kind, Kind::Word | Kind::Quoted)
            && !is_harmless(name, before, dialect)
            && !is_common_table(&statement[place..])
    })
}

/// Whether `name`, before a parenthesis, is a keyword, an alias with its columns, or a function that reads.
fn is_harmless(name: &Token<'_>, before: &[Token<'_>], dialect: Dialect) -> bool {
    match before {
        // Only the database's own schema is known; any other may have a `count` of its own.
        [.., schema, dot] if dot.is(".") => schema.is_word("pg_catalog") && reads(name, dialect),
        [.., last] if last.is_word("AS") => true,
        _ => is_in(name, RESERVED) || is_in_place(name, before) || reads(name, dialect),
    }
}

/// Whether `name` is a word that means something only where the grammar has it. Anywhere else it is the name of a
/// function: PostgreSQL lets a user call one `next` or `key`.
fn is_in_place(name: &Token<'_>, before: &[Token<'_>]) -> bool {
    let last = before.last();
    let behind = |words: &[&str]| last.is_some_and(|last| last.is_one_of(words));
    let behind_call = last.is_some_and(|last| last.is(")"));
    (name.is_word("BY") && behind(&["GROUP", "ORDER", "PARTITION"]))
        || (name.is_one_of(&["FIRST", "NEXT"]) && behind(&["FETCH"]))
        || (name.is_word("FILTER") && behind_call)
        || (name.is_word("OVER") && (behind_call || behind(&["NULLS"])))
        || (name.is_word("MATERIALIZED") && matches!(before, [.., first, not] if first.is_word("AS") && not.is_word("NOT")))
        || (name.is_word("SETS") && behind(&["GROUPING"]))
        || (name.is_one_of(&["CUBE", "ROLLUP"]) && is_grouped(before))
        || (name.is_word("ZONE") && behind(&["TIME"]))
        || (name.is_word("VARYING") && behind(&["BIT", "CHAR", "CHARACTER", "NCHAR"]))
        || (name.is_one_of(&["ILIKE", "JOIN", "LIKE"]) && is_behind_operand(before))
        // A method of sampling is written in C.
        || (name.kind == Kind::Word && behind(&["TABLESAMPLE"]))
}

/// Whether the place behind these tokens is one of an element of `GROUP BY`, by itself or within `GROUPING SETS`.
fn is_grouped(before: &[Token<'_>]) -> bool {
    let begins =
        |last: &Token<'_>| last.is(",") || last.is("(") || last.is_one_of(&["BY", "ALL", "DISTINCT"]);
    if !before.last().is_some_and(begins) {
        return false;
    }
    let mut inside = 0_usize;
    for (place, token) in before.iter().enumerate().rev() {
        let behind = |word: &str| place > 0 && before[place - 1].is_word(word);
        match token.text {
            ")" if token.is(")") => inside += 1,
            "(" if token.is("(") && inside > 0 => inside -= 1,
            // Out of a list, which must be that of the sets.
            "(" if token.is("(") && !behind("SETS") => return false,
            _ if inside > 0 => (),
            _ if token.is_word("BY") => return behind("GROUP"),
            _ if token
                .is_one_of(&["FETCH", "FROM", "HAVING", "LIMIT", "OFFSET", "SELECT", "WHERE", "WINDOW"]) =>
            {
                return false;
            }
            _ => (),
        }
    }
    false
}

/// Whether an operand has just ended, so that what comes is an operator; `NOT` belongs to that.
fn is_behind_operand(before: &[Token<'_>]) -> bool {
    let operand = match before {
        [.., operand, not] if not.is_word("NOT") => operand,
        [.., operand] => operand,
        [] => return false,
    };
    match operand.kind {
        Kind::Word => operand.is_word("END") || !(is_in(operand, RESERVED) || is_in(operand, OPERATORS)),
        Kind::Symbol => operand.is(")") || operand.is("]"),
        Kind::Literal | Kind::Quoted | Kind::Number | Kind::Name | Kind::Placeholder => true,
        _ => false,
    }
}

/// Whether these tokens are the columns of a common table expression, and its query behind them: `(a, b) AS (SELECT`.
/// What a function returns may have columns behind `AS` too, and then there are their types.
fn is_common_table(from: &[Token<'_>]) -> bool {
    let Some(close) = from.iter().position(|token| token.is(")")) else { return false };
    let mut behind = from[close + 1..].iter();
    let queries = &["SELECT", "VALUES", "TABLE", "WITH"];
    from[1..close].iter().all(|token| matches!(token.kind, Kind::Word | Kind::Quoted) || token.is(","))
        && behind.next().is_some_and(|token| token.is_word("AS"))
        && behind.find(|token| !token.is_one_of(&["NOT", "MATERIALIZED"])).is_some_and(|token| token.is("("))
        && behind.next().is_some_and(|token| token.is_one_of(queries) || token.is("("))
}

fn reads(name: &Token<'_>, dialect: Dialect) -> bool {
    READING.iter().any(|functions| is_in(name, functions))
        || (dialect == Dialect::Odbc && READING_ELSEWHERE.iter().any(|functions| is_in(name, functions)))
}

/// Whether the name, without quotes, is one of the words. Asked once for each text: what it tells is cached.
fn is_in(name: &Token<'_>, words: &str) -> bool {
    name.kind == Kind::Word && words.split_ascii_whitespace().any(|word| name.text.eq_ignore_ascii_case(word))
}
