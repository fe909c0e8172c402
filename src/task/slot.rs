//! What changes in the life of a task, as 128 bytes in a file of such.
//!
//! A slot is written in place by one `pwrite`, begins at a multiple of its width, and so lies in one sector of
//! any disk: a power cut leaves the old one or the new one. Its checksum tells a reader who came in the middle
//! of a write to read again. Numbers are little-endian; times are milliseconds since 1970, 0 for none.

use crate::backend::BackendKind;
use crate::report::State;

/// Bytes of a slot.
pub const WIDTH: usize = 128;

/// Where a task stands. From `Completed` on it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// Waits in line.
    Queued,
    /// Has a place, and its manager is asked to run it.
    Starting,
    /// Its program runs.
    Running,
    /// Over, exit code 0.
    Completed,
    /// Over, anything else.
    Failed,
    /// Over, because somebody said so.
    Cancelled,
}

impl Stand {
    const ALL: [Self; 6] =
        [Self::Queued, Self::Starting, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// Nothing more happens to it.
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Starting | Self::Running => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }

    /// It has a place.
    pub fn has_place(self) -> bool {
        match self {
            Self::Starting | Self::Running => true,
            Self::Queued | Self::Completed | Self::Failed | Self::Cancelled => false,
        }
    }
}

/// One task, but for what never changes ([`super::spec::Spec`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its number; they grow.
    pub id: u64,
    /// Where it stands.
    pub stand: Stand,
    /// Whose it is to run.
    pub backend: BackendKind,
    /// Somebody wants it to end.
    pub cancel: bool,
    /// Place and length of its spec in the file of texts.
    pub text: (u64, u32),
    /// The same of the reason why it failed; length 0: none.
    pub reason: (u64, u32),
    /// When it was submitted.
    pub submitted: i64,
    /// When its program was started last.
    pub started: i64,
    /// When it was over.
    pub ended: i64,
    /// It does not start before.
    pub not_before: i64,
    /// It starts when this one has completed; 0: none.
    pub after: u64,
    /// Of its project's name: FNV-1a; 0: none.
    pub project: u64,
    /// Its process, while it runs; of whoever starts it, while it is starting.
    pub pid: u32,
    /// When that process was started: see [`crate::sys::process::Stat`].
    pub ticks: u64,
    /// The boot in which it was started: FNV-1a of its id.
    pub boot: u64,
    /// Starts so far.
    pub attempts: u32,
    /// Times that it is started again after a failure.
    pub retries: u16,
    /// Exit code of its last run.
    pub exit_code: Option<i32>,
    /// Signal that ended its last run.
    pub signal: u8,
    /// Higher ones start first.
    pub priority: i16,
    /// Milliseconds between SIGTERM and SIGKILL when it is cancelled.
    pub grace: u32,
    /// Tasks of its project that run at once; 0: no limit of its own.
    pub project_limit: u16,
}

impl Slot {
    /// As it is written.
    pub fn to_bytes(&self) -> [u8; WIDTH] {
        let Self {
            id,
            stand,
            backend,
            cancel,
            text,
            reason,
            submitted,
            started,
            ended,
            not_before,
            after,
            project,
            pid,
            ticks,
            boot,
            attempts,
            retries,
            exit_code,
            signal,
            priority,
            grace,
            project_limit,
        } = self;
        let mut to = Writer { bytes: [0; WIDTH], at: 4 };
        to.put(&[*stand as u8 + 1, *backend as u8, u8::from(*cancel) | u8::from(exit_code.is_some()) << 1, *signal]);
        to.put(&id.to_le_bytes());
        to.put(&text.0.to_le_bytes());
        to.put(&text.1.to_le_bytes());
        to.put(&reason.1.to_le_bytes());
        to.put(&reason.0.to_le_bytes());
        for time in [submitted, started, ended, not_before] {
            to.put(&time.to_le_bytes());
        }
        for number in [after, project, ticks, boot] {
            to.put(&number.to_le_bytes());
        }
        to.put(&pid.to_le_bytes());
        to.put(&attempts.to_le_bytes());
        to.put(&exit_code.unwrap_or(0).to_le_bytes());
        to.put(&grace.to_le_bytes());
        to.put(&retries.to_le_bytes());
        to.put(&priority.to_le_bytes());
        to.put(&project_limit.to_le_bytes());
        sealed(to.bytes)
    }

