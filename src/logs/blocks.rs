//! The last lines of a file, found from its end in blocks: a log of gigabytes is not read whole.

use super::tail::LONGEST;
use std::io::{Read, Result, Seek, SeekFrom};

const BLOCK: u64 = 64 * 1024;

/// The last `count` lines that are `wanted`, oldest first, and the offset behind what was looked
/// at. `follow`: a last line that has not ended is left for later.
pub(super) fn last_lines(
    file: &mut (impl Read + Seek),
    count: usize,
    follow: bool,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<(Vec<Vec<u8>>, u64)> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut backwards = Backwards { file, start: length, bytes: Vec::new(), done: false };
    let mut end = length;
    let mut lines = Vec::new();
    // what stands behind the last line end: nothing, or a line that has not ended
    if let Some(rest) = backwards.next()?.filter(|rest| !rest.is_empty()) {
        if follow {
            end = length - rest.len() as u64;
        } else if count > 0 && wanted(&rest) {
            lines.push(rest);
        }
    }
    while lines.len() < count
        && let Some(line) = backwards.next()?
    {
        if wanted(&line) {
            lines.push(line);
        }
    }
    lines.reverse();
    Ok((lines, end))
}

/// Lines from the last to the first, without their ends; longer ones than [`LONGEST`] in pieces.
struct Backwards<'a, F> {
    file: &'a mut F,
    /// What lies before it was not read yet.
    start: u64,
    /// Read from there on, up to the line end before the last line that was given out.
    bytes: Vec<u8>,
    /// The first line of the file was given out.
    done: bool,
}

impl<F: Read + Seek> Backwards<'_, F> {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut unseen = self.bytes.len();
        loop {
            if let Some(at) = self.bytes[..unseen].iter().rposition(|byte| *byte == b'\n') {
                let line = self.bytes.split_off(at + 1);
                self.bytes.truncate(at);
                return Ok(Some(line));
            }
            if self.bytes.len() >= LONGEST {
                let piece = self.bytes.split_off(self.bytes.len() - LONGEST);
                return Ok(Some(piece));
            }
            if self.start == 0 {
                let first = (!self.done).then(|| std::mem::take(&mut self.bytes));
                self.done = true;
                return Ok(first);
            }
            unseen = self.read_block()?;
        }
    }

    fn read_block(&mut self) -> Result<usize> {
        let from = self.start.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(self.start - from).unwrap_or_default()];
        self.file.seek(SeekFrom::Start(from))?;
        self.file.read_exact(&mut block)?;
        self.start = from;
        let count = block.len();
        block.append(&mut self.bytes);
        self.bytes = block;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn last(text: &[u8], count: usize, follow: bool) -> (Vec<Vec<u8>>, u64) {
        last_lines(&mut Cursor::new(text.to_vec()), count, follow, |_| true).expect("memory can be read")
    }

    #[test]
    fn the_end_of_the_file_may_be_anything() {
        let table: [(&[u8], &[&[u8]]); 7] = [
            (b"", &[]),
            (b"\n", &[b""]),
            (b"a", &[b"a"]),
            (b"a\n", &[b"a"]),
            (b"\n\n", &[b"", b""]),
            (b"\na\n\nb", &[b"", b"a", b"", b"b"]),
            (b"a\r\nb\0c\n", &[b"a\r", b"b\0c"]),
        ];
        for (text, lines) in table {
            assert_eq!(last(text, 9, false).0, lines, "{text:?}");
        }
    }

    #[test]
    fn following_leaves_a_line_that_has_not_ended_for_later() {
        assert_eq!(last(b"one\ntwo\nthr", 2, true), (vec![b"one".to_vec(), b"two".to_vec()], 8));
        assert_eq!(last(b"one\ntwo\nthr", 2, false), (vec![b"two".to_vec(), b"thr".to_vec()], 11));
        assert_eq!(last(b"one\n", 0, true), (vec![], 4));
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let text = vec![b'x'; 2 * LONGEST + 7];
        let lengths: Vec<usize> = last(&text, 9, false).0.iter().map(Vec::len).collect();
        assert_eq!(lengths, [7, LONGEST, LONGEST]);
    }

    #[test]
    fn a_line_may_lie_over_blocks() {
        let mut text = vec![b'a'; 70_000];
        text.push(b'\n');
        text.extend(vec![b'b'; 200_000]);
        text.push(b'\n');
        let lengths: Vec<usize> = last(&text, 9, false).0.iter().map(Vec::len).collect();
        assert_eq!(lengths, [70_000, 200_000]);
    }

    proptest! {
        #[test]
        fn backwards_gives_what_forwards_does(text in "[a\n]{0,40}", count in 0_usize..12) {
            let all: Vec<&str> = text.split_terminator('\n').collect();
            let expected: Vec<&[u8]> = all[all.len().saturating_sub(count)..].iter().map(|line| line.as_bytes()).collect();
            prop_assert_eq!(last(text.as_bytes(), count, false).0, expected);
        }
    }
}
