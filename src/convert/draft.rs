//! A manifest in the making.

use crate::report::Note;
use crate::service::name::MAX_NAME;
use crate::service::{Field, Name};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// What a conversion has so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) project: Option<String>,
    /// Comment lines at the top, without `#`.
    pub(crate) head: Vec<String>,
    pub(crate) services: Vec<Entry>,
    pub(crate) notes: Vec<Note>,
}

/// One service of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Comment lines above it, without `#`.
    pub(crate) comments: Vec<String>,
    fields: BTreeMap<Field, Value>,
    /// Fields below it as comments, to be taken in.
    suggested: Vec<Field>,
}

impl Draft {
    /// Shows these fields as comments, once, in the first service, where it does not have them.
    pub(crate) fn suggest(&mut self, fields: &[Field]) {
        if let Some(first) = self.services.first_mut() {
            first.suggested = fields.iter().copied().filter(|field| !first.fields.contains_key(field)).collect();
        }
    }

    /// Adds a service; its name is made different from those that are there.
    pub(crate) fn add(&mut self, mut entry: Entry) {
        let taken = |name: &str| self.services.iter().any(|one| one.name == name);
        if taken(&entry.name) {
            let free = (2..=self.services.len() + 2).map(|n| format!("{}-{n}", entry.name)).find(|name| !taken(name));
            entry.name = free.unwrap_or_default();
        }
        self.services.push(entry);
    }

    /// The manifest.
    pub(crate) fn text(&self) -> String {
        let mut text = comments(&self.head);
        if let Some(project) = &self.project {
            text.push_str(&format!("\nproject = {}\n", Value::from(project.clone())));
        }
        for entry in &self.services {
            text.push('\n');
            text.push_str(&comments(&entry.comments));
            text.push_str(&format!("[service.{}]\n", key(&entry.name)));
            for (field, value) in &entry.fields {
                text.push_str(&format!("{} = {value}\n", field.key()));
            }
            for field in &entry.suggested {
                let example = field.example().lines().next().unwrap_or_default();
                text.push_str(&format!("# {example:<40} # {}\n", field.doc()));
            }
        }
        text
    }
}

fn comments(lines: &[String]) -> String {
    let harmless = |line: &String| line.replace(char::is_control, " ");
    lines.iter().map(|line| format!("# {}", harmless(line)).trim_end().to_owned() + "\n").collect()
}

/// A key of TOML, in quotes where it needs them.
fn key(text: &str) -> String {
    let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { text.to_owned() } else { Value::from(text).to_string() }
}

impl Entry {
    /// A service of the name that is most like `name`.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: valid_name(name), ..Self::default() }
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, field: Field, value: impl Into<Value>) {
        self.fields.insert(field, value.into());
    }

    /// The field's value, if it is set.
    pub(crate) fn get(&self, field: Field) -> Option<&Value> {
        self.fields.get(&field)
    }

    /// Unsets a field.
    pub(crate) fn remove(&mut self, field: Field) {
        self.fields.remove(&field);
    }

    /// Adds to a field that is a list.
    pub(crate) fn push(&mut self, field: Field, value: impl Into<Value>) {
        let list = self.fields.entry(field).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(items) = list {
            items.push(value.into());
        }
    }

    /// Sets a key of a field that is a table.
    pub(crate) fn set_key(&mut self, field: Field, key: &str, value: impl Into<Value>) {
        if let Value::Table(table) = self.fields.entry(field).or_insert_with(|| Value::Table(Table::new())) {
            table.insert(key.to_owned(), value.into());
        }
    }

    /// Adds a line for the unit file as it is; whether it can be one.
    pub(crate) fn unit_line(&mut self, section: &str, key: &str, value: &str) -> bool {
        let mut tried = crate::service::PassThrough::default();
        if tried.add(section, key, value).is_err() {
            return false;
        }
        let all = self.fields.entry(Field::Systemd).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(sections) = all else { return false };
        let keys = sections.entry(section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(keys) = keys else { return false };
        match keys.get_mut(key) {
            Some(Value::Array(many)) => many.push(value.into()),
            Some(one) => *one = Value::Array(vec![one.clone(), value.into()]),
            None => drop(keys.insert(key.to_owned(), value.into())),
        }
        true
    }

    /// The command as words.
    pub(crate) fn command(&mut self, words: Vec<String>) {
        self.set(Field::Command, words.into_iter().map(Value::from).collect::<Vec<_>>());
    }
}

/// A value of a property list, where TOML has such a one.
pub(crate) fn from_plist(value: &plist::Value) -> Option<Value> {
    Some(match value {
        plist::Value::String(text) => text.clone().into(),
        plist::Value::Boolean(flag) => (*flag).into(),
        plist::Value::Integer(number) => number.as_signed()?.into(),
        plist::Value::Real(number) => (*number).into(),
        plist::Value::Array(all) => Value::Array(all.iter().map(from_plist).collect::<Option<_>>()?),
        plist::Value::Dictionary(all) => {
            Value::Table(all.iter().map(|(key, value)| Some((key.clone(), from_plist(value)?))).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The valid name that is most like `text`.
pub(crate) fn valid_name(text: &str) -> String {
    let mut name = String::new();
    for c in text.trim().chars() {
        let c = if c.is_ascii_alphanumeric() || "_.@-".contains(c) { c } else { '-' };
        let fits = if name.is_empty() { c.is_ascii_alphanumeric() } else { !(c == '.' && name.ends_with('.')) };
        if fits && name.len() < MAX_NAME - 10 {
            name.push(c);
        }
    }
    let name = name.trim_end_matches(['@', '-']);
    if Name::parse(name).is_ok() { name.to_owned() } else { "service".to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_draft_is_a_manifest() {
        let mut draft = Draft { project: Some("p\"".into()), head: vec!["a\nb".into()], ..Draft::default() };
        let mut entry = Entry::new("web@x");
        entry.set(Field::Restart, "always");
        entry.command(vec!["/bin/a b".into(), "\n\"".into()]);
        entry.set_key(Field::Env, "A", "x");
        assert!(entry.unit_line("Service", "After", "a") && entry.unit_line("Service", "After", "b"));
        assert!(!entry.unit_line("Service", "A", "b\\") && !entry.unit_line("Socket", "A", "b"));
        draft.add(entry.clone());
        draft.add(entry);
        let table: Table = draft.text().parse().unwrap();
        assert_eq!(table["project"].as_str(), Some("p\""));
        let one = &table["service"]["web@x"];
        assert_eq!(one["command"][1].as_str(), Some("\n\""));
        assert_eq!(one["systemd"]["Service"]["After"].as_array().unwrap().len(), 2);
        assert_eq!(table["service"]["web@x-2"], *one);
        assert!(draft.text().starts_with("# a b\n"));
    }

    proptest! {
        #[test]
        fn every_name_becomes_a_valid_one(text in any::<String>()) {
            prop_assert!(Name::parse(&valid_name(&text)).is_ok());
        }
    }
}
