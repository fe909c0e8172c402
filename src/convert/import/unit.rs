//! How a unit file is read before any directive: lines, comments, sections (systemd.syntax(7)).

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Of its first line, from 1.
    pub(super) number: usize,
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// The assignments that hold, in order, and lines that are none. An empty assignment takes back those
/// before it, as in systemd.
pub(super) fn lines(text: &str) -> (Vec<Line>, Vec<usize>) {
    let (mut all, mut wrong): (Vec<Line>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut section = String::new();
    for (number, line) in logical(text) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            wrong.push(number);
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        if value.is_empty() {
            all.retain(|line| line.section != section || line.key != key);
        } else {
            all.push(Line { number, section: section.clone(), key: key.to_owned(), value: value.to_owned() });
        }
    }
    (all, wrong)
}

/// Lines joined at a `\` at their end, without comments and white space around, and where each begins. A line
/// ends at LF, CR and NUL.
fn logical(text: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, physical) in text.split('\n').enumerate() {
        for part in physical.split(['\r', '\0']) {
            let line = part.trim_start_matches([' ', '\t']);
            if line.starts_with(['#', ';']) {
                continue;
            }
            let (number, mut joined) = open.take().unwrap_or((at + 1, String::new()));
            joined.push_str(line);
            let odd = joined.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
            // CRLF: nothing follows the CR
            if odd && !(part.is_empty() && physical.len() > part.len()) {
                joined.pop();
                joined.push(' ');
                open = Some((number, joined));
            } else if !joined.trim().is_empty() {
                all.push((number, joined.trim().to_owned()));
            }
        }
    }
    all.extend(
        open.map(|(number, joined)| (number, joined.trim().to_owned())).filter(|(_, joined)| !joined.is_empty()),
    );
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_commented_and_taken_back() {
        let text = "# c\n[Unit]\nDescription = a b \n;x\n[Service]\nExecStart=/bin/a \\\n# in between\n  b\\\\\nA=1\nA=\nA=2\r\nnonsense\nB=x\\";
        let (all, wrong) = lines(text);
        let seen: Vec<(usize, &str, &str, &str)> = all
            .iter()
            .map(|line| (line.number, line.section.as_str(), line.key.as_str(), line.value.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (3, "Unit", "Description", "a b"),
                (6, "Service", "ExecStart", "/bin/a  b\\\\"),
                (11, "Service", "A", "2"),
                (13, "Service", "B", "x"),
            ]
        );
        assert_eq!(wrong, [12]);
    }
}
