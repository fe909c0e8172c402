//! The command's side of the socket: finds the supervisor, or starts it, and talks to it, blocking and
//! with a limit to every wait.
//!
//! Nobody is believed before it is known who it is: the folder must be private to the user, and the
//! process on the other side the user's or root's (safety §3.5, §3.6).

use super::start;
use crate::backend::Verb;
use crate::backend::progress::Ear;
use crate::env::Environment;
use crate::error::{Error, ErrorCode, io_reason};
use crate::files::paths::Paths;
use crate::files::runtime::{Runtime, Unusable};
use crate::supervisor::protocol::{
    ActionOn, Answer, Ended, Framer, Hello, MESSAGE_LIMIT, Outcome, Request, ServiceStatus, decode, encode,
};
use crate::sys::socket;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest wait for a connection to be taken.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Connections that may break while one batch is carried out: a supervisor may be killed, and the
/// next one goes on.
const BREAKS: u32 = 20;
/// The next supervisor listens within this time.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(5);
/// Where none was found so long after a start, it is started again.
const START_AGAIN: Duration = Duration::from_millis(300);

/// Whose supervisor is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) paths: &'a Paths,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    place: Place<'a>,
    /// It was looked for in one folder only.
    only_there: bool,
    stream: UnixStream,
    framer: Framer,
    /// What was asked together with the greeting; its answer comes first.
    asked: Option<Request>,
    /// What the supervisor said of itself.
    pub(crate) hello: Hello,
    /// Where its socket lies.
    pub(crate) runtime: Runtime,
}

impl<'a> Place<'a> {
    /// The supervisor that runs, if any.
    pub(crate) fn find(self) -> Result<Option<Client<'a>>, Error> {
        self.find_to_ask(None)
    }

    /// The same for one who asks this first, which changes nothing: it goes along with the greeting, so
    /// that both sides wait once.
    pub(crate) fn find_to_ask(self, request: Option<&Request>) -> Result<Option<Client<'a>>, Error> {
        Ok(match self.find_with(request)? {
            Some(client) => {
                client.hello.speaks_with_this().map_err(|reason| old(&client, &reason))?;
                Some(client)
            }
            None => None,
        })
    }

    /// The same, whatever version it is of: for `svc supervisor stop` and `reload`, which are the way
    /// out.
    pub(crate) fn find_any(self) -> Result<Option<Client<'a>>, Error> {
        self.find_with(None)
    }

    fn find_with(self, request: Option<&Request>) -> Result<Option<Client<'a>>, Error> {
        for (at, runtime) in Runtime::candidates(self.environment).into_iter().enumerate() {
            match runtime.check(self.environment.uid) {
                Ok(()) => {}
                Err(Unusable::Absent) => continue,
                // the best one is where a supervisor would listen: no way around it
                Err(Unusable::Foreign(reason)) if at == 0 => return Err(runtime.refused(&reason)),
                Err(Unusable::Foreign(_)) => continue,
            }
            // one of another home may be stopped or hang: it is not even asked
            if at > 0 && self.is_of_another(&runtime) {
                continue;
            }
            if let Some(client) = Client::connect(runtime, self, request)? {
                return Ok(Some(client));
            }
        }
        Ok(None)
    }

    /// Whether the lock there says that it is held for another home.
    fn is_of_another(self, runtime: &Runtime) -> bool {
        std::fs::read(runtime.lock())
            .is_ok_and(|whose| !whose.is_empty() && whose != self.paths.state.as_os_str().as_encoded_bytes())
    }

    /// The one that works in this folder, and no other: a shim.
    pub(crate) fn find_at(self, runtime: Runtime) -> Result<Option<Client<'a>>, Error> {
        match runtime.check(self.environment.uid) {
            Ok(()) => {}
            Err(Unusable::Absent) => return Ok(None),
            Err(Unusable::Foreign(reason)) => return Err(runtime.refused(&reason)),
        }
        let Some(mut client) = Client::connect(runtime, self, None)? else { return Ok(None) };
        client.hello.speaks_with_this().map_err(|reason| old(&client, &reason))?;
        client.only_there = true;
        Ok(Some(client))
    }

    /// The supervisor that runs, started if there is none; whether it was.
    pub(crate) fn find_or_start(self) -> Result<(Client<'a>, bool), Error> {
        if let Some(client) = self.find()? {
            return Ok((client, false));
        }
        // another one may have been started in the same moment and not listen yet, or be at its end
        let deadline = Instant::now() + TAKEOVER_LIMIT;
        loop {
            start::start(self)?;
            let again = Instant::now() + START_AGAIN;
            while Instant::now() < again {
                if let Some(client) = self.find()? {
                    return Ok((client, true));
                }
                start::pause();
            }
            if Instant::now() > deadline {
                return Err(Error::new(ErrorCode::Unreachable, "the supervisor ended right after its start")
                    .hint("`svc doctor` looks closer"));
            }
        }
    }
}

