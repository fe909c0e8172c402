//! The program that launchd is asked through: launchctl(1). One call, its exit status and both texts; never
//! longer than a limit.
//!
//! What it prints "is NOT API in any sense at all" (its man page), so a number that nobody knows is an error
//! that is shown, never "no".

use crate::env::Environment;
use crate::error::{Error, ErrorCode, io_reason};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Where macOS has it.
const ON_A_MAC: &str = "/bin/launchctl";
/// Longest call.
const LIMIT: Duration = Duration::from_secs(20);

/// Its exit status is the number of an error; these are told apart. launchctl(1), `launchctl error N`.
pub(super) mod code {
    /// It is done.
    pub(crate) const OK: i32 = 0;
    /// EPERM: not root.
    pub(crate) const NOT_PERMITTED: i32 = 1;
    /// ESRCH: of bootout, nothing of that label is loaded; of kill, it does not run.
    pub(crate) const NO_PROCESS: i32 = 3;
    /// EIO: what a caller who is not root gets for nearly all errors of bootstrap.
    pub(crate) const INPUT_OUTPUT: i32 = 5;
    /// EINPROGRESS: of bootout, it is stopping already.
    pub(crate) const STOPPING: i32 = 36;
    /// EALREADY: loaded already, or stopping still.
    pub(crate) const ALREADY: i32 = 37;
    /// There is no such domain.
    pub(crate) const NO_DOMAIN: i32 = 112;
    /// Nothing of that label is loaded there.
    pub(crate) const NO_SERVICE: i32 = 113;
    /// The domain does not exist, or can't do this.
    pub(crate) const UNSUPPORTED: i32 = 125;
}

/// The program.
#[derive(Debug, Clone)]
pub(super) struct Launchctl {
    program: PathBuf,
}

/// What a call gave.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Launchctl {
    /// `SVC_LAUNCHCTL`, else the one of macOS, else one in the PATH.
    pub(super) fn find(environment: &Environment) -> Result<Self, Error> {
        let in_path = || {
            std::env::split_paths(&environment.path)
                .map(|folder| folder.join("launchctl"))
                .find(|file| file.is_absolute() && is_program(file))
        };
        let of_system = || Some(PathBuf::from(ON_A_MAC)).filter(|file| is_program(file));
        let found = match &environment.launchctl {
            Some(file) if !is_program(file) => {
                let message = format!("`{}`, which SVC_LAUNCHCTL names, is no program", file.display());
                return Err(Error::new(ErrorCode::Unreachable, message));
            }
            Some(file) => Some(file.clone()),
            None => of_system().or_else(in_path),
        };
        found.map(|program| Self { program }).ok_or_else(|| {
            Error::new(ErrorCode::Unreachable, "there is no launchd here: no program `launchctl`").hint(
                "`--backend supervisor` runs services by svc's own supervisor; `svc render --backend launchd` renders",
            )
        })
    }

    /// Where it lies.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// One call.
    pub(super) fn run(&self, words: &[&OsStr]) -> Result<Answer, Error> {
        let shown = || {
            let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            format!("launchctl {}", words.join(" "))
        };
        let failed = |cause: &std::io::Error| {
            Error::new(ErrorCode::Unreachable, format!("can't run `{}`: {}", self.program.display(), io_reason(cause)))
        };
        let child = Command::new(&self.program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|cause| failed(&cause))?;
        let id = child.id();
        let (done, waits) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = done.send(child.wait_with_output()); // nobody waits any more after the limit
        });
        let output = match waits.recv_timeout(LIMIT) {
            Ok(output) => output.map_err(|cause| failed(&cause))?,
            Err(_) => {
                // it is not reaped before the other thread hears of its end: the id is its own
                let _ = crate::sys::subreaper::kill(id, nix::sys::signal::Signal::SIGKILL);
                let message = format!("`{}` said nothing for {} s", shown(), LIMIT.as_secs());
                return Err(
                    Error::new(ErrorCode::Unreachable, message).hint("the same command again; then `svc doctor`")
                );
            }
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let answer =
            Answer { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
        tracing::debug!(call = shown(), code = answer.code, err = answer.err.trim(), "launchctl");
        Ok(answer)
    }

    /// One call of plain words.
    pub(super) fn ask(&self, words: &[&str]) -> Result<Answer, Error> {
        self.run(&words.iter().map(OsStr::new).collect::<Vec<_>>())
    }
}

