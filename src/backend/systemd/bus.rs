//! One connection to one manager: the private socket first, the bus else.
//!
//! Facts: org.freedesktop.systemd1(5); what was tried is in ARCHITECTURE.md, "Talking to systemd".

use super::transport::Greeting;
use crate::backend::Scope;
use crate::env::Environment;
use crate::error::{Error, ErrorCode, io_reason};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use zbus::OwnedVariant;
use zbus::zvariant::Type;
use zbus::{Connection, MatchRule, Message, MessageStream, connection};

const DESTINATION: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// A manager that accepts and says nothing is given up after this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest a single call may take; a reload of thousands of units takes a second.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Signals that may wait unread: systemd sends several per started unit.
const QUEUE: usize = 65_536;

/// A connection to systemd.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    connection: Connection,
    pub(crate) scope: Scope,
}

/// A failed call.
#[derive(Debug)]
pub(crate) enum CallError {
    /// systemd answered with this error: D-Bus name and text.
    Answer { name: String, text: String },
    /// No answer.
    Lost(String),
}

impl CallError {
    /// Whether the answer is this error of `org.freedesktop.systemd1` or `org.freedesktop.DBus.Error`.
    pub(crate) fn is(&self, short: &str) -> bool {
        matches!(self, Self::Answer { name, .. } if name.rsplit('.').next() == Some(short))
    }

    /// Whether it says that this caller may not.
    pub(crate) fn denied(&self) -> bool {
        self.is("AccessDenied") || self.is("InteractiveAuthorizationRequired") || self.is("AuthFailed")
    }

    /// In words, without the D-Bus name.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Answer { text, .. } => text.trim_end_matches('.'),
            Self::Lost(text) => text,
        }
    }

    /// As an error of svc: `can't DOING: TEXT`.
    pub(crate) fn into_error(self, doing: &str) -> Error {
        let code = match &self {
            Self::Lost(_) => ErrorCode::Unreachable,
            Self::Answer { .. } if self.denied() => ErrorCode::NotPermitted,
            Self::Answer { .. } => ErrorCode::Failed,
        };
        Error::new(code, format!("can't {doing}: {}", self.text()))
    }
}

impl From<zbus::Error> for CallError {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::MethodError(name, text, _) => {
                Self::Answer { name: name.to_string(), text: text.unwrap_or_else(|| "no reason given".into()) }
            }
            zbus::Error::InputOutput(cause) => {
                Self::Lost(format!("the connection to systemd broke: {}", io_reason(&cause)))
            }
            other => Self::Lost(format!("systemd's answer could not be read: {other}")),
        }
    }
}

/// Why there is no connection; what was tried and what each said.
#[derive(Debug)]
pub(crate) struct NoManager {
    pub(crate) tried: Vec<(PathBuf, String)>,
    pub(crate) denied: bool,
    pub(crate) silent: bool,
}

/// Sockets of the manager of `scope`, the private one first.
pub(crate) fn sockets(scope: Scope, environment: &Environment) -> (PathBuf, PathBuf) {
    match scope {
        Scope::System => ("/run/systemd/private".into(), "/run/dbus/system_bus_socket".into()),
        Scope::User => {
            let runtime = environment.runtime_dir();
            (runtime.join("systemd/private"), runtime.join("bus"))
        }
    }
}

impl Bus {
    /// Connects to the manager of `scope`, with what [`begin`] has begun.
    pub(crate) async fn connect(
        scope: Scope,
        environment: &Environment,
        mut begun: Option<Greeting>,
    ) -> Result<Self, NoManager> {
        let (private, bus) = sockets(scope, environment);
        let mut failure = NoManager { tried: Vec::new(), denied: false, silent: false };
        for (path, is_private) in [(private, true), (bus, false)] {
            match tokio::time::timeout(CONNECT_TIMEOUT, open(&path, is_private, begun.take())).await {
                Ok(Ok(connection)) => {
                    tracing::debug!(socket = %path.display(), "connected");
                    return Ok(Self { connection, scope });
                }
                Ok(Err(reason)) => {
                    failure.denied |= reason.contains("ermission denied");
                    failure.tried.push((path, reason));
                }
                Err(_) => {
                    failure.silent = true;
                    failure.tried.push((path, "accepted the connection and said nothing".into()));
                    break; // one silent manager is enough: the bus would only wait for the same one
                }
            }
        }
        Err(failure)
    }

