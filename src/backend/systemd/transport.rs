//! systemd's private socket as a transport for zbus.
//!
//! The manager listens on a socket of its own (`$XDG_RUNTIME_DIR/systemd/private`, for the machine
//! `/run/systemd/private`) and speaks D-Bus there without a bus, so that svc works where no
//! dbus-daemon is installed. It fills the SENDER field of its messages (field 7 of the header,
//! D-Bus specification, "Message Format") with `org.freedesktop.systemd1`, which is a well-known
//! name where the specification asks for a unique one; zbus refuses such a message. [`Reader`]
//! overwrites these 24 bytes by a unique name of the same length before zbus sees them.
//!
//! There is no bus to filter signals either: the manager sends every one (eight for a started unit)
//! to every private connection. Only the ends of jobs are handed on.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// A connection to the private socket on which svc has said who it is: the answer comes while svc
/// does something else.
#[derive(Debug)]
pub(crate) struct Greeting(std::os::unix::net::UnixStream);

impl Greeting {
    /// Connects and authenticates as D-Bus has it ("EXTERNAL", by the peer's credentials), without
    /// waiting for anything.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        use nix::sys::socket::{UnixAddr, connect};
        let descriptor = crate::sys::socket::nonblocking()?;
        connect(descriptor.as_raw_fd(), &UnixAddr::new(path)?)?;
        let mut stream = std::os::unix::net::UnixStream::from(descriptor);
        let uid = nix::unistd::geteuid().to_string();
        let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        let greeting = format!("\0AUTH EXTERNAL {hex}\r\nBEGIN\r\n");
        // a fresh connection has room for it
        io::Write::write_all(&mut stream, greeting.as_bytes())?;
        Ok(Self(stream))
    }

    /// Waits for the answer; the connection and the manager's own number of it.
    pub(crate) async fn finish(self) -> io::Result<(PrivateSocket, String)> {
        let mut stream = UnixStream::from_std(self.0)?;
        let mut buffer = Vec::with_capacity(CHUNK);
        let end = loop {
            if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                break end;
            }
            if buffer.len() > LONGEST_LINE {
                return Err(no_dbus());
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it closed the connection"));
            }
        };
        let line = std::str::from_utf8(&buffer[..end]).map_err(|_| no_dbus())?.trim_end();
        match line.split_once(' ') {
            Some(("OK", number)) => {
                let number = number.to_owned();
                buffer.drain(..=end);
                Ok((PrivateSocket { stream, buffer }, number))
            }
            _ if line.starts_with("REJECTED") => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Err(no_dbus()),
        }
    }
}

fn no_dbus() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an answer that is no D-Bus")
}

/// A connection to the private socket.
#[derive(Debug)]
pub(crate) struct PrivateSocket {
    stream: UnixStream,
    /// What came behind the greeting.
    buffer: Vec<u8>,
}

impl Socket for PrivateSocket {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let (read, write) = self.stream.into_split();
        Split::new(Reader { socket: read, buffer: self.buffer, start: 0, ready: 0, unwanted: 0 }, Writer(write))
    }
}

const CHUNK: usize = 64 * 1024;
/// Bytes of the fixed part of a header, and the length of the array of fields behind it.
const FIXED: usize = 16;
/// Longest array of header fields that is read before it is patched (the specification allows
/// 64 MiB; systemd's are under 1 KiB).
const MAX_FIELDS: usize = 1 << 20;
/// Longest line while the two sides authenticate; systemd's have under 100 bytes.
const LONGEST_LINE: usize = 16 * 1024;
/// Field 7 (SENDER), a variant of signature `s`, 24 bytes long, in little endian.
const SENDER: &[u8] = b"\x07\x01s\0\x18\0\0\0org.freedesktop.systemd1\0";
const UNIQUE: &[u8] = b"\x07\x01s\0\x18\0\0\0:1.000000000000000000001\0";

