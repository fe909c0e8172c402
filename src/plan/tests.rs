//! The transaction over a manager that only remembers what it was asked.

use super::execute::{Options, Plan, Prepared};
use super::reach::Reach;
use super::step::Step;
use crate::backend::progress::Ear;
use crate::backend::{Action, Backend, BackendKind, Claim, Rendered, RenderedFile, Scope, Subject, Support, Verb};
use crate::definition::problem::Problem;
use crate::definition::{Secrets, to_toml};
use crate::error::Error;
use crate::files::owner::seal_toml;
use crate::files::paths::Paths;
use crate::files::record::{Record, read_all};
use crate::report::{Change, Done, Failure, Finding, Observed, Outcome, State, Survival};
use crate::service::sample::{command, sample};
use crate::service::{Field, Name, Service, Start, Text};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::task::{Context, Poll, Waker};

const ALL: Options = Options { start: true, enable: true, force: false };

/// Starts and stops by its memory; a service whose file says `/bin/false` fails to start.
struct Fake {
    folder: tempfile::TempDir,
    paths: Paths,
    takes: Reach,
    up: RefCell<BTreeSet<String>>,
    enabled: RefCell<BTreeSet<String>>,
    asked: RefCell<Vec<String>>,
    ear: Ear,
}

impl Fake {
    fn new(takes: Reach) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { state: folder.path().join("state"), scope: Scope::User };
        Self {
            folder,
            paths,
            takes,
            up: RefCell::default(),
            enabled: RefCell::default(),
            asked: RefCell::default(),
            ear: Ear::default(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("units/{name}"))
    }

    fn act(&self, action: &Action) -> Result<(), Failure> {
        let name = action.subject.name.to_string();
        let text = std::fs::read_to_string(self.file(&name)).unwrap_or_default();
        match action.verb {
            Verb::Enable => _ = self.enabled.borrow_mut().insert(name),
            Verb::Disable => _ = self.enabled.borrow_mut().remove(&name),
            Verb::Stop => _ = self.up.borrow_mut().remove(&name),
            Verb::Start | Verb::Restart if text.contains("/bin/false") => {
                self.up.borrow_mut().remove(&name);
                // and with it what needs it
                let (records, _) = read_all(&self.paths).unwrap();
                let need = records.iter().filter(|record| record.depends_on.contains(&name));
                need.for_each(|record| _ = self.up.borrow_mut().remove(&record.name));
                return Err(Failure { message: "no".into(), hint: None, log: Vec::new(), denied: false });
            }
            Verb::Start | Verb::Restart => _ = self.up.borrow_mut().insert(name),
            Verb::Reload => {}
        }
        Ok(())
    }

    fn prepared(&self, services: &[Service]) -> Vec<Prepared> {
        services.iter().map(|one| Prepared::new(self, Scope::User, one.clone()).unwrap()).collect()
    }

    fn records(&self) -> Vec<Record> {
        read_all(&self.paths).unwrap().0
    }

    /// Carries it out; what the manager was asked for meanwhile.
    fn up(&self, services: &[Service], gone: &[&str]) -> (Vec<Done>, Vec<String>) {
        self.asked.borrow_mut().clear();
        let prepared = self.prepared(services);
        let records = self.records();
        let gone = records.iter().filter(|record| gone.contains(&record.name.as_str())).cloned().collect();
        let plan = now(Plan::make(self, &self.paths, &prepared, &records, ALL)).unwrap().without(gone);
        let done = now(plan.carry_out(self, &self.paths)).unwrap();
        (done, self.asked.take())
    }

    /// What would be done for the one service.
    fn would(&self, service: &Service) -> (Change, Option<String>) {
        let prepared = self.prepared(std::slice::from_ref(service));
        let plan = now(Plan::make(self, &self.paths, &prepared, &self.records(), ALL)).unwrap();
        let step: &Step<'_> = &plan.steps[0];
        (step.change(), step.does())
    }
}

/// None of these waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

