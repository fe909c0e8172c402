//! Rendered files as they may be shown: values of the environment that look like secrets are `***`, in units, job
//! files and property lists, also where somebody edited them by hand.

use crate::service::EnvName;

/// What is shown in the place of a secret.
const MASK: &str = "***";

/// Inside of what.
enum Inside {
    Nothing,
    /// A value that goes on until a line has this.
    Until(&'static str),
    /// An assignment that goes on while lines end with `\`.
    Continued,
}

/// The lines of `text`, as many as it has, without line ends.
pub(crate) fn lines(text: &str) -> Vec<String> {
    let mut inside = Inside::Nothing;
    text.lines()
        .map(|line| match inside {
            Inside::Until(end) => {
                if line.contains(end) {
                    inside = Inside::Nothing;
                }
                MASK.to_owned()
            }
            Inside::Continued => {
                if !line.ends_with('\\') {
                    inside = Inside::Nothing;
                }
                MASK.to_owned()
            }
            Inside::Nothing => {
                let (shown, next) = first(line);
                inside = next;
                shown
            }
        })
        .collect()
}

/// A line that begins something, or holds no secret.
fn first(line: &str) -> (String, Inside) {
    let text = line.trim_start();
    let indent = &line[..line.len() - text.len()];
    if let Some((name, rest)) = text.strip_prefix("<key>").and_then(|text| text.split_once("</key>")) {
        if !is_secret(name) {
            return (line.to_owned(), Inside::Nothing);
        }
        let next = if rest.contains("</string>") { Inside::Nothing } else { Inside::Until("</string>") };
        let value = if rest.trim().is_empty() { "" } else { MASK };
        return (format!("{indent}<key>{name}</key>{value}"), next);
    }
    if let Some(assignments) = text.strip_prefix("Environment=") {
        let Some(at) = secret_in(assignments) else { return (line.to_owned(), Inside::Nothing) };
        let next = if line.ends_with('\\') { Inside::Continued } else { Inside::Nothing };
        return (format!("{indent}Environment={}{MASK}", &assignments[..at]), next);
    }
    let Some((key, value)) = text.split_once('=') else { return (line.to_owned(), Inside::Nothing) };
    if !is_secret(key.trim().trim_matches(['"', '\''])) {
        return (line.to_owned(), Inside::Nothing);
    }
    let value = value.trim();
    let next = ["\"\"\"", "'''"]
        .into_iter()
        .find(|quotes| value.strip_prefix(quotes).is_some_and(|rest| !rest.contains(quotes)))
        .or_else(|| (value.starts_with('[') && !value.ends_with(']')).then_some("]"));
    (format!("{indent}{key}= {MASK}"), next.map_or(Inside::Nothing, Inside::Until))
}

fn is_secret(name: &str) -> bool {
    EnvName::parse(name).is_ok_and(|name| name.looks_secret())
}

/// Where the value of the first assignment to a secret begins.
fn secret_in(assignments: &str) -> Option<usize> {
    assignments.match_indices('=').map(|(at, _)| at).find_map(|at| {
        let before = &assignments[..at];
        let from = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |from| from + 1);
        is_secret(&before[from..]).then_some(at + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let shown = lines(text);
        assert_eq!(shown.len(), text.lines().count(), "{text}");
        shown.join("\n")
    }

    #[test]
    fn assignments_of_a_unit() {
        assert_eq!(
            masked("Environment=\"API_TOKEN=abc def\"\nEnvironment=\"PORT=1\""),
            "Environment=\"API_TOKEN=***\nEnvironment=\"PORT=1\""
        );
        // written by hand: several in a line, and on the next one
        assert_eq!(masked("Environment=A=1 B_SECRET=x \\\n  C=2\nNice=5"), "Environment=A=1 B_SECRET=***\n***\nNice=5");
        assert_eq!(masked("PrivateTmp=yes\nLoadCredential=a:b"), "PrivateTmp=yes\nLoadCredential= ***");
    }

    #[test]
    fn values_of_a_job_file() {
        assert_eq!(
            masked("PORT = \"1\"\nDB_PASSWORD = \"x\"\nK_TOKEN = \"\"\"\na\nb\"\"\"\nX = 1"),
            "PORT = \"1\"\nDB_PASSWORD = ***\nK_TOKEN = ***\n***\n***\nX = 1"
        );
        assert_eq!(masked("A_SECRET = [\n 1,\n]\nB = 1"), "A_SECRET = ***\n***\n***\nB = 1");
        assert_eq!(masked("A_SECRET = [1, 2]\nB = 1"), "A_SECRET = ***\nB = 1");
    }

    #[test]
    fn values_of_a_property_list() {
        assert_eq!(
            masked("\t<key>PORT</key>\n\t<string>1</string>\n\t<key>API_KEY</key>\n\t<string>a\nb</string>\n\t<true/>"),
            "\t<key>PORT</key>\n\t<string>1</string>\n\t<key>API_KEY</key>\n***\n***\n\t<true/>"
        );
        assert_eq!(masked("<key>API_KEY</key><string>a</string>\n<true/>"), "<key>API_KEY</key>***\n<true/>");
    }
}
