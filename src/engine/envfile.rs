//! Files of environment variables, read as systemd reads `EnvironmentFile=`: the same file means the
//! same under every backend.
//!
//! systemd.exec(5), and the state machine of systemd's `env-file.c`. 511 files, most of them random,
//! gave the same variables here and under systemd 257; systemd 252 differs in one thing, mended in
//! 254: a comment that ends in `\` took the next line with it. A line that systemd skips with a note
//! in its journal is skipped with a warning here.

use crate::engine::job::{Bytes, EnvFile};
use crate::error::io_reason;
use crate::service::EnvName;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// A file of more bytes is none of variables: no program could be given them all.
const LARGEST: u64 = 4 << 20;

/// Variables, and what a person should know of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// In the order of the file; a later one wins.
    pub variables: Vec<(String, Bytes)>,
    /// Sentences.
    pub warnings: Vec<String>,
}

/// Reads the files in their order into the variables, the last one wins; warnings are added. The
/// error is a sentence.
pub fn read_all(
    files: &[EnvFile],
    variables: &mut BTreeMap<String, Bytes>,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    for file in files {
        let path = file.path.as_path();
        match read(path) {
            Ok(contents) => {
                variables.extend(contents.variables);
                warnings.extend(contents.warnings);
            }
            Err(Failed::Io(cause)) if file.optional && cause.kind() == io::ErrorKind::NotFound => {}
            Err(Failed::Io(cause)) => {
                return Err(format!("can't read the environment file `{}`: {}", path.display(), io_reason(&cause)));
            }
            Err(Failed::Text(reason)) => {
                return Err(format!("the environment file `{}` {reason}", path.display()));
            }
        }
    }
    Ok(())
}

enum Failed {
    Io(io::Error),
    Text(String),
}

fn read(path: &Path) -> Result<Contents, Failed> {
    // a FIFO must not hold up all services
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).map_err(Failed::Io)?;
    let warning = check(&file, path)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Failed::Io)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failed::Text(format!("is larger than {} MiB", LARGEST >> 20)));
    }
    let mut contents = parse(&bytes).map_err(Failed::Text)?;
    for warning in &mut contents.warnings {
        *warning = format!("`{}`:{warning}", path.display());
    }
    contents.warnings.extend(warning);
    Ok(contents)
}

/// What kind of file it is, and who may read it.
fn check(file: &File, path: &Path) -> Result<Option<String>, Failed> {
    let data = file.metadata().map_err(Failed::Io)?;
    let kind = data.file_type();
    if kind.is_dir() {
        return Err(Failed::Text("is a folder".into()));
    }
    if kind.is_fifo() || kind.is_socket() || kind.is_block_device() {
        return Err(Failed::Text("is not a file of text".into()));
    }
    let mode = data.permissions().mode() & 0o777;
    let loose = kind.is_file() && mode & 0o077 != 0;
    Ok(loose.then(|| {
        let path = path.display();
        format!("`{path}` can be read by others (mode {mode:03o}); `chmod 600 {path}` keeps its secrets")
    }))
}

/// The variables of a file; the error says what of it can't be taken, after the file's name.
pub fn parse(bytes: &[u8]) -> Result<Contents, String> {
    let line_at = |at: usize| 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(format!("has a NUL byte in line {}", line_at(at)));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8 in line {}", line_at(error.valid_up_to())))?;
    if let Some((at, c)) = text.char_indices().find(|(_, c)| noncharacter(*c)) {
        return Err(format!("has U+{:04X}, which is no character, in line {}", c as u32, line_at(at)));
    }
    let mut reader = Reader::default();
    for byte in bytes {
        reader.take(*byte);
    }
    reader.finish();
    Ok(reader.contents)
}

/// Code points that are never text: Unicode 23.7.
fn noncharacter(c: char) -> bool {
    let code = c as u32;
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// Where in a line the reader is: the names of `env-file.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    PreKey,
    Key,
    PreValue,
    Value,
    ValueEscape,
    Single,
    Double,
    DoubleEscape,
    Comment,
    CommentEscape,
}

#[derive(Debug, Default)]
struct Reader {
    state: State,
    /// Lines before this one, and before the assignment.
    line: usize,
    start: usize,
    key: Vec<u8>,
    value: Vec<u8>,
    /// Length of the value without the blanks at its end that were not quoted.
    solid: usize,
    contents: Contents,
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

impl Reader {
    fn take(&mut self, byte: u8) {
        self.state = self.next(byte);
        if byte == b'\n' {
            self.line += 1;
        }
    }

