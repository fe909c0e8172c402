//! What a supervisor writes down of each service, so that the next one goes on where it was killed.
//!
//! One file of lines of [`WIDTH`] bytes, two for each service: the two are written in turn, in
//! place, so that the other is whole whatever happens in between, a full disk takes nothing away
//! (its blocks are there already), and nothing needs a sync: a SIGKILL loses no write, and what a
//! power cut leaves is of another boot. Each line: CRC-32, number, JSON. What can't be believed is
//! left out; a service whose lines are lost is found by the marks in its processes.

use crate::engine::machine::Saved;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Bytes of a line, with its end.
const WIDTH: usize = 1024;
/// Bytes of a line in front of its JSON: `01234567 00000000000000000000 `.
const FRONT: usize = 30;
/// Bytes that a [`Saved`] may take: name (200), run and the rest are beside it.
const SAVED: usize = WIDTH - FRONT - 420;

/// Longest file that is read from outside, bytes: that of 10,000 services.
const LONGEST: u64 = 20 * 1024 * 1024;

/// What is written of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Of which boot: monotonic times and pids mean nothing after another.
    pub boot: String,
    /// Id of its last start, in the environment of its processes.
    #[serde(default)]
    pub run: String,
    /// A child that is to become its program.
    #[serde(default)]
    pub child: Option<(u32, u64)>,
    /// Its machine.
    pub saved: Saved,
}

/// The file.
#[derive(Debug)]
pub struct Store {
    file: File,
    /// By slot: which of the two lines is written next, 0 or 1.
    next: Vec<usize>,
    last: u64,
    /// A line that was read can't be believed, so that what is known of a service may be older than
    /// it should be, or nothing.
    pub doubtful: bool,
}

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(usize);

impl Store {
    /// Opens or makes the file at `path`, in a private folder, and reads what can be believed.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<(Slot, Entry)>)> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC)
            .open(path)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        let mut bytes = vec![0; length];
        let mut read = 0;
        while read < length {
            match file.read_at(&mut bytes[read..], read as u64)? {
                0 => break,
                count => read += count,
            }
        }
        let mut store = Self { file, next: Vec::new(), last: 0, doubtful: false };
        let mut found: Vec<(Slot, u64, Entry)> = Vec::new();
        for (slot, lines) in bytes.chunks(2 * WIDTH).enumerate() {
            store.next.push(0);
            let lines: Vec<_> = lines.chunks(WIDTH).map(parse).collect();
            store.doubtful |= lines.len() < 2 || lines.contains(&None);
            let lines = lines.into_iter().enumerate().filter_map(|(at, line)| Some((at, line?)));
            let Some((at, (number, entry))) = lines.max_by_key(|(_, (number, _))| *number) else { continue };
            store.last = store.last.max(number);
            store.next[slot] = 1 - at;
            if let Some(entry) = entry {
                found.push((Slot(slot), number, entry));
            }
        }
        // a name may stand twice after a damage: the newer one counts
        found.sort_by_key(|(_, number, _)| std::cmp::Reverse(*number));
        let mut names = std::collections::BTreeSet::new();
        found.retain(|(_, _, entry)| names.insert(entry.name.clone()));
        Ok((store, found.into_iter().map(|(slot, _, entry)| (slot, entry)).collect()))
    }

    /// What a supervisor that has ended, or runs, has written down of its services; nothing is
    /// changed. Empty where there is no such file.
    pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
        let mut bytes = Vec::new();
        match File::options().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path) {
            Ok(file) => io::Read::read_to_end(&mut io::Read::take(file, LONGEST), &mut bytes)?,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(cause),
        };
        let newest = |lines: &[u8]| lines.chunks(WIDTH).filter_map(parse).max_by_key(|(number, _)| *number)?.1;
        Ok(bytes.chunks(2 * WIDTH).filter_map(newest).collect())
    }

    /// A free place, its blocks allocated.
    pub fn allot(&mut self, taken: impl Fn(Slot) -> bool) -> io::Result<Slot> {
        let slot = (0..self.next.len()).map(Slot).find(|slot| !taken(*slot)).unwrap_or(Slot(self.next.len()));
        if slot.0 == self.next.len() {
            self.next.push(0);
        }
        self.clear(slot)?;
        Ok(slot)
    }

    /// Writes the state of a service.
    pub fn put(&mut self, slot: Slot, entry: &Entry) -> io::Result<()> {
        let Entry { name, boot, run, child, saved } = entry;
        let saved = saved.to_json(SAVED);
        let [name, boot, run] = [name, boot, run].map(|text| serde_json::to_string(text).unwrap_or_default());
        let child = serde_json::to_string(child).unwrap_or_default();
        let json = format!(r#"{{"name":{name},"boot":{boot},"run":{run},"child":{child},"saved":{saved}}}"#);
        self.write(slot, &json)
    }

    /// Forgets a service.
    pub fn clear(&mut self, slot: Slot) -> io::Result<()> {
        self.write(slot, "")?;
        self.write(slot, "")
    }

    fn write(&mut self, slot: Slot, json: &str) -> io::Result<()> {
        let number = self.last + 1;
        let mut line = format!("{number:020} {json}").into_bytes();
        if line.len() + 9 >= WIDTH {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a state of too many bytes"));
        }
        line.resize(WIDTH - 10, b' ');
        let mut bytes = format!("{:08x} ", crc32fast::hash(&line)).into_bytes();
        bytes.extend(line);
        bytes.push(b'\n');
        let at = (slot.0 * 2 + self.next[slot.0]) * WIDTH;
        self.file.write_all_at(&bytes, at as u64)?;
        self.last = number;
        self.next[slot.0] = 1 - self.next[slot.0];
        Ok(())
    }
}

