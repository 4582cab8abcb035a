//! Scripts, cut into what is sent at once: nothing is lost or invented, whatever the database.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| batchdb::fuzzing::script(text));