/// The same, by whatever path.
fn same_folder(a: &Path, b: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
    a == b || identity(a).is_some_and(|a| Some(a) == identity(b))
}

fn old(client: &Client<'_>, reason: &str) -> Error {
    Error::new(
        ErrorCode::Unreachable,
        format!("the supervisor (pid {}) is of another version: {reason}", client.hello.pid),
    )
    .hint("`svc supervisor reload` lets it go on with this svc; services are not touched")
}

impl<'a> Client<'a> {
    /// `None`: nobody listens there, or one for another home.
    fn connect(runtime: Runtime, place: Place<'a>, request: Option<&Request>) -> Result<Option<Self>, Error> {
        let path = runtime.socket();
        let stream = match socket::connect(&path, CONNECT_LIMIT) {
            Ok(stream) => stream,
            // gone, or left over by a supervisor that was killed with its guardian
            Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Err(silent(&runtime)),
            Err(cause) => return Err(failed(&runtime, &cause)),
        };
        let peer = socket::peer(&stream).map_err(|cause| failed(&runtime, &cause))?;
        if peer.uid != place.environment.uid && peer.uid != 0 {
            let message = format!("the process at `{}` belongs to the account with id {}", path.display(), peer.uid);
            return Err(Error::new(ErrorCode::NotPermitted, message).hint("remove the socket, then the same command"));
        }
        let mut client = Self {
            place,
            only_there: false,
            stream,
            framer: Framer::default(),
            asked: request.cloned(),
            hello: Hello::mine(&place.paths.state),
            runtime,
        };
        client.stream.set_write_timeout(Some(MESSAGE_LIMIT)).map_err(|cause| failed(&client.runtime, &cause))?;
        let mine = client.hello.clone();
        match client.greet(&mine) {
            Ok(Some(hello)) => client.hello = hello,
            Ok(None) => return Err(silent(&client.runtime)),
            Err(cause) if is_lost(&cause) => return Ok(None),
            Err(cause) => return Err(failed(&client.runtime, &cause)),
        }
        Ok(same_folder(client.hello.state.as_path(), mine.state.as_path()).then_some(client))
    }

    fn greet(&mut self, mine: &Hello) -> io::Result<Option<Hello>> {
        let mut bytes = encode(mine)?;
        if let Some(request) = &self.asked {
            bytes.extend(encode(request)?);
        }
        self.stream.write_all(&bytes)?;
        self.next_message(MESSAGE_LIMIT)
    }

