//! Any bytes as a log, what it was before (plain and compressed), and its index: lines, never a panic, never without end, and
//! the last ones are the end of all. `cargo +nightly fuzz run --fuzz-dir tests/fuzz logs`
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::os::unix::fs::MetadataExt;

fuzz_target!(|parts: (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, u8)| {
    let (log, rotated, compressed, index, last) = parts;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("log");
    std::fs::write(&path, log).expect("written");
    std::fs::write(folder.path().join("log.1"), rotated).expect("written");
    std::fs::write(folder.path().join("log.2.gz"), compressed).expect("written");
    let inode = std::fs::metadata(&path).expect("there").ino();
    let times = folder.path().join(svc::logs::times::FOLDER);
    std::fs::create_dir(&times).expect("made");
    std::fs::write(times.join(format!("log.{inode}")), index).expect("written");
    let lines = |last, since| svc::logs::lines(&path, last, since).expect("read");
    let all = lines(None, None);
    let some = lines(Some(usize::from(last)), None);
    assert!(all.iter().rev().zip(some.iter().rev()).all(|(one, other)| one.message == other.message));
    assert!(lines(None, jiff::Timestamp::from_second(1_700_000_000).ok()).len() <= all.len());
});
