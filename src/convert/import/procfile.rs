//! Procfiles: `NAME: COMMAND`, run by a shell (Heroku's format, foreman's, honcho's).

use super::super::at;
use super::super::draft::{Draft, Entry};
use crate::service::Field;

/// Reads a Procfile.
pub(super) fn read(file: &str, text: &str, draft: &mut Draft) {
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let found = line.split_once(':').map(|(name, command)| (name.trim(), command.trim()));
        let Some((name, command)) = found.filter(|(name, command)| is_name(name) && !command.is_empty()) else {
            draft.notes.push(at(file, number, None, "is not `NAME: COMMAND`"));
            continue;
        };
        if name == "release" {
            draft.notes.push(at(file, number, None, "`release` runs once before a release, and is no service"));
            continue;
        }
        let mut entry = Entry::new(name);
        entry.comments.push(format!("From {file}:{number}."));
        shell_command(&mut entry, command);
        if command.contains("$PORT") || command.contains("${PORT") {
            draft.notes.push(at(
                file,
                number,
                Some(&entry.name),
                "uses PORT, which foreman and Heroku set: `env = { PORT = \"5000\" }`",
            ));
        }
        draft.add(entry);
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

/// A line for a shell: a command where the shell would do nothing but split it, else a script.
pub(in crate::convert) fn shell_command(entry: &mut Entry, line: &str) {
    let special =
        line.contains(['$', '`', '|', '&', ';', '<', '>', '(', ')', '*', '?', '[', '{', '}', '~', '#', '\n', '!', '=']);
    let words =
        shell_words::split(line).ok().filter(|words| !special && words.first().is_some_and(|first| is_program(first)));
    match words {
        Some(words) => entry.command(words),
        None => entry.set(Field::Script, line),
    }
}

/// Not a word of the shell itself.
fn is_program(word: &str) -> bool {
    let builtin = [
        "cd", "exec", "export", "set", "eval", "source", ".", ":", "if", "while", "until", "for", "case", "trap",
        "ulimit", "umask",
    ];
    !word.is_empty() && !builtin.contains(&word)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn lines_become_commands_or_scripts() {
        let mut draft = Draft::default();
        read(
            "Procfile",
            "# c\nweb: node 'a b.js' -p $PORT\nworker: bin/work --fast\nrelease: x\nnonsense\n",
            &mut draft,
        );
        let table: toml::Table = draft.text().parse().unwrap();
        assert_eq!(table["service"]["web"]["script"].as_str(), Some("node 'a b.js' -p $PORT"));
        assert_eq!(table["service"]["worker"]["command"][0].as_str(), Some("bin/work"));
        let lines: Vec<Option<usize>> = draft.notes.iter().map(|note| note.line).collect();
        assert_eq!(lines, [Some(2), Some(4), Some(5)]);
    }
}
