//! Random values through the renderer and back through two readers, the `plist` crate and [`super::model`]:
//! they arrive byte for byte, in the property list or in the shim's job file, and nothing else changes.

use super::{Node, read, target};
use crate::backend::launchd::render::{Way, render, way};
use crate::backend::{Rendered, Scope};
use crate::engine::job::Job;
use crate::files::owner::{Owner, owner};
use crate::service::sample::sample;
use crate::service::{AbsPath, EnvName, EnvValue, Exec, Origin, SearchPath, Text};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Characters that mean something to somebody, more often than others; some that XML does not have.
fn text(max: usize) -> impl Strategy<Value = OsString> {
    let special = prop::sample::select(
        " \t\n\r\"'\\%$;#&<>[]{}=:!-/x\u{7f}\u{85}ü\u{202e}\u{2028}\u{feff}\u{fdd0}🦀".chars().collect::<Vec<_>>(),
    );
    let any = any::<char>().prop_filter("no program can have NUL", |c| *c != '\0');
    let chars = prop::collection::vec(prop_oneof![8 => special, 1 => any], 0..max);
    let words =
        prop::sample::select(vec!["]]>", "<!--", "-->", "</string>", "&amp;", "&#13;", "<![CDATA[x]]>", "\n[X-Svc]\n"]);
    prop_oneof![
        8 => chars.prop_map(|chars| chars.into_iter().collect::<String>().into()),
        2 => words.prop_map(OsString::from),
        1 => prop::collection::vec(1_u8..=255, 0..max).prop_map(OsString::from_vec),
    ]
}

fn path() -> impl Strategy<Value = AbsPath> {
    text(12).prop_map(|name| {
        let name: Vec<u8> = name.into_vec().into_iter().filter(|byte| *byte != b'/').collect();
        let bytes = [b"/p/x", name.as_slice()].concat();
        AbsPath::new(Path::new(&OsString::from_vec(bytes))).unwrap()
    })
}

fn environment() -> impl Strategy<Value = BTreeMap<EnvName, EnvValue>> {
    prop::collection::btree_map("[A-LN-Z_][A-Z0-9_]{0,8}", text(20), 0..4).prop_map(|map| {
        map.into_iter()
            .filter_map(|(name, value)| Some((EnvName::parse(&name).ok()?, EnvValue::new(value).ok()?)))
            .collect()
    })
}

/// What another reader finds, by whichever way the service goes.
struct Found {
    argv: Vec<Vec<u8>>,
    env: BTreeMap<String, Vec<u8>>,
    dir: Vec<u8>,
    log: Vec<u8>,
}

