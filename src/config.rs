//! What a user has set for all of svc: `$XDG_CONFIG_HOME/svc/config.toml`; for the machine `/etc/svc/config.toml`.

use crate::backend::Scope;
use crate::definition::suggest::did_you_mean;
use crate::env::Environment;
use crate::error::{Error, ErrorCode, io_reason};
use std::path::{Path, PathBuf};

/// Tasks that run at once, unless the file says otherwise.
const PARALLEL: usize = 10;
/// Records of tasks that are kept, unless the file says otherwise.
const KEPT: usize = 100_000;
/// Days that they are kept.
const DAYS: u32 = 90;

/// The keys, and what each takes.
const KEYS: [(&str, i64, i64); 3] =
    [("max_parallel_tasks", 1, 100_000), ("keep_tasks", 0, 10_000_000), ("keep_tasks_days", 0, 36_500)];

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `max_parallel_tasks`: tasks that run at once, of all projects.
    pub max_parallel_tasks: usize,
    /// `keep_tasks`: records of tasks that are over and are kept; the oldest go first.
    pub keep_tasks: usize,
    /// `keep_tasks_days`: days that they are kept.
    pub keep_tasks_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_parallel_tasks: PARALLEL, keep_tasks: KEPT, keep_tasks_days: DAYS }
    }
}

impl Config {
    /// Where it lies.
    pub fn path(scope: Scope, environment: &Environment) -> PathBuf {
        match scope {
            Scope::User => environment.config_home().join("svc/config.toml"),
            Scope::System => "/etc/svc/config.toml".into(),
        }
    }

    /// The file's, with defaults for what it does not say.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = match std::fs::read_to_string(path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(|cause| {
                Error::new(ErrorCode::Invalid, format!("can't read `{}`: {}", path.display(), io_reason(&cause)))
            })?,
        };
        Self::parse(&text).map_err(|(reason, hint)| {
            let error = Error::new(ErrorCode::Invalid, format!("{}: {reason}", path.display()));
            hint.map_or(error.clone(), |hint| error.hint(hint))
        })
    }

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            (format!("line {line}: {}", error.message()), None)
        })?;
        let mut config = Self::default();
        for (key, value) in &table {
            let Some((_, least, most)) = KEYS.iter().find(|(known, ..)| known == key) else {
                let hint = did_you_mean(key, KEYS.iter().map(|(key, ..)| *key));
                return Err((format!("`{}` is no setting", key.escape_debug()), hint));
            };
            let number = value.as_integer().filter(|number| (least..=most).contains(&number));
            let number =
                number.ok_or_else(|| (format!("`{key}` is not a whole number from {least} to {most}"), None))?;
            let number = usize::try_from(number).unwrap_or(0);
            match key.as_str() {
                "max_parallel_tasks" => config.max_parallel_tasks = number,
                "keep_tasks" => config.keep_tasks = number,
                _ => config.keep_tasks_days = u32::try_from(number).unwrap_or(u32::MAX),
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_counts_and_the_rest_is_as_ever() {
        let config = Config::parse("max_parallel_tasks = 3\nkeep_tasks_days = 7\n").expect("valid");
        assert_eq!(config, Config { max_parallel_tasks: 3, keep_tasks: KEPT, keep_tasks_days: 7 });
        assert_eq!(Config::read(Path::new("/nowhere/config.toml")).expect("none"), Config::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| Config::parse(text).expect_err("wrong");
        assert_eq!(
            wrong("max_paralel_tasks = 3"),
            ("`max_paralel_tasks` is no setting".into(), Some("did you mean `max_parallel_tasks`?".into()))
        );
        assert_eq!(wrong("max_parallel_tasks = 0").0, "`max_parallel_tasks` is not a whole number from 1 to 100000");
        assert_eq!(
            wrong("max_parallel_tasks = \"3\"").0,
            "`max_parallel_tasks` is not a whole number from 1 to 100000"
        );
        assert!(wrong("\nx = = 3").0.starts_with("line 2: "), "{}", wrong("\nx = = 3").0);
    }
}