/// Type of a message that is a signal (second byte of the header).
const SIGNAL: u8 = 4;
/// Field 3 (MEMBER), a variant of signature `s`, 10 bytes long, in little endian.
const JOB_ENDED: &[u8] = b"\x03\x01s\0\x0a\0\0\0JobRemoved\0";

/// Reads whole headers, patches them, hands the bytes on.
#[derive(Debug)]
pub(crate) struct Reader {
    socket: OwnedReadHalf,
    buffer: Vec<u8>,
    /// First byte not handed out.
    start: usize,
    /// Bytes from `start` that may be handed out.
    ready: usize,
    /// Bytes from `start` of a message that nobody wants.
    unwanted: usize,
}

impl Reader {
    async fn fill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(CHUNK);
        self.socket.read_buf(&mut self.buffer).await
    }

    /// Makes bytes ready: the next message as far as its header is complete.
    async fn advance(&mut self) -> io::Result<()> {
        while self.ready == 0 {
            let dropped = self.unwanted.min(self.buffer.len() - self.start);
            self.start += dropped;
            self.unwanted -= dropped;
            let bytes = &mut self.buffer[self.start..];
            match bytes.first() {
                Some(b'l') => {
                    if let Some(message) = patch(bytes)? {
                        let count = if message.wanted { &mut self.ready } else { &mut self.unwanted };
                        *count = message.length;
                        continue;
                    }
                }
                Some(_) => return Err(no_dbus()),
                None => {}
            }
            if self.fill().await? == 0 {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    /// Bytes of the whole message.
    length: usize,
    /// An answer, or a signal that svc waits for.
    wanted: bool,
}

/// Patches the message at the start of `bytes`; `None` if the header is not all there yet.
fn patch(bytes: &mut [u8]) -> io::Result<Option<Message>> {
    if bytes.len() < FIXED {
        return Ok(None);
    }
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
    let (body, fields) = (word(4), word(12));
    if fields > MAX_FIELDS || body > (128 << 20) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message that is no D-Bus message"));
    }
    let header = (FIXED + fields).next_multiple_of(8);
    if bytes.len() < header {
        return Ok(None);
    }
    let is_signal = bytes[1] == SIGNAL;
    let fields = &mut bytes[FIXED..FIXED + fields];
    let wanted = !is_signal || fields.windows(JOB_ENDED.len()).any(|window| window == JOB_ENDED);
    if !wanted {
        return Ok(Some(Message { length: header + body, wanted }));
    }
    if let Some(at) = fields.windows(SENDER.len()).position(|window| window == SENDER) {
        fields[at..at + SENDER.len()].copy_from_slice(UNIQUE);
    }
    Ok(Some(Message { length: header + body, wanted }))
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.advance().await?;
        let there = self.buffer.len() - self.start;
        if there == 0 && self.ready > 0 && self.fill().await? == 0 {
            return Ok((0, Vec::new()));
        }
        let count = buffer.len().min(self.ready).min(self.buffer.len() - self.start);
        buffer[..count].copy_from_slice(&self.buffer[self.start..self.start + count]);
        self.start += count;
        self.ready -= count;
        Ok((count, Vec::new()))
    }
}

