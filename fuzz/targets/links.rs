#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| docxy::registry::fuzzing::links(data));
