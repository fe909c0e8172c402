//! The records of tasks: two files, written by one at a time, read by anybody at any time.
//!
//! `index` is a header and then one [`Slot`] of 128 bytes for each task, in the order of their numbers;
//! `texts-N` what never changes of them ([`Spec`]) and why some have failed, one behind the other. Who changes
//! something holds the lock (flock(2), which the kernel lets go of when its holder dies) for some
//! microseconds; who reads needs none: a slot is written in place by one call and has a checksum, a text is
//! there before the slot that names it. Removing old ones writes both files anew and renames the index, which
//! names its texts.
//!
//! Why not a folder of small files: 100,000 of them take longer to list than `svc tasks` may. Why no embedded
//! database: the well-kept ones of pure Rust (redb, fjall) let one process in at a time, and here any number of
//! `svc` and their managers read; SQLite and LMDB are C to link, and their first call costs more than a
//! whole submit may take. What is needed is an array and an append.
//!
//! Nothing is synced: a SIGKILL loses no write, and a power cut may lose what was submitted in the last
//! seconds, but leaves no half record.

use super::slot::{Reader, Slot, WIDTH, Writer, is_sealed, sealed};
use super::spec::Spec;
use crate::error::Error;
use crate::files::lock::denied;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// In front of the index.
const MAGIC: [u8; 8] = *b"svctask1";
/// What is younger may belong to a task that is being submitted.
const FRESH: std::time::Duration = std::time::Duration::from_mins(1);
/// Reads of a slot that is being written.
const TRIES: u32 = 1_000;

/// The folder of the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Only its owner may look into it: the environment of tasks lies there.
    pub folder: PathBuf,
}

/// What is in front of the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// In the name of the file of texts.
    generation: u64,
    /// The number of the next task.
    next: u64,
    /// All slots before this one (from 0) are of tasks that are over.
    first_live: u64,
}

impl Header {
    fn to_bytes(self) -> [u8; WIDTH] {
        let mut to = Writer { bytes: [0; WIDTH], at: 4 };
        to.put(&MAGIC);
        for number in [self.generation, self.next, self.first_live] {
            to.put(&number.to_le_bytes());
        }
        sealed(to.bytes)
    }

    fn from_bytes(bytes: &[u8; WIDTH]) -> Option<Self> {
        let mut from = Reader { bytes, at: 4 };
        if !is_sealed(bytes) || from.take::<8>() != MAGIC {
            return None;
        }
        let [generation, next, first_live] = [(); 3].map(|()| u64::from_le_bytes(from.take()));
        Some(Self { generation, next, first_live })
    }
}

/// Both files, open.
#[derive(Debug)]
struct Files {
    index: File,
    texts: File,
    header: Header,
}

impl Files {
    /// The slots from this one on.
    fn slots(&self, from: u64) -> io::Result<Vec<Option<Slot>>> {
        let length = self.index.metadata()?.len();
        let at = (from + 1) * WIDTH as u64;
        let mut bytes = vec![0; usize::try_from(length.saturating_sub(at)).unwrap_or(0)];
        let mut read = 0;
        while read < bytes.len() {
            match self.index.read_at(&mut bytes[read..], at + read as u64)? {
                0 => break,
                count => read += count,
            }
        }
        let whole = bytes[..read].chunks_exact(WIDTH).enumerate();
        Ok(whole.map(|(place, bytes)| Slot::from_bytes(bytes).or_else(|| self.slot(from + place as u64))).collect())
    }

    /// One slot; again, if somebody writes it.
    fn slot(&self, place: u64) -> Option<Slot> {
        (0..TRIES).find_map(|_| self.slot_now(place))
    }

    /// One slot, with the lock held.
    fn slot_now(&self, place: u64) -> Option<Slot> {
        let mut bytes = [0; WIDTH];
        self.index.read_exact_at(&mut bytes, (place + 1) * WIDTH as u64).ok()?;
        Slot::from_bytes(&bytes)
    }

    /// How many slots there are.
    fn count(&self) -> u64 {
        (self.index.metadata().map_or(0, |data| data.len()) / WIDTH as u64).saturating_sub(1)
    }

    /// The task of this number and its place: where it would be if none before it was ever removed, else
    /// looked for.
    fn find(&self, id: u64) -> Option<(u64, Slot)> {
        let count = self.count();
        let behind = self.header.next.checked_sub(id).filter(|behind| *behind > 0)?;
        let guess = count.checked_sub(behind).and_then(|place| Some((place, self.slot(place)?)));
        if let Some(found) = guess.filter(|(_, slot)| slot.id == id) {
            return Some(found);
        }
        let all = self.slots(0).ok()?;
        all.into_iter().enumerate().find_map(|(place, slot)| Some((place as u64, slot.filter(|slot| slot.id == id)?)))
    }

