//! What can go wrong with an operation, and which exit code it makes (DESIGN §3).

use crate::definition::problem::Problem;
use crate::service::Name;
use serde::Serialize;

/// What a script can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// An operation failed.
    Failed,
    /// Bad usage of the command line.
    Usage,
    /// The definition is invalid, or the backend can't do what it asks for.
    Invalid,
    /// No such service or task.
    NotFound,
    /// The backend is not there.
    Unreachable,
    /// The backend or the system does not permit it.
    NotPermitted,
}

impl ErrorCode {
    /// The exit code of the process.
    pub fn exit(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage | Self::Invalid => 2,
            Self::NotFound => 4,
            Self::Unreachable | Self::NotPermitted => 5,
        }
    }
}

/// A failed operation: what, why, and the next command to type.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The kind.
    pub code: ErrorCode,
    /// Lower case, no full stop, names in backticks.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The service it is about.
    pub service: Option<Name>,
    /// All that is wrong with a definition; empty unless `Invalid`.
    pub problems: Vec<Problem>,
}

impl Error {
    /// An error of this kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, service: None, problems: Vec::new() }
    }

    /// An operation failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Failed, message)
    }

    /// An operation on a file failed: `can't read `/x`: permission denied`.
    pub fn file(doing: &str, path: &std::path::Path, cause: &std::io::Error) -> Self {
        Self::failed(format!("can't {doing} `{}`: {}", path.display(), io_reason(cause)))
    }

    /// The definition is invalid.
    pub fn invalid(problems: Vec<Problem>) -> Self {
        let message = match problems.as_slice() {
            [only] => only.to_string(),
            many => format!("{} problems in the definition", many.len()),
        };
        Self { problems, ..Self::new(ErrorCode::Invalid, message) }
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// About this service.
    #[must_use]
    pub fn of(mut self, service: &Name) -> Self {
        self.service = Some(service.clone());
        self
    }
}

/// The reason of an I/O error in words, without `(os error N)`.
pub fn io_reason(cause: &std::io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
