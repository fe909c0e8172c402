//! The binary on a fake home without any manager: whole outputs and exit codes.
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;
use support::Project;

#[test]
fn bad_usage_exits_2_and_touches_nothing() {
    let project = Project::new();
    for arguments in [
        &["instal"][..],
        &[],
        &["install", "--no-such-flag"],
        &["status", "--backend", "upstart"],
        &["start"],
        &["install"],
        &["install", "a", "b", "--", "/bin/true"],
        &["--system", "--user", "status"],
    ] {
        let ran = project.svc(arguments).code(2);
        assert_eq!(ran.out, "", "{ran}");
        assert!(!ran.err.is_empty());
    }
    project.svc(&["instal"]).warns("install");
    assert!(project.files().is_empty());
}

#[test]
fn all_problems_of_a_manifest_are_named_at_once_with_their_places() {
    let project = Project::new().manifest(
        r#"projekt = "x"
[service.web]
command = ["/bin/true", 3000]
restart_delay = "fast"
restrt = "always"
restart = "allways"
stop_timeout = 10
env = { "A.B" = "1" }
depends_on = ["web"]
umask = 27
limits = { memory = "12Q", cpu = "50" }

[service."../x"]
command = "no-such-program --flag"
"#,
    );
    let ran = project.svc(&["render"]).code(2);
    let expected = r#"error: svc.toml:1:1: "projekt" is not a key of a manifest
  hint: did you mean `project`?
error: svc.toml:3:25: service `web`: `command`: "3000" is an integer, an argument is a string
  hint: "3000", in quotes
error: svc.toml:4:17: service `web`: `restart_delay`: "fast" is not a duration
  hint: a number with a unit: "500ms", "1s", "2m"
error: svc.toml:5:1: service `web`: "restrt" is not a field of a service
  hint: did you mean `restart`?
error: svc.toml:6:11: service `web`: `restart`: "allways" is not one of `on-failure`, `always`, `never`
  hint: did you mean `always`?
error: svc.toml:7:16: service `web`: `stop_timeout`: "10" is not a duration: the unit is missing
  hint: "10s" for seconds, "10ms", "10m"
error: svc.toml:8:9: service `web`: `env`: "A.B" a variable's name has letters, digits and `_`, the first no digit
error: svc.toml:10:9: service `web`: `umask`: "27" is a number, and it is not clear in which base
  hint: "027", in quotes: octal
error: svc.toml:11:21: service `web`: `limits.memory`: "12Q" is not a size
  hint: a number with a unit: "512M", "2G"
error: svc.toml:11:34: service `web`: `limits.cpu`: "50" is not a share of a core: it ends in `%`
  hint: percent of one core: "50%", "200%"
error: svc.toml:13:10: "../x" is not a name of a service: a name begins with a letter or digit
"#;
    assert_eq!(ran.err, expected);
    let json = project.svc(&["render", "--json"]).code(2).json();
    assert_eq!(json["error"]["code"], "invalid");
    assert_eq!(json["error"]["problems"][1]["line"], 3);
    assert_eq!(json["error"]["problems"].as_array().unwrap().len(), 11);
}

#[test]
fn syntax_errors_cycles_and_rivals_are_named() {
    let said = |text: &str| Project::new().manifest(text).svc(&["render"]).code(2).err;
    assert!(said("[service.web]\ncommand = [\"/bin/true\"\n").contains("svc.toml:"));
    assert!(
        said("[service.web]\ncommand = \"/bin/true\"\ncommand = \"/bin/false\"\n")
            .contains("svc.toml:3:1: this key stands here twice")
    );
    let cycle = "[service.a]\ncommand = \"/bin/true\"\ndepends_on = [\"b\"]\n[service.b]\ncommand = \"/bin/true\"\ndepends_on = [\"a\"]\n";
    assert!(said(cycle).contains("`depends_on`: is a cycle: a → b → a"), "{}", said(cycle));
    assert!(said("[service.a]\ncommand = \"/bin/true\"\nscript = \"x\"\n").contains("one or the other"));
    assert!(
        said("[service.a]\n").contains("svc.toml:1:10: service `a`: `command`: has neither `command` nor `script`")
    );
    assert!(said("[service.a]\ncommand = \"a 'b\"\n").contains("has a quote that is not closed"));
    assert!(said("[service.a]\ninstances = [\"x\", \"x\"]\ncommand = \"/bin/true\"\n").contains("twice"));
    assert!(said("[service.a]\ncommand = \"sleeep 1\"\n").contains("did you mean `sleep`?"));
    assert!(said("[service.a]\ncommand = \"\\u0000\"\n").contains("NUL"));
    let update = said("[service.a]\ncommand = \"/bin/true\"\nupdate = { branch = \"main\" }\n");
    assert!(update.contains("`update`"), "{update}");
}