/// Number and entry of a line; no entry: the place is free. `None`: not to be believed.
fn parse(line: &[u8]) -> Option<(u64, Option<Entry>)> {
    let line = line.strip_suffix(b"\n").filter(|line| line.len() == WIDTH - 1)?;
    let (crc, rest) = (std::str::from_utf8(&line[..8]).ok()?, line[8..].strip_prefix(b" ")?);
    if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(rest) {
        return None;
    }
    let text = std::str::from_utf8(rest).ok()?;
    let (number, json) = text.split_once(' ')?;
    let json = json.trim_end();
    let entry = if json.is_empty() { None } else { Some(serde_json::from_str(json).ok()?) };
    Some((number.parse().ok()?, entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, run: u32) -> Entry {
        Entry {
            name: name.into(),
            boot: "b".into(),
            run: run.to_string(),
            child: Some((run, 7)),
            saved: Saved::default(),
        }
    }

    fn read(path: &Path) -> Vec<(String, String)> {
        let (_, mut found) = Store::open(path).expect("opened");
        found.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        found.into_iter().map(|(_, entry)| (entry.name, entry.run)).collect()
    }

    fn pairs(all: &[(&str, u32)]) -> Vec<(String, String)> {
        all.iter().map(|(name, run)| ((*name).to_owned(), run.to_string())).collect()
    }

    #[test]
    fn the_last_state_of_each_is_read_and_places_are_used_again() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("s");
        let (mut store, found) = Store::open(&path).expect("made");
        assert!(found.is_empty());
        let long = "n".repeat(200);
        let a = store.allot(|_| false).expect("a");
        let b = store.allot(|slot| slot == a).expect("b");
        for run in 0..5 {
            store.put(a, &entry(&long, run)).expect("written");
            store.put(b, &entry("b", run + 10)).expect("written");
        }
        assert_eq!(read(&path), pairs(&[("b", 14), (&long, 4)]));
        store.clear(a).expect("cleared");
        assert_eq!(read(&path), pairs(&[("b", 14)]));
        let (mut store, found) = Store::open(&path).expect("opened");
        let c = store.allot(|slot| found.iter().any(|(taken, _)| *taken == slot)).expect("c");
        assert_eq!(c, a, "the free place");
        store.put(c, &entry("c", 20)).expect("written");
        store.put(found[0].0, &entry("b", 21)).expect("written");
        assert_eq!(read(&path), pairs(&[("b", 21), ("c", 20)]));
        assert_eq!(std::fs::metadata(&path).expect("there").len(), 4 * WIDTH as u64);
        let from_outside: Vec<String> =
            Store::read(&path).expect("read").into_iter().map(|entry| entry.name + &entry.run).collect();
        assert_eq!(from_outside, ["c20", "b21"]);
        assert!(Store::read(&folder.path().join("none")).expect("read").is_empty());
    }

    /// A file cut anywhere, or a line damaged anywhere, gives an older state or none, never a wrong one.
    #[test]
    fn a_damaged_file_gives_what_can_be_believed() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("s");
        let (mut store, _) = Store::open(&path).expect("made");
        let a = store.allot(|_| false).expect("a");
        let b = store.allot(|slot| slot == a).expect("b");
        for run in 0..4 {
            store.put(a, &entry("a", run)).expect("written");
            store.put(b, &entry("b", run)).expect("written");
        }
        let whole = std::fs::read(&path).expect("read");
        let cut = folder.path().join("cut");
        let write = |bytes: &[u8]| {
            let file = File::create(&cut).expect("made");
            file.write_all_at(bytes, 0).expect("written");
        };
        let believable = |found: &[(String, String)]| {
            found.iter().all(|(name, run)| (name == "a" || name == "b") && (run == "2" || run == "3"))
        };
        for length in (0..=whole.len()).step_by(7) {
            write(&whole[..length]);
            assert!(believable(&read(&cut)), "cut at {length}");
            // a whole number of places may be cut off without a trace: services without a line are looked for
            let (store, _) = Store::open(&cut).expect("opened");
            assert_eq!(store.doubtful, length % (2 * WIDTH) != 0, "cut at {length}");
        }
        for at in (0..whole.len()).step_by(5) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x21;
            write(&damaged);
            assert!(Store::open(&cut).expect("opened").0.doubtful, "byte {at}");
            let found = read(&cut);
            assert!(believable(&found) && found.len() == 2, "byte {at}: {found:?}");
        }
    }
}