fn is_program(file: &Path) -> bool {
    nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok() && file.is_file()
}

impl Answer {
    /// An error for a number that was not expected: what it means, and what to do.
    pub(super) fn error(&self, doing: &str) -> Error {
        let (why, hint) = explain(self.code);
        let said =
            self.err.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with("Try re-running"));
        let message = match (why, said) {
            (Some(why), _) => format!("{doing}: {why} (launchctl: {})", self.code),
            (None, Some(said)) => format!("{doing}: launchctl says \"{said}\" ({})", self.code),
            (None, None) => format!("{doing}: launchctl ended with {}", self.code),
        };
        let code = match self.code {
            code::NOT_PERMITTED => ErrorCode::NotPermitted,
            code::NO_DOMAIN | code::UNSUPPORTED => ErrorCode::Unreachable,
            _ => ErrorCode::Failed,
        };
        let error = Error::new(code, message);
        match hint {
            Some(hint) => error.hint(hint),
            None => error.hint(format!(
                "`launchctl error {0}` says what {0} is; `log show --last 5m --predicate 'process == \"launchd\"'` what \
                 launchd did",
                self.code
            )),
        }
    }
}

/// What a number of launchctl means, and the next step. `launchctl error N`.
fn explain(number: i32) -> (Option<&'static str>, Option<&'static str>) {
    match number {
        1 => (Some("not permitted"), Some("a service of the machine needs root: `sudo svc --system …`")),
        3 => (Some("no such process"), None),
        5 => (
            Some("launchd refused it and does not say why to anybody but root"),
            Some("the same as root: `sudo launchctl …` says why"),
        ),
        17 | 37 => (Some("it is loaded already, or still stopping"), Some("the same command again in a moment")),
        109 => {
            (Some("the property list is not valid"), Some("`plutil -lint` shows where; `svc install` writes it anew"))
        }
        112 | 125 => (
            Some("there is no such session: nobody is logged in at the screen"),
            Some("log in at the screen, or `sudo svc --system …` for a service of the machine"),
        ),
        113 => (Some("launchd does not know it"), Some("`svc start` loads it")),
        119 => (Some("it is disabled"), Some("`svc enable` switches it on")),
        122 => (
            Some("the owner or mode of its property list is not as launchd wants it"),
            Some("it must be the user's own, and nobody else may write it: `svc install` writes it anew"),
        ),
        124 => (Some("the session is ending"), Some("the same command after the next login")),
        134 => (
            Some("it can't be loaded in a session of this type"),
            Some("`launchd = { LimitLoadToSessionType = … }` of its definition says in which"),
        ),
        150 => (
            Some("System Integrity Protection forbids it"),
            Some("is its label one of Apple's? `label` gives it another"),
        ),
        155 => (Some("the program is quarantined"), Some("`xattr -d com.apple.quarantine PROGRAM` if you trust it")),
        161 => (
            Some("it is switched off in the system settings"),
            Some("System Settings, General, Login Items: switch it on"),
        ),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_becomes_a_sentence_and_one_without_is_shown_with_its_text() {
        let answer = |code, err: &str| Answer { code, out: String::new(), err: err.into() };
        let error =
            answer(125, "Bootstrap failed: 125: Domain does not support specified action\n").error("can't load it");
        assert_eq!(error.code, ErrorCode::Unreachable);
        assert!(error.message.contains("nobody is logged in"), "{}", error.message);
        let odd = answer(77, "Bootstrap failed: 77: Odd\nTry re-running the command as root for richer errors.\n");
        assert_eq!(odd.error("x").message, "x: launchctl says \"Bootstrap failed: 77: Odd\" (77)");
        assert_eq!(answer(78, "").error("x").message, "x: launchctl ended with 78");
        assert_eq!(answer(1, "").error("x").code, ErrorCode::NotPermitted);
    }

    #[test]
    fn a_launchctl_that_is_none_is_named() {
        let mut environment = crate::env::sample();
        environment.launchctl = Some("/no/such/launchctl".into());
        let error = Launchctl::find(&environment).expect_err("none");
        assert!(error.message.contains("/no/such/launchctl"), "{}", error.message);
    }
}
