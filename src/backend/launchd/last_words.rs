//! What a program wrote before it died: the end of its log, once, although launchd may have started it again
//! and again until somebody looked.

use super::Unit;
use std::io::{Read, Seek, SeekFrom};

/// What is read of a log, bytes; lines that are shown.
const TAIL: u64 = 16 * 1024;
const LINES: usize = 10;

/// How long the log is before a start.
pub(super) fn log_length(unit: &Unit) -> u64 {
    unit.log.as_ref().and_then(|log| std::fs::metadata(log).ok()).map_or(0, |data| data.len())
}

/// The last lines of its log behind `from`, which about `starts` runs have written; that is asked for after it
/// was read.
pub(super) fn written_since(unit: &Unit, from: u64, starts: impl FnOnce() -> u32) -> Vec<String> {
    let Some(log) = &unit.log else { return Vec::new() };
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        // it was rotated, or emptied
        let from = if from > length { 0 } else { from };
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL))))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("svc: ")).collect();
    let lines = of_one(&lines, usize::try_from(starts()).unwrap_or(usize::MAX));
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

/// The lines of one run, where about `starts` of them wrote the same; else all. The last one may not be at its
/// end.
fn of_one<'a, 'b>(lines: &'a [&'b str], starts: usize) -> &'a [&'b str] {
    if starts < 2 {
        return lines;
    }
    let repeats = |period: &usize| lines.iter().zip(&lines[*period..]).all(|(one, next)| one == next);
    let periods = (1..=lines.len() / 2).filter(repeats);
    let period = periods.min_by_key(|period| (lines.len() / period).abs_diff(starts));
    period.map_or(lines, |period| &lines[..period])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_repeated_is_shown_once() {
        assert_eq!(of_one(&["a", "b", "a", "b", "a", "b"], 3), ["a", "b"]);
        // the next one has begun
        assert_eq!(of_one(&["a", "b", "a", "b", "a"], 3), ["a", "b"]);
        assert_eq!(of_one(&["a", "a", "a", "a", "a", "a"], 3), ["a", "a"]);
        assert_eq!(of_one(&["a", "a"], 1), ["a", "a"]);
        assert_eq!(of_one(&["at 1", "b", "at 2", "b"], 2), ["at 1", "b", "at 2", "b"]);
        assert_eq!(of_one(&["a", "b", "c"], 9), ["a", "b", "c"]);
        assert_eq!(of_one(&[], 2), [] as [&str; 0]);
    }
}
