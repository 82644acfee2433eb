#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wholecall_fuzz::written(data));