fn found(rendered: &Rendered, keys: &Node) -> Found {
    let bytes = |text: &str| text.as_bytes().to_vec();
    if let Some(file) = rendered.files.get(1) {
        let job: Job = toml::from_str(&file.contents).unwrap();
        return Found {
            argv: job.argv.into_iter().map(|word| word.0).collect(),
            env: job.env.into_iter().map(|(name, value)| (name, value.0)).collect(),
            dir: job.working_dir.0,
            log: job.log.file.0,
        };
    }
    let argv: Vec<Vec<u8>> = keys.get("ProgramArguments").unwrap().texts().into_iter().map(bytes).collect();
    let own = if argv.get(1..3) == Some(&[b"exec".to_vec(), b"--".to_vec()]) { 3 } else { 0 };
    let env = keys.get("EnvironmentVariables").map_or_else(BTreeMap::new, |env| {
        env.keys().into_iter().map(|name| (name.to_owned(), bytes(env.get(name).unwrap().text()))).collect()
    });
    Found {
        argv: argv[own..].to_vec(),
        env,
        dir: bytes(keys.get("WorkingDirectory").unwrap().text()),
        log: bytes(keys.get("StandardOutPath").unwrap().text()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_arrives_byte_for_byte(
        program in path(),
        args in prop::collection::vec(text(20), 0..5),
        env in environment(),
        dir in path(),
        log in path(),
        origin in path(),
        script in prop::option::of("\\PC{0,20}|[\u{1}-\u{20}x<&>]{0,10}"),
        description in prop::option::of("\\PC{0,20}"),
        on_path in path(),
    ) {
        let mut service = sample("web");
        service.exec = match &script {
            Some(text) => Exec::Script(text.clone()),
            None => Exec::Command { program: program.clone(), written: String::new(), args: args.clone() },
        };
        service.env.clone_from(&env);
        service.working_dir = dir.clone();
        service.logs.file = Some(log.clone());
        service.origin = Origin::Manifest { file: origin };
        service.description = description.and_then(|text| Text::parse(&text).ok());
        let path_bytes = |path: &AbsPath| path.as_path().as_os_str().as_bytes().to_vec();
        let mut wanted_env: BTreeMap<String, Vec<u8>> =
            env.iter().map(|(name, value)| (name.as_str().to_owned(), value.expose().as_bytes().to_vec())).collect();
        if !path_bytes(&on_path).contains(&b':') {
            service.path = SearchPath::Listed(vec![on_path.clone()]);
            wanted_env.entry("PATH".into()).or_insert_with(|| path_bytes(&on_path));
        }

        let rendered = render(&service, &target(Scope::User)).unwrap();
        let text = &rendered.files[0].contents;
        let is_ours = matches!(owner(text), Owner::Svc { intact: true, .. });
        prop_assert!(is_ours, "{}", text);
        let keys = read(text);
        let found = found(&rendered, &keys);
        match &script {
            Some(text) => prop_assert_eq!(found.argv.iter().rev().nth(1).cloned(), Some(text.clone().into_bytes())),
            None => {
                let wanted: Vec<Vec<u8>> =
                    std::iter::once(path_bytes(&program)).chain(args.iter().map(|arg| arg.as_bytes().to_vec())).collect();
                prop_assert_eq!(found.argv, wanted);
            }
        }
        prop_assert_eq!(&found.env, &wanted_env);
        prop_assert_eq!(found.dir, path_bytes(&dir));
        prop_assert_eq!(found.log, path_bytes(&log));

        // both readers see the same, and no key more than a plain service has
        prop_assert_eq!(&keys, &of_crate(&plist::Value::from_reader_xml(text.as_bytes()).unwrap()));
        let with_env = "Label ProgramArguments WorkingDirectory EnvironmentVariables RunAtLoad KeepAlive ThrottleInterval \
                        ExitTimeOut StandardOutPath StandardErrorPath LimitLoadToSessionType";
        let expected = match (way(&service), wanted_env.is_empty()) {
            (Way::Shim, _) => with_env.replace(" WorkingDirectory EnvironmentVariables", ""),
            (Way::Plain | Way::Named, true) => with_env.replace(" EnvironmentVariables", ""),
            (Way::Plain | Way::Named, false) => with_env.to_owned(),
        };
        prop_assert_eq!(keys.keys().join(" "), expected);
    }

    #[test]
    fn any_key_of_a_person_arrives_or_is_refused(value in text(20), key in "[A-Za-z&<> ]{1,8}") {
        let Some(value) = value.to_str().map(str::to_owned) else { return Ok(()) };
        let mut service = sample("web");
        let mut paths = toml::Table::new();
        paths.insert(key.clone(), toml::Value::String(value.clone()));
        let mut descriptor = toml::Table::new();
        descriptor.insert("com.example".into(), toml::Value::Table(paths));
        service.launchd.insert("StandardInPath".into(), toml::Value::String(value.clone()));
        service.launchd.insert("LaunchEvents".into(), toml::Value::Table(descriptor));
        match render(&service, &target(Scope::User)) {
            Ok(rendered) => {
                let keys = read(&rendered.files[0].contents);
                prop_assert_eq!(keys.get("StandardInPath").unwrap().text(), value.as_str());
                let inner = keys.get("LaunchEvents").unwrap().get("com.example").unwrap();
                prop_assert_eq!(inner.get(&key).unwrap().text(), value.as_str());
            }
            Err(problems) => prop_assert!(problems.iter().all(|problem| problem.reason.contains("can't hold"))),
        }
    }
}

/// The crate's value in the other reader's shape; its dictionary keeps the order of the file.
fn of_crate(value: &plist::Value) -> Node {
    match value {
        plist::Value::Dictionary(map) => {
            Node::Dict(map.iter().map(|(key, value)| (key.clone(), of_crate(value))).collect())
        }
        plist::Value::Array(items) => Node::Array(items.iter().map(of_crate).collect()),
        plist::Value::String(text) => Node::Text(text.clone()),
        plist::Value::Integer(number) => Node::Integer(number.as_signed().unwrap()),
        plist::Value::Boolean(flag) => Node::Flag(*flag),
        other => panic!("{other:?} is not rendered"),
    }
}
