//! What whole property lists say.

use super::{Node, job, keys, plist, plist_for, refused, target};
use crate::backend::Scope;
use crate::backend::launchd::render::render;
use crate::engine::job::{Bytes, Millis, Policy, Reload as JobReload};
use crate::files::owner::{Owner, owner};
use crate::service::sample::{abs, command, sample};
use crate::service::{
    Cpu, EnvFile, EnvName, EnvValue, Exec, Field, Limits, Name, Ready, Reload, RestartPolicy, Sandbox, Schedule,
    SearchPath, Service, Signal, Start, Text, Update,
};
use std::path::Path;
use std::time::Duration;

#[test]
fn the_plainest_property_list_whole() {
    let rendered = render(&sample("web"), &target(Scope::User)).unwrap();
    assert_eq!(rendered.files.len(), 1);
    assert_eq!(rendered.files[0].path, Path::new("/Users/me/Library/LaunchAgents/svc.web.plist"));
    assert_eq!(rendered.files[0].mode, 0o600);
    let log = "/Users/me/Library/Application Support/svc/logs/web.log";
    assert_eq!(rendered.log.as_deref(), Some(Path::new(log)));
    assert!(rendered.notes.is_empty());
    let text = &rendered.files[0].contents;
    let (body, hash) = text.split_at(text.find("Hash=").unwrap());
    assert_eq!(hash.len(), "Hash=".len() + 64 + " -->\n".len());
    assert_eq!(
        body,
        "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<!-- Made by svc from /srv/web/svc.toml -->
<!-- Change the definition and run `svc install`: what is changed in this file is lost then. -->
<plist version=\"1.0\">
<dict>
	<key>Label</key>
	<string>svc.web</string>
	<key>ProgramArguments</key>
	<array>
		<string>/bin/sleep</string>
		<string>1000</string>
	</array>
	<key>WorkingDirectory</key>
	<string>/</string>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ThrottleInterval</key>
	<integer>1</integer>
	<key>ExitTimeOut</key>
	<integer>10</integer>
	<key>StandardOutPath</key>
	<string>/Users/me/Library/Application Support/svc/logs/web.log</string>
	<key>StandardErrorPath</key>
	<string>/Users/me/Library/Application Support/svc/logs/web.log</string>
	<key>LimitLoadToSessionType</key>
	<array>
		<string>Aqua</string>
		<string>Background</string>
		<string>LoginWindow</string>
		<string>StandardIO</string>
		<string>System</string>
	</array>
</dict>
</plist>
<!--
[X-Svc]
Name=web
Definition=/srv/web/svc.toml
"
    );
    assert_eq!(owner(text), Owner::Svc { definition: Some("/srv/web/svc.toml".into()), intact: true });
}

