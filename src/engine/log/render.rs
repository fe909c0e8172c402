//! From what a program wrote to what its log gets: where to cut, and the time in front of each line.

use jiff::Timestamp;
use memchr::{memchr, memrchr};

/// A batch is cut where it would become longer than this, in bytes: empty lines grow 29-fold.
const MOST: usize = 256 * 1024;

/// Where in its file a log stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The last line has ended, or there is none.
    pub(super) line_start: bool,
    /// Bytes that the file may still grow; `u64::MAX`: any.
    pub(super) room: u64,
    /// What does not fit must go in nevertheless: there is no emptier file.
    pub(super) forced: bool,
    /// Only to the end of the line: something else is to come after it.
    pub(super) one_line: bool,
}

/// How many of `raw` come next, 0: the file must be rotated first. With a `stamp` in front of each
/// line, `out` is what the log gets; without, it gets those bytes of `raw`.
///
/// The rest of a line that has begun goes in whatever the room, and a cut is at a line's end.
pub(super) fn cut(raw: &[u8], stamp: Option<&[u8]>, place: Place, out: &mut Vec<u8>) -> usize {
    out.clear();
    match stamp {
        Some(stamp) => stamped(raw, stamp, place, out),
        None => plain(raw, place),
    }
}

fn first_line(raw: &[u8]) -> usize {
    memchr(b'\n', raw).map_or(raw.len(), |end| end + 1)
}

fn plain(raw: &[u8], place: Place) -> usize {
    if place.one_line {
        return first_line(raw);
    }
    let room = usize::try_from(place.room).unwrap_or(usize::MAX);
    if raw.len() <= room {
        return raw.len();
    }
    match memrchr(b'\n', &raw[..room]) {
        Some(end) => end + 1,
        None if place.forced || !place.line_start => first_line(raw),
        None => 0,
    }
}

fn stamped(raw: &[u8], stamp: &[u8], place: Place, out: &mut Vec<u8>) -> usize {
    let room = usize::try_from(place.room).unwrap_or(usize::MAX);
    let (mut taken, mut line_start) = (0, place.line_start);
    while taken < raw.len() {
        let line = &raw[taken..taken + first_line(&raw[taken..])];
        let grown = out.len() + line.len() + if line_start { stamp.len() } else { 0 };
        let must = taken == 0 && (place.forced || !line_start);
        if !must && (grown > room || (taken > 0 && grown > MOST)) {
            break;
        }
        if line_start {
            out.extend_from_slice(stamp);
        }
        out.extend_from_slice(line);
        taken += line.len();
        line_start = true;
        if place.one_line {
            break;
        }
    }
    taken
}

/// `2026-11-21T10:00:00.123456Z `
pub(super) fn stamp(now: Timestamp) -> String {
    format!("{now:.6} ")
}

