//! The record of the batch that is on its way: a few numbers in one small file, written by one
//! `pwrite` inside one page, so that SIGKILL leaves the old or the new one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const MAGIC: u64 = u64::from_le_bytes(*b"svclog 1");
const FIELDS: usize = 13;
/// Bytes of the file.
const LENGTH: usize = FIELDS * 8;

/// One batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// Of the log, for the caller.
    pub(super) id: u64,
    /// Bytes of the pipe.
    pub(super) taken: u64,
    /// Their [`hash`].
    pub(super) hash: u64,
    /// Device and inode of the log file.
    pub(super) file: (u64, u64),
    /// Where in it the batch begins.
    pub(super) offset: u64,
    /// Bytes of the file.
    pub(super) written: u64,
    /// Hash of the boot id: the numbers of pipes below mean something in that boot only.
    pub(super) boot: u64,
    /// Number of the service's pipe; 0 if the bytes come from none.
    pub(super) pipe: u64,
    /// Number of the staging pipe.
    pub(super) staging: u64,
}

impl Record {
    fn to_bytes(self) -> [u8; LENGTH] {
        let Self { id, taken, hash: sum, file, offset, written, boot, pipe, staging } = self;
        let mut fields = [MAGIC, id, taken, sum, file.0, file.1, offset, written, boot, pipe, staging, 0, 0];
        let mut bytes = [0; LENGTH];
        for _ in 0..2 {
            for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
                place.copy_from_slice(&field.to_le_bytes());
            }
            fields[FIELDS - 1] = hash(&bytes[..LENGTH - 8]);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; LENGTH]) -> Option<Self> {
        let mut fields = [0; FIELDS];
        for (field, place) in fields.iter_mut().zip(bytes.chunks_exact(8)) {
            *field = u64::from_le_bytes(place.try_into().ok()?);
        }
        let [magic, id, taken, sum, device, inode, offset, written, boot, pipe, staging, _, check] = fields;
        let valid = magic == MAGIC && check == hash(&bytes[..LENGTH - 8]);
        valid.then_some(Self { id, taken, hash: sum, file: (device, inode), offset, written, boot, pipe, staging })
    }

    /// Says that the batch is on its way.
    pub(super) fn write(self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.to_bytes(), 0)
    }

    /// The batch on its way; none if there is none, or if what is there is damaged.
    pub(super) fn read(file: &File) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        file.read_exact_at(&mut bytes, 0).ok()?;
        Self::from_bytes(&bytes)
    }

    /// Says that no batch is on its way.
    pub(super) fn clear(file: &File) -> io::Result<()> {
        file.write_all_at(&[0; 8], 0)
    }
}

/// Opens the file of the record, or makes it (0600) with all of its bytes, so that a full disk is no
/// hindrance later. The caller sees to it that only one process uses it.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{}` is no regular file", path.display())));
    }
    if found.len() < LENGTH as u64 {
        file.write_all_at(&[0; LENGTH], 0)?;
    }
    Ok(file)
}

/// A fast checksum of 64 bits, against accidents, not against people: four lanes of
/// xor-multiply-rotate, 32 bytes at a time.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |lane: u64, word: u64| (lane ^ word).wrapping_mul(K).rotate_left(29);
    let mut lanes = [1, 2, 3, 4];
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            *lane = mix(*lane, u64::from_le_bytes(eight));
        }
    }
    let mut rest = [0; 32];
    rest[..blocks.remainder().len()].copy_from_slice(blocks.remainder());
    for (lane, word) in lanes.iter_mut().zip(rest.chunks_exact(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(word);
        *lane = mix(*lane, u64::from_le_bytes(eight));
    }
    let all = lanes.iter().fold(bytes.len() as u64, |all, lane| mix(all, *lane));
    mix(all ^ (all >> 32), K)
}

/// [`hash`] of the boot id: random(4); 0 where there is none.
pub(super) fn boot() -> u64 {
    std::fs::read("/proc/sys/kernel/random/boot_id").map_or(0, |id| hash(&id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn sample() -> Record {
        let file = (5, 6);
        Record { id: 1, taken: 2, hash: 3, file, offset: 7, written: 8, boot: 9, pipe: 10, staging: u64::MAX }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_until_it_is_cleared() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record");
        let file = open(&path).expect("made");
        assert_eq!(Record::read(&file), None);
        sample().write(&file).expect("written");
        assert_eq!(Record::read(&open(&path).expect("opened")), Some(sample()));
        assert_eq!(file.metadata().expect("there").len(), LENGTH as u64);
        Record::clear(&file).expect("cleared");
        assert_eq!(Record::read(&file), None);
    }

    #[test]
    fn a_damaged_record_is_none() {
        let bytes = sample().to_bytes();
        assert_eq!(Record::from_bytes(&bytes), Some(sample()));
        for bit in 0..LENGTH * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::from_bytes(&bytes), None, "bit {bit}");
        }
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(&bytes[..LENGTH - 1], 0).expect("written");
        assert_eq!(Record::read(&file), None, "cut");
    }

    #[test]
    fn another_text_has_another_hash() {
        let mut seen = HashSet::new();
        for length in 0..200 {
            assert!(seen.insert(hash(&vec![0; length])), "{length} zeros");
            assert!(seen.insert(hash(&vec![b'a'; length])) || length == 0, "{length} a");
        }
        for n in 0..100_000 {
            assert!(seen.insert(hash(format!("line {n:06} of a program\n").as_bytes())), "line {n}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_boot_has_a_number() {
        assert_ne!(boot(), 0);
    }
}
