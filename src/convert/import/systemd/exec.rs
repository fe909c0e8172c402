//! `ExecStart=` and `ExecReload=`: prefixes, several commands, variables that systemd replaces.
//!
//! svc replaces no variable in a command. A line with one becomes a script whose shell replaces it to the same
//! words: a bare `$NAME` is split at white space, `${NAME}` stays one word, one that is not set is empty.

use super::super::unit::Line;
use super::super::words::{quoted, split, variables};
use super::Reading;
use crate::service::{Field, Signal};

/// A command line as it was read.
struct Command {
    /// With variables where `needs_shell`.
    words: Vec<String>,
    /// `-`: its failure does not matter.
    ignored: bool,
    needs_shell: bool,
}

impl Command {
    /// As a line for a shell.
    fn shell(&self) -> String {
        let line = self.words.join(" ");
        if self.ignored { format!("{line} || :") } else { line }
    }
}

/// `command` or `script` of all `ExecStart=`.
pub(super) fn start(reading: &mut Reading<'_>) {
    let lines: Vec<&Line> =
        reading.unit.lines.iter().filter(|line| line.section == "Service" && line.key == "ExecStart").collect();
    let mut commands = Vec::new();
    for line in lines {
        match read(reading, line) {
            Ok(found) => commands.extend(found),
            Err(reason) => reading.note(line.number, format!("`ExecStart=` {reason}")),
        }
    }
    match commands.as_slice() {
        [] => {}
        [only] if !only.needs_shell && !only.ignored => {
            let words = only.words.clone();
            reading.entry.command(words);
        }
        [only] if !only.ignored => {
            // without `set -f` the shell would look for files of the names in a variable
            let script = format!("set -f\nexec {}", only.shell());
            reading.entry.set(Field::Script, script);
        }
        many => {
            let lines: Vec<String> = many
                .iter()
                .map(|one| {
                    let words = if one.needs_shell {
                        one.words.clone()
                    } else {
                        one.words.iter().map(|word| quoted(word)).collect()
                    };
                    Command { words, ..*one }.shell()
                })
                .collect();
            reading.entry.set(Field::Script, format!("set -f\n{}", lines.join("\n")));
        }
    }
}

/// Whether `ExecReload=` became a field.
pub(super) fn reload(reading: &mut Reading<'_>, line: &Line) -> bool {
    let many = reading.unit.lines.iter().filter(|one| one.section == "Service" && one.key == "ExecReload").count() > 1;
    if many {
        return false;
    }
    if let Some(signal) = kill(&line.value) {
        reading.entry.set(Field::Reload, signal.name());
        return true;
    }
    match read(reading, line) {
        Ok(commands) => match commands.as_slice() {
            [only] if !only.needs_shell && !only.ignored => {
                let words: Vec<toml::Value> = only.words.iter().cloned().map(toml::Value::from).collect();
                reading.entry.set(Field::Reload, words);
                true
            }
            _ => false,
        },
        Err(_) => false,
    }
}

/// `/bin/kill -HUP $MAINPID`, however it is spelled.
fn kill(line: &str) -> Option<Signal> {
    let words = split(line).ok()?;
    let [program, rest @ ..] = words.as_slice() else { return None };
    let is_kill = matches!(program.trim_start_matches(['-', ':', '+']), "/bin/kill" | "/usr/bin/kill" | "kill");
    let signal = match rest {
        [flag, pid] if pid.trim_matches(['{', '}', '$']) == "MAINPID" => flag.strip_prefix('-')?,
        [flag, signal, pid] if flag == "-s" && pid.trim_matches(['{', '}', '$']) == "MAINPID" => signal.as_str(),
        _ => return None,
    };
    let by_number = |number: &str| match number {
        "1" => Some("SIGHUP"),
        "10" => Some("SIGUSR1"),
        "12" => Some("SIGUSR2"),
        "15" => Some("SIGTERM"),
        _ => None,
    };
    let signal = Signal::parse(by_number(signal).unwrap_or(signal)).ok()?;
    is_kill.then_some(signal)
}

/// The commands of one line: a bare `;` stands between two.
fn read(reading: &mut Reading<'_>, line: &Line) -> Result<Vec<Command>, String> {
    let mut all = Vec::new();
    // a quoted `;` is data: it is told from a bare one before anything is unquoted
    for part in parts(&line.value) {
        let mut words = split(&part)?;
        if words.is_empty() {
            continue;
        }
        let program = words.remove(0);
        let bare = program.trim_start_matches(['-', '@', ':', '+', '!', '|']);
        let prefixes = &program[..program.len() - bare.len()];
        let bare = bare.to_owned();
        if bare.is_empty() {
            return Err("names no program".into());
        }
        if prefixes.contains('@') && !words.is_empty() {
            let name = words.remove(0);
            reading.note(line.number, format!("`@`: the program sees its own path as its name, not `{name}`"));
        }
        if prefixes.contains(['+', '!']) {
            reading.note(line.number, "`+` and `!` are not carried over: it runs as `user` says");
        }
        if prefixes.contains('|') {
            reading.note(line.number, "`|` is not carried over: no shell of the account is run");
        }
        let ignored = prefixes.contains('-');
        if ignored {
            reading.note(line.number, "`-`: its failure does not count; as a script");
        }
        let literal = prefixes.contains(':');
        all.push(command(reading, line, &bare, &words, literal, ignored));
    }
    Ok(all)
}

fn command(
    reading: &mut Reading<'_>,
    line: &Line,
    program: &str,
    words: &[String],
    literal: bool,
    ignored: bool,
) -> Command {
    let mut plain = vec![reading.resolved(line, program)];
    let mut shell = vec![quoted(&plain[0])];
    let mut needs_shell = false;
    for word in words {
        let word = reading.resolved(line, word);
        match if literal { Ok(word.clone()) } else { variables(&word) } {
            Ok(text) => {
                shell.push(quoted(&text));
                plain.push(text);
            }
            Err(text) => {
                needs_shell = true;
                plain.push(word);
                shell.push(text);
            }
        }
    }
    if needs_shell && line.key == "ExecStart" {
        reading.note(line.number, "has variables, which systemd replaces: it becomes a script");
    }
    Command { words: if needs_shell { shell } else { plain }, ignored, needs_shell }
}

/// At each bare `;`.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut quote, mut escaped) = (vec![String::new()], None, false);
    let chars: Vec<char> = text.chars().collect();
    for (at, c) in chars.iter().copied().enumerate() {
        let space = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_none_or(char::is_ascii_whitespace);
        let alone = c == ';' && quote.is_none() && !escaped && space(at.checked_sub(1)) && space(Some(at + 1));
        if alone && at > 0 {
            parts.push(String::new());
            continue;
        }
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', _) => escaped = true,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}
