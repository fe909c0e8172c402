//! Command lines: what `ExecStart=`, `ExecReload=` and the pid file's two hooks run.

use super::escape::{ExecLine, ExecWord};
use super::path::MAX_PATH;
use crate::service::{AbsPath, Exec, Name, Signal};
use std::ffi::OsStr;

const SH: &str = "/bin/sh";

/// The hooks find `mkdir`, `mv` and `rm` whatever the PATH of the service is.
const HOOK_PATH: &str = "PATH=/usr/bin:/bin:$PATH; ";

/// The line that runs `exec`; `name` is the script's `$0`.
pub(super) fn line(exec: &Exec, name: &Name) -> Result<ExecLine, String> {
    match exec {
        Exec::Command { program, written: _, args } => {
            let mut words = program_words(program)?;
            for (at, arg) in args.iter().enumerate() {
                words.push(ExecWord::new(arg).map_err(|reason| format!("argument {} {reason}", at + 1))?);
            }
            ExecLine::new(words)
        }
        Exec::Script(text) => script(&["-eu", "-c"], text, &[OsStr::new(name.as_str())]),
    }
}

/// The words before the arguments. systemd refuses some characters in a program's path however they
/// are quoted; `env` or a shell that makes room for it at once gives the same process.
fn program_words(program: &AbsPath) -> Result<Vec<ExecWord>, String> {
    let path = program.as_path().as_os_str();
    let word = ExecWord::new(path).map_err(|reason| format!("the program's path {reason}"))?;
    let text = path.to_string_lossy();
    if text.len() > MAX_PATH {
        return Err(format!("the program's path is too long: it has at most {MAX_PATH} bytes"));
    }
    let fixed =
        |words: &[&str]| words.iter().map(|word| ExecWord::new(OsStr::new(word))).collect::<Result<Vec<_>, _>>();
    let mut words = if !ExecWord::is_refused_as_program(&text) {
        Vec::new()
    } else if text.contains('=') {
        fixed(&[SH, "-c", "exec \"$0\" \"$@\""])?
    } else {
        fixed(&["/usr/bin/env", "--"])?
    };
    words.push(word);
    Ok(words)
}

/// `/bin/sh OPTIONS TEXT WORDS…`; the first of `words` is `$0`.
fn script(options: &[&str], text: &str, words: &[&OsStr]) -> Result<ExecLine, String> {
    let mut all: Vec<&OsStr> = vec![OsStr::new(SH)];
    all.extend(options.iter().map(OsStr::new));
    if text.starts_with(['-', '+']) {
        all.push(OsStr::new("--"));
    }
    all.push(OsStr::new(text));
    all.extend(words);
    ExecLine::new(all.into_iter().map(ExecWord::new).collect::<Result<_, _>>()?)
}

/// `ExecReload=` for a signal. The shell's own `kill`: a small container has no `/bin/kill`.
pub(super) fn send(signal: Signal) -> Result<ExecLine, String> {
    let name = signal.name();
    let name = name.strip_prefix("SIG").unwrap_or(name);
    script(&["-c"], &format!("kill -s {name} \"$MAINPID\""), &[])
}

/// Writes the main process's id to `file`, at once or not at all, making its folder first.
///
/// `-C`: the new file is made, never followed. No main process: it has ended already.
pub(super) fn write_pid(file: &AbsPath) -> Result<ExecLine, String> {
    let path = file.as_path();
    let folder = path.parent().ok_or("is not the path of a file")?;
    let text = format!(
        "{HOOK_PATH}[ -n \"${{MAINPID-}}\" ] || exit 0; mkdir -p -- \"$1\"; rm -f -- \"$0.new\"; \
         echo \"$MAINPID\" >\"$0.new\"; mv -f -- \"$0.new\" \"$0\""
    );
    script(&["-euC", "-c"], &text, &[path.as_os_str(), folder.as_os_str()])
}

/// Removes it.
pub(super) fn remove_pid(file: &AbsPath) -> Result<ExecLine, String> {
    script(&["-c"], &format!("{HOOK_PATH}rm -f -- \"$0\" \"$0.new\""), &[file.as_path().as_os_str()])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::path::Path;

    fn command(program: &str, args: &[&str]) -> Result<String, String> {
        let exec = Exec::Command {
            program: AbsPath::new(Path::new(program)).unwrap(),
            written: String::new(),
            args: args.iter().map(Into::into).collect(),
        };
        line(&exec, &Name::parse("web").unwrap()).map(|line| line.to_string())
    }

    #[test]
    fn a_plain_command_reads_like_one() {
        assert_eq!(
            command("/usr/bin/node", &["server.js", "--port", "3000"]).unwrap(),
            ":/usr/bin/node server.js --port 3000"
        );
        assert_eq!(command("/opt/my app/run", &["$HOME", ""]).unwrap(), ":\"/opt/my app/run\" \"$HOME\" \"\"");
    }

    #[test]
    fn paths_that_systemd_refuses_go_through_env_or_a_shell() {
        assert_eq!(command("/opt/it's", &["a"]).unwrap(), ":/usr/bin/env -- \"/opt/it's\" a");
        assert_eq!(
            command("/opt/a=\"b", &["a"]).unwrap(),
            ":/bin/sh -c \"exec \\\"$0\\\" \\\"$@\\\"\" \"/opt/a=\\\"b\" a"
        );
    }

    #[test]
    fn a_script_is_one_argument() {
        let name = Name::parse("web").unwrap();
        let text = "echo \"$HOME\"\nsleep 1\n";
        assert_eq!(
            line(&Exec::Script(text.to_owned()), &name).unwrap().to_string(),
            ":/bin/sh -eu -c \"echo \\\"$HOME\\\"\\nsleep 1\\n\" web"
        );
        assert_eq!(line(&Exec::Script("-x".to_owned()), &name).unwrap().to_string(), ":/bin/sh -eu -c -- -x web");
    }

    #[test]
    fn an_error_counts_the_argument() {
        assert!(command("/bin/a", &["ok", "\u{ffff}"]).unwrap_err().starts_with("argument 2 contains U+FFFF"));
    }
}
