//! What whole units say.

use super::model::{assignments, values};
use super::{refused, target, unit, unit_for};
use crate::backend::Scope;
use crate::backend::systemd::render::{NEWEST_KNOWN, Target, render};
use crate::files::owner::{Owner, owner};
use crate::service::sample::{abs, command, sample};
use crate::service::{
    Cpu, EnvName, EnvValue, Exec, Field, Health, Limits, Logs, OnFailure, PassThrough, Ready, Reload, RestartPolicy,
    Sandbox, Schedule, Service, Signal, Text, Update, WaitFor, health,
};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// The value of a key that stands once.
fn one(service: &Service, section: &str, key: &str) -> String {
    let all = assignments(&unit(service));
    let found = values(&all, section, key);
    assert_eq!(found.len(), 1, "{key}: {found:?}");
    found[0].to_owned()
}

#[test]
fn the_plainest_unit_whole() {
    let text = unit(&sample("web"));
    let (body, hash) = text.split_at(text.find("Hash=").expect("it has a hash"));
    assert_eq!(hash.len(), "Hash=".len() + 64 + 1);
    assert_eq!(
        body,
        "\
# Made by svc from /srv/web/svc.toml
# Change the definition and run `svc install`: what is changed in this file is lost then.

[Unit]
Description=web (svc)
OnFailure=svc:restarts.service
StartLimitBurst=5
StartLimitIntervalSec=10min

[Service]
Type=exec
WorkingDirectory=/
ExecStart=:/bin/sleep 1000
TimeoutStartSec=30s

KillMode=control-group
KillSignal=SIGTERM
TimeoutStopSec=10s
SendSIGKILL=yes
SuccessExitStatus=SIGTERM 143

Restart=on-failure
RestartSec=1s
RestartSteps=6
RestartMaxDelaySec=1min

StandardOutput=journal
StandardError=journal
SyslogIdentifier=web

CPUAccounting=yes
MemoryAccounting=yes
TasksAccounting=yes

[Install]
WantedBy=default.target

[X-Svc]
Name=web
Definition=/srv/web/svc.toml
"
    );
    assert_eq!(owner(&text), Owner::Svc { definition: Some("/srv/web/svc.toml".into()), intact: true });
}

#[test]
fn every_field_has_its_directive() {
    let mut service = sample("web");
    service.description = Some(Text::parse("The web, 100%").unwrap());
    service.exec = Exec::Script("exec sleep 9".into());
    service.ready = Ready::Notify;
    service.reload = Some(Reload::Signal(Signal::parse("hup").unwrap()));
    service.stop.signal = Signal::parse("INT").unwrap();
    service.logs = Logs { file: Some(abs("/srv/web/log/web.log")), ..Logs::default() };
    service.pid_file = Some(abs("/run/web/web.pid"));
    service.limits =
        Limits { memory: Some(512 << 20), cpu: Some(Cpu { percent: 50 }), tasks: Some(64), files: Some(4096) };
    service.nice = Some(5);
    service.umask = Some(0o27);
    service.depends_on = vec![sample("db").name, sample("cache").name];
    service.start_timeout = Duration::ZERO;
    for (section, key, value) in [
        ("Unit", "Description", "The web, 100%%"),
        ("Service", "ExecStart", ":/bin/sh -eu -c \"exec sleep 9\" web"),
        ("Service", "Type", "notify"),
        ("Service", "NotifyAccess", "all"),
        ("Service", "ExecReload", ":/bin/sh -c \"kill -s HUP \\\"$MAINPID\\\"\""),
        ("Service", "SuccessExitStatus", "SIGINT 130"),
        ("Service", "StandardOutput", "append:/srv/web/log/web.log"),
        ("Service", "StandardError", "append:/srv/web/log/web.log"),
        ("Service", "MemoryMax", "512M"),
        ("Service", "CPUQuota", "50%"),
        ("Service", "TasksMax", "64"),
        ("Service", "LimitNOFILE", "4096"),
        ("Service", "Nice", "5"),
        ("Service", "UMask", "0027"),
        ("Service", "TimeoutStartSec", "infinity"),
    ] {
        assert_eq!(one(&service, section, key), value);
    }
    let all = assignments(&unit(&service));
    assert_eq!(values(&all, "Unit", "Requires"), ["db.service", "cache.service"]);
    assert_eq!(values(&all, "Unit", "After"), ["db.service", "cache.service"]);
    assert!(values(&all, "Service", "ExecStartPost")[0].ends_with(" /run/web/web.pid /run/web"));
    assert!(values(&all, "Service", "ExecStopPost")[0].ends_with(" /run/web/web.pid"));
}

