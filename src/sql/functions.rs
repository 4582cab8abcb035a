//! Functions that read and do nothing else, for the question whether a query may be sent a second time.
//!
//! A query whose connection broke is harmless to repeat, unless a function in it did something: `SELECT
//! book_order(7)` is no reading. What a function of a user does nobody can tell by its name, so only the
//! databases' own are trusted.

use super::lexer::{Kind, Token};

/// Keywords that may stand before a parenthesis, and types that take a length.
const KEYWORDS: &str = "\
    ALL AND ANY ARRAY AS ASYMMETRIC BETWEEN BIT BY CASE CHAR CHARACTER CUBE DEC DECIMAL DISTINCT ELSE END EXCEPT \
    EXISTS FETCH FILTER FIRST FLOAT FOR FROM GROUP HAVING ILIKE IN INTERSECT INTERVAL IS JOIN KEY LATERAL LIKE \
    LIMIT MATERIALIZED NEXT NOT NUMERIC OF OFFSET ON OR ORDINALITY OVER PRECISION ROLLUP ROW SELECT SETS SIMILAR \
    SOME SYMMETRIC TABLESAMPLE THEN TIME TIMESTAMP TIMESTAMPTZ UESCAPE UNION USING VALUES VARCHAR VARYING WHEN \
    WHERE WINDOW WITH ZONE";

/// Functions of PostgreSQL and of the SQL standard, in lower case.
const READING: [&str; 10] = [
    // Aggregates and windows.
    "array_agg avg bit_and bit_or bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank every \
     first_value grouping json_agg json_object_agg jsonb_agg jsonb_object_agg lag last_value lead max min \
     mode nth_value ntile percent_rank percentile_cont percentile_disc rank row_number stddev stddev_pop \
     stddev_samp string_agg sum var_pop var_samp variance",
    // Choice, types and formats.
    "cast coalesce convert format format_type greatest ifnull isnull least nullif pg_typeof to_char to_date \
     to_number to_timestamp",
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
     make_timestamptz now overlaps pg_sleep statement_timestamp transaction_timestamp timezone",
    // Arrays, ranges and sets.
    "array_append array_cat array_dims array_length array_lower array_ndims array_position array_positions \
     array_prepend array_remove array_replace array_to_string array_upper cardinality daterange \
     generate_series generate_subscripts int4range int8range isempty lower_inc numrange tsrange tstzrange \
     unnest upper_inc",
    // JSON and XML.
    "json_array_elements json_array_elements_text json_array_length json_build_array json_build_object \
     json_each json_each_text json_extract_path json_extract_path_text json_object json_object_keys \
     json_populate_record json_populate_recordset json_strip_nulls json_to_record json_to_recordset \
     json_typeof json_value jsonb_array_elements jsonb_array_elements_text jsonb_array_length \
     jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path \
     jsonb_extract_path_text jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query \
     jsonb_path_query_array jsonb_path_query_first jsonb_populate_record jsonb_populate_recordset \
     jsonb_pretty jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json \
     to_json to_jsonb xmlagg xmlelement xmlforest xpath",
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

/// Whether the statement calls a function that nothing is known of.
pub(super) fn calls_unknown(statement: &[Token<'_>]) -> bool {
    (1..statement.len()).any(|place| {
        let (name, before) = (&statement[place - 1], &statement[..place - 1]);
        statement[place].is("(")
            && matches!(name.kind, Kind::Word | Kind::Quoted)
            && !is_harmless(name, before)
    })
}

/// Whether `name`, before a parenthesis, is a keyword, an alias with its columns, or a function that reads.
fn is_harmless(name: &Token<'_>, before: &[Token<'_>]) -> bool {
    match before {
        // Only the database's own schema is known; any other may have a `count` of its own.
        [.., schema, dot] if dot.is(".") => schema.is_word("pg_catalog") && reads(name),
        [.., last] if last.is_word("AS") => true,
        _ => is_in(name, KEYWORDS) || reads(name),
    }
}

fn reads(name: &Token<'_>) -> bool {
    READING.iter().any(|functions| is_in(name, functions))
}

/// Whether the name, without quotes, is one of the words. Asked once for each text: what it tells is cached.
fn is_in(name: &Token<'_>, words: &str) -> bool {
    name.kind == Kind::Word && words.split_ascii_whitespace().any(|word| name.text.eq_ignore_ascii_case(word))
}
