//! The lines of one file from its end, in blocks: a log of gigabytes is not read whole.

use super::LONGEST;
use super::chain::Segment;
use super::source::Micros;
use super::stamp::Stamps;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

const BLOCK: u64 = 64 * 1024;

/// One line that was passed on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// Where it begins.
    pub(super) offset: u64,
    /// The time in front of it, if there is one.
    pub(super) time: Option<Micros>,
    /// It is one of those that are looked for.
    pub(super) wanted: bool,
}

/// What is asked of each line.
pub(super) type Wanted<'a> = &'a dyn Fn(&[u8]) -> bool;

/// The way back through one file.
#[derive(Debug)]
pub(super) enum Back {
    /// Of a plain file.
    Plain(Blocks),
    /// Of one that can only be read forwards: the last lines that count.
    Passed(VecDeque<Passed>),
}

impl Back {
    /// From `end` on; `unended`: a last line that has not ended is left out. Of a compressed file the last `most`
    /// wanted lines are found, and with `all` those between them.
    pub(super) fn new(
        segment: &Segment,
        end: u64,
        unended: bool,
        most: usize,
        all: bool,
        wanted: Wanted<'_>,
    ) -> io::Result<Self> {
        if segment.compressed {
            return passed(segment, most, all, wanted).map(Self::Passed);
        }
        let mut blocks = Blocks {
            file: segment.file.try_clone()?,
            base: end,
            bytes: Vec::new(),
            end: 0,
            started: false,
            cut: false,
            resume: end,
        };
        blocks.skip_line_end(unended)?;
        Ok(Self::Plain(blocks))
    }

    /// The line before.
    pub(super) fn next(&mut self, stamps: &mut Stamps, wanted: Wanted<'_>) -> io::Result<Option<Passed>> {
        match self {
            Self::Passed(all) => Ok(all.pop_back()),
            Self::Plain(blocks) => blocks.next(stamps, wanted),
        }
    }
}

/// Reads blocks from the end.
#[derive(Debug)]
pub(super) struct Blocks {
    file: File,
    /// Where `bytes` begins in the file.
    base: u64,
    bytes: Vec<u8>,
    /// What of `bytes` was not passed yet; behind the text of the line before.
    end: usize,
    /// The first line of the file was passed.
    started: bool,
    /// Where reading forwards goes on, were nothing passed.
    resume: u64,
    /// What was passed last is a part of a line that is too long.
    cut: bool,
}

impl Blocks {
    /// Where reading forwards goes on, were nothing passed.
    pub(super) fn resume(&self) -> u64 {
        self.resume
    }

    /// To the end of the last line: without what has not ended, if that does not count.
    fn skip_line_end(&mut self, unended: bool) -> io::Result<()> {
        if !self.read_block()? {
            self.started = true;
            return Ok(());
        }
        if self.bytes.last() == Some(&b'\n') {
            self.end -= 1;
        } else if unended {
            loop {
                if let Some(at) = memchr::memrchr(b'\n', &self.bytes[..self.end]) {
                    self.end = at;
                    self.resume = self.base + at as u64 + 1;
                    break;
                }
                self.end = 0;
                self.bytes.clear();
                if !self.read_block()? {
                    (self.started, self.resume) = (true, 0);
                    break;
                }
            }
        }
        Ok(())
    }

    fn next(&mut self, stamps: &mut Stamps, wanted: Wanted<'_>) -> io::Result<Option<Passed>> {
        if self.started {
            return Ok(None);
        }
        let mut unseen = self.end;
        loop {
            let line = if let Some(at) = memchr::memrchr(b'\n', &self.bytes[..unseen]) {
                let line = at + 1..self.end;
                self.end = at;
                if std::mem::take(&mut self.cut) && line.is_empty() {
                    unseen = at;
                    continue;
                }
                line
            } else if self.end >= LONGEST {
                self.end -= LONGEST;
                self.cut = true;
                self.end..self.end + LONGEST
            } else {
                let before = self.end;
                if self.read_block()? {
                    unseen = self.end - before;
                    continue;
                }
                self.started = true;
                if self.cut && before == 0 {
                    return Ok(None);
                }
                0..self.end
            };
            let offset = self.base + line.start as u64;
            let bytes = &self.bytes[line];
            let time = stamps.of(bytes);
            let message = time.and_then(|_| bytes.get(super::stamp::LENGTH..)).unwrap_or(bytes);
            return Ok(Some(Passed { offset, time, wanted: wanted(message) }));
        }
    }

    /// Puts the block before in front; `false`: there is none.
    fn read_block(&mut self) -> io::Result<bool> {
        if self.base == 0 {
            return Ok(false);
        }
        let from = self.base.saturating_sub(BLOCK);
        let count = usize::try_from(self.base - from).unwrap_or_default();
        let mut bytes = vec![0; count + self.end];
        // somebody may have shortened it meanwhile
        self.file.read_exact_at(&mut bytes[..count], from)?;
        bytes[count..].copy_from_slice(&self.bytes[..self.end]);
        self.bytes = bytes;
        self.end += count;
        self.base = from;
        Ok(true)
    }
}