#[test]
fn system_scope_has_accounts_and_another_target() {
    let mut service = sample("web");
    service.user = Some("www".into());
    service.nice = Some(-5);
    let text = unit_for(&service, &target(Scope::System, NEWEST_KNOWN));
    for line in ["User=www", "Nice=-5", "WantedBy=multi-user.target"] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    assert_eq!(refused(&service, Scope::User, NEWEST_KNOWN), ["nice", "user"]);
    service.user = Some("a b".into());
    assert_eq!(refused(&service, Scope::System, NEWEST_KNOWN), ["user"]);
}

fn health(check: health::Check) -> Health {
    Health {
        check,
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(3),
        retries: 3,
        grace: Duration::from_secs(10),
        on_failure: health::Verdict::Restart,
    }
}

#[test]
fn what_systemd_does_not_do_is_refused_by_name_all_at_once() {
    let mut service = sample("web");
    service.health = Some(health(health::Check::Tcp("127.0.0.1:1".into())));
    service.schedule = Some(Schedule::Every(Duration::from_mins(1)));
    let interval = Duration::from_mins(5);
    service.update = Some(Update { branch: "main".into(), interval, build: None, rollback: true, staged: false });
    service.ready = Ready::Tcp("127.0.0.1:1".into());
    service.logs = Logs {
        file: None,
        max_size: Some(1),
        keep: Some(1),
        keep_days: Some(1),
        timestamps: Some(true),
        compress: Some(true),
        rate_limit: "5/s".parse().ok(),
    };
    let all = [
        "health",
        "logs.compress",
        "logs.keep",
        "logs.keep_days",
        "logs.max_size",
        "logs.rate_limit",
        "ready",
        "update",
    ];
    assert_eq!(refused(&service, Scope::User, NEWEST_KNOWN), all);
    assert_eq!(refused(&sample("web"), Scope::User, 243), [""]);
    let file = Logs { file: Some(abs("/x")), ..Logs::default() };
    let mut service = Service { ready: Ready::Log("up".into()), logs: file, ..sample("web") };
    has(
        &files(&service, &target(Scope::User, 252))["web.service"],
        &[
            "ExecStartPre=:/usr/local/bin/svc helper log-mark web --file=/x",
            "ExecStartPost=:/usr/local/bin/svc helper ready web --log=up --file=/x",
        ],
    );
    service.sandbox = Sandbox::Strict;
    // a working folder of `/` is refused there as well
    let both = ["ready", "sandbox"];
    assert_eq!(refused(&service, Scope::User, NEWEST_KNOWN), both, "nothing of it may write beside the log");
}

#[test]
fn a_log_that_systemd_cannot_write_has_a_pipe_and_a_writer() {
    let mut service = sample("web");
    let file = Some(abs("/srv/a b/100%.log"));
    service.logs = Logs { file, max_size: Some(4096), keep_days: Some(7), compress: Some(true), ..Logs::default() };
    let all = files(&service, &target(Scope::User, 247));
    assert_eq!(all.keys().collect::<Vec<_>>(), ["web.service", "web:log.service", "web:log.socket"]);
    has(
        &all["web.service"],
        &[
            "Requires=web:log.socket",
            "After=web:log.socket",
            "After=web:log.service",
            "StandardOutput=file:%t/svc-log/web.out",
            "StandardError=file:%t/svc-log/web.out",
        ],
    );
    has(
        &all["web:log.socket"],
        &["ListenFIFO=%t/svc-log/web.out", "ListenFIFO=%t/svc-log/web.staging", "SocketMode=0600", "RemoveOnStop=yes"],
    );
    has(
        &all["web:log.service"],
        &[
            "PartOf=web.service",
            "ExecStart=:/usr/local/bin/svc helper log web \"--file=/srv/a b/100%%.log\" --max-size=4096 --keep=5 \
             --keep-days=7 --compress",
            "Restart=on-failure",
        ],
    );
    service.user = Some("www".into());
    let all = files(&service, &target(Scope::System, 252));
    has(&all["web:log.socket"], &["SocketUser=www"]);
    assert!(all["web:log.service"].contains("svc --system helper log web"));
    assert!(!all["web:log.service"].contains("User="), "it may write where the program may not");
}