    fn text(&self, (at, length): (u64, u32)) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        self.texts.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// What never changes of a task; `None`: its text was lost.
    fn spec(&self, slot: &Slot) -> Option<Spec> {
        serde_json::from_slice(&self.text(slot.text).ok()?).ok()
    }

    fn reason(&self, slot: &Slot) -> Option<String> {
        if slot.reason.1 == 0 {
            return None;
        }
        String::from_utf8(self.text(slot.reason).ok()?).ok()
    }
}

impl Store {
    /// The records in this folder, which need not be there.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    fn texts(&self, generation: u64) -> PathBuf {
        self.folder.join(format!("texts-{generation}"))
    }

    /// Where a task writes, unless a person has said where.
    pub fn log(&self, id: u64) -> PathBuf {
        self.folder.join("logs").join(format!("{id}.log"))
    }

    /// The environments that tasks were submitted in.
    pub fn environments(&self) -> PathBuf {
        self.folder.join("environments")
    }

    /// What a task that runs says of itself.
    pub fn said(&self, id: u64) -> PathBuf {
        self.folder.join("said").join(id.to_string())
    }

    /// To read; `None`: there never was a task.
    pub fn read(&self) -> Result<Option<View>, Error> {
        let failed = |cause: &io::Error| denied("read", &self.index(), cause);
        loop {
            let index = match File::open(self.index()) {
                Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
                other => other.map_err(|cause| failed(&cause))?,
            };
            let header = header(&index).map_err(|cause| failed(&cause))?;
            match File::open(self.texts(header.generation)) {
                // they were written anew in between
                Err(cause) if cause.kind() == ErrorKind::NotFound && self.is_another(&index) => {}
                texts => {
                    let texts = texts.map_err(|cause| denied("read", &self.texts(header.generation), &cause))?;
                    return Ok(Some(View { files: Files { index, texts, header } }));
                }
            }
        }
    }

    /// A file in one step, synced: it takes the place of others.
    fn write_anew(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        use std::io::Write;
        let mut temporary = tempfile::NamedTempFile::new_in(&self.folder)?;
        temporary.write_all(bytes)?;
        crate::sys::sync(temporary.as_file())?;
        temporary.persist(path).map(drop).map_err(|error| error.error)
    }

    /// No task waits or runs.
    pub fn is_idle(&self) -> bool {
        let live = |view: View| view.newest(0).is_ok_and(|(all, _)| all.iter().any(|slot| !slot.stand.is_over()));
        !self.read().ok().flatten().is_some_and(live)
    }

    fn is_another(&self, index: &File) -> bool {
        !is_same(&self.index(), index)
    }

    /// To change something; waits for its turn.
    pub fn lock(&self) -> Result<Table, Error> {
        let lock = self.turn()?;
        let files = self.files().map_err(|cause| denied("open", &self.index(), &cause))?;
        let length = files.texts.metadata().map_or(0, |data| data.len());
        Ok(Table { store: self.clone(), files, length, _lock: lock })
    }

    fn turn(&self) -> Result<Flock<File>, Error> {
        let path = self.folder.join("lock");
        loop {
            let mut options = File::options();
            options.create(true).append(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
            let file = match options.open(&path) {
                Err(cause) if cause.kind() == ErrorKind::NotFound => {
                    make(&self.folder).map_err(|cause| denied("make the folder", &self.folder, &cause))?;
                    continue;
                }
                other => other.map_err(|cause| denied("open", &path, &cause))?,
            };
            let lock = Flock::lock(file, FlockArg::LockExclusive)
                .map_err(|(_, error)| Error::file("lock", &path, &io::Error::from(error)))?;
            // whoever was before may have removed all of it
            if is_same(&path, &lock) {
                return Ok(lock);
            }
        }
    }

    /// Puts damaged records aside, beside which new ones begin.
    pub fn set_aside(&self) -> Result<(), Error> {
        let _lock = self.turn()?;
        let aside = self.folder.join(format!("damaged-{}", crate::sys::clock::now().as_millisecond()));
        let failed = |cause: io::Error| denied("move", &self.index(), &cause);
        make(&aside).map_err(failed)?;
        for entry in std::fs::read_dir(&self.folder).map_err(failed)?.flatten() {
            let name = entry.file_name();
            if name == "index" || name.as_encoded_bytes().starts_with(b"texts-") {
                std::fs::rename(entry.path(), aside.join(&name)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Both files, made if they are not there; with the lock held.
    fn files(&self) -> io::Result<Files> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
        let index = options.open(self.index())?;
        let header = if index.metadata()?.len() == 0 {
            make(&self.folder.join("logs"))?;
            make(&self.environments())?;
            make(&self.folder.join("said"))?;
            let header = Header { generation: 1, next: 1, first_live: 0 };
            index.write_all_at(&header.to_bytes(), 0)?;
            header
        } else {
            header(&index)?
        };
        let texts = options.open(self.texts(header.generation))?;
        Ok(Files { index, texts, header })
    }
}

/// The file is the one that lies there.
fn is_same(path: &Path, file: &File) -> bool {
    let identity = |data: std::fs::Metadata| (data.dev(), data.ino());
    let mine = file.metadata().map(identity).ok();
    mine.is_some() && std::fs::metadata(path).map(identity).ok() == mine
}

fn header(index: &File) -> io::Result<Header> {
    let mut bytes = [0; WIDTH];
    for _ in 0..TRIES {
        index.read_exact_at(&mut bytes, 0)?;
        if let Some(header) = Header::from_bytes(&bytes) {
            return Ok(header);
        }
    }
    Err(io::Error::new(ErrorKind::InvalidData, "it is damaged; `svc tasks prune --damaged` begins a new one"))
}

/// Makes a folder that only its owner may look into.
pub fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The records to read.
#[derive(Debug)]
pub struct View {
    files: Files,
}

impl View {
    /// The task of this number.
    pub fn get(&self, id: u64) -> Option<Slot> {
        self.files.find(id).map(|(_, slot)| slot)
    }

    /// All that are not over and at least so many of the newest, in the order of their numbers; and how many
    /// there are beside these.
    pub fn newest(&self, count: u64) -> io::Result<(Vec<Slot>, u64)> {
        let from = self.files.count().saturating_sub(count).min(self.files.header.first_live);
        Ok((self.files.slots(from)?.into_iter().flatten().collect(), from))
    }

    /// What never changes of a task.
    pub fn spec(&self, slot: &Slot) -> Option<Spec> {
        self.files.spec(slot)
    }

    /// Why it failed.
    pub fn reason(&self, slot: &Slot) -> Option<String> {
        self.files.reason(slot)
    }
}

/// The records to change, as long as it lives.
#[derive(Debug)]
pub struct Table {
    store: Store,
    files: Files,
    /// Of the file of texts, bytes.
    length: u64,
    _lock: Flock<File>,
}

impl Table {
    /// Whose records.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Those that are not over, in the order of their numbers.
    pub fn live(&self) -> Result<Vec<Slot>, Error> {
        let all = self.files.slots(self.files.header.first_live);
        let all = all.map_err(|cause| denied("read", &self.store.index(), &cause))?;
        Ok(all.into_iter().flatten().filter(|slot| !slot.stand.is_over()).collect())
    }

    /// Those that are over.
    pub fn over(&self) -> Result<Vec<Slot>, Error> {
        let all = self.files.slots(0).map_err(|cause| denied("read", &self.store.index(), &cause))?;
        Ok(all.into_iter().flatten().filter(|slot| slot.stand.is_over()).collect())
    }

    /// How many records there are.
    pub fn count(&self) -> usize {
        usize::try_from(self.files.count()).unwrap_or(usize::MAX)
    }

    /// The task of this number.
    pub fn get(&self, id: u64) -> Option<Slot> {
        self.files.find(id).map(|(_, slot)| slot)
    }

    /// What never changes of a task.
    pub fn spec(&self, slot: &Slot) -> Option<Spec> {
        self.files.spec(slot)
    }

    /// Writes a text and says where it is.
    fn write_text(&mut self, text: &[u8]) -> io::Result<(u64, u32)> {
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        let at = self.length;
        self.files.texts.write_all_at(text, at)?;
        self.length += u64::from(length);
        Ok((at, length))
    }

    fn failed(&self, cause: &io::Error) -> Error {
        denied("write", &self.store.index(), cause)
    }

    /// Adds a task: `slot` without its number and its text.
    pub fn add(&mut self, slot: Slot, spec: &Spec) -> Result<Slot, Error> {
        let text = serde_json::to_vec(spec).map_err(|error| Error::failed(format!("can't write a task: {error}")))?;
        let place = self.files.count();
        let added = self.write_text(&text).and_then(|text| {
            let slot = Slot { id: self.files.header.next, text, ..slot };
            // the number is gone, whatever becomes of the slot
            self.files.header.next += 1;
            self.files.index.write_all_at(&self.files.header.to_bytes(), 0)?;
            self.write(place, &slot)?;
            Ok(slot)
        });
        added.map_err(|cause| self.failed(&cause))
    }

    fn write(&self, place: u64, slot: &Slot) -> io::Result<()> {
        self.files.index.write_all_at(&slot.to_bytes(), (place + 1) * WIDTH as u64)
    }

    /// Writes a task that is there.
    pub fn put(&mut self, slot: &Slot) -> Result<(), Error> {
        let Some((place, _)) = self.files.find(slot.id) else {
            return Err(Error::failed(format!("the record of task {} is gone", slot.id)));
        };
        self.write(place, slot).map_err(|cause| self.failed(&cause))?;
        let first = self.files.header.first_live;
        if place == first && slot.stand.is_over() {
            let over = |place: &u64| self.files.slot_now(*place).is_none_or(|slot| slot.stand.is_over());
            let count = self.files.count();
            self.files.header.first_live = (first..count).find(|place| !over(place)).unwrap_or(count);
            let written = self.files.index.write_all_at(&self.files.header.to_bytes(), 0);
            written.map_err(|cause| self.failed(&cause))?;
        }
        Ok(())
    }

    /// Keeps those that are not over, and of the others those for which `keep` says so; how many went.
    /// Their logs go too, and what no record refers to any more; with the last record all of it.
    pub fn retain(&mut self, mut keep: impl FnMut(&Slot) -> bool) -> Result<Vec<u64>, Error> {
        let all = self.files.slots(0).map_err(|cause| self.failed(&cause))?;
        let (kept, gone): (Vec<Slot>, Vec<Slot>) =
            all.into_iter().flatten().partition(|slot| !slot.stand.is_over() || keep(slot));
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let used = self.rewrite(&kept).map_err(|cause| self.failed(&cause))?;
        for slot in &gone {
            let _ = std::fs::remove_file(self.store.log(slot.id)); // it may have had another
        }
        self.sweep(&used);
        if kept.is_empty() {
            let _ = std::fs::remove_dir_all(&self.store.folder); // what is there then is a new one's
        }
        Ok(gone.iter().map(|slot| slot.id).collect())
    }

    /// Both files with these only; the environments that they refer to.
    fn rewrite(&mut self, kept: &[Slot]) -> io::Result<std::collections::BTreeSet<PathBuf>> {
        let header = Header { generation: self.files.header.generation + 1, ..self.files.header };
        let live = kept.iter().position(|slot| !slot.stand.is_over()).unwrap_or(kept.len());
        let header = Header { first_live: live as u64, ..header };
        let (mut index, mut texts) = (header.to_bytes().to_vec(), Vec::new());
        let mut used = std::collections::BTreeSet::new();
        let put = |texts: &mut Vec<u8>, text: &[u8]| {
            let at = texts.len() as u64;
            texts.extend_from_slice(text);
            (at, u32::try_from(text.len()).unwrap_or(u32::MAX))
        };
        for slot in kept {
            let spec = self.files.text(slot.text).unwrap_or_default();
            let environ = serde_json::from_slice::<Spec>(&spec).ok().and_then(|spec| spec.job.environ);
            used.extend(environ.map(|path| path.as_path().to_owned()));
            let text = put(&mut texts, &spec);
            let reason = match slot.reason.1 {
                0 => (0, 0),
                _ => put(&mut texts, &self.files.text(slot.reason).unwrap_or_default()),
            };
            index.extend(Slot { text, reason, ..*slot }.to_bytes());
        }
        let old = self.store.texts(self.files.header.generation);
        let new = self.store.texts(header.generation);
        let _ = std::fs::remove_file(&new); // of one who was killed in the middle of this
        self.store.write_anew(&new, &texts)?;
        self.store.write_anew(&self.store.index(), &index)?;
        let _ = std::fs::remove_file(old); // nobody refers to it
        self.files = self.store.files()?;
        self.length = texts.len() as u64;
        Ok(used)
    }

    /// Environments that no record refers to; what was just written may be of one that is not in the line yet.
    fn sweep(&self, used: &std::collections::BTreeSet<PathBuf>) {
        let fresh = |path: &Path| {
            let age = std::fs::metadata(path).and_then(|data| data.modified()).map(|time| time.elapsed());
            age.is_ok_and(|age| age.is_ok_and(|age| age < FRESH))
        };
        for entry in std::fs::read_dir(self.store.environments()).into_iter().flatten().flatten() {
            let path = entry.path();
            if !used.contains(&path) && !fresh(&path) {
                let _ = std::fs::remove_file(path); // the next time
            }
        }
    }

    /// The same with a reason.
    pub fn put_with(&mut self, slot: &Slot, reason: &str) -> Result<(), Error> {
        let reason = self.write_text(reason.as_bytes()).map_err(|cause| self.failed(&cause))?;
        self.put(&Slot { reason, ..*slot })
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