fn passed(segment: &Segment, most: usize, all: bool, wanted: Wanted<'_>) -> io::Result<VecDeque<Passed>> {
    let mut found: VecDeque<Passed> = VecDeque::new();
    let (mut text, mut stamps, mut count) = (segment.text(false)?, Stamps::default(), 0);
    let (mut bytes, mut offset) = (Vec::new(), segment.start);
    let mut add = |bytes: &[u8], offset: u64| {
        let time = stamps.of(bytes);
        let message = time.and_then(|_| bytes.get(super::stamp::LENGTH..)).unwrap_or(bytes);
        let wanted = wanted(message);
        if !wanted && !all {
            return;
        }
        found.push_back(Passed { offset, time, wanted });
        count += usize::from(wanted);
        while count > most {
            count -= usize::from(found.pop_front().is_some_and(|one| one.wanted));
        }
    };
    loop {
        let held = bytes.len();
        bytes.resize(held + 64 * 1024, 0);
        // what is damaged ends where it is
        let read = text.read(&mut bytes[held..]).unwrap_or(0);
        bytes.truncate(held + read);
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', &bytes[held..]) {
            add(&bytes[from..held + end], offset + from as u64);
            from = held + end + 1;
        }
        while bytes.len() - from >= LONGEST {
            add(&bytes[from..from + LONGEST], offset + from as u64);
            from += LONGEST;
        }
        if read == 0 {
            if from < bytes.len() {
                add(&bytes[from..], offset + from as u64);
            }
            return Ok(found);
        }
        bytes.drain(..from);
        offset += from as u64;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn segment(text: &[u8], compressed: bool) -> (tempfile::TempDir, Segment) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if compressed { "log.1.gz" } else { "log" });
        let mut file = File::create(&path).unwrap();
        if compressed {
            let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            file.write_all(text).unwrap();
            file.finish().unwrap();
        } else {
            file.write_all(text).unwrap();
        }
        let segment = Segment::open(&path).unwrap().unwrap();
        (folder, segment)
    }

    /// Where lines begin, from the last.
    fn walk(text: &[u8], unended: bool, compressed: bool) -> Vec<u64> {
        let (_folder, segment) = segment(text, compressed);
        let mut back = Back::new(&segment, segment.length, unended, usize::MAX, false, &|_| true).unwrap();
        let mut found = Vec::new();
        while let Some(passed) = back.next(&mut Stamps::default(), &|_| true).unwrap() {
            found.push(passed.offset);
        }
        found
    }

    #[test]
    fn the_end_of_the_file_may_be_anything() {
        let table: [(&[u8], &[u64]); 7] = [
            (b"", &[]),
            (b"\n", &[0]),
            (b"a", &[0]),
            (b"a\n", &[0]),
            (b"\n\n", &[1, 0]),
            (b"\na\n\nb", &[4, 3, 1, 0]),
            (b"a\r\nb\0c\n", &[3, 0]),
        ];
        for (text, starts) in table {
            assert_eq!(walk(text, false, false), starts, "{text:?}");
            assert_eq!(walk(text, false, true), starts, "{text:?}");
        }
        assert_eq!(walk(b"one\ntwo\nthr", true, false), [4, 0]);
        assert!(walk(b"thr", true, false).is_empty());
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let text = vec![b'x'; 2 * LONGEST + 7];
        assert_eq!(walk(&text, false, false), [LONGEST as u64 + 7, 7, 0]);
        assert_eq!(walk(&text, false, true), [2 * LONGEST as u64, LONGEST as u64, 0]);
    }

    #[test]
    fn a_line_may_lie_over_blocks() {
        let mut text = vec![b'a'; 70_000];
        text.push(b'\n');
        text.extend(vec![b'b'; 200_000]);
        text.push(b'\n');
        assert_eq!(walk(&text, false, false), [70_001, 0]);
    }

    #[test]
    fn of_a_compressed_file_only_the_last_ones_are_kept() {
        let (_folder, segment) = segment(b"a1\nb\na2\nb\na3\nb\n", true);
        let wanted = |line: &[u8]| line.starts_with(b"a");
        let starts = |most, all| -> Vec<u64> {
            let mut back = Back::new(&segment, 0, false, most, all, &wanted).unwrap();
            std::iter::from_fn(|| back.next(&mut Stamps::default(), &wanted).unwrap()).map(|one| one.offset).collect()
        };
        assert_eq!(starts(2, false), [10, 5]);
        assert_eq!(starts(2, true), [13, 10, 8, 5, 3]);
        assert!(starts(0, false).is_empty());
    }

    proptest! {
        #[test]
        fn backwards_finds_what_forwards_does(text in "[a\n]{0,40}", compressed: bool) {
            let mut expected: Vec<u64> = text.split_inclusive('\n').scan(0, |at, line| {
                let start = *at;
                *at += line.len() as u64;
                Some(start)
            }).collect();
            expected.reverse();
            prop_assert_eq!(walk(text.as_bytes(), false, compressed), expected);
        }
    }
}