/// Writes as it is told.
#[derive(Debug)]
pub(crate) struct Writer(OwnedWriteHalf);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.write(buffer).await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sender: &[u8], body: usize) -> Vec<u8> {
        let mut bytes = vec![b'l', 2, 1, 1];
        bytes.extend(u32::try_from(body).expect("small").to_le_bytes());
        bytes.extend(7u32.to_le_bytes());
        bytes.extend(u32::try_from(sender.len()).expect("small").to_le_bytes());
        bytes.extend(sender);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.resize(bytes.len() + body, 9);
        bytes
    }

    #[test]
    fn the_sender_becomes_a_unique_name_and_nothing_else_changes() {
        let mut bytes = message(SENDER, 5);
        let before = bytes.clone();
        assert_eq!(patch(&mut bytes).expect("valid"), Some(Message { length: before.len(), wanted: true }));
        assert_eq!(bytes.len(), before.len());
        assert!(bytes.windows(UNIQUE.len()).any(|w| w == UNIQUE));
        assert_eq!(bytes[..FIXED], before[..FIXED]);
        assert_eq!(SENDER.len(), UNIQUE.len());
    }

    #[test]
    fn of_signals_only_the_ends_of_jobs_are_handed_on() {
        let signal = |member: &[u8]| {
            let mut bytes = message(member, 9);
            bytes[1] = SIGNAL;
            patch(&mut bytes).expect("valid").expect("whole").wanted
        };
        assert!(signal(JOB_ENDED));
        assert!(!signal(b"\x03\x01s\0\x06\0\0\0JobNew\0"));
        assert!(!signal(SENDER));
    }

    /// What the manager answers to a greeting is told in pieces of `size` bytes.
    async fn greeted(answer: Vec<u8>, size: usize) -> io::Result<(PrivateSocket, String)> {
        let (mine, mut other) = UnixStream::pair().expect("a pair");
        let write = async move {
            for piece in answer.chunks(size) {
                // who has heard enough closes
                if other.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(Greeting(mine.into_std().expect("a stream")).finish(), write).0
    }

    /// A busy manager sends signals as soon as the other side has said BEGIN.
    #[tokio::test]
    async fn a_message_right_behind_the_greeting_is_patched_too() {
        for size in [1, 7, 4096] {
            let mut answer = message(SENDER, 5);
            let sent = [b"OK 1234\r\n".to_vec(), answer.clone()].concat();
            patch(&mut answer).expect("valid");
            let (socket, number) = greeted(sent, size).await.expect("let in");
            assert_eq!(number, "1234");
            let mut reader = socket.split().take().0;
            let (mut got, mut buffer) = (Vec::<u8>::new(), [0; 4096]);
            loop {
                match reader.recvmsg(&mut buffer).await.expect("read").0 {
                    0 => break,
                    count => got.extend(&buffer[..count]),
                }
            }
            assert_eq!(got, answer);
        }
    }

    #[tokio::test]
    async fn a_greeting_that_is_not_answered_well_is_an_error() {
        let kind = async |answer: &[u8]| greeted(answer.to_vec(), 3).await.expect_err("refused").kind();
        assert_eq!(kind(b"REJECTED EXTERNAL\r\n").await, io::ErrorKind::PermissionDenied);
        assert_eq!(kind(b"").await, io::ErrorKind::PermissionDenied);
        assert_eq!(kind(b"HTTP/1.1 400 Bad Request\r\n").await, io::ErrorKind::InvalidData);
        assert_eq!(kind(&vec![b'x'; LONGEST_LINE + 9]).await, io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn an_unwanted_message_is_skipped_whole_in_whatever_pieces_it_comes() {
        let mut signal = message(SENDER, 300_000);
        signal[1] = SIGNAL;
        let mut answer = message(SENDER, 5);
        let sent = [signal, answer.clone()].concat();
        patch(&mut answer).expect("valid");
        let (mine, mut other) = UnixStream::pair().expect("a pair");
        let write = async move {
            for piece in sent.chunks(4099) {
                other.write_all(piece).await.expect("written");
            }
            drop(other);
        };
        let read = async {
            let mut reader = PrivateSocket { stream: mine, buffer: Vec::new() }.split().take().0;
            let (mut got, mut buffer) = (Vec::<u8>::new(), [0; 7]);
            loop {
                match reader.recvmsg(&mut buffer).await.expect("read").0 {
                    0 => break got,
                    count => got.extend(&buffer[..count]),
                }
            }
        };
        assert_eq!(tokio::join!(read, write).0, answer);
    }

    #[test]
    fn a_header_cut_anywhere_waits_for_the_rest() {
        let whole = message(SENDER, 0);
        for length in 0..whole.len() {
            assert_eq!(patch(&mut whole[..length].to_vec()).expect("valid"), None, "at {length}");
        }
    }

    #[test]
    fn rubbish_is_an_error() {
        assert!(patch(&mut [b'l'; 32]).is_err());
    }
}
