//! The files of one log: `NAME`, and those that it was before: `NAME.1`, the newest, `NAME.2.gz`, …

use std::fs::{File, Metadata};
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// A file that was compressed is looked at for so many bytes to see which one it was.
const LOOK: usize = 512;

/// One file of a log.
#[derive(Debug)]
pub(super) struct Segment {
    /// As it was named.
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) identity: Identity,
    /// Last written, microseconds since 1970.
    pub(super) written: i64,
    pub(super) compressed: bool,
    /// Bytes when it was opened, as they lie there.
    pub(super) length: u64,
    /// Where reading begins: in the text, not in what is compressed.
    pub(super) start: u64,
}

impl Segment {
    /// Opens what has this name now; `None`: nothing. What could make us wait is refused.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(cause) => return Err(cause),
        };
        if !found.is_file() {
            let message = format!("the log `{}` is no file that can be read again", path.display());
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        let file = match File::open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(cause),
        };
        let found = file.metadata()?;
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            identity: identity(&found),
            written: found.mtime().saturating_mul(1_000_000).saturating_add(found.mtime_nsec() / 1_000),
            compressed: path.extension().is_some_and(|end| end == "gz"),
            length: found.len(),
            start: 0,
        }))
    }

    /// Its text from [`Segment::start`] on; of a plain file no more than was there when it was opened, unless it `grows`.
    pub(super) fn text(&self, grows: bool) -> io::Result<Box<dyn Read>> {
        let file = self.file.try_clone()?;
        if self.compressed {
            let whole = Part { file, from: 0, to: u64::MAX };
            let mut text = flate2::read::MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, whole));
            io::copy(&mut text.by_ref().take(self.start), &mut io::sink())?;
            return Ok(Box::new(text));
        }
        Ok(Box::new(Part { file, from: self.start, to: if grows { u64::MAX } else { self.length } }))
    }

    /// Whether this rotated file was `old`, which is still open, before it was compressed.
    fn was(&self, old: &Self) -> bool {
        if self.identity == old.identity {
            return true;
        }
        let beginning = |one: &Self| -> io::Result<Vec<u8>> {
            let mut text = Vec::new();
            Self { start: 0, ..one.again()? }.text(true)?.take(LOOK as u64).read_to_end(&mut text)?;
            Ok(text)
        };
        // gzip (RFC 1952) ends with the length of the text
        let length = |one: &Self| -> io::Result<u32> {
            let mut end = [0; 4];
            one.file.read_exact_at(&mut end, one.length.saturating_sub(4))?;
            Ok(u32::from_le_bytes(end))
        };
        let whole = old.file.metadata().map(|found| found.len()).unwrap_or_default();
        self.compressed
            && length(self).is_ok_and(|length| u64::from(length) == whole & u64::from(u32::MAX))
            && matches!((beginning(self), beginning(old)), (Ok(one), Ok(other)) if one == other)
    }

    fn again(&self) -> io::Result<Self> {
        Ok(Self { path: self.path.clone(), file: self.file.try_clone()?, ..*self })
    }
}

/// A file from one place to another, whoever else reads it through the same descriptor.
#[derive(Debug)]
struct Part {
    file: File,
    from: u64,
    to: u64,
}

impl Read for Part {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.to.saturating_sub(self.from)).unwrap_or(usize::MAX).min(bytes.len());
        let count = self.file.read_at(&mut bytes[..most], self.from)?;
        self.from += count as u64;
        Ok(count)
    }
}

/// The files that the log at `path` was before, the newest first. One that is compressed in this moment
/// counts once; what can't be opened is left out.
pub(super) fn older(path: &Path) -> Vec<Segment> {
    let mut all: Vec<Segment> = Vec::new();
    for path in crate::engine::log::older(path).unwrap_or_default() {
        if let Ok(Some(segment)) = Segment::open(&path)
            && !all.iter().any(|one| one.identity == segment.identity)
        {
            all.push(segment);
        }
    }
    all
}

/// What followed `old` under this name, the oldest first: all files that were written since, also when it was
/// rotated more than once.
pub(super) fn newer(path: &Path, old: &Segment) -> io::Result<Vec<Segment>> {
    let current = Segment::open(path)?;
    let rotated = older(path);
    let between = rotated.iter().position(|one| one.was(old)).unwrap_or(0);
    let mut all: Vec<Segment> = rotated.into_iter().take(between).collect();
    all.reverse();
    all.extend(current);
    all.retain(|one| one.identity != old.identity);
    Ok(all)
}

pub(super) fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, with files of their own")]
mod tests {
    use super::*;
    use std::io::Write;

    fn gz(path: &Path, text: &str) {
        let mut file = flate2::write::GzEncoder::new(File::create(path).unwrap(), flate2::Compression::fast());
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
    }

    fn texts(all: &[Segment]) -> Vec<String> {
        all.iter().map(|one| io::read_to_string(one.text(false).unwrap()).unwrap()).collect()
    }

    #[test]
    fn rotated_files_are_found_by_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for (name, text) in
            [("log.10", "a"), ("log.1", "d"), ("log.x", "-"), ("log.01", "-"), ("log.0", "-"), ("log", "e")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        gz(&folder.path().join("log.2.gz"), "c");
        gz(&folder.path().join("log.1.gz"), "half");
        std::fs::create_dir(folder.path().join("log.3")).unwrap();
        assert_eq!(texts(&older(&path)), ["d", "c", "a"]);
    }

    #[test]
    fn what_was_rotated_twice_between_two_looks_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (path, name) = (folder.path().join("log"), |name: &str| folder.path().join(name));
        std::fs::write(&path, "one").unwrap();
        let old = Segment::open(&path).unwrap().unwrap();
        std::fs::rename(&path, name("log.2")).unwrap();
        std::fs::write(name("log.1"), "two").unwrap();
        std::fs::write(&path, "three").unwrap();
        assert_eq!(texts(&newer(&path, &old).unwrap()), ["two", "three"]);
        // compressed meanwhile
        gz(&name("log.2.gz"), "one");
        std::fs::remove_file(name("log.2")).unwrap();
        assert_eq!(texts(&newer(&path, &old).unwrap()), ["two", "three"]);
        // removed meanwhile: what has the name
        std::fs::remove_file(name("log.2.gz")).unwrap();
        assert_eq!(texts(&newer(&path, &old).unwrap()), ["three"]);
    }
}