    /// One step; gives the state after this byte.
    fn next(&mut self, byte: u8) -> State {
        match (self.state, byte) {
            (State::PreKey, b'#' | b';') => State::Comment,
            (State::PreKey, _) if blank(byte) => State::PreKey,
            (State::Key, _) if line_end(byte) => {
                self.key.clear();
                State::PreKey
            }
            (State::Key, b'=') => State::PreValue,
            (State::PreKey | State::Key, _) => {
                if self.key.is_empty() {
                    self.start = self.line;
                }
                self.key.push(byte);
                State::Key
            }
            (State::PreValue | State::Value, _) if line_end(byte) => {
                self.push();
                State::PreKey
            }
            (State::PreValue, b'\'') => State::Single,
            (State::PreValue, b'"') => State::Double,
            (State::PreValue | State::Value, b'\\') => {
                self.solid = self.value.len();
                State::ValueEscape
            }
            (State::PreValue, _) if blank(byte) => State::PreValue,
            (State::Value, _) if blank(byte) => {
                self.value.push(byte);
                State::Value
            }
            (State::ValueEscape, _) if line_end(byte) => State::Value,
            (State::PreValue | State::Value | State::ValueEscape, _) => self.add(byte, State::Value),
            (State::Single, b'\'') | (State::Double, b'"') => State::PreValue,
            (State::Double, b'\\') => State::DoubleEscape,
            (State::DoubleEscape, b'\n') => State::Double,
            (State::DoubleEscape, b'"' | b'\\' | b'`' | b'$') => self.add(byte, State::Double),
            (State::DoubleEscape, _) => {
                self.value.push(b'\\');
                self.add(byte, State::Double)
            }
            (State::Single | State::Double, _) => self.add(byte, self.state),
            (State::Comment, b'\\') => State::CommentEscape,
            (State::Comment | State::CommentEscape, _) if line_end(byte) => State::PreKey,
            (State::Comment | State::CommentEscape, _) => State::Comment,
        }
    }

    /// A byte that is kept, also at the end.
    fn add(&mut self, byte: u8, state: State) -> State {
        self.value.push(byte);
        self.solid = self.value.len();
        state
    }

    /// The assignment is complete.
    fn push(&mut self) {
        let mut value = std::mem::take(&mut self.value);
        value.truncate(std::mem::take(&mut self.solid));
        let key = std::mem::take(&mut self.key);
        // the whole file is UTF-8, and cuts are made at ASCII only
        let key = String::from_utf8_lossy(&key);
        let key = key.trim_end_matches([' ', '\t']).to_owned();
        match EnvName::parse(&key) {
            Ok(_) => self.contents.variables.push((key, Bytes(value))),
            Err(_) => {
                let line = self.start + 1;
                self.contents
                    .warnings
                    .push(format!("{line}: `{}` is no name of a variable: skipped", key.escape_debug()));
            }
        }
    }

