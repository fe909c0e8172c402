//! Text of a definition: descriptions, names and values of the environment.

use std::ffi::{OsStr, OsString};

/// One line of text without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Refuses control characters (line ends too) and bidirectional controls; the error is the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.chars().find(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')) {
            Some(c) => Err(format!("contains the control character {c:?}")),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a variable: `[A-Za-z_][A-Za-z0-9_]*` on every backend (quoting-facts §12).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnvName(String);

impl EnvName {
    /// Checks the rule; the error is the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut chars = text.chars();
        let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            Ok(Self(text.to_owned()))
        } else {
            Err("a variable's name has letters, digits and `_`, the first no digit".into())
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the variable looks like a secret by its name (safety §3.4).
    pub fn looks_secret(&self) -> bool {
        let upper = self.0.to_ascii_uppercase();
        [
            "TOKEN",
            "SECRET",
            "PASSWORD",
            "PASSWD",
            "PASSPHRASE",
            "API_KEY",
            "APIKEY",
            "ACCESS_KEY",
            "PRIVATE_KEY",
            "CREDENTIAL",
        ]
        .iter()
        .any(|word| upper.contains(word))
    }
}

/// The value of a variable: any bytes but NUL.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvValue(OsString);

impl EnvValue {
    /// Refuses NUL; the error is the reason.
    pub fn new(value: impl Into<OsString>) -> Result<Self, String> {
        let value = value.into();
        if value.as_encoded_bytes().contains(&0) {
            return Err("contains a NUL byte, which no program can be given".into());
        }
        Ok(Self(value))
    }

    /// The value. Never put it into a message.
    pub fn expose(&self) -> &OsStr {
        &self.0
    }
}

/// Never shows the value: it may be a secret.
impl std::fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
