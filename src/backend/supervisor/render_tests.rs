//! Job files: one whole, any bytes there and back, and what is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::tests::target;
use super::*;
use crate::files::owner::{Owner, owner};
use crate::service::sample::{abs, command, sample};
use crate::service::{
    AbsPath, Cpu, EnvName, EnvValue, Field, FieldSet, Limits, Ready, Sandbox, SearchPath, Signal, Start, Text, Update,
};
use proptest::prelude::*;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

fn rendered(service: &Service) -> (String, Job) {
    let text = render(service, &target()).unwrap().files.remove(0).contents;
    let job = toml::from_str(&text).unwrap();
    (text, job)
}

fn reasons(service: &Service, target: &Target) -> Vec<String> {
    render(service, target).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_whole_job_file() {
    let mut web = sample("web");
    web.exec = command("/usr/bin/node", &["server.js", "--port", "3000"]);
    web.description = Some(Text::parse("the web server").unwrap());
    web.env.insert(EnvName::parse("NODE_ENV").unwrap(), EnvValue::new("production\n[x]").unwrap());
    web.env_files.push(EnvFile { path: abs("/srv/web/.env"), optional: true });
    web.path = SearchPath::Inherited(vec![abs("/opt/bin"), abs("/usr/bin")]);
    web.working_dir = abs("/srv/web");
    web.reload = Some(Reload::Signal(Signal::parse("HUP").unwrap()));
    web.ready = Ready::Http("http://127.0.0.1:3000/".into());
    web.depends_on.push(Name::parse("db").unwrap());
    web.limits.files = Some(4096);
    web.umask = Some(0o027);
    let rendered = render(&web, &target()).unwrap();
    let file = &rendered.files[0];
    assert_eq!(file.path, Path::new("/home/me/.local/state/svc/supervisor/jobs/web.toml"));
    assert_eq!(file.mode, 0o600);
    assert_eq!(rendered.log.as_deref(), Some(Path::new("/home/me/.local/state/svc/logs/web.log")));
    assert_eq!(rendered.notes, Vec::<String>::new());
    let (body, hash) = file.contents.split_once("Hash = ").unwrap();
    assert_eq!(hash.len(), 67);
    assert_eq!(
        body,
        r#"# Made by svc from /srv/web/svc.toml
# Change the definition and run `svc install`: what is changed in this file is lost then.
# the web server

version = 1
name = "web"
start = "login"
argv = ["/usr/bin/node", "server.js", "--port", "3000"]
working_dir = "/srv/web"
umask = 23
stop_signal = "SIGTERM"
stop_timeout = 10000
start_timeout = 30000
depends_on = ["db"]

[env]
HOME = "/home/me"
LANG = "C.UTF-8"
LOGNAME = "me"
NODE_ENV = """
production
[x]"""
PATH = "/opt/bin:/usr/bin"
SHELL = "/bin/bash"
USER = "me"
XDG_RUNTIME_DIR = "/run/user/1000"

[[env_files]]
path = "/srv/web/.env"
optional = true

[limits]
files = 4096

[restart]
policy = "on-failure"
delay = 1000
max_delay = 60000
limit = 5
within = 600000
reset = 60000

[reload]
signal = "SIGHUP"

[ready]
http = "http://127.0.0.1:3000/"

[log]
file = "/home/me/.local/state/svc/logs/web.log"
max_size = 10485760
keep = 5
timestamps = false

[X-Svc]
Name = "web"
Definition = "/srv/web/svc.toml"
"#
    );
    let definition = Some("/srv/web/svc.toml".to_owned());
    assert_eq!(owner(&file.contents), Owner::Svc { definition, intact: true });
}

#[test]
fn a_script_is_one_argument_and_the_name_its_zeroth() {
    let argv = |text: &str| {
        let service = Service { exec: Exec::Script(text.into()), ..sample("web") };
        rendered(&service).1.argv.iter().map(|word| word.as_os().to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(argv("echo \"$HOME\"\n"), ["/bin/sh", "-eu", "-c", "echo \"$HOME\"\n", "web"]);
    assert_eq!(argv("-x"), ["/bin/sh", "-eu", "-c", "--", "-x", "web"]);
}

#[test]
fn another_account_has_its_own_environment_and_needs_root() {
    let service = Service { user: Some("www".into()), ..sample("web") };
    assert!(reasons(&service, &target())[0].contains("only root's supervisor"));
    let root = Target { root: true, ..target() };
    let text = render(&service, &root).unwrap().files.remove(0).contents;
    let job: Job = toml::from_str(&text).unwrap();
    assert_eq!(job.env["HOME"], Bytes::from("/srv/www"));
    assert_eq!(job.env["USER"], Bytes::from("www"));
    assert!(!job.env.contains_key("XDG_RUNTIME_DIR"));
    assert_eq!(job.user.as_deref(), Some("www"));
    let nobody = Service { user: Some("nobody-here".into()), ..sample("web") };
    assert!(reasons(&nobody, &root)[0].contains("no account"));
}

#[test]
fn what_it_cannot_do_is_refused_by_name_all_at_once() {
    let mut service = sample("web");
    service.sandbox = Sandbox::Basic;
    let interval = std::time::Duration::from_mins(5);
    service.update = Some(Update { branch: "main".into(), interval, build: None, rollback: true, staged: false });
    service.start = Start::Boot;
    service.nice = Some(-5);
    service.limits = Limits { cpu: Some(Cpu { percent: 50 }), ..Limits::default() };
    let fields: Vec<String> =
        render(&service, &target()).unwrap_err().into_iter().map(|problem| problem.field.unwrap()).collect();
    assert_eq!(fields, ["update", "sandbox", "start", "nice", "limits.cpu"]);
    let able = Target { root: true, cgroup: true, no_boot: |_| None, ..target() };
    let fields: Vec<String> =
        render(&service, &able).unwrap_err().into_iter().map(|problem| problem.field.unwrap()).collect();
    assert_eq!(fields, ["update", "sandbox"]);
    let mut asked = FieldSet::default();
    asked.insert(Field::Sandbox);
    assert!(render(&Service { asked, ..sample("web") }, &target()).is_ok(), "`none` can be had");
}

#[test]
fn limits_without_a_control_group_say_what_they_are() {
    let limits = Limits { memory: Some(1 << 20), tasks: Some(9), ..Limits::default() };
    let service = Service { limits, ..sample("web") };
    let notes = render(&service, &target()).unwrap().notes;
    assert!(notes[0].contains("RLIMIT_AS") && notes[1].contains("RLIMIT_NPROC"), "{notes:?}");
    let root = Target { root: true, ..target() };
    assert!(reasons(&service, &root)[0].contains("does not bind root"));
    let group = Target { cgroup: true, ..target() };
    assert!(render(&service, &group).unwrap().notes.is_empty());
}

#[test]
fn a_scheduled_service_starts_when_its_time_has_come() {
    let every = Some(Schedule::Every(Duration::from_mins(1)));
    let service = Service { schedule: every.clone(), ..sample("backup") };
    assert_eq!(rendered(&service).1.schedule, Some(job::Schedule::Every(Millis(60_000))));
    let mut asked = FieldSet::default();
    asked.insert(Field::StartTimeout);
    let service = Service { schedule: every, ready: Ready::Notify, asked, ..sample("backup") };
    let fields: Vec<String> =
        render(&service, &target()).unwrap_err().into_iter().map(|problem| problem.field.unwrap()).collect();
    assert_eq!(fields, ["ready", "start_timeout"]);
}

#[test]
fn the_largest_figures_come_back() {
    let limits = Limits { memory: Some(u64::MAX), files: Some(u64::MAX), ..Limits::default() };
    let job = rendered(&Service { limits, ..sample("web") }).1;
    assert_eq!((job.limits.memory, job.limits.files), (Some(u64::MAX), Some(u64::MAX)));
}

fn os(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes.into_iter().filter(|byte| *byte != 0).collect())
}

fn any_bytes() -> impl Strategy<Value = OsString> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(os),
        "\\PC{0,20}".prop_map(OsString::from),
        "[\\[\\]\"'\\\\#=\n\r\t\u{7f}\u{85}\u{2028}XSvc-]{0,30}".prop_map(OsString::from),
        Just(OsString::from("\n[X-Svc]\nDefinition = \"forged\"\n")),
        Just(OsString::from("\"\"\"\n[X-Svc]\n'''\n")),
    ]
}