#[test]
fn without_a_manager_it_says_so_in_a_sentence() {
    let project = Project::new();
    if std::path::Path::new("/run/systemd/system").exists() {
        return; // a machine with systemd has its manager: the walk is its test
    }
    let systemd = project.env("SVC_BACKEND", "systemd");
    let ran = systemd.svc(&["install", "web", "--user", "--", "/bin/sleep", "9"]).code(5);
    assert_eq!(
        ran.err,
        "error: there is no systemd here: it is not PID 1 of this machine (no `/run/systemd/system`)\n  hint: `--backend supervisor` runs services without it; `svc render` works without one\n"
    );
    assert!(systemd.files().is_empty(), "{:?}", systemd.files());
    let json = systemd.svc(&["install", "web", "--user", "--json", "--", "/bin/sleep", "9"]).code(5).json();
    assert_eq!(json["error"]["code"], "unreachable");
    systemd
        .svc(&["install", "web", "--user", "--backend", "launchd", "--", "/bin/sleep", "9"])
        .code(5)
        .warns("there is no launchd here");
    systemd.svc(&["--user", "status"]).ok();
    systemd
        .svc(&["--user", "stop", "nothing"])
        .code(4)
        .warns("there is no service `nobody`".replace("nobody", "nothing").as_str());
    systemd.svc(&["doctor", "--user"]).code(1).says("is not PID 1 here");
    // what the machine has is chosen, and it has no scope but the user's
    let auto = Project::new();
    auto.svc(&["render", "web", "--json", "--", "/bin/sleep", "9"]).ok().says("supervisor/jobs/web.toml");
    auto.svc(&["--system", "status"]).code(5).warns("services of one user");
}

#[test]
fn property_lists_are_rendered_on_every_platform() {
    let project = Project::new().env("SVC_BACKEND", "launchd");
    let ran = project.svc(&["--user", "render", "web", "--json", "--", "/bin/sleep", "9"]).ok();
    assert!(ran.out.contains("/Library/LaunchAgents/svc.web.plist\""), "{}", ran.out);
    let ran = project.svc(&["--system", "render", "web", "--run-as", "www", "--", "/bin/sleep", "9"]).ok();
    assert!(ran.out.starts_with("# /Library/LaunchDaemons/svc.web.plist\n<?xml "), "{}", ran.out);
    project.svc(&["--user", "render", "--explain"]).ok().says("ThrottleInterval");
    let ran = project.svc(&["--user", "render", "web", "--launchd", "Proces=1", "--", "/bin/sleep", "9"]).code(2);
    assert_eq!(
        ran.err,
        "error: --launchd: service `web`: `launchd.Proces`: is not a key of launchd.plist(5), and launchd would pass \
         over it\n  hint: did you mean `ProcessType`?\n"
    );
}

/// How launchd starts a program under the name of its service: the launcher is svc, and becomes the program.
#[test]
fn a_launcher_becomes_its_program() {
    let project = Project::new().env("ONLY", "1");
    let script = "trap; printf '%s|' \"$0\" \"$@\"; exec env";
    let ran = project.svc(&["exec", "--", "/bin/sh", "-c", script, "zero", "", "--json", "-x"]).ok();
    assert!(ran.out.starts_with("zero||--json|-x|") && ran.out.contains("ONLY=1\n"), "{}", ran.out);
    let ran = project.svc(&["exec", "--", "/nowhere/x"]).code(127);
    assert_eq!(ran.err, "error: can't execute `/nowhere/x`: no such file or directory\n");
    project.svc(&["exec", "--", "/"]).code(126);
    // SIGPIPE is not ignored, as it would be in a Rust program
    let ran = project.svc(&["exec", "--", "/bin/sh", "-c", "kill -PIPE $$; echo alive"]);
    assert_eq!(ran.out, "");
}