#[test]
fn the_journal_keeps_all_or_what_was_asked_for() {
    let mut service = sample("web");
    assert!(!unit(&service).contains("LogRateLimit"), "journald does not ask a user's manager");
    let text = unit_for(&service, &target(Scope::System, 252));
    has(&text, &["LogRateLimitIntervalSec=1s", "LogRateLimitBurst=100000000"]);
    service.logs.rate_limit = "100/m".parse().ok();
    let text = unit_for(&service, &target(Scope::System, 252));
    has(&text, &["LogRateLimitIntervalSec=1min", "LogRateLimitBurst=100"]);
    assert_eq!(refused(&service, Scope::User, NEWEST_KNOWN), ["logs.rate_limit"]);
}

/// The files of a service by name.
fn files(service: &Service, target: &Target) -> std::collections::BTreeMap<String, String> {
    let rendered = render(service, target).unwrap();
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    rendered.files.into_iter().map(|file| (name(&file.path), file.contents)).collect()
}

#[track_caller]
fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "no `{line}` in\n{text}");
    }
}

#[test]
fn what_systemd_lacks_stands_beside_the_unit() {
    let mut service = sample("web");
    service.asked.insert(Field::RestartReset);
    service.wait_for = vec![WaitFor::Network, WaitFor::Path(abs("/srv/a b"))];
    service.ready = Ready::Http("http://127.0.0.1:1/$a %n".into());
    service.health = Some(health(health::Check::Tcp("127.0.0.1:1".into())));
    let tell = Exec::Command { program: abs("/bin/tell"), written: "tell".into(), args: vec!["%h $x".into()] };
    service.on_failure = Some(OnFailure { command: Some(tell), desktop: true });
    let all = files(&service, &target(Scope::User, 252));
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    assert_eq!(names, ["web.service", "web:health.service", "web:on-failure.service", "web:reset.service"]);
    has(
        &all["web.service"],
        &[
            "Wants=web:health.service",
            "Wants=web:reset.service",
            "OnFailure=web:on-failure.service",
            "ExecStartPre=:/usr/local/bin/svc helper wait-for --network --path \"/srv/a b\"",
            "ExecStartPost=:/usr/local/bin/svc helper ready web \"--http=http://127.0.0.1:1/$a %%n\"",
        ],
    );
    has(
        &all["web:health.service"],
        &[
            "BindsTo=web.service",
            "After=web.service",
            "ExecStart=:/usr/local/bin/svc helper health web --interval=30s --timeout=3s --retries=3 --grace=10s \
             --then=restart --tcp=127.0.0.1:1",
            "Restart=on-failure",
        ],
    );
    has(
        &all["web:reset.service"],
        &[
            "ExecStart=:/bin/sh -c \"sleep 60; umask 077; d=${XDG_RUNTIME_DIR:-/run}/svc/restarts; mkdir -p \\\"$d\\\"; \
           systemctl --user show --property=NRestarts --value \\\"$0\\\" >>\\\"$d/$0\\\"; exec systemctl --user \
           reset-failed \\\"$0\\\"\" web.service",
        ],
    );
    has(
        &all["web:on-failure.service"],
        &[
            "Type=oneshot",
            "ExecCondition=:/usr/bin/env systemctl --user --quiet is-failed web.service",
            "ExecStart=:/usr/local/bin/svc helper failed web --desktop -- /bin/tell \"%%h $x\"",
        ],
    );
    assert!(!all["web:on-failure.service"].contains("BindsTo"), "it outlives the service");
    // the machine's manager knows of its network
    let text = unit_for(&service, &target(Scope::System, 252));
    has(&text, &["Wants=network-online.target", "After=network-online.target"]);
    has(&text, &["ExecStartPre=:/usr/local/bin/svc --system helper wait-for --path \"/srv/a b\""]);
    // without its own path svc can't stand in a unit
    let lost = Target { svc: None, ..target(Scope::User, 252) };
    let problems = render(&service, &lost).unwrap_err();
    let fields: Vec<String> = problems.into_iter().filter_map(|problem| problem.field).collect();
    assert_eq!(fields, ["wait_for", "ready", "health", "on_failure"]);
}