#[test]
fn every_native_field_has_its_key() {
    let mut service = sample("web");
    service.label = Some("com.example.web".into());
    service.description = Some(Text::parse("a--b").unwrap());
    service.env.insert(EnvName::parse("A").unwrap(), EnvValue::new("1 & 2").unwrap());
    service.path = SearchPath::Inherited(vec![abs("/opt/bin"), abs("/bin")]);
    service.working_dir = abs("/srv/web");
    service.restart.policy = RestartPolicy::Always;
    service.restart.delay = Duration::from_millis(4200);
    service.stop.timeout = Duration::ZERO;
    service.reload = Some(Reload::Signal(Signal::parse("hup").unwrap()));
    service.logs.file = Some(abs("/srv/web/log"));
    service.limits.files = Some(4096);
    service.limits.tasks = Some(64);
    service.nice = Some(5);
    service.umask = Some(0o27);
    service.launchd = "ProcessType = \"Background\"\nLimitLoadToSessionType = \"Aqua\"".parse().unwrap();
    let all = keys(&service);
    let limits = Node::Dict(vec![
        ("NumberOfFiles".into(), Node::Integer(4096)),
        ("NumberOfProcesses".into(), Node::Integer(64)),
    ]);
    for (key, value) in [
        ("Label", Node::Text("com.example.web".into())),
        ("WorkingDirectory", Node::Text("/srv/web".into())),
        ("KeepAlive", Node::Flag(true)),
        ("ThrottleInterval", Node::Integer(5)),
        ("ExitTimeOut", Node::Integer(1)),
        ("StandardOutPath", Node::Text("/srv/web/log".into())),
        ("StandardErrorPath", Node::Text("/srv/web/log".into())),
        ("SoftResourceLimits", limits.clone()),
        ("HardResourceLimits", limits),
        ("Nice", Node::Integer(5)),
        ("Umask", Node::Integer(23)),
        ("ProcessType", Node::Text("Background".into())),
        ("LimitLoadToSessionType", Node::Text("Aqua".into())),
    ] {
        assert_eq!(all.get(key), Some(&value), "{key}");
    }
    let env = all.get("EnvironmentVariables").unwrap();
    assert_eq!(env.get("A").unwrap().text(), "1 & 2");
    assert_eq!(env.get("PATH").unwrap().text(), "/opt/bin:/bin");
    let text = plist(&service);
    assert!(text.contains("\n<!-- a-\\x2db -->\n") && text.contains("\nReload=SIGHUP\nHash="), "{text}");
    let notes = render(&service, &target(Scope::User)).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].contains("RLIMIT_NPROC"), "{notes:?}");
}

#[test]
fn starts_and_restarts_are_told_apart() {
    let mut service = sample("web");
    service.restart.policy = RestartPolicy::Never;
    let all = keys(&service);
    assert_eq!((all.get("RunAtLoad"), all.get("KeepAlive")), (Some(&Node::Flag(true)), None));
    assert_eq!(all.get("Disabled"), None);
    service.start = Start::Manual;
    assert_eq!(keys(&service).get("Disabled"), Some(&Node::Flag(true)));
    service.start = Start::Boot;
    assert_eq!(refused(&service, Scope::User), ["start"]);
    assert!(plist_for(&service, Scope::System).contains("RunAtLoad"));
}

#[test]
fn a_script_or_an_interpreter_goes_by_the_name_of_the_service() {
    let argv = |exec: Exec| {
        let service = Service { exec, ..sample("web") };
        let all = keys(&service);
        all.get("ProgramArguments").unwrap().texts().join("|")
    };
    let launcher = "/Users/me/Library/Application Support/svc/launchers/web|exec|--|";
    assert_eq!(argv(Exec::Script("a".into())), format!("{launcher}/bin/sh|-eu|-c|a|web"));
    assert_eq!(argv(Exec::Script("-a".into())), format!("{launcher}/bin/sh|-eu|-c|--|-a|web"));
    for program in ["/bin/sh", "/usr/bin/python3", "/opt/bin/python3.12", "/usr/bin/env", "/opt/bin/node"] {
        assert_eq!(argv(command(program, &["x"])), format!("{launcher}{program}|x"));
    }
    assert_eq!(argv(command("/bin/sleep", &["-1"])), "/bin/sleep|-1");
}

