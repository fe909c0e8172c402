//! The template and what goes into it. A hole takes an [`XmlText`] and nothing else.

use super::fragment::Fragment;
use super::own::Own;
use super::xml::{Comment, Str, Word, XmlText};
use askama::Template;
use plist::{Dictionary, Value};

#[allow(
    clippy::inline_always,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    unreachable_pub,
    reason = "the shape askama asks of a filter"
)]
mod filters {
    use super::XmlText;

    /// The only filter of the template: takes nothing that was not escaped or refused.
    #[askama::filter_fn]
    pub(super) fn xml<T: XmlText>(text: T, _: &dyn askama::Values) -> askama::Result<T> {
        Ok(text)
    }
}

/// `LABEL.plist`
#[derive(Debug, Template)]
#[template(path = "launchd/agent.plist", escape = "none")]
pub(super) struct Agent {
    pub(super) head: Head,
    pub(super) label: Str,
    /// The first is an absolute path.
    pub(super) arguments: Vec<Str>,
    pub(super) user: Option<Str>,
    /// None: `/`.
    pub(super) working_dir: Option<Str>,
    /// Sorted by name.
    pub(super) environment: Vec<(Str, Str)>,
    pub(super) disabled: bool,
    pub(super) times: Times,
    pub(super) keep_alive: KeepAlive,
    /// Seconds between two starts, at least 1: launchd ignores 0.
    pub(super) throttle: u32,
    /// Seconds, at least 1: 0 would be for ever.
    pub(super) exit_timeout: u32,
    pub(super) log: Str,
    /// Of 0o777; a property list says it in decimal.
    pub(super) umask: Option<u16>,
    pub(super) nice: Option<i8>,
    pub(super) limits: Limits,
    /// Empty for a daemon.
    pub(super) sessions: Vec<Word>,
    pub(super) own: Vec<Own>,
    /// The signal that `svc reload` has launchd send.
    pub(super) reload: Option<Word>,
}

/// What the file says of itself.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) definition: Comment,
    pub(super) description: Option<Comment>,
    pub(super) name: Comment,
}

/// When it is started by launchd itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Times {
    /// As soon as it is loaded.
    Always,
    /// Every so many seconds.
    Every(u32),
    /// At these times: an entry of its calendar, or a list of them.
    Calendar(Fragment),
}

/// When it is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeepAlive {
    /// After any end.
    Always,
    /// After an end other than exit code 0.
    OnFailure,
    /// After none.
    Never,
}

/// setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Limits {
    pub(super) files: Option<u64>,
    pub(super) tasks: Option<u64>,
}

impl Limits {
    /// The keys that hold them.
    fn kinds(self) -> &'static [Word] {
        if self == Self::default() { &[] } else { &[Word("SoftResourceLimits"), Word("HardResourceLimits")] }
    }
}

impl Agent {
    /// What a reader of the file is to find in it.
    pub(super) fn meant(&self) -> Dictionary {
        let text = |text: &Str| Value::String(text.raw().to_owned());
        let words = |words: &[Word]| Value::Array(words.iter().map(|word| Value::String(word.0.to_owned())).collect());
        let mut all = Dictionary::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                all.insert(key.to_owned(), value);
            }
        };
        put("Label", Some(text(&self.label)));
        put("ProgramArguments", Some(Value::Array(self.arguments.iter().map(text).collect())));
        put("UserName", self.user.as_ref().map(text));
        put("WorkingDirectory", self.working_dir.as_ref().map(text));
        let environment: Dictionary =
            self.environment.iter().map(|(name, value)| (name.raw().to_owned(), text(value))).collect();
        put("EnvironmentVariables", (!environment.is_empty()).then_some(Value::Dictionary(environment)));
        put("Disabled", self.disabled.then_some(Value::Boolean(true)));
        match &self.times {
            Times::Always => put("RunAtLoad", Some(Value::Boolean(true))),
            Times::Every(seconds) => put("StartInterval", Some((*seconds).into())),
            Times::Calendar(times) => put("StartCalendarInterval", Some(times.value().clone())),
        }
        put(
            "KeepAlive",
            match self.keep_alive {
                KeepAlive::Always => Some(Value::Boolean(true)),
                KeepAlive::OnFailure => Some(Value::Dictionary(
                    [("SuccessfulExit".to_owned(), Value::Boolean(false))].into_iter().collect(),
                )),
                KeepAlive::Never => None,
            },
        );
        put("ThrottleInterval", Some(self.throttle.into()));
        put("ExitTimeOut", Some(self.exit_timeout.into()));
        put("StandardOutPath", Some(text(&self.log)));
        put("StandardErrorPath", Some(text(&self.log)));
        put("Umask", self.umask.map(|mask| u32::from(mask).into()));
        put("Nice", self.nice.map(|nice| i32::from(nice).into()));
        let limits = [("NumberOfFiles", self.limits.files), ("NumberOfProcesses", self.limits.tasks)];
        let limits: Dictionary =
            limits.into_iter().filter_map(|(key, figure)| Some((key.to_owned(), Value::from(figure?)))).collect();
        for kind in self.limits.kinds() {
            put(kind.0, Some(Value::Dictionary(limits.clone())));
        }
        put("LimitLoadToSessionType", (!self.sessions.is_empty()).then(|| words(&self.sessions)));
        for own in &self.own {
            put(own.key.raw(), Some(own.value.value().clone()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The compiler refuses a raw `String` in a hole with the filter; this finds a hole without.
    #[test]
    fn every_hole_names_its_filter() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/launchd/agent.plist");
        let text = std::fs::read_to_string(path).expect("the template is there");
        let holes: Vec<&str> =
            text.split("{{").skip(1).map(|hole| hole.split("}}").next().unwrap_or_default().trim()).collect();
        assert!(holes.len() > 20, "only {} holes found", holes.len());
        assert!(holes.iter().all(|hole| hole.ends_with("|xml")), "{holes:?}");
    }
}
