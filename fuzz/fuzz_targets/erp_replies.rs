#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| puente_fuzz::targets::erp_replies(data));