#[test]
fn what_launchd_lacks_is_done_by_the_shim() {
    let mut service = sample("web");
    service.ready = Ready::Notify;
    service.env.insert(EnvName::parse("A").unwrap(), EnvValue::new("1").unwrap());
    service.env_files = vec![EnvFile { path: abs("/srv/.env"), optional: true }];
    service.restart.policy = RestartPolicy::Always;
    service.reload = Some(Reload::Command(command("/bin/true", &[])));
    service.nice = Some(5);
    service.umask = Some(0o27);
    service.depends_on = vec![Name::parse("db").unwrap()];
    let rendered = render(&service, &target(Scope::User)).unwrap();
    let paths: Vec<&str> = rendered.files.iter().map(|file| file.path.to_str().unwrap()).collect();
    let state = "/Users/me/Library/Application Support/svc";
    assert_eq!(paths, ["/Users/me/Library/LaunchAgents/svc.web.plist", &format!("{state}/shim/web.toml")]);
    assert_eq!(rendered.files[1].mode, 0o600);
    assert_eq!(rendered.log.as_deref(), Some(Path::new(&format!("{state}/logs/web.log"))));
    let all = keys(&service);
    assert_eq!(
        all.get("ProgramArguments").unwrap().texts(),
        [format!("{state}/launchers/web"), "shim".into(), format!("{state}/shim/web.toml")]
    );
    assert_eq!(all.get("KeepAlive"), Some(&Node::Dict(vec![("SuccessfulExit".into(), Node::Flag(false))])));
    assert_eq!(all.get("ExitTimeOut"), Some(&Node::Integer(15)));
    assert_eq!(all.get("StandardErrorPath").unwrap().text(), format!("{state}/shim/web.log"));
    for key in ["EnvironmentVariables", "WorkingDirectory", "Nice", "Umask"] {
        assert_eq!(all.get(key), None, "{key} is the program's, not the shim's");
    }
    assert!(plist(&service).contains("\nReload=SIGHUP\n"));
    let job = job(&service).unwrap();
    assert_eq!(job.env, [("A".to_owned(), Bytes::from("1"))].into());
    assert_eq!((job.restart.policy, job.nice, job.umask), (Policy::Always, Some(5), Some(0o27)));
    assert_eq!(job.reload, Some(JobReload::Command(vec!["/bin/true".into()])));
    assert!(job.depends_on.is_empty() && job.schedule.is_none());
    assert!(matches!(owner(&rendered.files[1].contents), Owner::Svc { intact: true, .. }));
}

#[test]
fn the_machine_has_daemons_and_accounts() {
    let mut service = sample("web");
    service.user = Some("_www".into());
    service.nice = Some(-5);
    service.limits.tasks = Some(9);
    let rendered = render(&service, &target(Scope::System)).unwrap();
    assert_eq!(rendered.files[0].path, Path::new("/Library/LaunchDaemons/svc.web.plist"));
    assert_eq!(rendered.files[0].mode, 0o644);
    let all = super::model::read(&rendered.files[0].contents);
    assert_eq!(all.get("UserName").unwrap().text(), "_www");
    assert_eq!(all.get("LimitLoadToSessionType"), None);
    assert!(all.get("StandardOutPath").unwrap().text().starts_with("/Library/Application Support/svc/logs/"));
    assert_eq!(refused(&service, Scope::User), ["nice", "user"]);
    service.user = Some("a b".into());
    assert_eq!(refused(&service, Scope::System), ["user"]);
    service.user = None;
    assert_eq!(refused(&service, Scope::System), ["limits.tasks"]);
    // the shim stays root and becomes that account for the program
    service.user = Some("www".into());
    service.pid_file = Some(abs("/run/web.pid"));
    let rendered = render(&service, &target(Scope::System)).unwrap();
    assert!(!rendered.files[0].contents.contains("UserName"));
    assert!(rendered.files[1].contents.contains("\nuser = \"www\"\n"));
}

