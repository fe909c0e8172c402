//! `svc schema`, judged by a validator of JSON schemas that is not svc's: what the reader takes, the
//! schema takes; what is broken in its form, it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "test code")]

mod support;

use jsonschema::Validator;
use std::path::Path;
use support::{Project, root};
use svc::definition::{Secrets, Surroundings, read_text, schema, to_toml};
use svc::service::{AbsPath, Field, Service};

fn validator() -> Validator {
    jsonschema::draft7::new(&schema()).expect("the schema is valid by itself")
}

/// What the schema says against a manifest.
fn said(validator: &Validator, text: &str) -> Vec<String> {
    let value: serde_json::Value = toml::from_str(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn read(text: &str) -> Service {
    let path = |text: &str| AbsPath::new(Path::new(text)).unwrap();
    let around = Surroundings {
        folder: path("/srv"),
        home: path("/home/ann"),
        path: "/usr/bin:/bin".into(),
        other_accounts: true,
    };
    let read = read_text(text, Path::new("/srv/svc.toml"), &around);
    read.unwrap_or_else(|problems| panic!("{text}\n{problems:?}")).services.remove(0)
}

#[test]
fn the_binary_prints_the_schema_with_everything_of_every_field() {
    let printed = Project::new().svc(&["schema"]).ok().json();
    assert_eq!(printed, schema());
    assert_eq!(Project::new().svc(&["schema", "--json"]).ok().json(), printed);
    for field in Field::ALL {
        let one = &printed["definitions"][field.key()];
        let description = one["description"].as_str().unwrap();
        assert!(description.contains(field.doc()) && description.contains("Default: "), "{field:?}");
        assert_eq!(description.contains("Unit: "), field.shape().unit().is_some(), "{field:?}");
        assert!(!one["examples"].as_array().unwrap().is_empty(), "{field:?} has no example");
    }
}

#[test]
fn all_examples_are_accepted() {
    let validator = validator();
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let file = entry.unwrap().path().join("svc.toml");
        assert_eq!(said(&validator, &std::fs::read_to_string(&file).unwrap()), [""; 0], "{}", file.display());
        seen += 1;
    }
    assert!(seen >= 5, "{seen}");
}

/// Of each field of the table: reader and schema take its examples, and its default is the reader's.
#[test]
fn examples_and_defaults_of_the_table_are_true() {
    let validator = validator();
    let bare = "[service.a]\ncommand = \"/bin/true\"\n";
    let defaults: toml::Table = to_toml(&read(bare), Secrets::Shown).parse().unwrap();
    for field in Field::ALL {
        for line in field.example().lines() {
            let program = match field {
                Field::Command | Field::Script => "",
                _ => "command = \"/bin/true\"\n",
            };
            let text = format!("[service.a]\n{program}{line}\n");
            assert_eq!(said(&validator, &text), [""; 0], "{text}");
            // the programs of examples need not be on this machine
            if !["command = ", "reload = [", "on_failure = "].iter().any(|start| line.starts_with(start)) {
                read(&text);
            }
        }
        let Some(default) = field.default_value() else { continue };
        if *field != Field::Path {
            assert_eq!(defaults["service"]["a"][field.key()], default, "{field:?}");
        }
        assert_eq!(said(&validator, &format!("{bare}{} = {}\n", field.key(), field.default_text())), [""; 0]);
    }
    // what the reader fills in is a manifest, too
    assert_eq!(said(&validator, &defaults.to_string()), [""; 0]);
}

#[test]
fn what_is_broken_is_refused() {
    let validator = validator();
    for (broken, part) in [
        ("projekt = \"x\"", "projekt"),
        ("[service.a]\ncommand = \"x\"\nrestrt = \"always\"", "restrt"),
        ("[service.a]\ncommand = \"x\"\nrestart = \"allways\"", "/service/a/restart"),
        ("[service.a]\ncommand = \"x\"\nrestart_delay = \"fast\"", "/service/a/restart_delay"),
        ("[service.a]\ncommand = \"x\"\nrestart_delay = 5", "/service/a/restart_delay"),
        ("[service.a]\ncommand = \"x\"\nstop_timeout = \"0s\"", "/service/a/stop_timeout"),
        ("[service.a]\ncommand = [\"x\", 3000]", "/service/a/command"),
        ("[service.a]\ncommand = \"x\"\nscript = \"y\"", "/service/a"),
        ("[service.a]\nnice = 3", "/service/a"),
        ("[service.a]\ncommand = \"x\"\nnice = 20", "/service/a/nice"),
        ("[service.a]\ncommand = \"x\"\numask = 27", "/service/a/umask"),
        ("[service.a]\ncommand = \"x\"\nenv = { \"A.B\" = \"1\" }", "A.B"),
        ("[service.a]\ncommand = \"x\"\nlimits = { memory = \"12Q\" }", "/service/a/limits/memory"),
        ("[service.a]\ncommand = \"x\"\nlimits = { cpu = \"50\" }", "/service/a/limits/cpu"),
        ("[service.a]\ncommand = \"x\"\nlogs = { rate_limit = \"0/s\" }", "/service/a/logs/rate_limit"),
        ("[service.a]\ncommand = \"x\"\nlogs = { rate_limit = \"5/d\" }", "/service/a/logs/rate_limit"),
        ("[service.a]\ncommand = \"x\"\nlimits = { ram = 1 }", "ram"),
        ("[service.a]\ncommand = \"x\"\nready = { tcp = \"a:1\", log = \"b\" }", "/service/a/ready"),
        ("[service.a]\ncommand = \"x\"\nhealth = { http = \"ftp://x\" }", "/service/a/health/http"),
        ("[service.a]\ncommand = \"x\"\nevery = \"1m\"\nschedule = \"daily\"", "/service/a"),
        ("[service.a]\ncommand = \"x\"\nsystemd = { Servis = { A = 1 } }", "Servis"),
        ("[service.\"../x\"]\ncommand = \"x\"", "../x"),
        ("[service.a]\ncommand = \"x\"\ninstances = []", "/service/a/instances"),
        ("[defaults]\ncommand = \"x\"", "command"),
        ("service = 1", "/service"),
    ] {
        let said = said(&validator, broken).join("\n");
        assert!(said.contains(part), "{broken}\n{said}");
    }
}
