//! What a task is, and what never changes of it: one line of JSON in the file of texts.

use super::store::Store;
use crate::engine::job::{Bytes, Job, Millis};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What comes before its number in the name of its job, which no service can have.
const PREFIX: &str = "task:";
/// The first pause before a failed one is tried again; it doubles.
const FIRST_PAUSE: i64 = 1_000;
/// The longest such pause, milliseconds.
const LONGEST_PAUSE: i64 = 5 * 60 * 1_000;

/// One task as it was submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Its name, a [`crate::service::Name`].
    pub name: String,
    /// The name was given to it by a person: no other live one may have it.
    #[serde(default)]
    pub named: bool,
    /// The project it was submitted for.
    #[serde(default)]
    pub project: Option<String>,
    /// What is run. Its name and its log are those of its number: see [`Spec::job`].
    pub job: Job,
    /// The log was chosen by a person.
    #[serde(default)]
    pub own_log: bool,
    /// Starts only when this one has completed.
    #[serde(default)]
    pub after: Option<u64>,
    /// Milliseconds after it was submitted.
    #[serde(default = "zero")]
    pub delay: Millis,
    /// Times that it is started again after a failure.
    #[serde(default)]
    pub retries: u16,
    /// Higher ones start first.
    #[serde(default)]
    pub priority: i16,
    /// Milliseconds between SIGTERM and SIGKILL.
    pub grace: u32,
    /// Runs when it is over, with `SVC_TASK_STATE` and others.
    #[serde(default)]
    pub on_exit: Option<Vec<Bytes>>,
    /// A notification on the desktop when it is over.
    #[serde(default)]
    pub desktop: bool,
    /// Tasks of its project that may run at once.
    #[serde(default)]
    pub project_limit: u16,
    /// The one that this one is tried again for.
    #[serde(default)]
    pub retry_of: Option<u64>,
}

fn zero() -> Millis {
    Millis(0)
}

impl Spec {
    /// What its manager runs.
    pub fn job(&self, id: u64, store: &Store) -> Job {
        let mut job = self.job.clone();
        job.name = unit(id);
        job.log.file = self.log(store.log(id)).into_os_string().into();
        job.env.insert(STORE.into(), store.folder.as_os_str().into());
        job.env.insert(VARIABLE.into(), id.to_string().as_str().into());
        job.stop_timeout = Millis(self.grace.into());
        job
    }

    /// Its log.
    pub fn log(&self, default: PathBuf) -> PathBuf {
        if self.own_log { self.job.log.file.as_path().to_owned() } else { default }
    }

    /// What it runs, as a person would type it.
    pub fn command(&self) -> String {
        let words: Vec<_> = self.job.argv.iter().map(|word| word.as_os().to_string_lossy()).collect();
        shell_words::join(words.iter().map(AsRef::as_ref))
    }
}

/// The variable in the environment of a task that says which one it is.
pub const VARIABLE: &str = "SVC_TASK";

/// The variable that says where its record lies.
pub const STORE: &str = "SVC_TASKS";

/// The name of a task's job.
pub fn unit(id: u64) -> String {
    format!("{PREFIX}{id}")
}

/// The number of the task of a job; `None`: the job is a service's.
pub fn id_of(unit: &str) -> Option<u64> {
    unit.strip_prefix(PREFIX)?.parse().ok()
}

/// Milliseconds before one that has failed so many times is tried again.
pub fn pause(failures: u32) -> i64 {
    FIRST_PAUSE.checked_shl(failures.saturating_sub(1).min(20)).map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One that runs `true`.
    pub(crate) fn sample(name: &str) -> Spec {
        let job = Job { argv: vec!["/bin/true".into()], ..Job::bare(name, "/dev/null".into()) };
        Spec {
            name: name.into(),
            named: false,
            project: None,
            job,
            own_log: false,
            after: None,
            delay: Millis(0),
            retries: 0,
            priority: 0,
            grace: 5_000,
            on_exit: None,
            desktop: false,
            project_limit: 0,
            retry_of: None,
        }
    }

    #[test]
    fn the_job_of_a_task_has_its_number_and_its_log() {
        let spec = sample("scan");
        let job = spec.job(42, &Store::at("/x".into()));
        assert_eq!((job.name.as_str(), job.log.file.as_path().to_str()), ("task:42", Some("/x/logs/42.log")));
        assert_eq!(job.env[VARIABLE], "42".into());
        assert_eq!((id_of("task:42"), id_of("web"), id_of("task:x")), (Some(42), None, None));
        let own = Spec { own_log: true, ..spec };
        assert_eq!(own.job(42, &Store::at("/x".into())).log.file, "/dev/null".into());
        assert!(crate::service::Name::parse("task:42").is_err(), "no service can have such a name");
    }

    #[test]
    fn a_spec_of_any_bytes_comes_back() {
        let mut spec = sample("scan");
        spec.job.argv.push(Bytes(vec![0xff, b'"', b'\n']));
        let text = serde_json::to_string(&spec).expect("written");
        assert_eq!(serde_json::from_str::<Spec>(&text).expect("read"), spec);
    }

    #[test]
    fn pauses_double_to_five_minutes() {
        assert_eq!([1, 2, 3, 9, 10, 60].map(pause), [1_000, 2_000, 4_000, 256_000, 300_000, 300_000]);
    }
}
