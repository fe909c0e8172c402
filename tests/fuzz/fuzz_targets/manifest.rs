//! Any bytes as a manifest: services or problems, never a panic.
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz manifest`
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use svc::definition::{Surroundings, read_text};
use svc::service::AbsPath;

fuzz_target!(|text: &str| {
    let path = |text: &str| AbsPath::new(Path::new(text)).expect("absolute");
    let around = Surroundings { folder: path("/srv"), home: path("/home/ann"), path: "/usr/bin:/bin".into(), other_accounts: false };
    let _ = read_text(text, Path::new("/srv/svc.toml"), &around);
});
