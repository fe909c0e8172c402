//! Where in a file a moment is, found by halving: a log of gigabytes is not read whole.

use super::chain::Segment;
use super::source::Micros;
use super::stamp::Stamps;
use super::times::Times;
use jiff::Timestamp;
use std::io;
use std::os::unix::fs::FileExt;

/// From so few bytes on reading is cheaper than looking.
const NEAR: u64 = 64 * 1024;
/// So many bytes are looked at for a line that begins with a time.
const LOOK: usize = 16 * 1024;
/// And, behind a very long line, so many times.
const LOOKS: u64 = 80;

/// Where a moment is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// All lines before are earlier; a line begins here.
    pub(super) from: u64,
    /// All lines from here on are not; a line begins here, or it is the end.
    pub(super) to: u64,
}

/// Where the first line of that moment or later is, by the times in front of lines, else by the index; `None`: its
/// lines have no times.
pub(super) fn first_at(segment: &Segment, times: Option<&Times>, time: Micros) -> io::Result<Option<Place>> {
    if segment.compressed {
        return Ok(None);
    }
    let mut stamps = Stamps::default();
    if next_time(segment, 0, segment.length, &mut stamps)?.is_none() {
        let Some(times) = times else { return Ok(None) };
        let found = Timestamp::from_microsecond(time).ok().and_then(|time| times.offset_at(time));
        let place = line_start(segment, found.unwrap_or(segment.length))?;
        return Ok(Some(Place { from: place, to: place }));
    }
    // at `low` a line begins that is earlier, or the file; from `high` on all is not
    let (mut low, mut high) = (0, segment.length);
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        match next_time(segment, middle, high, &mut stamps)? {
            Some((start, found)) if found < time => low = start,
            _ => high = middle,
        }
    }
    Ok(Some(Place { from: low, to: line_start(segment, high)? }))
}

/// The first beginning of a line at `place` or behind it.
fn line_start(segment: &Segment, place: u64) -> io::Result<u64> {
    let mut bytes = vec![0; LOOK];
    let mut from = place.min(segment.length);
    if from == 0 {
        return Ok(0);
    }
    from -= 1;
    loop {
        let count = segment.file.read_at(&mut bytes, from)?;
        if let Some(end) = memchr::memchr(b'\n', &bytes[..count]) {
            return Ok(from + end as u64 + 1);
        }
        from += count as u64;
        if count == 0 || from >= segment.length {
            return Ok(segment.length);
        }
    }
}

/// The first line that begins behind `from` (at it, at the start of the file) and has a time.
fn next_time(segment: &Segment, from: u64, to: u64, stamps: &mut Stamps) -> io::Result<Option<(u64, Micros)>> {
    let mut bytes = vec![0; LOOK];
    let mut place = from;
    for _ in 0..LOOKS {
        let count = segment.file.read_at(&mut bytes, place)?;
        let piece = &bytes[..count];
        let first = (place == 0).then_some(0);
        for start in first.into_iter().chain(memchr::memchr_iter(b'\n', piece).map(|end| end + 1)) {
            if place + start as u64 >= to {
                return Ok(None);
            }
            // one at the very end is met whole by the next look
            if let Some(time) = stamps.of(&piece[start..]) {
                return Ok(Some((place + start as u64, time)));
            }
        }
        if count < super::stamp::LENGTH + 1 {
            return Ok(None);
        }
        place += (count - super::stamp::LENGTH) as u64;
        if place >= to {
            return Ok(None);
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, with files of their own")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(second: i64) -> String {
        format!("{:.6} ", jiff::Timestamp::from_second(second).unwrap())
    }

    fn segment(text: &str) -> (tempfile::TempDir, Segment) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, text).unwrap();
        let segment = Segment::open(&path).unwrap().unwrap();
        (folder, segment)
    }

    #[test]
    fn without_times_nothing_is_found() {
        let (_folder, segment) = segment(&"text\n".repeat(50_000));
        assert_eq!(first_at(&segment, None, 5).unwrap(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_moment_is_found_among_lines_of_any_length(
            lines in prop::collection::vec((0_i64..3, 0_usize..30_000, prop::bool::weighted(0.9)), 1..40),
            wanted in 0_i64..60,
        ) {
            let (mut text, mut second, mut first, mut starts) = (String::new(), 0, None, vec![0]);
            for (step, length, stamped) in lines {
                second += step;
                starts.push(text.len() as u64);
                if stamped {
                    if second >= wanted {
                        first.get_or_insert(text.len() as u64);
                    }
                    text += &stamp(second);
                }
                text += &"x".repeat(length);
                text.push('\n');
            }
            let (_folder, segment) = segment(&text);
            starts.push(text.len() as u64);
            if let Some(place) = first_at(&segment, None, wanted * 1_000_000).unwrap() {
                let first = first.unwrap_or(text.len() as u64);
                prop_assert!(starts.contains(&place.from) && starts.contains(&place.to), "{place:?}: no line begins there");
                prop_assert!(place.from <= first && first <= place.to.max(first), "{place:?} {first:?}");
            }
        }
    }
}
