//! What is wrong with a definition: always with its place, always all at once, always exit 2.

use crate::service::Name;
use std::fmt;
use std::path::PathBuf;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a manifest.
    File {
        /// As shown to the person.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// On the command line, e.g. `--restart-delay`.
    Flag(String),
    /// Nowhere in particular.
    Unknown,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Of which service, if of one.
    pub service: Option<String>,
    /// Key path, e.g. `restart_delay` or `env.TOKEN`.
    pub field: Option<String>,
    /// The offending value, escaped; never of the environment.
    pub value: Option<String>,
    /// Why it is wrong, e.g. `is not a duration`.
    pub reason: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a place.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { place: Place::Unknown, service: None, field: None, value: None, reason: reason.into(), hint: None }
    }

    /// With its place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// What is wrong, without where: for a message that names the service itself.
    pub fn reason_with_field(&self) -> String {
        Self { place: Place::Unknown, service: None, ..self.clone() }.to_string()
    }

    /// Of this service.
    #[must_use]
    pub fn of(mut self, service: &Name) -> Self {
        self.service = Some(service.as_str().to_owned());
        self
    }

    /// In this field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// With the value, which is escaped and shortened here.
    #[must_use]
    pub fn value(mut self, value: &str) -> Self {
        let shown: String = value.chars().take(120).flat_map(char::escape_debug).collect();
        self.value = Some(if value.chars().count() > 120 { format!("{shown}…") } else { shown });
        self
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `svc.toml:14:17: service `web`: `restart_delay`: "fast" is not a duration`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { file, line, column } => write!(f, "{}:{line}:{column}: ", file.display())?,
            Place::Flag(flag) => write!(f, "{flag}: ")?,
            Place::Unknown => {}
        }
        if let Some(service) = &self.service {
            write!(f, "service `{service}`: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "`{field}`: ")?;
        }
        if let Some(value) = &self.value {
            write!(f, "\"{value}\" ")?;
        }
        f.write_str(&self.reason)
    }
}
