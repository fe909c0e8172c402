//! Lingering: the user's manager runs from boot on and over logouts (loginctl(1), enable-linger).
//!
//! Asked for through logind on the system bus. Without a polkit that permits it, only root may.

use crate::env::Environment;
use crate::error::{Error, ErrorCode};
use std::path::PathBuf;
use zbus::connection;

const LOGIN: &str = "org.freedesktop.login1";

/// Whether the user's manager outlives logout: logind keeps a file of the user's name.
pub(crate) fn is_on(environment: &Environment) -> bool {
    PathBuf::from("/var/lib/systemd/linger").join(environment.user()).exists()
}

/// Switches it on or off.
pub(crate) async fn set(environment: &Environment, on: bool) -> Result<(), Error> {
    let word = if on { "enable" } else { "disable" };
    let hint = format!("`sudo loginctl {word}-linger {}`", environment.user());
    let refused = |reason: String| {
        Error::new(ErrorCode::NotPermitted, format!("can't {word} lingering for `{}`: {reason}", environment.user()))
            .hint(hint.clone())
    };
    let stream = std::os::unix::net::UnixStream::connect("/run/dbus/system_bus_socket")
        .map_err(|cause| refused(format!("no system bus: {}", crate::error::io_reason(&cause))))?;
    stream.set_nonblocking(true).map_err(|cause| refused(crate::error::io_reason(&cause)))?;
    let connect = connection::Builder::unix_stream(stream).build();
    let connection = tokio::time::timeout(std::time::Duration::from_secs(5), connect)
        .await
        .map_err(|_| refused("the system bus says nothing".into()))?
        .map_err(|error| refused(error.to_string()))?;
    let arguments = (environment.uid, on, false);
    let call = connection.call_method(
        Some(LOGIN),
        "/org/freedesktop/login1",
        Some("org.freedesktop.login1.Manager"),
        "SetUserLinger",
        &arguments,
    );
    match tokio::time::timeout(std::time::Duration::from_secs(25), call).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(zbus::Error::MethodError(_, text, _))) => Err(refused(text.unwrap_or_else(|| "not permitted".into()))),
        Ok(Err(error)) => Err(refused(error.to_string())),
        Err(_) => Err(refused("logind says nothing".into())),
    }
}
