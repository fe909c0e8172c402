//! What is written, read back by somebody else's rules where there are some at hand.

use super::{Format, export};
use crate::convert::import::{Source, import};
use crate::service::sample::{command, sample};
use crate::service::{EnvName, EnvValue, Exec, Field, Schedule, Service};
use proptest::prelude::*;
use std::time::Duration;

const ALL: [Format; 5] = [Format::Procfile, Format::Compose, Format::Supervisord, Format::Kubernetes, Format::Nomad];

fn web(words: &[&str]) -> Service {
    let mut service = sample("web");
    service.exec = command("/bin/web", words);
    let name = EnvName::parse("GREETING").unwrap();
    service.env.insert(name, EnvValue::new("it's 5% of $HOME").unwrap());
    service.limits.memory = Some(64 << 20);
    service.asked.insert(Field::Limits);
    service.asked.insert(Field::Sandbox);
    service
}

fn text(format: Format, service: &Service) -> String {
    export(format, std::slice::from_ref(service)).text
}

#[test]
fn every_format_says_what_it_could_not_carry() {
    for format in ALL {
        let converted = export(format, &[web(&["a"])]);
        let said = |part: &str| converted.notes.iter().any(|note| note.text.contains(part));
        assert!(said("`sandbox` is not carried over"), "{format:?} {:?}", converted.notes);
        assert!(converted.text.contains("/bin/web"), "{format:?}\n{}", converted.text);
    }
}

#[test]
fn times_are_written_where_there_are_some() {
    let mut service = web(&[]);
    service.schedule = Some(Schedule::Every(Duration::from_mins(5)));
    for format in [Format::Kubernetes, Format::Nomad] {
        assert!(text(format, &service).contains("\"*/5 * * * *\""), "{format:?}\n{}", text(format, &service));
    }
    service.schedule = Some(Schedule::Every(Duration::from_mins(7)));
    for format in ALL {
        let converted = export(format, &[service.clone()]);
        assert!(converted.notes.iter().any(|note| note.text.contains("is left out")), "{format:?}");
        assert!(!converted.text.contains("/bin/web"), "{format:?}\n{}", converted.text);
    }
}

#[test]
fn a_job_of_nomad_is_hcl_and_its_strings_are_not_replaced() {
    let written = text(Format::Nomad, &web(&["${x} %{y} \"q\" \\ \n\u{1}", "$${z}"]));
    let body: hcl::Body = hcl::parse(&written).unwrap_or_else(|error| panic!("{written}\n{error}"));
    let value: serde_json::Value = hcl::eval::from_str(&written, &hcl::eval::Context::new()).unwrap();
    assert_eq!(body.blocks().count(), 1);
    let task = &value["job"]["web"]["group"]["web"]["task"]["web"];
    assert_eq!(task["config"]["args"][0], "${x} %{y} \"q\" \\ \n\u{1}", "{written}");
    assert_eq!(task["env"]["GREETING"], "it's 5% of $HOME");
}

/// What `import` makes of what `export` wrote: the words of the command, and the environment's value.
fn back(format: Format, file: &str, service: &Service) -> Option<(Vec<String>, Option<String>)> {
    let converted = export(format, std::slice::from_ref(service));
    if converted.text.trim().is_empty() || converted.notes.iter().any(|note| note.text.contains("is left out")) {
        return None;
    }
    let source = Source { file: file.into(), bytes: converted.text.clone().into_bytes() };
    let read = import(&[source]).unwrap_or_else(|problems| panic!("{}\n{problems:?}", converted.text));
    let table: toml::Table = read.text.parse().unwrap();
    let web = &table["service"]["web"];
    let words = web["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
    let value = web.get("env").and_then(|env| env.get("GREETING")).and_then(toml::Value::as_str);
    Some((words, value.map(str::to_owned)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn what_is_written_is_read_back(words in prop::collection::vec("[ -~é\\n\\t;%$'\"\\\\]{0,10}", 0..4)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let service = web(&words);
        let expected: Vec<String> = std::iter::once("/bin/web").chain(words.iter().copied()).map(str::to_owned).collect();
        for (format, file) in [(Format::Compose, "c.yml"), (Format::Supervisord, "supervisord.conf")] {
            if let Some((read, value)) = back(format, file, &service) {
                prop_assert_eq!(&read, &expected, "{:?}", format);
                prop_assert_eq!(value.as_deref(), Some("it's 5% of $HOME"));
            }
        }
        // a Procfile is the shell's: it sees the same words
        let line = text(Format::Procfile, &service);
        if let Some(line) = line.strip_prefix("web: ") {
            let mut seen = shell_words::split(line).unwrap();
            let from = seen.iter().position(|word| word == "/bin/web").unwrap();
            prop_assert_eq!(seen.split_off(from), expected.clone());
        }
        let written = text(Format::Nomad, &service);
        let value: serde_json::Value = hcl::eval::from_str(&written, &hcl::eval::Context::new()).unwrap();
        let args = &value["job"]["web"]["group"]["web"]["task"]["web"]["config"]["args"];
        prop_assert_eq!(args, &serde_json::json!(words));
    }

    #[test]
    fn a_script_with_anything_in_it_is_no_reason_to_panic(script in any::<String>()) {
        let mut service = web(&[]);
        service.exec = Exec::Script(script.replace('\0', ""));
        for format in ALL {
            let _ = export(format, std::slice::from_ref(&service));
        }
    }
}
