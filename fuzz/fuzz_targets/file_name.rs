//! The names of migration files.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| batchdb::fuzzing::file_name(text));
