//! What values a field takes: for the schema and the manual. How a value is read is
//! [`crate::definition`]'s; a test holds the two together.

use super::field::toml_value;

/// The values that a field, or a key of its table, takes.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A string.
    Text,
    /// A string, which is split like a shell would, or an array of strings.
    Command,
    /// A string or an array of strings.
    List,
    /// An array of strings or whole numbers, one at least.
    Instances,
    /// A path, relative to the folder of the manifest.
    Path,
    /// One of a few words.
    Words(fn() -> Vec<&'static str>),
    /// The name of a signal.
    Signal,
    /// A time, 0 too.
    Duration,
    /// A time that is not 0.
    Span,
    /// Bytes.
    Size,
    /// A share of one core.
    Percent,
    /// So many within a time.
    Rate,
    /// An octal mask.
    Mask,
    /// A whole number from one to the other.
    Integer(i64, i64),
    /// True or false.
    Flag,
    /// `HOST:PORT`.
    Address,
    /// A URL that begins with `http://`.
    Url,
    /// Variables and their values.
    Variables,
    /// A table of these keys.
    Table(&'static [Key]),
    /// One of a few words, or a table of exactly one of these keys.
    WordOrOneOf(&'static [&'static str], &'static [Key]),
    /// Sections of a unit file, their keys and values.
    Sections,
    /// A table of anything.
    Anything,
}

impl Shape {
    /// In which unit and base its values are written; none where there is nothing to say.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Self::Duration | Self::Span => {
                Some("a time, a number with its unit: `500ms`, `1s`, `2m`, `1h 30m`, `1d`, `1w`")
            }
            Self::Size => Some("bytes, or a number with its unit, in powers of 1024: `512K`, `512M`, `2G`"),
            Self::Percent => Some("percent of one core: `50%`; `200%` is two cores"),
            Self::Rate => Some("lines within a second, a minute or an hour: `1000/s`, `600/m`, `5000/h`"),
            Self::Mask => Some("an octal number in quotes"),
            Self::Integer(..) => Some("a whole number"),
            Self::Text
            | Self::Command
            | Self::List
            | Self::Instances
            | Self::Path
            | Self::Words(_)
            | Self::Signal
            | Self::Flag
            | Self::Address
            | Self::Url
            | Self::Variables
            | Self::Table(_)
            | Self::WordOrOneOf(..)
            | Self::Sections
            | Self::Anything => None,
        }
    }
}

/// A key of a field's table, e.g. `max_size` of `logs`.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What values it takes.
    pub shape: Shape,
    /// What it means, in one line.
    pub doc: &'static str,
    /// What holds without it: a value as TOML, or words that are no TOML.
    pub default_text: &'static str,
}

impl Key {
    /// What holds without it, where that is a value.
    pub fn default_value(&self) -> Option<toml::Value> {
        toml_value(self.default_text)
    }
}

/// The words of these values.
pub(super) fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|one| word(*one)).collect()
}

/// The keys of the fields that are tables.
pub(super) mod keys {
    use super::{Key, Shape, words};
    use crate::service::health::Verdict;

    const fn key(name: &'static str, shape: Shape, doc: &'static str, default_text: &'static str) -> Key {
        Key { name, shape, doc, default_text }
    }

    pub(in crate::service) const RESTART_LIMIT: &[Key] = &[
        key("count", Shape::Integer(1, 1_000_000), "so many starts", "5"),
        key("within", Shape::Span, "within this time", "\"10m\""),
    ];

    pub(in crate::service) const READY: &[Key] = &[
        key("tcp", Shape::Address, "something listens at this `HOST:PORT`", "none"),
        key("http", Shape::Url, "a GET of this URL answers with a 2xx", "none"),
        key("log", Shape::Text, "a line of its output matches this regular expression", "none"),
    ];

    pub(in crate::service) const ON_FAILURE: &[Key] = &[
        key("command", Shape::Command, "this is run", "none"),
        key("desktop", Shape::Flag, "a notification is shown on the desktop", "false"),
    ];

    pub(in crate::service) const HEALTH: &[Key] = &[
        key("tcp", Shape::Address, "healthy while something listens at this `HOST:PORT`", "none"),
        key("http", Shape::Url, "healthy while a GET of this URL answers with 200 to 399, or as is asked for", "none"),
        key("status", Shape::Integer(100, 599), "beside `http`: the code that it must answer with", "none"),
        key("body", Shape::Text, "beside `http`: a regular expression that its body must match", "none"),
        key("command", Shape::Command, "healthy while this exits with 0", "none"),
        key("interval", Shape::Span, "between two checks", "\"30s\""),
        key("timeout", Shape::Span, "for one check", "\"3s\""),
        key("retries", Shape::Integer(1, 1000), "failures in a row until it counts", "3"),
        key("grace", Shape::Duration, "failures so soon after the start do not count", "\"10s\""),
        key("on_failure", Shape::Words(|| words(&Verdict::ALL, Verdict::word)), "what happens then", "\"restart\""),
    ];

    pub(in crate::service) const LOGS: &[Key] = &[
        key("file", Shape::Path, "the file; svc makes it, mode 0640, and its folder, mode 0750", "none"),
        key("max_size", Shape::Size, "a file this large is rotated", "none"),
        key("keep", Shape::Integer(0, 10_000), "so many rotated files stay", "5"),
        key("keep_days", Shape::Integer(1, 100_000), "rotated files this old go, in days", "none"),
        key("timestamps", Shape::Flag, "each line begins with its time", "false"),
        key("compress", Shape::Flag, "rotated files become `NAME.N.gz`", "false"),
        key("rate_limit", Shape::Rate, "lines beyond this are left out, and counted in the log", "none: none is"),
    ];

    pub(in crate::service) const LIMITS: &[Key] = &[
        key("memory", Shape::Size, "more, and it is killed", "none"),
        key("cpu", Shape::Percent, "more it does not get", "none"),
        key("tasks", Shape::Integer(1, 4_194_304), "processes and threads", "none"),
        key("files", Shape::Integer(1, 1_073_741_816), "open files of each process", "none"),
    ];

    pub(in crate::service) const UPDATE: &[Key] = &[
        key("branch", Shape::Text, "the branch that is followed", "none: it must be there"),
        key("interval", Shape::Span, "between two looks", "\"5m\""),
        key("build", Shape::List, "run after new commits", "none"),
        key("on_failure", Shape::Words(|| vec!["rollback", "report"]), "when build or start fails", "\"rollback\""),
        key("staged", Shape::Flag, "build in a second worktree first", "false"),
    ];
}
