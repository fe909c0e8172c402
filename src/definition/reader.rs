//! Reads one table of values field by field and gathers every problem.

use super::expand::Expand;
use super::problem::{Place, Problem};
use super::suggest::did_you_mean;
use super::value::{Key, Kind, Value};
use super::{program, units};
use crate::service::{AbsPath, Exec, Field};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One argument, or one `K=V`: execve(2) takes 131,071 bytes (quoting-facts §3).
pub(crate) const LONGEST_ARGUMENT: usize = 131_071;

/// The fields of one service, where they were written.
pub(crate) type Table = BTreeMap<Field, Value>;

/// Reads a service's table.
pub(crate) struct Reader<'a> {
    pub(crate) table: &'a Table,
    pub(crate) service: String,
    pub(crate) expand: Expand,
    /// What relative paths start from.
    pub(crate) base: AbsPath,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Reader<'_> {
    /// A problem with a value.
    pub(crate) fn problem(&mut self, field: &str, value: &Value, reason: impl Into<String>, hint: Option<String>) {
        let mut problem = Problem::new(reason).at(value.place.clone()).field(field).value(&value.shown());
        problem.service = Some(self.service.clone());
        problem.hint = hint;
        if field.starts_with("env.") {
            problem.value = None;
        }
        self.problems.push(problem);
    }

    pub(crate) fn get(&self, field: Field) -> Option<Value> {
        self.table.get(&field).cloned()
    }

    fn expected(&mut self, field: &str, value: &Value, wanted: &str) {
        self.problem(field, value, format!("is {}, expected {wanted}", value.type_word()), None);
    }

    /// Text; `{…}` replaced when `expand` says so.
    pub(crate) fn text(&mut self, field: &str, value: &Value) -> Option<String> {
        let Kind::Str(text) = &value.kind else {
            self.expected(field, value, "a string");
            return None;
        };
        if text.contains('\0') {
            self.problem(field, value, "contains a NUL byte, which no program can be given", None);
            return None;
        }
        Some(text.clone())
    }

    /// Text read by `parse`, whose error is the reason.
    pub(crate) fn parsed<T>(
        &mut self,
        field: &str,
        value: &Value,
        hint: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(field, value)?;
        match parse(&text) {
            Ok(parsed) => Some(parsed),
            Err(reason) => {
                self.problem(field, value, reason, Some(hint.to_owned()).filter(|hint| !hint.is_empty()));
                None
            }
        }
    }

    pub(crate) fn duration(&mut self, field: &str, value: &Value) -> Option<Duration> {
        if matches!(value.kind, Kind::Int(_) | Kind::Float(_)) {
            let shown = value.shown();
            self.problem(
                field,
                value,
                "is not a duration: the unit is missing",
                Some(format!("\"{shown}s\" for seconds, \"{shown}ms\", \"{shown}m\"")),
            );
            return None;
        }
        self.parsed(field, value, "a number with a unit: \"500ms\", \"1s\", \"2m\"", units::duration)
    }

    /// A duration that can't be zero.
    pub(crate) fn span(&mut self, field: &str, value: &Value) -> Option<Duration> {
        let duration = self.duration(field, value)?;
        if duration.is_zero() {
            self.problem(field, value, "is no time at all", None);
            return None;
        }
        Some(duration)
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        field: &str,
        value: &Value,
        all: &[T],
        word: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.text(field, value)?;
        if let Some(found) = all.iter().copied().find(|one| word(*one) == text) {
            return Some(found);
        }
        let words: Vec<&str> = all.iter().map(|one| word(*one)).collect();
        let hint = did_you_mean(&text, words.iter().copied());
        self.problem(field, value, format!("is not one of `{}`", words.join("`, `")), hint);
        None
    }

    pub(crate) fn integer<T: TryFrom<i64>>(&mut self, field: &str, value: &Value, from: i64, to: i64) -> Option<T> {
        let number = match &value.kind {
            Kind::Int(number) => Some(*number),
            // flags are text
            Kind::Str(text) if matches!(value.place, Place::Flag(_)) => text.trim().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            self.expected(field, value, "a whole number");
            return None;
        };
        if !(from..=to).contains(&number) {
            self.problem(field, value, format!("is not between {from} and {to}"), None);
            return None;
        }
        T::try_from(number).ok()
    }

    pub(crate) fn boolean(&mut self, field: &str, value: &Value) -> Option<bool> {
        match &value.kind {
            Kind::Bool(flag) => Some(*flag),
            Kind::Str(text)
                if matches!(value.place, Place::Flag(_))
                    && matches!(text.as_str(), "true" | "yes" | "false" | "no") =>
            {
                Some(matches!(text.as_str(), "true" | "yes"))
            }
            _ => {
                self.expected(field, value, "true or false");
                None
            }
        }
    }

    /// One or many: a string counts as a list of one.
    pub(crate) fn list(&mut self, field: &str, value: &Value) -> Vec<Value> {
        match &value.kind {
            Kind::Array(items) => items.clone(),
            Kind::Str(_) | Kind::Os(_) => vec![value.clone()],
            _ => {
                self.expected(field, value, "a string or an array of strings");
                Vec::new()
            }
        }
    }

    /// The table of a field, whose keys are those of [`Field::keys`].
    pub(crate) fn table(&mut self, field: Field, value: &Value) -> BTreeMap<String, Value> {
        let Kind::Table(entries) = &value.kind else {
            self.expected(field.key(), value, "a table");
            return BTreeMap::new();
        };
        let known: Vec<&str> = field.keys().iter().map(|key| key.name).collect();
        let mut found = BTreeMap::new();
        for (key, value) in entries {
            if known.contains(&key.text.as_str()) {
                found.insert(key.text.clone(), value.clone());
            } else {
                self.unknown(field.key(), key, &known);
            }
        }
        found
    }

    fn unknown(&mut self, field: &str, key: &Key, known: &[&str]) {
        let mut problem =
            Problem::new(format!("is not a key of `{field}`")).at(key.place.clone()).field(field).value(&key.text);
        problem.service = Some(self.service.clone());
        problem.hint = did_you_mean(&key.text, known.iter().copied())
            .or_else(|| Some(format!("the keys are `{}`", known.join("`, `"))));
        self.problems.push(problem);
    }

    /// A path, absolute once it is read.
    pub(crate) fn path(&mut self, field: &str, value: &Value) -> Option<AbsPath> {
        let text = match &value.kind {
            Kind::Os(text) => self.expand.os(text),
            _ => self.text(field, value).map(|text| OsString::from(self.expand.text(&text)))?,
        };
        let base = self.base.clone();
        self.path_below(&base, field, value, Path::new(&text))
    }

    pub(crate) fn path_below(&mut self, base: &AbsPath, field: &str, value: &Value, path: &Path) -> Option<AbsPath> {
        if path.as_os_str().is_empty() {
            self.problem(field, value, "is an empty path", None);
            return None;
        }
        let home = path.strip_prefix("~").ok().map(|rest| Path::new(&self.expand.home).join(rest));
        match AbsPath::below(base, home.as_deref().unwrap_or(path)) {
            Ok(path) => Some(path),
            Err(reason) => {
                self.problem(field, value, reason, None);
                None
            }
        }
    }

    /// A command: a string split like a shell would, or an array of words.
    pub(crate) fn command(&mut self, field: &str, value: &Value, folders: &[PathBuf]) -> Option<Exec> {
        let words: Vec<Value> = match &value.kind {
            Kind::Str(text) => match shell_words::split(text) {
                Ok(words) => words.into_iter().map(|word| Value::text(word, value.place.clone())).collect(),
                Err(_) => {
                    self.problem(field, value, "has a quote that is not closed", None);
                    return None;
                }
            },
            Kind::Array(items) => items.clone(),
            _ => {
                self.expected(field, value, "a string or an array of strings");
                return None;
            }
        };
        let mut argv = Vec::with_capacity(words.len());
        for word in &words {
            argv.push(self.argument(field, word)?);
        }
        let Some((first, args)) = argv.split_first() else {
            self.problem(
                field,
                value,
                "is empty",
                Some("a program and its arguments: [\"node\", \"server.js\"]".into()),
            );
            return None;
        };
        let Some(written) = first.to_str().map(str::to_owned) else {
            self.problem(field, &words[0], "is a program whose name is not UTF-8", None);
            return None;
        };
        let base = self.base.clone();
        match program::find(&written, &base, folders) {
            Ok(program) => Some(Exec::Command { program, written, args: args.to_vec() }),
            Err((reason, hint)) => {
                let shown = Value::text(written, words[0].place.clone());
                self.problem(field, &shown, reason, hint);
                None
            }
        }
    }

    fn argument(&mut self, field: &str, word: &Value) -> Option<OsString> {
        let text = match &word.kind {
            Kind::Str(text) => OsString::from(self.expand.text(text)),
            Kind::Os(text) => self.expand.os(text),
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) | Kind::Date(_) => {
                let hint = format!("\"{}\", in quotes", word.shown());
                self.problem(field, word, format!("is {}, an argument is a string", word.type_word()), Some(hint));
                return None;
            }
            Kind::Array(_) | Kind::Table(_) => {
                self.expected(field, word, "a string");
                return None;
            }
        };
        let bytes = text.as_encoded_bytes();
        if bytes.contains(&0) {
            self.problem(field, word, "contains a NUL byte, which no program can be given", None);
            return None;
        }
        if bytes.len() > LONGEST_ARGUMENT {
            let reason = format!("has {} bytes, an argument has at most {LONGEST_ARGUMENT}", bytes.len());
            self.problem(field, word, reason, None);
            return None;
        }
        Some(text)
    }
}