#[test]
fn restarts_are_counted_afresh_by_one_unit_for_all_where_a_crash_starts_it() {
    let mut service = sample("web");
    assert!(!unit_for(&service, &target(Scope::User, 252)).contains("svc:restarts"));
    let names = |text: &str| text.lines().filter(|line| line.ends_with("=svc:restarts.service")).count();
    assert_eq!(names(&unit_for(&service, &target(Scope::User, 254))), 1, "OnFailure=");
    service.restart.policy = RestartPolicy::Always;
    assert_eq!(names(&unit_for(&service, &target(Scope::User, 254))), 2, "OnSuccess=, too");
    service.restart.policy = RestartPolicy::Never;
    assert_eq!(names(&unit_for(&service, &target(Scope::User, 254))), 0);
    // asked for, it is no unit more either
    let mut asked = sample("web");
    asked.asked.insert(Field::RestartReset);
    assert_eq!(files(&asked, &target(Scope::User, 254)).len(), 1);
    assert_eq!(files(&asked, &target(Scope::User, 252)).len(), 2);
}

#[test]
fn a_default_is_never_refused() {
    assert!(render(&sample("web"), &target(Scope::User, 244)).is_ok_and(|rendered| rendered.notes.is_empty()));
    let mut asked = sample("web");
    asked.asked.insert(Field::RestartMaxDelay);
    let rendered = render(&asked, &target(Scope::User, 252)).unwrap();
    assert_eq!(rendered.notes, ["`restart_max_delay` is left out: the delay grows since systemd 254, this one is 252"]);
    assert!(!rendered.files[0].contents.contains("RestartSteps"));
    assert!(unit_for(&sample("web"), &target(Scope::User, 258)).contains("\nMemoryAccounting"));
    assert!(!unit_for(&sample("web"), &target(Scope::User, 258)).contains("CPUAccounting"));
}

#[test]
fn values_that_systemd_would_change_or_drop_are_refused_by_field() {
    let bad = OsStr::from_bytes(b"a\xff");
    let path = || crate::service::AbsPath::new(&std::path::Path::new("/x").join(bad)).unwrap();
    let changes: [(&str, Box<dyn Fn(&mut Service)>); 12] = [
        (
            "command",
            Box::new(move |s| {
                s.exec = Exec::Command { program: abs("/a"), written: String::new(), args: vec![bad.into()] }
            }),
        ),
        (
            "command",
            Box::new(move |s| s.exec = Exec::Command { program: path(), written: String::new(), args: vec![] }),
        ),
        ("script", Box::new(|s| s.exec = Exec::Script("\u{fffe}".into()))),
        ("env.A", Box::new(move |s| drop(s.env.insert(EnvName::parse("A").unwrap(), EnvValue::new(bad).unwrap())))),
        (
            "env.MAINPID",
            Box::new(|s| drop(s.env.insert(EnvName::parse("MAINPID").unwrap(), EnvValue::new("1").unwrap()))),
        ),
        ("working_dir", Box::new(|s| s.working_dir = abs("/a\nb"))),
        ("logs.file", Box::new(|s| s.logs.file = Some(abs("/a\rb")))),
        ("env_file", Box::new(|s| s.env_files = vec![crate::service::EnvFile { path: abs("/a\nb"), optional: false }])),
        ("description", Box::new(|s| s.description = Some(Text::parse("a\\").unwrap()))),
        ("reload", Box::new(|s| s.reload = Some(Reload::Command(command("/a", &["\u{ffff}"]))))),
        ("limits.cpu", Box::new(|s| s.limits.cpu = Some(Cpu { percent: u32::MAX }))),
        ("restart_delay", Box::new(|s| s.restart.delay = Duration::MAX)),
    ];
    for (key, change) in changes {
        let mut service = sample("web");
        change(&mut service);
        assert_eq!(refused(&service, Scope::System, NEWEST_KNOWN), [key]);
    }
}