/// A home whose supervisor is chosen, whatever the machine has.
fn supervised() -> Project {
    let project = Project::new().env("SVC_BACKEND", "supervisor");
    std::fs::create_dir(project.path().join("run")).unwrap();
    std::fs::set_permissions(project.path().join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    project
}

#[test]
fn under_the_supervisor_what_is_not_started_needs_none() {
    let project = supervised();
    project.svc(&["install", "web", "--no-start", "--", "/bin/sleep", "9"]).ok().says("installed and enabled");
    let job = project.path().join("home/.local/state/svc/supervisor/jobs/web.toml");
    assert!(std::fs::read_to_string(&job).unwrap().contains("argv = [\"/bin/sleep\", \"9\"]"));
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&job.metadata().unwrap().permissions()) & 0o777, 0o600);
    let status = project.svc(&["status", "web", "--json"]).code(3).json();
    assert_eq!((&status[0]["backend"], &status[0]["state"]), (&"supervisor".into(), &"stopped".into()));
    assert_eq!((&status[0]["enabled"], &status[0]["drifted"]), (&true.into(), &false.into()));
    assert!(status[0]["log"].as_str().unwrap().ends_with("/.local/state/svc/logs/web.log"));
    project.svc(&["status", "web"]).code(3).says("crash of the supervisor yes");
    project.svc(&["logs", "web"]).ok();
    project.svc(&["stop", "web"]).ok();
    project.svc(&["reload", "web"]).code(1).warns("is not running");
    let again = project.svc(&["install", "web", "--no-start", "--", "/bin/sleep", "9"]).ok();
    assert!(again.out.contains("unchanged"), "{again}");
    // edited by hand, and mended
    let text = std::fs::read_to_string(&job).unwrap();
    std::fs::OpenOptions::new().append(true).open(&job).unwrap().set_len(text.len() as u64 - 2).unwrap();
    assert_eq!(project.svc(&["status", "web", "--json"]).code(3).json()[0]["drifted"], true);
    project.svc(&["doctor", "--fix"]).warns("as its definition says again");
    assert_eq!(std::fs::read_to_string(&job).unwrap(), text);
    project.svc(&["uninstall", "web"]).ok();
    assert!(project.files().is_empty(), "{:?}", project.files());
    assert!(!project.path().join("home/.local/state/svc").exists());
    assert_eq!(std::fs::read_dir(project.path().join("run")).unwrap().count(), 0, "nothing was started");
}

#[test]
fn enabling_under_the_supervisor_touches_the_login_files_and_gives_them_back() {
    let project = supervised();
    let profile = project.path().join("home/.profile");
    #[allow(clippy::disallowed_methods, reason = "test code")]
    std::fs::write(&profile, "umask 022 # mine").unwrap();
    project.svc(&["install", "web", "--no-start", "--no-enable", "--", "/bin/sleep", "9"]).ok();
    assert_eq!(std::fs::read_to_string(&profile).unwrap(), "umask 022 # mine");
    project.svc(&["enable", "web"]).ok();
    let text = std::fs::read_to_string(&profile).unwrap();
    assert!(text.starts_with("# >>> svc >>>\n") && text.ends_with("\n# <<< svc <<<\numask 022 # mine"), "{text}");
    assert!(project.path().join("home/.config/autostart/svc.desktop").exists());
    project.svc(&["doctor"]).ok().says("`~/.profile` starts the supervisor for 1 service");
    project.svc(&["disable", "web"]).ok();
    assert_eq!(std::fs::read_to_string(&profile).unwrap(), "umask 022 # mine");
    assert!(!project.path().join("home/.config").exists());
    project.svc(&["enable", "web"]).ok();
    project.svc(&["uninstall", "web"]).ok();
    assert_eq!(project.files(), [profile]);
}

#[test]
fn one_name_under_two_managers_is_refused_with_both_named() {
    let project = supervised();
    project.svc(&["install", "web", "--no-start", "--", "/bin/sleep", "9"]).ok();
    for arguments in [
        &["install", "web", "--user", "--backend", "systemd", "--", "/bin/sleep", "9"][..],
        &["install", "web", "--user", "--backend", "systemd", "--force", "--", "/bin/sleep", "9"],
    ] {
        let ran = project.svc(arguments).code(2);
        assert!(ran.err.contains("under supervisor already") && ran.err.contains("under systemd"), "{ran}");
    }
    // it stays where it is, whatever is asked for
    let listed = project.svc(&["list", "--user", "--backend", "systemd", "--json"]).ok().json();
    assert_eq!(listed[0]["backend"], "supervisor");
    project.svc(&["uninstall", "web", "--user", "--backend", "systemd"]).ok();
    assert!(project.files().is_empty());
}

#[test]
fn a_runtime_folder_that_somebody_may_have_planted_is_refused() {
    let project = supervised();
    std::os::unix::fs::symlink("/tmp", project.path().join("run/svc")).unwrap();
    project.svc(&["install", "web", "--no-start", "--", "/bin/sleep", "9"]).code(5).warns("is a link");
    assert!(project.files().is_empty(), "{:?}", project.files());
    project.svc(&["doctor"]).code(1).says("is a link");
    project.svc(&["supervisor", "status"]).code(5).warns("is a link");
}

#[test]
fn what_the_supervisor_cannot_do_is_refused_by_name() {
    let project = supervised()
        .manifest("[service.web]\ncommand = \"/bin/sleep 9\"\nsandbox = \"strict\"\nupdate = { branch = \"main\" }\n");
    let ran = project.svc(&["install"]).code(2);
    assert!(ran.err.contains("svc.toml:3:11: service `web`: `sandbox`") && ran.err.contains("`update`"), "{ran}");
    assert!(project.files().is_empty());
    project.svc(&["render", "--explain"]).ok().says("RLIMIT").says("refused");
}

