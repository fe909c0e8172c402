//! `svc notify`: called by the program itself, a task's or a service's.

use crate::cli::tasks::NotifyArgs;
use crate::error::{Error, ErrorCode, io_reason};
use crate::files::paths::Paths;
use crate::report::Report;
use crate::sys::{clock, socket};
use crate::task::Store;
use crate::task::said::Said;
use crate::task::spec::VARIABLE;
use std::ffi::OsString;

/// Says it to the records, if this is a task, and to the manager, if that listens.
pub(crate) fn run(paths: &Paths, args: &NotifyArgs) -> Result<(Report, Vec<String>), Error> {
    let NotifyArgs { ready, status, stage, progress, eta } = args;
    let usage = |message: &str| Error::new(ErrorCode::Usage, message);
    if progress.is_some_and(|progress| !(0.0..=100.0).contains(&progress)) {
        return Err(usage("`--progress` is not a number from 0 to 100"));
    }
    if eta.is_some_and(|eta| !eta.is_finite() || eta < 0.0) {
        return Err(usage("`--eta` is not a number of seconds"));
    }
    if !ready && status.is_none() && stage.is_none() && progress.is_none() && eta.is_none() {
        return Err(usage("nothing to say").hint("`svc notify --stage compile --progress 40`"));
    }
    let (task, store, listener) = told();
    if task.is_none() && listener.is_none() {
        let message = "nobody listens: this process is neither a task nor a service that may notify";
        return Err(Error::failed(message).hint("run it by `svc run -- CMD`, or give the service `ready = \"notify\"`"));
    }
    if let Some(id) = task {
        let store = Store::at(store.map_or_else(|| paths.tasks(), Into::into));
        let said =
            Said { stage: stage.clone(), progress: *progress, eta: *eta, status: status.clone(), ..Said::default() };
        Said::say(&store, id, &said, clock::now().as_millisecond())
            .map_err(|cause| Error::failed(format!("can't say so: {}", io_reason(&cause))))?;
    }
    if let Some(listener) = listener {
        let mut text = String::new();
        if *ready {
            text.push_str("READY=1\n");
        }
        let line = |text: &str| text.replace(['\n', '\r'], " ");
        text.extend(status.iter().map(|status| format!("STATUS={}\n", line(status))));
        if task.is_none() {
            text.extend(stage.iter().map(|stage| format!("X_SVC_STAGE={}\n", line(stage))));
            text.extend(progress.iter().map(|progress| format!("X_SVC_PROGRESS={progress}\n")));
            text.extend(eta.iter().map(|eta| format!("X_SVC_ETA={eta}\n")));
        }
        let sent = if text.is_empty() { Ok(()) } else { socket::notify(&listener, text.as_bytes()) };
        if let Err(cause) = sent
            && task.is_none()
        {
            return Err(Error::failed(format!("can't notify the manager: {}", io_reason(&cause))));
        }
    }
    Ok((Report::Nothing, Vec::new()))
}

/// Which task this is, where its records lie, and the manager's socket: sd_notify(3).
#[expect(clippy::disallowed_methods, reason = "whoever started this process says it to it alone")]
fn told() -> (Option<u64>, Option<OsString>, Option<OsString>) {
    let task = std::env::var(VARIABLE).ok().and_then(|id| id.parse().ok());
    let socket = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty());
    (task, std::env::var_os(crate::task::spec::STORE), socket)
}
