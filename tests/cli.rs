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
    let health = said("[service.a]\ncommand = \"/bin/true\"\nhealth = { tcp = \"127.0.0.1:1\" }\n");
    assert!(health.contains("`health`"), "{health}");
}

#[test]
fn without_a_manager_it_says_so_in_a_sentence() {
    let project = Project::new();
    if std::path::Path::new("/run/systemd/system").exists() {
        return; // a machine with systemd has its manager: the walk is its test
    }
    let ran = project.svc(&["install", "web", "--user", "--", "/bin/sleep", "9"]).code(5);
    assert_eq!(
        ran.err,
        "error: there is no systemd here: it is not PID 1 of this machine (no `/run/systemd/system`)\n  hint: `svc render` works without one; svc's own supervisor for machines like this is not in this version\n"
    );
    assert!(project.files().is_empty(), "{:?}", project.files());
    let json = project.svc(&["install", "web", "--user", "--json", "--", "/bin/sleep", "9"]).code(5).json();
    assert_eq!(json["error"]["code"], "unreachable");
    project.svc(&["status", "--backend", "launchd"]).code(5).warns("not in this version");
    project.svc(&["--user", "status"]).ok();
    project
        .svc(&["--user", "stop", "nothing"])
        .code(4)
        .warns("there is no service `nobody`".replace("nobody", "nothing").as_str());
    project.svc(&["doctor", "--user"]).code(1).says("is not PID 1 here");
}

#[test]
fn render_show_and_explain_need_no_manager() {
    let project = Project::new()
        .manifest("[service.web]\ncommand = \"/bin/sleep 9\"\nenv = { A_TOKEN = \"hush\", B = \"%h\" }\n");
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
    let ran = project
        .svc(&["install", "web", "--", "/bin/true"])
        .code(5)
        .warns("`sudo svc --system …`")
        .warns("for `ann`: the same command without sudo");
    assert_eq!(ran.out, "");
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
    for command in svc::cli::Cli::command().get_subcommands() {
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
