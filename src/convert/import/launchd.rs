//! Property lists of launchd: launchd.plist(5). Read by the plist crate, XML and binary.

use super::super::at;
use super::super::draft::{Draft, Entry};
use super::times;
use crate::service::Field;
use plist::{Dictionary, Value};

/// More than any property list of a service has; what nests deeper is refused before it is read.
const DEEPEST: usize = 64;

/// A binary one can't be looked at before it is read: this much can't nest so deep that it matters.
const LARGEST_BINARY: usize = 16 * 1024;

/// Reads one property list.
pub(super) fn read(file: &str, bytes: &[u8], draft: &mut Draft) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let is_binary = bytes.starts_with(b"bplist");
    if is_binary && bytes.len() > LARGEST_BINARY {
        return Err(format!(
            "is a binary property list of more than {LARGEST_BINARY} bytes: `plutil -convert xml1` first"
        ));
    }
    if !is_binary && depth(&text) > DEEPEST {
        return Err("nests deeper than any property list of a service".into());
    }
    let value = Value::from_reader(std::io::Cursor::new(bytes))
        .map_err(|error| format!("is not a property list: {}", error.to_string().to_lowercase()))?;
    let Value::Dictionary(keys) = value else { return Err("is a property list, but no dictionary".into()) };
    let label = keys.get("Label").and_then(Value::as_string).unwrap_or_default();
    let name = label.strip_prefix("svc.").unwrap_or(label);
    let name = if name.is_empty() { file.rsplit('/').next().unwrap_or(file).trim_end_matches(".plist") } else { name };
    let mut entry = Entry::new(name);
    entry.comments.push(format!("From {file}."));
    let mut reading = Reading { file, text: &text, entry, keys: &keys, notes: Vec::new() };
    reading.all(label);
    let Reading { entry, notes, .. } = reading;
    draft.notes.extend(notes);
    if entry.get(Field::Command).is_some() {
        draft.add(entry);
    } else {
        draft.notes.push(at(file, 0, None, "has neither `Program` nor `ProgramArguments`: there is nothing to run"));
    }
    Ok(())
}

/// How deep dictionaries and arrays nest.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for part in text.split('<').skip(1) {
        if part.starts_with("dict") || part.starts_with("array") {
            depth += 1;
        } else if part.starts_with("/dict") || part.starts_with("/array") {
            depth = depth.saturating_sub(1);
        }
        deepest = deepest.max(depth);
    }
    deepest
}

struct Reading<'a> {
    file: &'a str,
    text: &'a str,
    entry: Entry,
    keys: &'a Dictionary,
    notes: Vec<crate::report::Note>,
}

