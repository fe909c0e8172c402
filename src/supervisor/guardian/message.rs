//! What guardian and supervisor say to each other: one message, one fixed array of bytes.

use crate::sys::subreaper::Exit;

/// A child of the guardian ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Counts the ends that this guardian, or the one before it, has told, from 1: one that was
    /// looked at but not consumed before the supervisor was killed is told again with its number.
    pub sequence: u64,
    /// Its pid.
    pub pid: u32,
    /// When it had started, ticks after boot; 0 when that could not be found out.
    pub start_ticks: u64,
    /// How it ended.
    pub exit: Exit,
}

/// Bytes of an [`Ended`].
pub(super) const ENDED: usize = 32;
/// Bytes of an [`Order`].
pub(super) const ORDER: usize = 16;

const CODE: u32 = 0;
const SIGNAL: u32 = 1;
const CORE: u32 = 2;

impl Ended {
    pub(super) fn to_bytes(self) -> [u8; ENDED] {
        let (kind, status) = match self.exit {
            Exit::Code(code) => (CODE, code),
            Exit::Signal { number, core: false } => (SIGNAL, number),
            Exit::Signal { number, core: true } => (CORE, number),
        };
        let mut bytes = [0; ENDED];
        bytes[..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.start_ticks.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.pid.to_le_bytes());
        bytes[20..24].copy_from_slice(&kind.to_le_bytes());
        bytes[24..28].copy_from_slice(&status.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let half = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let whole = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let status = half(24)?.cast_signed();
        let exit = match half(20)? {
            CODE => Exit::Code(status),
            SIGNAL => Exit::Signal { number: status, core: false },
            CORE => Exit::Signal { number: status, core: true },
            _ => return None,
        };
        Some(Self { sequence: whole(0)?, start_ticks: whole(8)?, pid: half(16)?, exit })
    }
}

/// What the supervisor wants done with the table of descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Keep the descriptor that comes along, instead of another of this id.
    Keep(u64),
    /// Close it.
    Forget(u64),
}

impl Order {
    pub(super) fn to_bytes(self) -> [u8; ORDER] {
        let (word, id) = match self {
            Self::Keep(id) => (1_u64, id),
            Self::Forget(id) => (2, id),
        };
        let mut bytes = [0; ORDER];
        bytes[..8].copy_from_slice(&word.to_le_bytes());
        bytes[8..].copy_from_slice(&id.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let whole = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        match whole(0)? {
            1 => Some(Self::Keep(whole(8)?)),
            2 => Some(Self::Forget(whole(8)?)),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_same_on_the_other_side() {
        for exit in [Exit::Code(255), Exit::Signal { number: 9, core: false }, Exit::Signal { number: 64, core: true }]
        {
            let ended = Ended { sequence: u64::MAX, pid: 4_194_304, start_ticks: 1 << 40, exit };
            assert_eq!(Ended::from_bytes(&ended.to_bytes()), Some(ended));
        }
        for order in [Order::Keep(u64::MAX), Order::Forget(0)] {
            assert_eq!(Order::from_bytes(&order.to_bytes()), Some(order));
        }
    }

    #[test]
    fn what_is_cut_or_unknown_is_no_message() {
        let ended = Ended { sequence: 1, pid: 2, start_ticks: 3, exit: Exit::Code(0) };
        assert_eq!(Ended::from_bytes(&ended.to_bytes()[..27]), None);
        assert_eq!(Order::from_bytes(&[9; ORDER]), None);
        assert_eq!(Order::from_bytes(b""), None);
    }
}
