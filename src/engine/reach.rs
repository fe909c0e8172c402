//! One look from outside: a connection, a request. What readiness and health have in common.

use regex::bytes::Regex;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Bytes of an answer's head that are read.
const LONGEST_HEAD: usize = 16 * 1024;
/// Bytes of its body that are looked at.
const LONGEST_BODY: usize = 1 << 20;

/// What an answer must be like.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// Its code; `None`: 200 to 399.
    pub status: Option<u16>,
    /// Matches somewhere in its body.
    pub body: Option<Regex>,
}

/// One connection to `HOST:PORT`, at each of its addresses until one answers; the reason in words.
pub fn connect(target: &str, limit: Duration) -> Result<TcpStream, String> {
    let addresses =
        target.to_socket_addrs().map_err(|error| format!("`{target}`: {}", crate::error::io_reason(&error)))?;
    let mut last = format!("`{target}` has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{address}: {}", reason(&error, limit)),
        }
    }
    Err(last)
}

/// One request to `http://HOST[:PORT][/PATH]`. Only this address: no other is followed, no proxy is
/// used. The error in words.
pub fn http(address: &str, limit: Duration, expect: &Expect) -> Result<(), String> {
    let until = Instant::now() + limit;
    let rest = address.strip_prefix("http://").ok_or("is no `http://` address")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let target = if has_port { host.to_owned() } else { format!("{host}:80") };
    let mut stream = connect(&target, limit)?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: svc\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    let failed = |error: io::Error| format!("{target}: {}", reason(&error, limit));
    stream.set_write_timeout(Some(limit)).map_err(failed)?;
    // in one piece: a server that answers and closes before it has read all would reset the connection
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let (mut answer, mut code, mut body_at) = (Vec::new(), None, None);
    let mut piece = [0; 4096];
    loop {
        if body_at.is_none() {
            (code, body_at) = head(&answer).ok_or_else(|| format!("{target}: the answer is no HTTP"))?;
        }
        if let Some(code) = code {
            let fine = expect.status.map_or((200..400).contains(&code), |wanted| wanted == code);
            if !fine {
                return Err(format!("{target}: HTTP status {code}"));
            }
            let Some(body) = &expect.body else { return Ok(()) };
            if body_at.is_some_and(|at| body.is_match(&answer[at..])) {
                return Ok(());
            }
        }
        let longest = if body_at.is_some() { LONGEST_BODY } else { LONGEST_HEAD };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("{target}: no answer within {}", words(limit)));
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        let count = if answer.len() < longest + LONGEST_HEAD { stream.read(&mut piece).map_err(failed)? } else { 0 };
        if count == 0 {
            return Err(match (code, &expect.body) {
                (Some(_), Some(body)) => format!("{target}: `{body}` is not in the answer's body"),
                _ => format!("{target}: the answer ended early"),
            });
        }
        answer.extend_from_slice(&piece[..count]);
    }
}

/// The code of an answer and where its body begins, as far as they are there; `None`: it is no HTTP.
fn head(answer: &[u8]) -> Option<(Option<u16>, Option<usize>)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    match parsed.parse(answer) {
        Ok(httparse::Status::Complete(at)) => Some((parsed.code, Some(at))),
        Ok(httparse::Status::Partial) if answer.len() < LONGEST_HEAD => Some((parsed.code, None)),
        Err(httparse::Error::TooManyHeaders) => {
            let at = answer.windows(4).position(|end| end == b"\r\n\r\n");
            Some((parsed.code, at.map(|at| at + 4)))
        }
        Ok(httparse::Status::Partial) | Err(_) => None,
    }
}

fn reason(error: &io::Error, limit: Duration) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => format!("no answer within {}", words(limit)),
        _ => crate::error::io_reason(error),
    }
}

fn words(limit: Duration) -> String {
    super::machine::span(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const LIMIT: Duration = Duration::from_secs(5);

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

    fn get(answer: &'static [u8], expect: &Expect) -> Result<(), String> {
        let address = server(answer);
        http(&format!("http://{address}/health"), LIMIT, expect).map_err(|reason| reason.replace(&address, "HERE"))
    }

    #[test]
    fn an_address_is_well_when_it_answers_well() {
        let table: [(&[u8], Result<(), &str>); 6] = [
            (b"HTTP/1.1 200 OK\r\n\r\nhello", Ok(())),
            (b"HTTP/1.0 302 Found\r\nLocation: http://elsewhere/\r\n\r\n", Ok(())),
            (b"HTTP/1.1 503 Busy\r\n\r\n", Err("HERE: HTTP status 503")),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", Err("HERE: HTTP status 404")),
            (b"SSH-2.0-OpenSSH\r\n", Err("HERE: the answer is no HTTP")),
            (b"", Err("HERE: the answer ended early")),
        ];
        for (answer, result) in table {
            assert_eq!(get(answer, &Expect::default()), result.map_err(str::to_owned), "{answer:?}");
        }
        assert!(http("https://127.0.0.1:1/", LIMIT, &Expect::default()).is_err());
    }

    #[test]
    fn code_and_body_can_be_asked_for() {
        let expect =
            |status, body: Option<&str>| Expect { status, body: body.map(|body| Regex::new(body).expect("valid")) };
        let down: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nstatus: 1";
        assert_eq!(get(down, &expect(Some(503), None)), Ok(()));
        assert_eq!(get(down, &expect(Some(503), Some("status: [0-9]"))), Ok(()));
        let reason = get(down, &expect(Some(503), Some("fine"))).expect_err("another body");
        assert_eq!(reason, "HERE: `fine` is not in the answer's body");
        assert_eq!(get(b"HTTP/1.1 200 OK\r\n\r\n", &expect(Some(204), None)), Err("HERE: HTTP status 200".into()));
    }

    #[test]
    fn a_port_is_ready_when_it_takes_a_connection() {
        let address = server(b"");
        assert!(connect(&address, LIMIT).is_ok());
        let free = TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").to_string();
        assert!(connect(&free, LIMIT).expect_err("closed").contains("refused"));
    }
}