#[test]
fn a_scheduled_service_is_started_by_launchd() {
    let mut service = sample("backup");
    service.restart.policy = RestartPolicy::Never;
    service.schedule = Some(Schedule::Every(Duration::from_mins(15)));
    let all = keys(&service);
    assert_eq!(all.get("StartInterval"), Some(&Node::Integer(900)));
    assert_eq!((all.get("RunAtLoad"), all.get("KeepAlive")), (None, None));
    service.schedule = Some(Schedule::Calendar("*-*-* 03:00".into()));
    let entry = |hour| Node::Dict(vec![("Hour".into(), Node::Integer(hour)), ("Minute".into(), Node::Integer(0))]);
    assert_eq!(keys(&service).get("StartCalendarInterval"), Some(&entry(3)));
    service.schedule = Some(Schedule::Calendar("*-*-* 03,15:00".into()));
    assert_eq!(keys(&service).get("StartCalendarInterval"), Some(&Node::Array(vec![entry(3), entry(15)])));
    // launchd's own restart would start it at login
    service.restart.policy = RestartPolicy::OnFailure;
    assert_eq!(keys(&service).get("KeepAlive"), None);
    let shim = job(&service).unwrap();
    assert_eq!((shim.restart.policy, shim.schedule, shim.start_timeout), (Policy::OnFailure, None, Millis(0)));

    service.restart.policy = RestartPolicy::Always;
    service.ready = Ready::Notify;
    service.asked.insert(Field::StartTimeout);
    service.schedule = Some(Schedule::Calendar("03:00:30".into()));
    assert_eq!(refused(&service, Scope::User), ["ready", "restart", "schedule", "start_timeout"]);
    let every = |time| Service { schedule: Some(Schedule::Every(time)), ..sample("backup") };
    assert_eq!(refused(&every(Duration::from_millis(1500)), Scope::User), ["every"]);
    assert_eq!(refused(&every(Duration::from_secs(u64::MAX)), Scope::User), ["every"]);
}

#[test]
fn what_cannot_be_had_is_refused_by_name_all_at_once() {
    let mut service = sample("web");
    service.sandbox = Sandbox::Basic;
    let interval = Duration::from_mins(5);
    service.update = Some(Update { branch: "main".into(), interval, build: None, rollback: true, staged: false });
    service.limits =
        Limits { memory: Some(1), cpu: Some(Cpu { percent: 50 }), tasks: Some(u64::MAX), files: Some(u64::MAX) };
    service.restart.delay = Duration::MAX;
    service.stop.timeout = Duration::MAX;
    service.label = Some("com.apple.web".into());
    service.launchd = "Nise = 5".parse().unwrap();
    service.path = SearchPath::Listed(vec![abs("/a:b")]);
    let first = [
        "label",
        "launchd.Nise",
        "limits.cpu",
        "limits.files",
        "limits.memory",
        "limits.tasks",
        "path",
        "sandbox",
        "update",
    ];
    assert_eq!(refused(&service, Scope::User), first);
    service = Service { restart: service.restart, stop: service.stop, ..sample("web") };
    assert_eq!(refused(&service, Scope::User), ["restart_delay", "stop_timeout"]);
    service = Service { exec: command("/bin/sleep", &[&"x".repeat(1 << 20)]), ..sample("web") };
    assert_eq!(refused(&service, Scope::User), ["command"]);
}

#[test]
fn a_figure_that_is_not_what_was_asked_for_is_said() {
    let mut service = sample("web");
    service.restart.delay = Duration::from_millis(500);
    assert!(render(&service, &target(Scope::User)).unwrap().notes.is_empty(), "a default is not said");
    service.asked.insert(Field::RestartDelay);
    let notes = render(&service, &target(Scope::User)).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].contains("is 1 s"), "{notes:?}");
}

#[test]
fn two_services_of_one_file_are_refused() {
    let environment = crate::env::Environment { home: abs("/Users/me"), ..crate::env::Environment::read().unwrap() };
    let launchd = crate::backend::launchd::Launchd::new(Scope::User, environment);
    assert!(launchd.rendered(&sample("web")).is_ok());
    assert!(launchd.rendered(&sample("web")).is_ok(), "the same service again");
    let problems = launchd.rendered(&sample("Web")).unwrap_err();
    assert!(problems[0].to_string().contains("`label`: is `svc.Web`, and that of `web` is `svc.web`"), "{problems:?}");
    let labelled = Service { label: Some("svc.web".into()), ..sample("site") };
    assert!(launchd.rendered(&labelled).is_err());
}