#[test]
fn a_scheduled_service_is_two_units() {
    let mut service = sample("backup");
    service.restart.policy = RestartPolicy::Never;
    service.schedule = Some(Schedule::Every(Duration::from_secs(5)));
    service.systemd.add("Timer", "RandomizedDelaySec", "1s").unwrap();
    service.systemd.add("Install", "Also", "x.service").unwrap();
    let files = render(&service, &target(Scope::User, NEWEST_KNOWN)).unwrap().files;
    let names: Vec<_> = files.iter().map(|file| file.path.to_str().unwrap()).collect();
    assert_eq!(names, ["/units/backup.service", "/units/backup.timer"]);
    let (unit, timer) = (assignments(&files[0].contents), assignments(&files[1].contents));
    assert_eq!(values(&unit, "Service", "Type"), ["oneshot"]);
    assert_eq!(values(&unit, "Service", "TimeoutStartSec"), ["infinity"]);
    assert_eq!(values(&unit, "Unit", "StartLimitIntervalSec"), ["0"]);
    assert!(!unit.iter().any(|(section, ..)| section == "Install"));
    let lines: Vec<_> =
        timer.iter().filter(|(s, ..)| s == "Timer" || s == "Install").map(|(_, k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        lines,
        [
            "Unit=backup.service",
            "OnActiveSec=5s",
            "OnUnitActiveSec=5s",
            "AccuracySec=100ms",
            "RandomizedDelaySec=1s",
            "WantedBy=timers.target",
            "Also=x.service"
        ]
    );
    assert!(matches!(owner(&files[1].contents), Owner::Svc { intact: true, .. }));

    service.schedule = Some(Schedule::Calendar("*-*-* 03:00".into()));
    service.asked.insert(Field::StartTimeout);
    let files = render(&service, &target(Scope::User, NEWEST_KNOWN)).unwrap().files;
    let (unit, timer) = (assignments(&files[0].contents), assignments(&files[1].contents));
    assert_eq!(values(&unit, "Service", "TimeoutStartSec"), ["30s"]);
    assert_eq!(values(&timer, "Timer", "OnCalendar"), ["*-*-* 03:00"]);
    assert_eq!(values(&timer, "Timer", "Persistent"), ["true"]);

    service.restart.policy = RestartPolicy::Always;
    service.ready = Ready::Notify;
    service.pid_file = Some(abs("/run/x.pid"));
    service.schedule = Some(Schedule::Calendar(" ".into()));
    assert_eq!(refused(&service, Scope::User, NEWEST_KNOWN), ["pid_file", "ready", "restart", "schedule"]);
}

#[test]
fn lines_of_a_person_come_last_in_their_section() {
    let mut service = sample("web");
    service.sandbox = Sandbox::Basic;
    let mut own = PassThrough::default();
    own.add("Service", "CPUWeight", "50").unwrap();
    own.add("Unit", "After", "a.service").unwrap();
    own.add("Install", "Alias", "w.service").unwrap();
    service.systemd = own.clone();
    let text = unit(&service);
    assert!(
        text.contains("LockPersonality=yes\n\nCPUWeight=50\n\n[Install]\nWantedBy=default.target\nAlias=w.service\n\n")
    );
    assert!(text.contains("After=a.service\n\n[Service]"));
    own.add("Timer", "Persistent", "true").unwrap();
    service.systemd = own;
    assert_eq!(refused(&service, Scope::User, NEWEST_KNOWN), ["systemd.Timer.Persistent"]);
}

/// Found on 247: `Type=exec`, `ExecStopPost=` and a program that ends at once made the manager spin.
#[test]
fn an_old_manager_is_not_sent_into_a_loop() {
    let mut service = sample("web");
    let kind = |service: &Service, version| {
        let rendered = render(service, &target(Scope::User, version)).unwrap();
        let all = assignments(&rendered.files[0].contents);
        (values(&all, "Service", "Type").join(","), rendered.notes.len())
    };
    assert_eq!(kind(&service, 247), ("exec".to_owned(), 0));
    service.pid_file = Some(abs("/run/web.pid"));
    assert_eq!(kind(&service, 247), ("simple".to_owned(), 1));
    assert_eq!(kind(&service, 252), ("exec".to_owned(), 0));
    service.ready = Ready::Notify;
    assert_eq!(kind(&service, 247), ("notify".to_owned(), 0));
    let mut own = sample("web");
    own.systemd.add("Service", "ExecStopPost", "/bin/true").unwrap();
    assert_eq!(kind(&own, 247).0, "simple");
}
