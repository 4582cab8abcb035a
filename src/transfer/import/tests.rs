use super::*;

fn open<'t>(text: &'t str, options: &ImportOptions<'_>) -> Result<(Rows<&'t [u8]>, Vec<String>)> {
    Rows::open(text.as_bytes(), options)
}

#[track_caller]
fn rows(text: &str, options: ImportOptions<'_>) -> (Vec<String>, Vec<Vec<Value>>) {
    let (mut rows, columns) = open(text, &options).unwrap();
    (columns, (&mut rows).collect::<Result<_>>().unwrap())
}

#[track_caller]
fn refused(text: &str, options: ImportOptions<'_>, wanted: &str) {
    let outcome = open(text, &options).and_then(|(mut rows, _)| {
        (&mut rows).collect::<Result<Vec<_>>>().map_err(|error| doubting(error, rows.doubt))
    });
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains(wanted), "{error}");
}

#[test]
fn headers_name_the_columns_unless_something_else_does() {
    let (columns, found) = rows("a,b,c\n1,,\"\"\n", ImportOptions::new());
    assert_eq!(columns, ["a", "b", "c"]);
    assert!(found == [[Value::from("1"), Value::Null, Value::from("")]]);
    let options = ImportOptions::new().rename("a", "x").ignore("b").bytes("c");
    let (columns, found) = rows("a,b,c\n1,2,ff\n", options);
    assert_eq!(columns, ["x", "c"]);
    assert!(found == [[Value::from("1"), Value::from(vec![255_u8])]]);
    let headless = CsvFormat::new().without_header().null("-");
    let (columns, found) = rows("1,-\n\"-\",\n", ImportOptions::new().format(headless).columns(["p", "q"]));
    assert_eq!(columns, ["p", "q"]);
    assert!(found == [[Value::from("1"), Value::Null], [Value::from("-"), Value::from("")]]);
    assert_eq!(rows("old,names\n1,2", ImportOptions::new().columns(["p", "q"])).0, ["p", "q"]);
}

#[test]
fn an_empty_line_is_a_record_of_one_column_and_nothing_in_others() {
    assert_eq!(rows("a,b\n1,2\n\n3,4\n\n", ImportOptions::new()).1.len(), 2);
    assert!(rows("a\n1\n\n", ImportOptions::new()).1 == [[Value::from("1")], [Value::Null]]);
}

#[test]
fn what_does_not_fit_says_where_and_what_to_do() {
    refused("", ImportOptions::new(), "the file is empty");
    refused("a,b\n1,2\n3\n", ImportOptions::new(), "line 3: it has 1 fields, and should have 2");
    refused("a,a\n", ImportOptions::new(), "the fields 1 and 2 are for one column");
    refused("a,\n", ImportOptions::new(), "the header of field 2 is empty");
    refused("a,b\n", ImportOptions::new().rename("c", "d"), "no header \"c\"");
    refused("a,b\n", ImportOptions::new().ignore("c"), "no header \"c\"");
    refused("a,b\n", ImportOptions::new().bytes("c"), "no header \"c\"");
    refused("a\nxyz\n", ImportOptions::new().bytes("a"), "line 2, column \"a\": these are no hex");
    let headless = || ImportOptions::new().format(CsvFormat::new().without_header());
    refused("1,2\n", headless(), "does not say where its fields go");
    assert!(rows("", headless().columns(["a"])).1.is_empty());
}

#[test]
fn one_field_with_another_delimiter_in_it_asks_whether_the_delimiter_is_right() {
    let semicolon = "with ';' in it: is the delimiter right?";
    for (text, options) in [
        ("id;n\n1,5;2\n", ImportOptions::new()),
        ("id;n\n1;2\n", ImportOptions::new().columns(["id", "n"])),
        ("id;n\n1,5;2\n", ImportOptions::new().columns(["id", "n"])),
        ("id;n\n1;2\n", ImportOptions::new().rename("id", "x")),
        ("1;2\n", ImportOptions::new().columns(["id", "n"]).format(CsvFormat::new().without_header())),
    ] {
        refused(text, options, semicolon);
    }
    refused("id\tn\n1,5\t2\n", ImportOptions::new(), "with '\\t' in it");
    refused("id,n\n1;5,2\n", ImportOptions::new().format(CsvFormat::new().delimiter(';')), "with ',' in it");
    // What has no such thing in it, or in quotes, or several fields, is only told.
    for text in ["id\n1,2\n", "\"id;n\"\n1,2\n", "id;n,x\n1\n"] {
        refused(text, ImportOptions::new(), "in an unquoted field");
    }
}

#[test]
fn headers_that_are_passed_over_are_as_many_as_the_columns() {
    let named = || ImportOptions::new().columns(["p", "q"]);
    refused("a,b,c\n1,2\n", named(), "line 1: it has 3 fields, and should have 2");
    refused("a\n", named(), "line 1: it has 1 fields, and should have 2");
}

#[test]
fn the_line_of_a_record_is_known() {
    let mut lines = Lines::default();
    // The header, a record of one line, one of three, an empty line, and two more.
    for line in [2, 3, 6, 8, 9] {
        lines.next(line);
    }
    assert_eq!((1..=5).map(|record| lines.line(record).unwrap()).collect::<Vec<_>>(), [2, 3, 6, 8, 9]);
    for line in 0..Lines::MOST as u64 + 10 {
        lines.next(20 + line * 2);
    }
    assert_eq!((lines.jumps.len(), lines.line(1)), (Lines::MOST, None));
}
