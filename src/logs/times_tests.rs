//! Indexes as a writer leaves them, and damaged ones.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is the failure of a test; its files are its own"
)]

use super::*;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A log file with an index of these offsets and seconds.
fn world(records: &[(u64, i64)], set_back: bool) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("web.log");
    std::fs::write(&log, "x").unwrap();
    let inode = std::fs::metadata(&log).unwrap().ino();
    let mut bytes = header(set_back).to_vec();
    bytes.extend(records.iter().flat_map(|(offset, second)| Record { offset: *offset, time: at(*second) }.to_bytes()));
    std::fs::create_dir(super::folder(&log)).unwrap();
    std::fs::write(place(&log, inode), bytes).unwrap();
    (folder, log)
}

#[test]
fn an_offset_has_the_time_of_the_record_before_it() {
    let (_folder, log) = world(&[(10, 1), (20, 5), (30, 5), (40, 9)], false);
    let times = Times::open(&log).unwrap();
    let known = [(0, None), (9, None), (10, Some(1)), (19, Some(1)), (20, Some(5)), (39, Some(5)), (1 << 60, Some(9))];
    for (offset, second) in known {
        assert_eq!(times.time_at(offset), second.map(at), "{offset}");
        assert_eq!(Cursor::default().time_at(&times, offset), second.map(at), "{offset}");
    }
    let found = [(0, Some(10)), (1, Some(10)), (2, Some(20)), (5, Some(20)), (6, Some(40)), (9, Some(40)), (10, None)];
    for (second, offset) in found {
        assert_eq!(times.offset_at(at(second)), offset, "{second}");
    }
    assert_eq!(times.last(), Some(at(9)));
}

#[test]
fn a_clock_that_was_set_back_hides_nothing() {
    let (_folder, log) = world(&[(0, 50), (10, 60), (20, 5), (30, 7)], true);
    let times = Times::open(&log).unwrap();
    assert_eq!((times.time_at(15), times.time_at(25)), (Some(at(60)), Some(at(5))));
    assert_eq!((times.offset_at(at(6)), times.offset_at(at(55)), times.offset_at(at(61))), (Some(0), Some(10), None));
}

#[test]
fn no_index_and_a_damaged_one_are_none() {
    let (_folder, log) = world(&[(0, 1)], false);
    let index = place(&log, std::fs::metadata(&log).unwrap().ino());
    let bytes = std::fs::read(&index).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&index, &bytes[..length]).unwrap();
        assert!(Times::open(&log).is_none(), "{length}");
    }
    std::fs::write(&index, [&bytes[..], &bytes[16..27]].concat()).unwrap();
    let mut times = Times::open(&log).unwrap();
    assert_eq!(times.time_at(100), Some(at(1)), "a cut record is none");
    std::fs::write(&index, vec![0xff; 64]).unwrap();
    assert!(Times::open(&log).is_none() && times.reload().is_err());
    std::fs::write(&index, [&header(false)[..], &[0xff; 64]].concat()).unwrap();
    assert_eq!(Times::open(&log).unwrap().time_at(u64::MAX), Some(Timestamp::UNIX_EPOCH), "a time before 1970 is none");
    std::fs::remove_file(&index).unwrap();
    assert!(Times::open(&log).is_none());
}

#[test]
fn what_is_added_is_seen_after_a_reload() {
    let (_folder, log) = world(&[(0, 1)], false);
    let mut times = Times::open(&log).unwrap();
    let index = File::options().append(true).open(place(&log, std::fs::metadata(&log).unwrap().ino())).unwrap();
    index.write_all_at(&Record { offset: 5, time: at(3) }.to_bytes(), 0).unwrap();
    assert_eq!(times.time_at(7), Some(at(1)));
    times.reload().unwrap();
    assert_eq!(times.time_at(7), Some(at(3)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// However offsets are asked for, a cursor says what a search does, and a search what a look at all does.
    #[test]
    fn a_cursor_says_what_a_search_does(
        steps in prop::collection::vec((1_u64..50, 0_i64..3), 1..700),
        asked in prop::collection::vec(0_u64..20_000, 1..40),
        back: bool,
    ) {
        let mut sum = (0, 0);
        let records: Vec<(u64, i64)> = steps.iter().map(|step| {
            sum = (sum.0 + step.0, sum.1 + step.1);
            sum
        }).collect();
        let (_folder, log) = world(&records, back);
        let times = Times::open(&log).unwrap();
        let mut cursor = Cursor::default();
        for offset in asked {
            let expected = records.iter().rev().find(|record| record.0 <= offset).map(|record| at(record.1));
            prop_assert_eq!(times.time_at(offset), expected);
            prop_assert_eq!(cursor.time_at(&times, offset), expected);
            let second = (offset % 800).cast_signed();
            let expected = records.iter().find(|record| record.1 >= second).map(|record| record.0);
            prop_assert_eq!(times.offset_at(at(second)), expected);
        }
        for offset in (0..sum.0 + 2).step_by(5) {
            prop_assert_eq!(cursor.time_at(&times, offset), times.time_at(offset));
        }
    }
}