/// The line without the [`stamp`] in front of it, if there is one.
pub(super) fn without_stamp(line: &[u8]) -> &[u8] {
    const LENGTH: usize = "2026-11-21T10:00:00.123456Z ".len();
    match line.split_at_checked(LENGTH) {
        Some((stamp, rest)) if stamp.ends_with(b"Z ") && stamp[10] == b'T' => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANY: Place = Place { line_start: true, room: u64::MAX, forced: false, one_line: false };

    fn taken(raw: &str, place: Place) -> (usize, String) {
        let mut out = vec![b'x'];
        let taken = cut(raw.as_bytes(), Some(b"T "), place, &mut out);
        let plain = cut(raw.as_bytes(), None, place, &mut Vec::new());
        if place.room == u64::MAX || taken == 0 {
            assert_eq!(plain, taken, "{raw:?}");
        }
        (taken, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn the_time_stands_in_front_of_each_line() {
        assert_eq!(taken("a\n\nb", ANY), (4, "T a\nT \nT b".into()));
        assert_eq!(taken("a\nb\n", Place { line_start: false, ..ANY }), (4, "a\nT b\n".into()));
    }

    #[test]
    fn a_file_is_filled_to_the_end_of_a_line() {
        assert_eq!(taken("abc\ndef\n", Place { room: 6, ..ANY }), (4, "T abc\n".into()));
        assert_eq!(taken("abc\ndef\n", Place { room: 3, ..ANY }), (0, String::new()));
        assert_eq!(
            taken("abc\nde", Place { room: 9, ..ANY }).0,
            4,
            "an unended line is not begun where it does not fit"
        );
    }

    #[test]
    fn a_line_that_has_begun_is_ended_whatever_the_room() {
        assert_eq!(taken("abc\ndef\n", Place { room: 0, line_start: false, ..ANY }), (4, "abc\n".into()));
        assert_eq!(taken("abcdef", Place { room: 0, line_start: false, ..ANY }), (6, "abcdef".into()));
    }

    #[test]
    fn a_line_longer_than_a_file_goes_into_an_empty_one() {
        assert_eq!(taken("abc\ndef\n", Place { room: 2, forced: true, ..ANY }), (4, "T abc\n".into()));
        assert_eq!(taken("abcdef", Place { room: 2, forced: true, ..ANY }), (6, "T abcdef".into()));
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(taken("abc\ndef\n", Place { one_line: true, line_start: false, ..ANY }), (4, "abc\n".into()));
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let raw = vec![b'\n'; 65_536];
        let mut out = Vec::new();
        let taken = cut(&raw, Some(stamp(Timestamp::UNIX_EPOCH).as_bytes()), ANY, &mut out);
        assert!(out.len() <= MOST && taken > 1000, "{taken} {}", out.len());
    }

    #[test]
    fn a_stamp_comes_and_goes() {
        let now: Timestamp = "2026-11-21T10:00:00.1234567Z".parse().expect("valid");
        assert_eq!(stamp(now), "2026-11-21T10:00:00.123456Z ");
        assert_eq!(stamp("2026-11-21T10:00:00Z".parse().expect("valid")), "2026-11-21T10:00:00.000000Z ");
        assert_eq!(without_stamp(b"2026-11-21T10:00:00.123456Z abc"), b"abc");
        assert_eq!(without_stamp(b"2026-11-21 10:00:00.123456Z abc"), b"2026-11-21 10:00:00.123456Z abc");
        assert_eq!(without_stamp(b"abc"), b"abc");
    }

    proptest! {
        /// Whatever is written in whatever pieces into files of whatever size: nothing is lost, and
        /// each file ends with a line.
        #[test]
        fn nothing_is_lost_between_cuts(raw in "[ab\n]{0,80}", piece in 1_usize..20, size in 1_u64..30, stamps: bool) {
            let stamp: Option<&[u8]> = stamps.then_some(b"T ");
            let (mut files, mut out) = (vec![Vec::new()], Vec::new());
            for mut rest in raw.as_bytes().chunks(piece) {
                while !rest.is_empty() {
                    let file = files.last_mut().expect("never empty");
                    let line_start = file.last().is_none_or(|last| *last == b'\n');
                    let room = size.saturating_sub(file.len() as u64);
                    let place = Place { line_start, room, forced: file.is_empty(), one_line: false };
                    let taken = cut(rest, stamp, place, &mut out);
                    if taken == 0 {
                        prop_assert!(line_start && !file.is_empty());
                        files.push(Vec::new());
                    } else {
                        file.extend_from_slice(if stamps { &out } else { &rest[..taken] });
                    }
                    rest = &rest[taken..];
                }
            }
            for file in &files[..files.len() - 1] {
                prop_assert_eq!(file.last(), Some(&b'\n'));
                let longest_line = file.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
                prop_assert!(file.len() as u64 <= size + longest_line as u64);
            }
            let all = String::from_utf8(files.concat()).expect("text");
            if stamps {
                prop_assert_eq!(all.matches("T ").count(), raw.split_inclusive('\n').count());
            }
            prop_assert_eq!(all.replace("T ", ""), raw);
        }
    }
}