#[test]
fn render_show_and_explain_need_no_manager() {
    let project = Project::new()
        .manifest("[service.web]\ncommand = \"/bin/sleep 9\"\nenv = { A_TOKEN = \"hush\", B = \"%h\" }\n");
    let project = project.env("SVC_BACKEND", "systemd");
    let unit = project.svc(&["render", "--user"]).ok();
    assert!(unit.out.contains("ExecStart=:/bin/sleep 9\n") && unit.out.contains("Environment=\"B=%%h\"\n"), "{unit}");
    let files = project.svc(&["render", "--user", "--json"]).ok().json();
    assert_eq!(files[0]["mode"], "0644");
    assert!(files[0]["path"].as_str().unwrap().ends_with("/.config/systemd/user/web.service"));
    project.svc(&["render", "--user", "-o", "out"]).ok();
    assert!(project.path().join("out/web.service").exists());
    let shown = project.svc(&["show", "web", "--user"]).ok().says("restart_delay = \"1s\"").says("A_TOKEN = \"***\"");
    assert!(!shown.out.contains("hush"));
    project.svc(&["render", "--explain"]).ok().says("ExecStart=").says("stop_timeout");
    project.svc(&["show", "wep", "--user"]).code(4).warns("did you mean `web`?");
    project.svc(&["render", "-f", "svc.toml", "--user"]).ok();
    project.svc(&["-f", "nowhere.toml", "render"]).code(2).warns("nowhere.toml");
}

#[test]
fn sudo_is_refused_with_both_ways_named() {
    if !nix::unistd::geteuid().is_root() {
        support::skip("sudo_is_refused_with_both_ways_named", "needs root");
        return;
    }
    let project = Project::new().env("SUDO_UID", "1000").env("SUDO_USER", "ann");
    for (backend, root) in [("systemd", "`sudo svc --system …`"), ("supervisor", "`sudo svc --user …`")] {
        let ran = project
            .svc(&["install", "web", "--backend", backend, "--", "/bin/true"])
            .code(5)
            .warns(root)
            .warns("for `ann`: the same command without sudo");
        assert_eq!(ran.out, "");
    }
    assert!(project.files().is_empty());
}

#[test]
fn nothing_hostile_is_shown_raw() {
    let project = Project::new()
        .manifest("[service.\"a\\u001b[2J\"]\ncommand = \"/bin/\\u001b]0;x\\u0007\"\n\"\\u202ekey\" = 1\n");
    let ran = project.svc(&["render"]).code(2);
    assert!(!ran.err.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{ran:?}");
    let ran = project.svc(&["status", "a\u{1b}2J"]).code(4);
    assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let line = format!("'{}' render --explain | head -1; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_svc"));
    let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("\n0\n"));
}

#[test]
fn every_command_has_help_with_an_example() {
    use clap::CommandFactory;
    let project = Project::new();
    for command in svc::cli::Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let help = project.svc(&[command.get_name(), "--help"]).ok();
        assert!(
            help.out.contains(&format!("svc {}", command.get_name()))
                && (help.out.contains("Example") || command.get_name() == "list" || command.get_name() == "show"),
            "{help}"
        );
    }
    for field in svc::service::Field::ALL {
        let help = project.svc(&["install", "--help"]).out;
        let flag = match field {
            svc::service::Field::Command => continue,
            svc::service::Field::User => "--run-as".to_owned(),
            other => format!("--{}", other.flag()),
        };
        assert!(help.contains(&flag), "no {flag}");
    }
}

#[test]
fn slips_are_answered_with_the_way_on() {
    let svc = |project: Project, arguments: &[&str]| project.env("SVC_BACKEND", "supervisor").svc(arguments);
    let alone = svc(Project::new(), &[]).code(2).warns("no command was given; `svc --help` lists them");
    assert!(!alone.err.contains("shim"), "hidden commands stay hidden: {alone}");
    let web = |more: &str| Project::new().manifest(&format!("[service.web]\ncommand = \"/bin/true\"\n{more}\n"));
    svc(web("wait_for = [\"netwrok\"]"), &["up"]).code(2).warns("svc.toml:3:13").warns("did you mean \"network\"?");
    svc(web("depends_on = [\"web-db\"]\n[service.web-bd]\nscript = \"x\""), &["up"])
        .code(2)
        .warns("svc.toml:3:14: service `web`: `depends_on`: \"web-db\"")
        .warns("did you mean `web-bd`?");
    svc(web("env_file = \".env\""), &["up"]).code(2).warns("svc.toml:3:12: service `web`: `env_file`");
    svc(web(""), &["status"]).ok().warns("is installed; `svc up` installs them");
    svc(Project::new().manifest(""), &["up", "--dry-run"]).ok().warns("svc.toml` has no service");
}