    /// A call of the manager object.
    pub(crate) async fn call<B>(&self, method: &str, body: &B) -> Result<Message, CallError>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        self.call_at(MANAGER_PATH, MANAGER, method, body).await
    }

    /// A call of any object of systemd.
    pub(crate) async fn call_at<B>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<Message, CallError>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let call = self.connection.call_method(Some(DESTINATION), path, Some(interface), method, body);
        match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                Err(CallError::Lost(format!("systemd did not answer `{method}` within {} s", CALL_TIMEOUT.as_secs())))
            }
        }
    }

    /// A call whose answer is read at once.
    pub(crate) async fn ask<B, R>(&self, method: &str, body: &B) -> Result<R, CallError>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
        R: serde::de::DeserializeOwned + Type,
    {
        let answer = self.call(method, body).await?;
        Ok(answer.body().deserialize::<R>()?)
    }

    /// One property. Single ones, never `GetAll`: it fails for units with odd arguments
    /// (quoting-facts §3) and costs a hundred times as much.
    pub(crate) async fn get<T>(&self, path: &str, interface: &str, property: &str) -> Result<T, CallError>
    where
        T: TryFrom<OwnedVariant>,
        T::Error: std::fmt::Display,
    {
        let answer = self.call_at(path, PROPERTIES, "Get", &(interface, property)).await?;
        let value: OwnedVariant = answer.body().deserialize::<OwnedVariant>()?;
        T::try_from(value).map_err(|error| CallError::Lost(format!("property `{property}`: {error}")))
    }

    /// A property of the manager object.
    pub(crate) async fn manager_property<T>(&self, property: &str) -> Result<T, CallError>
    where
        T: TryFrom<OwnedVariant>,
        T::Error: std::fmt::Display,
    {
        self.get(MANAGER_PATH, MANAGER, property).await
    }

    /// From here on the ends of jobs can be read from the stream.
    pub(crate) async fn subscribe(&self) -> Result<MessageStream, CallError> {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface(MANAGER)
            .member("JobRemoved")
            .build()?;
        let stream = MessageStream::for_match_rule(rule, &self.connection, NonZeroUsize::new(QUEUE)).await?;
        match self.call("Subscribe", &()).await {
            Err(error) if !error.is("AlreadySubscribed") => return Err(error),
            _ => {}
        }
        Ok(stream)
    }
}

/// Connects to the private socket of the manager, before anything is asked of it: its answer comes
/// while svc reads its own files. `None` if that can't be done at once.
pub(crate) fn begin(scope: Scope, environment: &Environment) -> Option<Greeting> {
    Greeting::begin(&sockets(scope, environment).0).ok()
}

async fn open(path: &std::path::Path, private: bool, begun: Option<Greeting>) -> Result<Connection, String> {
    let reason = |cause: std::io::Error| io_reason(&cause);
    let builder = if private {
        let greeting = begun.map_or_else(|| Greeting::begin(path), Ok);
        let (socket, number) = greeting.map_err(reason)?.finish().await.map_err(reason)?;
        connection::Builder::authenticated_socket(socket, number).p2p()
    } else {
        let stream = tokio::net::UnixStream::connect(path).await.map_err(reason)?;
        connection::Builder::unix_stream(stream.into_std().map_err(reason)?)
    };
    let built = builder.max_queued(NonZeroUsize::new(QUEUE).unwrap_or(NonZeroUsize::MIN)).build().await;
    built.map_err(|error| match error {
        zbus::Error::InputOutput(cause) => io_reason(&cause),
        other => other.to_string(),
    })
}

/// The object path of a unit: bytes other than ASCII letters and digits as `_xx`, a digit at the
/// start too (sd-bus, `bus_label_escape`).
pub(crate) fn unit_path(unit: &str) -> String {
    use std::fmt::Write;
    let mut path = String::from("/org/freedesktop/systemd1/unit/");
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    #[test]
    fn unit_paths_are_escaped_as_systemd_does() {
        assert_eq!(super::unit_path("a-b.service"), "/org/freedesktop/systemd1/unit/a_2db_2eservice");
        assert_eq!(super::unit_path("0x@1.service"), "/org/freedesktop/systemd1/unit/_30x_401_2eservice");
    }
}
