//! `svc init` and `svc export` through the binary.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod support;

use support::{Project, root};

fn write(project: &Project, name: &str, text: &str) {
    let path = project.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn manifest(project: &Project) -> toml::Table {
    let text = std::fs::read_to_string(project.path().join("svc.toml")).unwrap();
    assert!(text.starts_with("# The services of this project") && text.contains("\n# env_file = "), "{text}");
    text.parse().unwrap()
}

fn command<'a>(manifest: &'a toml::Table, name: &str) -> Vec<&'a str> {
    let words = manifest["service"][name]["command"].as_array().unwrap();
    words.iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn init_guesses_from_a_procfile_and_compose() {
    let project = Project::new();
    write(&project, "Procfile", "web: /bin/sleep 9\nworker: echo $HOME | cat\n");
    write(&project, "compose.yml", "services:\n  db:\n    command: /bin/sleep 8\n    image: x\n");
    write(&project, "package.json", "{\"scripts\": {\"start\": \"node x\"}}");
    let ran =
        project.svc(&["init"]).ok().says("wrote svc.toml").warns("note: Procfile: service `web`: guessed from it");
    assert!(ran.err.contains("compose.yml:4: service `db`: `image`"), "{ran}");
    let made = manifest(&project);
    assert_eq!(command(&made, "web"), ["/bin/sleep", "9"]);
    assert_eq!(command(&made, "db"), ["/bin/sleep", "8"]);
    assert_eq!(made["service"].as_table().unwrap().len(), 3);
    // it is a manifest as it stands
    project.svc(&["render", "--backend", "supervisor"]).ok();
    // and is not touched by a second one
    let text = std::fs::read(project.path().join("svc.toml")).unwrap();
    project.svc(&["init"]).code(2).warns("`svc.toml` is there already, and is not overwritten").warns("hint:");
    assert_eq!(std::fs::read(project.path().join("svc.toml")).unwrap(), text);
    project.svc(&["-f", "other.toml", "init"]).ok().says("wrote other.toml");
    let json = project.svc(&["-f", "third.toml", "init", "--json"]).ok().json();
    assert_eq!(json["file"], "third.toml");
}

#[test]
fn init_guesses_from_package_json_cargo_and_pyproject() {
    let project = Project::new();
    write(
        &project,
        "package.json",
        "{\n \"name\": \"@x/site\",\n \"scripts\": {\n  \"start\": \"node x\",\n  \"start:worker\": \"y\",\n  \"test\": \"z\"\n }\n}\n",
    );
    write(&project, "yarn.lock", "");
    write(&project, "Cargo.toml", "[package]\nname = \"engine\"\n[[bin]]\nname = \"tool\"\npath = \"t.rs\"\n");
    write(&project, "src/main.rs", "");
    write(&project, "src/bin/agent.rs", "");
    write(&project, "pyproject.toml", "[project.scripts]\nbot = \"bot:main\"\n");
    write(&project, ".venv/bin/bot", "");
    project.svc(&["init"]).ok().warns("note: package.json:4: service `site`: guessed from the script `start`");
    let made = manifest(&project);
    assert_eq!(command(&made, "site"), ["yarn", "run", "start"]);
    assert_eq!(command(&made, "worker"), ["yarn", "run", "start:worker"]);
    for name in ["engine", "tool", "agent"] {
        assert_eq!(command(&made, name), [format!("target/release/{name}")]);
    }
    assert_eq!(command(&made, "bot"), [".venv/bin/bot"]);
    assert_eq!(made["service"].as_table().unwrap().len(), 6);
}

#[test]
fn init_of_an_empty_folder_or_of_broken_files_is_an_example_that_works() {
    let project = Project::new();
    write(&project, "package.json", "{");
    write(&project, "Cargo.toml", "[");
    write(&project, "pyproject.toml", "[");
    write(&project, "compose.yml", "a: [");
    let ran = project.svc(&["init"]).ok().warns("package.json: is not read").warns("Cargo.toml: is not read");
    assert!(ran.err.contains("compose.yml: is not read") && ran.err.contains("an example"), "{ran}");
    manifest(&project);
    project.svc(&["render", "--backend", "supervisor"]).ok().says("echo working");
}