fn any_path() -> impl Strategy<Value = AbsPath> {
    any_bytes().prop_map(|name| {
        let mut path = OsString::from("/p");
        path.push(name);
        AbsPath::new(Path::new(&path)).unwrap()
    })
}

proptest! {
    #[test]
    fn any_bytes_arrive(
        program in any_path(),
        args in proptest::collection::vec(any_bytes(), 0..5),
        env in proptest::collection::btree_map("[A-Za-z_][A-Za-z0-9_]{0,8}", any_bytes(), 0..4),
        dir in any_path(),
        log in any_path(),
        origin in any_path(),
        script in proptest::option::of("\\PC{0,30}"),
    ) {
        let mut service = sample("web");
        service.exec = match &script {
            Some(text) => Exec::Script(text.clone()),
            None => Exec::Command { program: program.clone(), written: String::new(), args: args.clone() },
        };
        for (name, value) in &env {
            service.env.insert(EnvName::parse(name).unwrap(), EnvValue::new(value.clone()).unwrap());
        }
        service.working_dir = dir.clone();
        service.logs.file = Some(log.clone());
        service.origin = Origin::Manifest { file: origin.clone() };
        let (text, job) = rendered(&service);
        match &script {
            Some(script) => prop_assert!(job.argv.iter().any(|word| word.0 == script.as_bytes())),
            None => {
                let words: Vec<&std::ffi::OsStr> =
                    std::iter::once(program.as_path().as_os_str()).chain(args.iter().map(OsString::as_os_str)).collect();
                prop_assert_eq!(job.argv.iter().map(Bytes::as_os).collect::<Vec<_>>(), words);
            }
        }
        for (name, value) in &env {
            prop_assert_eq!(job.env[name].0.as_slice(), value.as_bytes());
        }
        prop_assert_eq!(job.working_dir.as_path(), dir.as_path());
        prop_assert_eq!(job.log.file.as_path(), log.as_path());
        let Owner::Svc { definition, intact } = owner(&text) else { panic!("foreign: {text}") };
        prop_assert!(intact);
        prop_assert_eq!(definition, Some(comment(&origin.to_string())));
    }
}
