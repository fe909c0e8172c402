//! Looks whether a service is ready: at its port, its address, the lines it writes.
//!
//! A port or an address is tried by a small process forked for it, until it answers: names may have
//! to be looked up, connections may hang, and the supervisor must never wait for either. It ends
//! with its parent, and with 0 when the service is ready.

use super::job::Ready;
use crate::sys::subreaper::{self, Side};
use regex::bytes::Regex;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Between two tries: from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Longest one try may take.
const TRY_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read: its first line counts.
const LONGEST_HEAD: usize = 16 * 1024;

/// How it is looked.
#[derive(Debug)]
pub enum Probe {
    /// The program says so itself.
    Notify,
    /// A line of its output matches.
    Line(Regex),
    /// This process tries.
    Process(u32),
}

/// Begins to look; the error in words.
pub fn begin(ready: &Ready) -> Result<Option<Probe>, String> {
    Ok(match ready {
        Ready::Exec => None,
        Ready::Notify => Some(Probe::Notify),
        Ready::Log(pattern) => {
            let regex = Regex::new(pattern);
            Some(Probe::Line(regex.map_err(|_| format!("`ready.log`: {pattern:?} is no regular expression"))?))
        }
        Ready::Tcp(target) => Some(fork(|| connect(target).map(drop))?),
        Ready::Http(address) => Some(fork(|| answers(address))?),
    })
}

fn fork(once: impl Fn() -> io::Result<()>) -> Result<Probe, String> {
    match subreaper::fork() {
        Ok(Side::Parent(pid)) => Ok(Probe::Process(pid)),
        Ok(Side::Child) => {
            subreaper::die_with_parent();
            crate::sys::fds::close_all();
            subreaper::set_name(c"svc-probe");
            let mut pause = FIRST_PAUSE;
            while once().is_err() && !subreaper::is_left_alone() {
                #[expect(clippy::disallowed_methods, reason = "between two tries; the supervisor ends this process")]
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            subreaper::exit_now(0)
        }
        Err(error) => Err(format!("can't look whether it is ready: {}", crate::error::io_reason(&error))),
    }
}

/// One connection to `HOST:PORT`.
fn connect(target: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in target.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TRY_LIMIT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One request to `http://HOST[:PORT][/PATH]`: well if it is answered by 200 to 399. Only this
/// address: no other is followed, no proxy is used.
fn answers(address: &str) -> io::Result<()> {
    let bad = || io::Error::from(io::ErrorKind::InvalidInput);
    let rest = address.strip_prefix("http://").ok_or_else(bad)?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let target = if has_port { host.to_owned() } else { format!("{host}:80") };
    let mut stream = connect(&target)?;
    stream.set_read_timeout(Some(TRY_LIMIT))?;
    stream.set_write_timeout(Some(TRY_LIMIT))?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: svc\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    // in one piece: a server that answers and closes before it has read all would reset the connection
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while head.len() < LONGEST_HEAD {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut answer = httparse::Response::new(&mut headers);
        let parsed = answer.parse(&head);
        match (answer.code, parsed) {
            (Some(code), Ok(_) | Err(httparse::Error::TooManyHeaders)) => {
                return if (200..400).contains(&code) { Ok(()) } else { Err(io::ErrorKind::Other.into()) };
            }
            (_, Err(_)) => return Err(io::ErrorKind::InvalidData.into()),
            (None, Ok(_)) => {}
        }
        match stream.read(&mut piece)? {
            0 => break,
            count => head.extend_from_slice(&piece[..count]),
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn server(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let address = listener.local_addr().expect("address").to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            for byte in answer.chunks(3) {
                let _ = stream.write_all(byte);
            }
        });
        address
    }

    #[test]
    fn an_address_is_ready_when_it_answers_well() {
        let table: [(&[u8], bool); 6] = [
            (b"HTTP/1.1 200 OK\r\n\r\nhello", true),
            (b"HTTP/1.0 302 Found\r\nLocation: http://elsewhere/\r\n\r\n", true),
            (b"HTTP/1.1 503 Busy\r\n\r\n", false),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", false),
            (b"SSH-2.0-OpenSSH\r\n", false),
            (b"", false),
        ];
        for (answer, ready) in table {
            let address = server(answer);
            assert_eq!(answers(&format!("http://{address}/health")).is_ok(), ready, "{answer:?}");
        }
        assert!(answers("https://127.0.0.1:1/").is_err());
    }

    #[test]
    fn a_port_is_ready_when_it_takes_a_connection() {
        let address = server(b"");
        assert!(connect(&address).is_ok());
        let free = TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").to_string();
        assert!(connect(&free).is_err());
    }
}