#[test]
fn the_examples_are_exported_to_every_format() {
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let folder = entry.unwrap().path();
        let folder = folder.to_str().unwrap();
        for format in ["procfile", "compose", "supervisord", "kubernetes", "nomad"] {
            let project = Project::new();
            let ran = project.svc(&["-C", folder, "export", "--to", format]).ok();
            assert!(ran.err.contains("is not carried over") || ran.err.contains("is left out"), "{format}: {ran}");
            if format == "compose" {
                judged("compose", &ran.out, "import sys, yaml; assert 'services' in yaml.safe_load(sys.stdin)");
            }
            if format == "kubernetes" {
                judged(
                    "kubernetes",
                    &ran.out,
                    "import sys, yaml; assert all(one['kind'] for one in yaml.safe_load_all(sys.stdin))",
                );
            }
        }
        let project = Project::new();
        let rendered = project.svc(&["-C", folder, "--user", "--backend", "systemd", "render"]).ok();
        let exported = project.svc(&["-C", folder, "--user", "export", "--to", "systemd"]).ok();
        assert_eq!(exported.out, rendered.out);
    }
    Project::new().svc(&["export", "--to", "systemd"]).code(2).warns("there is no `svc.toml` here");
    Project::new().svc(&["export"]).code(2);
    let web = root().join("examples/web");
    let one = Project::new().svc(&["-C", web.to_str().unwrap(), "export", "--to", "compose", "db"]).ok();
    assert!(one.out.contains("db:") && !one.out.contains("web.sh"), "{one}");
    Project::new().svc(&["-C", web.to_str().unwrap(), "export", "--to", "compose", "nothing"]).code(4);
}

/// supervisord is the judge of its own format: each argument and variable arrives byte for byte.
#[test]
fn supervisord_runs_what_is_exported() {
    let daemon = std::path::Path::new("/usr/bin/supervisord");
    if !daemon.exists() {
        return support::skip("supervisord_runs_what_is_exported", "/usr/bin/supervisord is not here");
    }
    let project = Project::new();
    let said = project.path().join("said");
    let program = "import json, os, sys; open(sys.argv[1] + '.new', 'w').write(json.dumps([sys.argv[2:], os.environ['X_A'], \
                   os.getcwd()])); os.rename(sys.argv[1] + '.new', sys.argv[1]); import time; time.sleep(1000)";
    let words =
        ["a b", "$HOME", "50%", "it's", "\"q\"", "a\\b", "", "#no", "a # b ; c", ";", "t\t#x", "%(ENV_HOME)s", "ü"];
    let words: Vec<toml::Value> = words.iter().map(|word| (*word).into()).collect();
    let command = ["/usr/bin/python3".into(), "-c".into(), program.into(), said.to_str().unwrap().into()];
    let command = toml::Value::Array(command.into_iter().chain(words.clone()).collect());
    write(
        &project,
        "svc.toml",
        &format!("[service.web]\ncommand = {command}\nworking_dir = \"/usr\"\nenv = {{ X_A = \"50% $HOME;#\" }}\n"),
    );
    let ran = project.svc(&["export", "--to", "supervisord"]).ok();
    let head = "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=pid\n";
    write(&project, "sd.conf", &format!("{head}{}", ran.out));
    let mut child = std::process::Command::new(daemon)
        .args(["-c", "sd.conf"])
        .current_dir(project.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let read = || std::fs::read_to_string(&said).map_err(|cause| cause.to_string());
    let text = std::panic::catch_unwind(|| support::wait_until("the program speaks", 20, read));
    support::kill(i32::try_from(child.id()).unwrap(), 15);
    child.wait().unwrap();
    let seen: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
    assert_eq!(seen, serde_json::json!([words, "50% $HOME;#", "/usr"]), "{}", ran.out);
}

/// Another reader of YAML, where the machine has one.
fn judged(what: &str, text: &str, program: &str) {
    use std::io::Write;
    let has = std::process::Command::new("python3").args(["-c", "import yaml"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        return support::skip(what, "python3 with yaml is not here");
    }
    let mut child = std::process::Command::new("python3")
        .args(["-c", program])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{what}\n{text}");
}