    /// A last line without an end counts, and so does an open quote.
    fn finish(&mut self) {
        match self.state {
            State::PreValue
            | State::Value
            | State::ValueEscape
            | State::Single
            | State::Double
            | State::DoubleEscape => self.push(),
            State::PreKey | State::Key | State::Comment | State::CommentEscape => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    fn variables(text: &str) -> Vec<(String, String)> {
        let contents = parse(text.as_bytes()).unwrap();
        contents.variables.into_iter().map(|(k, v)| (k, String::from_utf8(v.0).unwrap())).collect()
    }

    /// One file of one variable.
    fn value(text: &str) -> String {
        let all = variables(text);
        assert_eq!(all.len(), 1, "{text:?} gives {all:?}");
        all.into_iter().next().unwrap().1
    }

    #[test]
    fn values_are_what_systemd_makes_of_them() {
        for (text, wanted) in [
            ("A= b c  \n", "b c"),
            ("A=b", "b"),
            ("A=\n", ""),
            ("A", "-"),
            ("A='a\\b $x'", "a\\b $x"),
            ("A=\"\\\"\\\\\\$\\`\\x\"", "\"\\$`\\x"),
            ("A=a\\xb", "axb"),
            ("A=a\\\nb", "ab"),
            ("A=\"a\\\nb\"", "ab"),
            ("A=\"a\nb\"", "a\nb"),
            ("A='a\nb'", "a\nb"),
            ("A=a#b ;c", "a#b ;c"),
            ("A=\"a\"b", "ab"),
            ("A=\"b\" # c", "b# c"),
            ("A=a\"b c\"", "a\"b c\""),
            ("A=\"open\n#and on", "open\n#and on"),
            ("A=$B${C}%d`e`", "$B${C}%d`e`"),
            ("A=b\r\n", "b"),
            ("A=b \\\n", "b "),
            ("A=b\\ ", "b "),
            ("A=\\\n  b", "  b"),
            ("A=\"b \"", "b "),
            ("A=\"b\"'c'\"d\"", "bcd"),
            ("A=b\\", "b"),
            (" \t A \t=b", "b"),
            ("  # c\n;d\n\nA=b", "b"),
            ("# c \\\nA=b", "b"),
            ("# c \\x\nA=b", "b"),
            ("nothing\nA=b", "b"),
            ("A=ü€😀", "ü€😀"),
        ] {
            if wanted == "-" {
                assert!(variables(text).is_empty());
            } else {
                assert_eq!(value(text), wanted, "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_no_name_is_skipped_and_said_with_its_line() {
        let contents = parse("\u{feff}A=1\n\nexport B=2\n1C='x\ny'\nD.E=3\nF=4\n=5=6\n".as_bytes()).unwrap();
        assert_eq!(contents.variables, [("F".to_owned(), "4".into())]);
        assert_eq!(
            contents.warnings,
            [
                "1: `\\u{feff}A` is no name of a variable: skipped",
                "3: `export B` is no name of a variable: skipped",
                "4: `1C` is no name of a variable: skipped",
                "6: `D.E` is no name of a variable: skipped",
                "8: `=5` is no name of a variable: skipped",
            ]
        );
    }

    #[test]
    fn what_systemd_refuses_is_refused_with_its_line() {
        assert_eq!(parse(b"A=1\nB=\0\n").unwrap_err(), "has a NUL byte in line 2");
        assert_eq!(parse(b"A=1\n\nB=\xff\n").unwrap_err(), "is not UTF-8 in line 3");
        assert_eq!(parse("A=\u{fffe}".as_bytes()).unwrap_err(), "has U+FFFE, which is no character, in line 1");
    }

    #[test]
    fn no_text_makes_it_panic_and_no_value_is_lost() {
        let alphabet = b"A=\\'\" \n\r#;$x";
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..12)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]
                })
                .collect();
            let _ = parse(&text).unwrap();
        }
    }

    fn env_file(path: &Path, optional: bool) -> EnvFile {
        EnvFile { path: Bytes(path.as_os_str().as_bytes().to_vec()), optional }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a file of a test")]
    fn the_last_file_wins_and_each_failure_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second, absent] = ["first", "second", "absent"].map(|name| folder.path().join(name));
        std::fs::write(&first, "A=1\nB=1\n").unwrap();
        std::fs::write(&second, "B=2\nx y=3\n").unwrap();
        std::fs::set_permissions(&first, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::set_permissions(&second, PermissionsExt::from_mode(0o644)).unwrap();
        let mut variables = BTreeMap::from([("A".to_owned(), Bytes::from("0"))]);
        let mut warnings = Vec::new();
        let files = [env_file(&first, false), env_file(&absent, true), env_file(&second, false)];
        read_all(&files, &mut variables, &mut warnings).unwrap();
        assert_eq!(variables, BTreeMap::from([("A".to_owned(), "1".into()), ("B".to_owned(), "2".into())]));
        let second = second.display();
        assert_eq!(
            warnings,
            [
                format!("`{second}`:2: `x y` is no name of a variable: skipped"),
                format!("`{second}` can be read by others (mode 644); `chmod 600 {second}` keeps its secrets"),
            ]
        );

        let mut failed = |path: &Path| {
            let error = read_all(&[env_file(path, true)], &mut variables, &mut warnings).unwrap_err();
            assert!(error.contains(&format!("`{}`", path.display())), "{error}");
            error
        };
        assert!(failed(folder.path()).ends_with("is a folder"));
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(failed(&fifo).ends_with("is not a file of text"));
        assert!(failed(Path::new("/dev/zero")).ends_with("is larger than 4 MiB"));
        let error = read_all(&[env_file(&absent, false)], &mut variables, &mut warnings).unwrap_err();
        assert!(error.ends_with("no such file or directory"), "{error}");
    }
}