impl Reading<'_> {
    fn note(&mut self, key: &str, text: &str) {
        let wanted = format!("<key>{key}</key>");
        let line = self.text.lines().position(|line| line.contains(&wanted)).map_or(0, |line| line + 1);
        self.notes.push(at(self.file, line, Some(&self.entry.name), format!("`{key}` {text}")));
    }

    fn all(&mut self, label: &str) {
        if label != format!("svc.{}", self.entry.name) && !label.is_empty() {
            self.entry.set(Field::Label, label);
        }
        // launchd's own defaults, where svc has others
        self.entry.set(Field::WorkingDir, "/");
        self.entry.set(Field::Path, "minimal");
        self.entry.set(Field::StopTimeout, "20s");
        if !self.keys.contains_key("KeepAlive") {
            self.entry.set(Field::Restart, "never");
        }
        let by_itself = ["RunAtLoad", "KeepAlive", "StartInterval", "StartCalendarInterval"];
        if !by_itself.iter().any(|key| self.keys.get(key).is_some_and(|value| *value != Value::Boolean(false))) {
            self.entry.set(Field::Start, "manual");
        }
        let keys = self.keys;
        for (key, value) in keys {
            if !self.key(key, value) {
                self.through(key, value);
            }
        }
    }

    /// Whether a field says it.
    fn key(&mut self, key: &str, value: &Value) -> bool {
        let text = value.as_string();
        let number = value.as_signed_integer();
        match (key, value, text, number) {
            ("Label" | "RunAtLoad", ..) => true,
            ("Program", ..) => self.keys.contains_key("ProgramArguments") || self.arguments(value),
            ("ProgramArguments", ..) => self.arguments(value),
            ("EnvironmentVariables", Value::Dictionary(all), ..) => {
                for (name, value) in all {
                    match value.as_string() {
                        Some(text) => self.entry.set_key(Field::Env, name, text),
                        None => self.note(key, "has a value that is no string"),
                    }
                }
                true
            }
            ("WorkingDirectory", _, Some(folder), _) => self.put(Field::WorkingDir, folder),
            ("UserName", _, Some(user), _) => self.put(Field::User, user),
            ("KeepAlive", Value::Boolean(always), ..) => {
                self.put(Field::Restart, if *always { "always" } else { "never" })
            }
            ("KeepAlive", Value::Dictionary(when), ..) => {
                if when.get("SuccessfulExit") == Some(&Value::Boolean(false)) {
                    self.entry.set(Field::Restart, "on-failure");
                } else {
                    self.entry.set(Field::Restart, "always");
                }
                if when.keys().any(|key| key != "SuccessfulExit") {
                    self.note(key, "has conditions that svc has no word for");
                }
                true
            }
            ("ThrottleInterval", _, _, Some(seconds)) => {
                let both = [Field::RestartDelay, Field::RestartMaxDelay];
                both.iter().all(|field| self.seconds(*field, seconds))
            }
            ("StartInterval", _, _, Some(seconds)) => {
                self.entry.remove(Field::Restart);
                self.seconds(Field::Every, seconds)
            }
            ("ExitTimeOut", _, _, Some(seconds)) => self.seconds(Field::StopTimeout, seconds),
            ("StartCalendarInterval", ..) => self.calendar(value),
            ("StandardOutPath", _, Some(path), _) => {
                if path != "/dev/null" {
                    self.entry.set_key(Field::Logs, "file", path);
                }
                path != "/dev/null"
            }
            ("StandardErrorPath", ..) => self.keys.get("StandardOutPath") == Some(value),
            ("Nice", _, _, Some(nice)) if (-20..=19).contains(&nice) => self.put(Field::Nice, nice),
            ("Umask", _, _, Some(mask)) if (0..=0o777).contains(&mask) => self.put(Field::Umask, format!("{mask:03o}")),
            ("SoftResourceLimits" | "HardResourceLimits", Value::Dictionary(limits), ..) => {
                let files = limits.get("NumberOfFiles").and_then(Value::as_signed_integer);
                if let Some(files) = files.filter(|files| (1..=1_073_741_816).contains(files)) {
                    self.entry.set_key(Field::Limits, "files", files);
                }
                files.is_some() && limits.len() == 1
            }
            _ => false,
        }
    }

    fn put(&mut self, field: Field, value: impl Into<toml::Value>) -> bool {
        self.entry.set(field, value);
        true
    }

    fn seconds(&mut self, field: Field, seconds: i64) -> bool {
        let Some(seconds) = u32::try_from(seconds).ok().filter(|seconds| *seconds > 0) else { return false };
        times::seconds(f64::from(seconds)).is_some_and(|time| self.put(field, time))
    }

    fn arguments(&mut self, value: &Value) -> bool {
        let words: Option<Vec<String>> = match value {
            Value::Array(all) => all.iter().map(|one| one.as_string().map(str::to_owned)).collect(),
            one => one.as_string().map(|one| vec![one.to_owned()]),
        };
        let Some(mut words) = words.filter(|words| !words.is_empty()) else { return false };
        if let Some(program) = self.keys.get("Program").and_then(Value::as_string)
            && program != words[0]
        {
            self.note("Program", "is not the first of `ProgramArguments`: the program sees its own path as its name");
            program.clone_into(&mut words[0]);
        }
        self.entry.command(words);
        true
    }

    /// One entry as a calendar expression; a second one svc has no word for.
    fn calendar(&mut self, value: &Value) -> bool {
        let first = match value {
            Value::Dictionary(one) => Some(one),
            Value::Array(many) if many.len() == 1 => many[0].as_dictionary(),
            _ => None,
        };
        let Some(schedule) = first.and_then(schedule) else { return false };
        self.entry.remove(Field::Restart);
        self.put(Field::Schedule, schedule)
    }

    fn through(&mut self, key: &str, value: &Value) {
        let passes = crate::backend::launchd::passes_through(key);
        match super::super::draft::from_plist(value).filter(|_| passes) {
            Some(value) => {
                self.entry.set_key(Field::Launchd, key, value);
                self.note(key, "goes through as it is, for launchd only");
            }
            None => self.note(key, "is not carried over"),
        }
    }
}