impl Backend for Fake {
    fn kind(&self) -> BackendKind {
        BackendKind::Supervisor
    }
    fn ear(&self) -> &Ear {
        &self.ear
    }
    fn support(&self, _: Field) -> Support {
        Support::Native(String::new())
    }
    fn takes_while_running(&self) -> Reach {
        self.takes
    }
    async fn adopt(&self, all: &[crate::backend::Adopted]) -> Result<(), Error> {
        let said = all.iter().map(|one| {
            assert_eq!(one.files, [self.file(one.subject.name.as_str())]);
            format!("adopt {}", one.subject.name)
        });
        self.asked.borrow_mut().extend(said);
        Ok(())
    }
    fn render(&self, service: &Service) -> Result<Rendered, Vec<Problem>> {
        let text = to_toml(service, Secrets::Shown) + "\n";
        let contents = seal_toml(text, service.name.as_str(), "here").unwrap();
        let file = RenderedFile { path: self.file(service.name.as_str()), mode: 0o600, contents };
        Ok(Rendered { files: vec![file], log: None, notes: Vec::new() })
    }
    async fn claims(&self, names: &[Name]) -> Result<Vec<Claim>, Error> {
        Ok(vec![Claim::Free; names.len()])
    }
    async fn load(&self, _: &[Subject]) -> Result<Vec<(Name, String)>, Error> {
        self.asked.borrow_mut().push("load".into());
        Ok(Vec::new())
    }
    async fn complaints(&self, _: &[PathBuf], _: jiff::Timestamp) -> Vec<(PathBuf, String)> {
        Vec::new()
    }
    async fn perform(&self, actions: &[Action]) -> Result<Vec<Outcome>, Error> {
        let all = actions.iter().map(|action| {
            let name = action.subject.name.clone();
            self.asked.borrow_mut().push(format!("{:?} {name}", action.verb).to_lowercase());
            Outcome { name, verb: action.verb, result: self.act(action) }
        });
        Ok(all.collect())
    }
    async fn observe(&self, subjects: &[Subject]) -> Result<Vec<Observed>, Error> {
        let one = |subject: &Subject| {
            let name = subject.name.as_str();
            let up = self.up.borrow().contains(name);
            Observed {
                known: self.file(name).exists(),
                enabled: Some(self.enabled.borrow().contains(name)),
                state: if up { State::Running } else { State::Stopped },
                ..Observed::stopped(subject.name.clone())
            }
        };
        Ok(subjects.iter().map(one).collect())
    }
    async fn survives(&self, _: &Subject) -> Result<Vec<Survival>, Error> {
        Ok(Vec::new())
    }
    async fn outlive_logout(&self, _: bool) -> Result<Option<String>, Error> {
        Ok(None)
    }
    async fn check_machine(&self) -> Vec<Finding> {
        Vec::new()
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(", ").map(str::to_owned).collect()
}

fn needs(mut service: Service, other: &str) -> Service {
    service.depends_on = vec![Name::parse(other).unwrap()];
    service
}

#[test]
fn a_batch_has_one_load_and_a_second_one_asks_for_nothing() {
    let fake = Fake::new(Reach::Manager);
    let all = [sample("a"), sample("b")];
    assert_eq!(fake.up(&all, &[]).1, words("enable a, enable b, load, start a, start b"));
    assert_eq!(fake.up(&all, &[]).1, Vec::<String>::new());
    // one goes, one comes, one changes, one stays: still one load
    let mut changed = sample("a");
    changed.nice = Some(3);
    let asked = fake.up(&[changed, sample("c")], &["b"]).1;
    assert_eq!(asked, words("stop b, disable b, enable a, enable c, load, restart a, start c"));
    assert!(!fake.file("b").exists() && fake.records().len() == 2);
    assert_eq!(fake.up(&[sample("c")], &["a"]).1, words("stop a, disable a, load"));
}

#[test]
fn each_field_restarts_as_far_as_it_reaches() {
    type Edit = fn(&mut Service);
    let description: Edit = |service| service.description = Some(Text::parse("x").unwrap());
    let timeout: Edit = |service| service.stop.timeout *= 2;
    let logs: Edit = |service| service.logs.keep = Some(3);
    let program: Edit = |service| service.exec = command("/bin/true", &[]);
    let (no, yes) = (Some("update"), Some("update and restart"));
    let table =
        [(Reach::Svc, [no, yes, yes, yes]), (Reach::Manager, [no, no, yes, yes]), (Reach::Output, [no, no, no, yes])];
    for (takes, expected) in table {
        let fake = Fake::new(takes);
        fake.up(&[sample("a")], &[]);
        for (edit, expected) in [description, timeout, logs, program].into_iter().zip(expected) {
            let mut service = sample("a");
            edit(&mut service);
            assert_eq!(fake.would(&service), (Change::Changed, expected.map(str::to_owned)), "{takes:?}");
        }
    }
}

#[test]
fn what_runs_on_under_a_new_definition_is_adopted() {
    let fake = Fake::new(Reach::Svc);
    fake.up(&[sample("a")], &[]);
    let mut manual = sample("a");
    manual.start = Start::Manual;
    assert_eq!(fake.up(&[manual.clone()], &[]).1, words("disable a, load, adopt a"));
    // not what has changed more than that, though it is not to be restarted now
    let mut other = manual.clone();
    other.nice = Some(9);
    let prepared = fake.prepared(&[other]);
    let later = Options { start: false, ..ALL };
    now(super::execute::install(&fake, &fake.paths, &prepared, &fake.records(), later)).unwrap();
    assert_eq!(fake.asked.take(), words("load"));
    fake.up(std::slice::from_ref(&manual), &[]);
    // enabled by hand it stays
    fake.enabled.borrow_mut().insert("a".into());
    assert_eq!(fake.would(&manual), (Change::Unchanged, None));
    // stopped it stays; changed while it runs it is restarted
    fake.up.borrow_mut().clear();
    assert_eq!(fake.would(&manual), (Change::Unchanged, None));
    fake.up.borrow_mut().insert("a".into());
    manual.nice = Some(1);
    assert_eq!(fake.would(&manual), (Change::Changed, Some("update and restart".into())));
}

#[test]
fn drift_is_told_from_a_change() {
    let fake = Fake::new(Reach::Manager);
    let a = sample("a");
    fake.up(std::slice::from_ref(&a), &[]);
    let edit = |text: &[u8]| {
        let file = crate::files::atomic::NewFile { path: &fake.file("a"), contents: text, mode: 0o600 };
        crate::files::atomic::write_all(&[file]).unwrap();
    };
    edit(b"mine");
    assert_eq!(fake.would(&a), (Change::Drifted, Some("update and restart".into())));
    std::fs::remove_file(fake.file("a")).unwrap();
    assert_eq!(fake.would(&a).0, Change::Drifted);
    fake.up(std::slice::from_ref(&a), &[]);
    assert_eq!(fake.would(&a), (Change::Unchanged, None));
    fake.up.borrow_mut().clear();
    assert_eq!(fake.would(&a), (Change::Unchanged, Some("start".into())));
    fake.enabled.borrow_mut().clear();
    assert_eq!(fake.would(&a), (Change::Unchanged, Some("enable and start".into())));
}

#[test]
fn what_fails_is_put_back_and_what_fell_with_it_is_held_up() {
    let fake = Fake::new(Reach::Manager);
    let good = [sample("db"), needs(sample("api"), "db")];
    fake.up(&good, &[]);
    fake.up(&[needs(sample("far"), "db")], &[]);
    let old = std::fs::read(fake.file("db")).unwrap();
    let mut bad = sample("db");
    bad.exec = command("/bin/false", &[]);
    let (done, asked) = fake.up(&[bad, good[1].clone()], &[]);
    assert_eq!(
        asked,
        words("enable db, load, restart db, stop db, load, start db, start far, start api"),
        "one that is not of the manifest is held up, too"
    );
    let by_name: BTreeMap<&str, &Done> = done.iter().map(|one| (one.name.as_str(), one)).collect();
    assert!(by_name["db"].result.is_err() && by_name["api"].result.is_ok() && by_name["far"].result.is_ok());
    assert_eq!(by_name["db"].notes, ["what was there before is back"]);
    assert_eq!(std::fs::read(fake.file("db")).unwrap(), old);
    assert_eq!(fake.up.borrow().iter().map(String::as_str).collect::<Vec<_>>(), ["api", "db", "far"]);
}

#[test]
fn what_needed_one_that_goes_is_started_again() {
    let fake = Fake::new(Reach::Manager);
    let mut api = needs(sample("api"), "db");
    fake.up(&[sample("db"), api.clone()], &[]);
    api.depends_on.clear();
    let (done, asked) = fake.up(&[api], &["db"]);
    assert_eq!(asked, words("stop db, disable db, enable api, load, restart api"));
    assert!(done.iter().all(|one| one.result.is_ok()), "{done:?}");
}
