use proptest::prelude::*;

use super::*;

type Fields = Vec<(String, bool)>;

/// Gives its bytes in small pieces, so that every state meets the end of a buffer.
struct Pieces<'b>(&'b [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.min(self.0.len()).min(into.len());
        into[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

fn read_by(bytes: &[u8], piece: usize, format: &CsvFormat) -> Result<Vec<(u64, Fields)>> {
    let mut reader = Reader::new(Pieces(bytes, piece), format)?;
    let (mut record, mut records) = (Record::default(), Vec::new());
    while reader.read(&mut record)? {
        let fields = record.iter().map(|(text, quoted)| (text.to_owned(), quoted)).collect();
        records.push((record.line, fields));
    }
    Ok(records)
}

/// The fields alone; the same whatever the pieces.
#[track_caller]
fn read(bytes: impl AsRef<[u8]>) -> Vec<Vec<String>> {
    let all = read_by(bytes.as_ref(), usize::MAX, &CsvFormat::new()).unwrap();
    for piece in [1, 2, 3] {
        assert_eq!(read_by(bytes.as_ref(), piece, &CsvFormat::new()).unwrap(), all);
    }
    all.into_iter().map(|(_, fields)| fields.into_iter().map(|(text, _)| text).collect()).collect()
}

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, wanted: &str) {
    for piece in [1, usize::MAX] {
        let error = read_by(bytes.as_ref(), piece, &CsvFormat::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn records_end_with_any_line_end_and_with_the_file() {
    for text in [
        "a,b\n1,2\n",
        "a,b\r\n1,2\r\n",
        "a,b\r1,2\r",
        "a,b\n1,2",
        "\u{feff}a,b\r\n1,2",
        "\"a\",b\n\"1\",\"2\"",
    ] {
        assert_eq!(read(text), [["a", "b"], ["1", "2"]], "{text:?}");
    }
    assert!(read("").is_empty() && read("\u{feff}").is_empty());
    assert_eq!(read("\n\n"), [[""], [""]]);
    assert_eq!(read("a,\n,"), [["a", ""], ["", ""]]);
    assert_eq!(read("\"\""), [[""]]);
}

#[test]
fn quotes_hold_delimiters_line_ends_and_quotes() {
    assert_eq!(
        read("\"a,b\",\"x\r\ny\nz\",\"say \"\"hi\"\"\"\n\"\"\"\",é€😀"),
        [vec!["a,b", "x\r\ny\nz", "say \"hi\""], vec!["\"", "é€😀"]]
    );
    let told = read_by(b"a,\"\",\"b\"\n,\"\"", 1, &CsvFormat::new()).unwrap();
    let quoted: Vec<Vec<bool>> =
        told.iter().map(|(_, fields)| fields.iter().map(|(_, quoted)| *quoted).collect()).collect();
    assert_eq!(quoted, [vec![false, true, true], vec![false, true]]);
}

#[test]
fn lines_are_counted_through_quotes() {
    let told = read_by(b"a\r\n\"x\ny\r\nz\"\r\nb\n\nc", 1, &CsvFormat::new()).unwrap();
    assert_eq!(told.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 5, 6, 7]);
}

#[test]
fn what_is_no_csv_says_where() {
    refused("a,b\n1,\"x", "line 2, field 2: the quote that begins here is not closed");
    refused("a\n\"x\n\n", "line 2, field 1: the quote");
    refused("a\n\"x\"y", "line 2, field 1: text stands behind the closing quote");
    refused("a,5\" pipe", "line 1, field 2: a quote stands within a field");
    refused(b"a,b\n1,2\nx,\xff\n", "line 3, field 2: the text is not valid UTF-8");
    refused(b"\xff\xfea\0", "UTF-16");
    // Which the crate takes for data.
    assert_eq!(by_the_crate(b"a,b\n1,\"x", b',').unwrap(), [["a", "b"], ["1", "x"]]);
    assert_eq!(by_the_crate(b"\"x\"y\n", b',').unwrap(), [["xy"]]);
    let torn = |_: &mut [u8]| Err(std::io::Error::other("torn"));
    struct Torn<F>(F);
    impl<F: FnMut(&mut [u8]) -> std::io::Result<usize>> Read for Torn<F> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            (self.0)(into)
        }
    }
    let error = Reader::new(b"a,b\n1".chain(Torn(torn)), &CsvFormat::new())
        .and_then(|mut reader| {
            let mut record = Record::default();
            reader.read(&mut record)?;
            reader.read(&mut record)
        })
        .unwrap_err();
    assert_eq!((error.kind(), &*error.report()), (ErrorKind::Io, "the input cannot be read: torn"));
}

/// What the csv crate reads, where it reads at all.
fn by_the_crate(bytes: &[u8], delimiter: u8) -> Option<Vec<Vec<String>>> {
    let reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes);
    let own = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
    reader.into_records().map(|record| record.map(own)).collect::<Result<_, _>>().ok()
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just(','),
            Just(';'),
            Just('"'),
            Just('\n'),
            Just('\r'),
            Just(' '),
            Just('é'),
            Just('\\'),
            Just('N'),
            any::<char>()
        ],
        0..6,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(
        records in proptest::collection::vec(proptest::collection::vec(proptest::option::of(text()), 1..5), 0..6),
        (delimiter, null) in prop_oneof![Just((',', "")), Just((';', "\\N")), Just(('\t', "N"))],
        piece in 1_usize..9,
    ) {
        let format = CsvFormat::new().delimiter(delimiter).null(null);
        let byte = format.checked_delimiter().unwrap();
        let mut bytes = Vec::new();
        for record in &records {
            for (place, field) in record.iter().enumerate() {
                if place > 0 {
                    bytes.push(byte);
                }
                write(&mut bytes, field.as_deref(), byte, null);
            }
            bytes.push(b'\n');
        }
        let told = read_by(&bytes, piece, &format).unwrap();
        let values: Vec<Vec<Option<String>>> = told
            .iter()
            .map(|(_, fields)| fields.iter().map(|(text, quoted)| (*quoted || text != null).then(|| text.clone())).collect())
            .collect();
        prop_assert_eq!(&values, &records);
        // The crate passes over empty lines, and does not know NULL.
        let seen = by_the_crate(&bytes, byte).unwrap();
        let expected: Vec<Vec<String>> = records
            .iter()
            .map(|record| record.iter().map(|field| field.clone().unwrap_or(null.to_owned())).collect::<Vec<_>>())
            .filter(|record| record.len() > 1 || !record[0].is_empty() || !null.is_empty())
            .collect();
        let seen: Vec<_> = seen.into_iter().filter(|record| record.len() > 1 || !record[0].is_empty()).collect();
        let expected: Vec<_> = expected.into_iter().filter(|record| record.len() > 1 || !record[0].is_empty()).collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_accepted_is_what_the_csv_crate_reads(
        bytes in proptest::collection::vec(prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), Just(b'\r'), Just(b'a'), Just(b' ')], 0..30),
        piece in 1_usize..5,
    ) {
        let Ok(ours) = read_by(&bytes, piece, &CsvFormat::new()) else { return Ok(()) };
        let ours: Vec<Vec<String>> =
            ours.into_iter().map(|(_, fields)| fields.into_iter().map(|(text, _)| text).collect()).collect();
        let not_empty = |records: Vec<Vec<String>>| -> Vec<Vec<String>> {
            records.into_iter().filter(|record| record.len() > 1 || !record[0].is_empty()).collect()
        };
        prop_assert_eq!(not_empty(ours), not_empty(by_the_crate(&bytes, b',').unwrap()));
    }
}

#[test]
fn a_record_has_no_more_fields_than_a_table_can_have_columns() {
    let wide = ",".repeat(MOST_FIELDS - 1);
    assert_eq!(read(format!("a\n{wide}\n"))[1].len(), MOST_FIELDS);
    for end in [",", ",\n"] {
        let text = format!("a\n{wide}{end}");
        let fields = read_by(text.as_bytes(), usize::MAX, &CsvFormat::new()).map(|all| all[1].1.len());
        let error = fields.unwrap_err().to_string();
        assert!(error.contains("line 2: the record has more than 32767 fields"), "{error}");
    }
    // A file of nothing else is not read to its end.
    let mut commas = std::io::repeat(b',').take(100_000_000);
    let mut reader = Reader::new(&mut commas, &CsvFormat::new()).unwrap();
    let error = reader.read(&mut Record::default()).unwrap_err();
    assert!(error.kind() == ErrorKind::Data && error.to_string().contains("line 1"), "{error}");
    drop(reader);
    assert!(commas.limit() > 99_000_000, "{}", commas.limit());
}
