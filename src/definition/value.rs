//! A value with its place, from a manifest or a flag.

use super::problem::{Place, Problem};
use std::ffi::OsString;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Str(String),
    /// An argument of the command line that is not UTF-8.
    Os(OsString),
    Int(i64),
    Float(f64),
    Bool(bool),
    Date(String),
    Array(Vec<Value>),
    Table(Vec<(Key, Value)>),
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
}

/// A key and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

impl Value {
    pub(crate) fn new(kind: Kind, place: Place) -> Self {
        Self { kind, place }
    }

    pub(crate) fn text(text: impl Into<String>, place: Place) -> Self {
        Self::new(Kind::Str(text.into()), place)
    }

    /// `OsString`s of the command line: text where it is UTF-8.
    pub(crate) fn os(text: OsString, place: Place) -> Self {
        Self::new(text.into_string().map_or_else(Kind::Os, Kind::Str), place)
    }

    /// What it is, for messages.
    pub(crate) fn type_word(&self) -> &'static str {
        match self.kind {
            Kind::Str(_) | Kind::Os(_) => "a string",
            Kind::Int(_) => "an integer",
            Kind::Float(_) => "a number with a point",
            Kind::Bool(_) => "true or false",
            Kind::Date(_) => "a date",
            Kind::Array(_) => "an array",
            Kind::Table(_) => "a table",
        }
    }

    /// As a person would write it, for messages.
    pub(crate) fn shown(&self) -> String {
        match &self.kind {
            Kind::Str(text) | Kind::Date(text) => text.clone(),
            Kind::Os(text) => text.to_string_lossy().into_owned(),
            Kind::Int(number) => number.to_string(),
            Kind::Float(number) => number.to_string(),
            Kind::Bool(value) => value.to_string(),
            Kind::Array(_) => "[…]".into(),
            Kind::Table(_) => "{…}".into(),
        }
    }
}

/// Turns byte offsets of a text into places.
pub(crate) struct Places<'a> {
    file: &'a Path,
    text: &'a str,
    /// Offset of each line.
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(file: &'a Path, text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { file, text, lines: std::iter::once(0).chain(ends).collect() }
    }

    pub(crate) fn at(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines[line - 1];
        let column = self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        Place::File { file: self.file.to_owned(), line, column }
    }
}

/// Reads TOML: the tree of what could be read, every key that stands there twice, and the first other error.
pub(crate) fn read(text: &str, places: &Places<'_>) -> (Vec<(Key, Value)>, Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = Vec::new();
    let mut broken = false;
    for error in &errors {
        let place = error.span().map_or(Place::Unknown, |span| places.at(span.start));
        let message = error.message();
        if message.contains("duplicate key") {
            problems.push(Problem::new("this key stands here twice").at(place));
        } else if !broken {
            // what the parser says after this follows from it, more often than not
            broken = true;
            let mut problem = Problem::new(message).at(place);
            if message.contains("array") {
                problem.hint = Some("is the `]` of an array before it missing?".to_owned());
            }
            problems.push(problem);
        }
    }
    (table_of(table.get_ref(), places), problems)
}

fn table_of(table: &DeTable<'_>, places: &Places<'_>) -> Vec<(Key, Value)> {
    let mut entries: Vec<(usize, (Key, Value))> = table
        .iter()
        .map(|(key, value)| {
            let offset = key.span().start;
            (offset, (Key { text: key.get_ref().to_string(), place: places.at(offset) }, value_of(value, places)))
        })
        .collect();
    entries.sort_by_key(|(offset, _)| *offset);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn value_of(value: &Spanned<DeValue<'_>>, places: &Places<'_>) -> Value {
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Str(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Kind::Str(number.as_str().to_owned()), Kind::Int),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Kind::Str(number.as_str().to_owned()), Kind::Float)
        }
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(date) => Kind::Date(date.to_string()),
        DeValue::Array(items) => Kind::Array(items.iter().map(|item| value_of(item, places)).collect()),
        DeValue::Table(table) => Kind::Table(table_of(table, places)),
    };
    Value::new(kind, places.at(value.span().start))
}