    /// The next message; `None`: it has not come within `limit`.
    fn next_message<T: serde::de::DeserializeOwned>(&mut self, limit: Duration) -> io::Result<Option<T>> {
        let deadline = Instant::now() + limit;
        let mut piece = [0; 16 * 1024];
        loop {
            if let Some(body) = self.framer.next_body()? {
                return decode(body).map(Some);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.framer.push(&piece[..count]),
                Err(cause) if is_late(&cause) => return Ok(None),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
    }

    fn send(&mut self, request: &Request) -> io::Result<()> {
        match self.asked.take() {
            Some(asked) if asked == *request => return Ok(()),
            Some(_) => drop(self.next_answer()?), // asked for nothing
            None => {}
        }
        self.stream.write_all(&encode(request)?)
    }

    /// The next answer, however long it takes, as long as somebody is there: after each
    /// [`MESSAGE_LIMIT`] without a word it is asked for a sign of life.
    fn next_answer(&mut self) -> io::Result<Answer> {
        let mut asked = false;
        loop {
            match self.next_message(MESSAGE_LIMIT)? {
                Some(Answer::Pong(_)) if asked => asked = false,
                Some(answer) => return Ok(answer),
                None if asked => return Err(io::ErrorKind::TimedOut.into()),
                None => {
                    self.send(&Request::Ping {})?;
                    asked = true;
                }
            }
        }
    }

    /// One request with one answer. A supervisor that is killed meanwhile is no trouble: the next one
    /// is asked, unless the request is to end or to be replaced.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, Error> {
        let ends = matches!(request, Request::Shutdown {} | Request::ReloadBinary {});
        let mut breaks = 0;
        loop {
            let cause = match self.send(request).and_then(|()| self.next_answer()) {
                Ok(answer) => return Ok(answer),
                Err(cause) => cause,
            };
            breaks += 1;
            if ends || !is_lost(&cause) || breaks > BREAKS {
                return Err(failed(&self.runtime, &cause));
            }
            tracing::debug!(%cause, "the supervisor went away; asking the next one");
            *self = self.next_one().ok_or_else(|| failed(&self.runtime, &cause))?;
        }
    }

    /// The supervisor that the guardian forks when this one is gone.
    fn next_one(&self) -> Option<Self> {
        let deadline = Instant::now() + TAKEOVER_LIMIT;
        loop {
            let found = if self.only_there { self.place.find_at(self.runtime.clone()) } else { self.place.find() };
            match found {
                Ok(Some(client)) => return Some(client),
                _ if Instant::now() > deadline => return None,
                _ => start::pause(),
            }
        }
    }

    /// What services are doing.
    pub(crate) fn status(&mut self, names: Option<Vec<String>>, processes: bool) -> Result<Vec<ServiceStatus>, Error> {
        self.services(&Request::Status { names, processes })
    }

    /// The same for a request made before.
    pub(crate) fn services(&mut self, request: &Request) -> Result<Vec<ServiceStatus>, Error> {
        match self.ask(request)? {
            Answer::Status { services } => Ok(services),
            other => Err(odd(other)),
        }
    }

    /// The same for requests that are answered by [`Answer::Done`]. A supervisor that ends with its
    /// answer unsent has done what [`Request::Shutdown`] asks for.
    pub(crate) fn ask_done(&mut self, request: &Request) -> Result<(), Error> {
        if *request == (Request::Shutdown {}) {
            return match self.send(request).and_then(|()| self.next_answer()) {
                Err(cause) if !is_lost(&cause) => Err(failed(&self.runtime, &cause)),
                Ok(other) if other != (Answer::Done {}) => Err(odd(other)),
                Ok(_) | Err(_) => Ok(()),
            };
        }
        match self.ask(request)? {
            Answer::Done {} => Ok(()),
            other => Err(odd(other)),
        }
    }

    /// Waits until the other side closes the connection, as it does when it ends or is executed anew.
    pub(crate) fn wait_for_end(&mut self) -> Result<(), Error> {
        loop {
            match self.next_message::<Answer>(MESSAGE_LIMIT) {
                Ok(Some(_)) => {}
                Ok(None) => return Err(silent(&self.runtime)),
                Err(cause) if is_lost(&cause) => return Ok(()),
                Err(cause) => return Err(failed(&self.runtime, &cause)),
            }
        }
    }

    /// Sends a batch and takes its outcomes off `left` as they come.
    fn outcomes(&mut self, left: &mut Vec<Pending>, done: &mut Vec<Outcome>, ear: &Ear) -> Result<(), Broken> {
        self.send(&Request::Perform { actions: left.iter().map(|one| one.sent.clone()).collect() })?;
        loop {
            match self.next_answer()? {
                Answer::Outcome(outcome) => {
                    let is_it = |one: &Pending| one.sent.verb == outcome.verb && one.sent.name == outcome.name;
                    let Some(at) = left.iter().position(is_it) else { continue };
                    let verb = left.swap_remove(at).asked;
                    ear.ended(&outcome.name, verb, matches!(outcome.result, Ended::Ok {}));
                    done.push(Outcome { verb, ..outcome });
                }
                Answer::Done {} => return Ok(()),
                other => return Err(Broken::Final(odd(other))),
            }
        }
    }
}

/// An action without an outcome.
#[derive(Debug)]
struct Pending {
    asked: Verb,
    /// Another verb once a part of it was seen to be done.
    sent: ActionOn,
}

/// Why a batch did not go through.
enum Broken {
    /// The connection; the next supervisor may go on.
    Io(io::Error),
    /// For good.
    Final(Error),
}

impl From<io::Error> for Broken {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

/// Carries out a batch over as many connections as it takes: the supervisor may be killed at any
/// moment, and the next one is asked for what has no outcome yet. An action that no outcome came for
/// is not in what is returned.
pub(crate) fn perform<'a>(
    place: Place<'a>,
    mut client: Client<'a>,
    actions: &[ActionOn],
    ear: &Ear,
) -> Result<Vec<Outcome>, Error> {
    let began = crate::sys::clock::now();
    let mut left: Vec<Pending> =
        actions.iter().map(|action| Pending { asked: action.verb, sent: action.clone() }).collect();
    let mut done = Vec::with_capacity(left.len());
    for _ in 0..BREAKS {
        let broken = match client.outcomes(&mut left, &mut done, ear) {
            Ok(()) => break,
            Err(Broken::Final(error)) => return Err(error),
            Err(Broken::Io(cause)) if is_lost(&cause) => cause,
            Err(Broken::Io(cause)) => return Err(failed(&client.runtime, &cause)),
        };
        tracing::debug!(%broken, "the supervisor went away; asking the next one");
        if left.is_empty() {
            break;
        }
        client = again(place)?;
        not_twice(&mut client, &mut left, began)?;
    }
    Ok(done)
}

/// The same over this one connection; `None`: it broke.
pub(crate) fn perform_once(mut client: Client<'_>, action: ActionOn) -> Result<Option<Outcome>, Error> {
    let mut left = vec![Pending { asked: action.verb, sent: action }];
    let mut done = Vec::new();
    match client.outcomes(&mut left, &mut done, &Ear::default()) {
        Ok(()) => Ok(done.pop()),
        Err(Broken::Final(error)) => Err(error),
        Err(Broken::Io(cause)) if is_lost(&cause) => Ok(None),
        Err(Broken::Io(cause)) => Err(failed(&client.runtime, &cause)),
    }
}

/// Connects to the next supervisor, which the guardian forks, or starts one.
pub(crate) fn again(place: Place<'_>) -> Result<Client<'_>, Error> {
    let deadline = Instant::now() + TAKEOVER_LIMIT;
    loop {
        match place.find_or_start() {
            Ok((client, _)) => return Ok(client),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => start::pause(),
        }
    }
}

/// A restart that has happened is not asked for again: what is left of it is to see it up.
fn not_twice(client: &mut Client<'_>, left: &mut [Pending], began: jiff::Timestamp) -> Result<(), Error> {
    let restarts: Vec<String> =
        left.iter().filter(|one| one.sent.verb == Verb::Restart).map(|one| one.sent.name.clone()).collect();
    if restarts.is_empty() {
        return Ok(());
    }
    let services = client.status(Some(restarts), false)?;
    for one in left.iter_mut().filter(|one| one.sent.verb == Verb::Restart) {
        let anew = |seen: &ServiceStatus| seen.name == one.sent.name && seen.started_at.is_some_and(|at| at >= began);
        if services.iter().any(anew) {
            one.sent.verb = Verb::Start;
        }
    }
    Ok(())
}

/// The other side is gone.
fn is_lost(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn is_late(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn silent(runtime: &Runtime) -> Error {
    let message = format!("the supervisor accepted a connection at `{}` and said nothing", runtime.socket().display());
    Error::new(ErrorCode::Unreachable, message).hint("`svc doctor` looks closer")
}

fn failed(runtime: &Runtime, cause: &io::Error) -> Error {
    if is_late(cause) {
        return silent(runtime);
    }
    let reason = if is_lost(cause) { "it ended the connection".to_owned() } else { io_reason(cause) };
    let message = format!("can't talk to the supervisor at `{}`: {reason}", runtime.socket().display());
    let code = match cause.kind() {
        io::ErrorKind::PermissionDenied => ErrorCode::NotPermitted,
        _ => ErrorCode::Unreachable,
    };
    Error::new(code, message).hint("`svc doctor` looks closer")
}

/// An answer that belongs to no such request.
pub(crate) fn odd(answer: Answer) -> Error {
    match answer {
        Answer::Refused { message } => Error::failed(format!("the supervisor refuses: {message}")),
        other => {
            tracing::debug!(?other, "an odd answer");
            Error::failed("the supervisor answered something else than was asked")
        }
    }
}