    /// What was written; `None`: it can't be believed.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; WIDTH] = bytes.try_into().ok()?;
        if !is_sealed(bytes) {
            return None;
        }
        let mut from = Reader { bytes, at: 4 };
        let [stand, backend, flags, signal] = from.take::<4>();
        let long = |from: &mut Reader<'_>| u64::from_le_bytes(from.take());
        let time = |from: &mut Reader<'_>| i64::from_le_bytes(from.take());
        let word = |from: &mut Reader<'_>| u32::from_le_bytes(from.take());
        let id = long(&mut from);
        let text_at = long(&mut from);
        let (text_length, reason_length) = (word(&mut from), word(&mut from));
        let reason_at = long(&mut from);
        let [submitted, started, ended, not_before] = [(); 4].map(|()| time(&mut from));
        let [after, project, ticks, boot] = [(); 4].map(|()| long(&mut from));
        let (pid, attempts) = (word(&mut from), word(&mut from));
        let exit_code = i32::from_le_bytes(from.take());
        let grace = word(&mut from);
        Some(Self {
            id,
            stand: *Stand::ALL.get(usize::from(stand.checked_sub(1)?))?,
            backend: match backend {
                0 => BackendKind::Systemd,
                1 => BackendKind::Launchd,
                2 => BackendKind::Supervisor,
                _ => return None,
            },
            cancel: flags & 1 != 0,
            text: (text_at, text_length),
            reason: (reason_at, reason_length),
            submitted,
            started,
            ended,
            not_before,
            after,
            project,
            pid,
            ticks,
            boot,
            attempts,
            exit_code: (flags & 2 != 0).then_some(exit_code),
            signal,
            grace,
            retries: u16::from_le_bytes(from.take()),
            priority: i16::from_le_bytes(from.take()),
            project_limit: u16::from_le_bytes(from.take()),
        })
    }

    /// As `svc` shows it.
    pub fn state(&self) -> State {
        match self.stand {
            Stand::Running if self.cancel => State::Stopping,
            Stand::Queued => State::Queued,
            Stand::Starting => State::Starting,
            Stand::Running => State::Running,
            Stand::Completed => State::Completed,
            Stand::Failed => State::Failed,
            Stand::Cancelled => State::Cancelled,
        }
    }
}

/// The checksum of all but the first four bytes, put there.
pub(super) fn sealed(mut bytes: [u8; WIDTH]) -> [u8; WIDTH] {
    let crc = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Whether it is right. A slot of zeros, as a hole in a file reads, is not.
pub(super) fn is_sealed(bytes: &[u8; WIDTH]) -> bool {
    let [a, b, c, d, ..] = *bytes;
    u32::from_le_bytes([a, b, c, d]) == crc32fast::hash(&bytes[4..]) && bytes[4] != 0
}

pub(super) struct Writer {
    pub(super) bytes: [u8; WIDTH],
    pub(super) at: usize,
}

impl Writer {
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8; WIDTH],
    pub(super) at: usize,
}

impl Reader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        taken.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
        taken
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One that waits.
    pub(crate) fn sample(id: u64) -> Slot {
        Slot {
            id,
            stand: Stand::Queued,
            backend: BackendKind::Supervisor,
            cancel: false,
            text: (0, 0),
            reason: (0, 0),
            submitted: 1,
            started: 0,
            ended: 0,
            not_before: 0,
            after: 0,
            project: 0,
            pid: 0,
            ticks: 0,
            boot: 0,
            attempts: 0,
            retries: 0,
            exit_code: None,
            signal: 0,
            priority: 0,
            grace: 5_000,
            project_limit: 0,
        }
    }

    proptest! {
        #[test]
        fn a_slot_comes_back_as_it_was_and_a_damaged_one_does_not(
            id: u64, stand in 0_usize..6, cancel: bool, numbers: [u64; 6], times: [i64; 4], exit: Option<i32>,
            signal: u8, small: (u32, u32, u32, u16, i16, u16), at in 0..WIDTH, flip in 1_u8..=255
        ) {
            let (pid, attempts, grace, retries, priority, project_limit) = small;
            let slot = Slot {
                stand: Stand::ALL[stand], cancel, text: (numbers[0], pid), reason: (numbers[1], grace),
                submitted: times[0], started: times[1], ended: times[2], not_before: times[3],
                after: numbers[2], project: numbers[3], ticks: numbers[4], boot: numbers[5], pid, attempts, grace,
                retries, priority, project_limit, exit_code: exit, signal, ..sample(id)
            };
            let mut bytes = slot.to_bytes();
            prop_assert_eq!(Slot::from_bytes(&bytes), Some(slot));
            bytes[at] ^= flip;
            prop_assert_eq!(Slot::from_bytes(&bytes), None);
        }
    }

    #[test]
    fn what_was_never_written_is_no_slot() {
        assert_eq!(Slot::from_bytes(&[0; WIDTH]), None);
        assert_eq!(Slot::from_bytes(&[]), None);
    }
}