/// `Mon *-*-* 03:30:00`
fn schedule(entry: &Dictionary) -> Option<String> {
    let figure = |key: &str, from: i64, to: i64| match entry.get(key) {
        None => Some(None),
        Some(value) => value.as_signed_integer().filter(|figure| (from..=to).contains(figure)).map(Some),
    };
    let known = ["Month", "Day", "Weekday", "Hour", "Minute"];
    if entry.keys().any(|key| !known.contains(&key.as_str())) {
        return None;
    }
    let (month, day, hour, minute) =
        (figure("Month", 1, 12)?, figure("Day", 1, 31)?, figure("Hour", 0, 23)?, figure("Minute", 0, 59)?);
    let weekday = figure("Weekday", 0, 7)?;
    if weekday.is_some() && day.is_some() {
        return None; // launchd runs on either
    }
    let shown = |figure: Option<i64>| figure.map_or("*".to_owned(), |figure| format!("{figure:02}"));
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let weekday = weekday.and_then(|day| days.get(usize::try_from(day).ok()?)).map(|day| format!("{day} "));
    Some(format!("{}*-{}-{} {}:{}", weekday.unwrap_or_default(), shown(month), shown(day), shown(hour), shown(minute)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_property_list_becomes_a_service() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>Label</key><string>com.example.web</string>
<key>ProgramArguments</key><array><string>/bin/web</string><string>a b</string></array>
<key>EnvironmentVariables</key><dict><key>A</key><string>x &amp; y</string></dict>
<key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
<key>ThrottleInterval</key><integer>5</integer>
<key>ProcessType</key><string>Background</string>
<key>StandardErrorPath</key><string>/tmp/err</string>
</dict></plist>"#;
        let mut draft = Draft::default();
        read("web.plist", text.as_bytes(), &mut draft).unwrap();
        let table: toml::Table = draft.text().parse().unwrap();
        let web = &table["service"]["com.example.web"];
        assert_eq!(web["command"][1].as_str(), Some("a b"));
        assert_eq!(web["env"]["A"].as_str(), Some("x & y"));
        assert_eq!((web["restart"].as_str(), web["restart_delay"].as_str()), (Some("on-failure"), Some("5s")));
        assert_eq!(web["launchd"]["ProcessType"].as_str(), Some("Background"));
        assert!(draft.notes.iter().any(|note| note.line == Some(9) && note.text.contains("not carried over")));
    }

    #[test]
    fn what_nests_too_deep_is_refused() {
        let refused = |bytes: &[u8]| read("a.plist", bytes, &mut Draft::default()).unwrap_err();
        assert!(refused("<plist>".to_owned().as_bytes()).contains("is not a property list"));
        assert!(refused(format!("<plist>{}", "<array >".repeat(100_000)).as_bytes()).contains("deeper"));
        // arrays in each other, as deep as the size allows
        let count = 3000u16;
        let mut binary = b"bplist00".to_vec();
        (1..=count).for_each(|next| binary.extend([&[0xa1u8][..], &next.to_be_bytes()].concat()));
        binary.push(0x08);
        let table = binary.len() as u64;
        (0..=count).for_each(|at| binary.extend((8 + at * 3).to_be_bytes()));
        binary.extend([0, 0, 0, 0, 0, 0, 2, 2]);
        binary.extend([u64::from(count) + 1, 0, table].iter().flat_map(|number| number.to_be_bytes()));
        assert!(!refused(&binary).is_empty());
        assert!(refused(&[b"bplist00".as_slice(), &[0; LARGEST_BINARY]].concat()).contains("binary"));
    }

    #[test]
    fn calendars() {
        let entry = |pairs: &[(&str, i64)]| {
            schedule(&pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect())
        };
        assert_eq!(entry(&[("Hour", 3), ("Minute", 30)]).unwrap(), "*-*-* 03:30");
        assert_eq!(entry(&[("Weekday", 7), ("Minute", 0)]).unwrap(), "Sun *-*-* *:00");
        assert_eq!(entry(&[("Hour", 24)]), None);
        assert_eq!(entry(&[("Weekday", 1), ("Day", 1)]), None);
    }
}
