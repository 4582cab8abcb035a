//! The comments of migration files.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| batchdb::fuzzing::directives(text));
