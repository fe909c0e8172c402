//! Random values through the renderer and back through the model: they arrive byte for byte, and
//! nothing else changes in the unit.

use super::model::{argv, assignments, line_path, only_match, specifiers, values, words};
use super::unit;
use crate::service::sample::sample;
use crate::service::{AbsPath, EnvFile, EnvName, EnvValue, Exec, Logs, Origin, Sandbox, SearchPath, Text};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Characters that mean something to somebody, more often than others.
fn text(max: usize) -> impl Strategy<Value = String> {
    let special = prop::sample::select(
        " \t\n\r\"'\\%$;#*?[]{}=:@+!-|~`\u{1b}\u{7f}\u{85}ü\u{202e}\u{feff}axn0".chars().collect::<Vec<_>>(),
    );
    let any = any::<char>().prop_filter("systemd takes it", |c| *c != '\0' && !nonchar(*c));
    prop::collection::vec(prop_oneof![3 => special, 1 => any], 0..max).prop_map(|chars| chars.into_iter().collect())
}

fn nonchar(c: char) -> bool {
    ('\u{fdd0}'..='\u{fdef}').contains(&c) || (c as u32) & 0xfffe == 0xfffe
}

/// A path that can be written on a line.
fn path() -> impl Strategy<Value = AbsPath> {
    text(12).prop_map(|text| {
        let text = text.replace(['\n', '\r', '/'], "_");
        AbsPath::new(Path::new(&format!("/p/{text}"))).unwrap_or_else(|e| panic!("{e}"))
    })
}

fn environment() -> impl Strategy<Value = BTreeMap<EnvName, EnvValue>> {
    prop::collection::btree_map("[A-LN-Z_][A-Z0-9_]{0,8}", text(20), 0..5).prop_map(|map| {
        map.into_iter()
            .filter_map(|(name, value)| Some((EnvName::parse(&name).ok()?, EnvValue::new(value).ok()?)))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_command_and_environment_arrives_byte_for_byte(
        program in path(),
        args in prop::collection::vec(text(20), 0..6),
        env in environment(),
    ) {
        let plain = assignments(&unit(&sample("web")));
        let mut service = sample("web");
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        service.exec = Exec::Command { program: program.clone(), written: String::new(), args: args.clone() };
        service.env = env.clone();
        let all = assignments(&unit(&service));
        prop_assert_eq!(all.len(), plain.len() + env.len());

        let starts = values(&all, "Service", "ExecStart");
        prop_assert_eq!(starts.len(), 1);
        let argv = argv(starts[0]);
        let wanted: Vec<&[u8]> = std::iter::once(program.as_path().as_os_str()).chain(args.iter().map(AsRef::as_ref)).map(OsStrExt::as_bytes).collect();
        let shim = argv.len() - wanted.len();
        prop_assert!(argv[shim..].iter().map(Vec::as_slice).eq(wanted));
        prop_assert!(matches!((shim, &argv[0][..]), (0, _) | (2, b"/usr/bin/env") | (3, b"/bin/sh")));

        let rendered: Vec<Vec<u8>> = values(&all, "Service", "Environment").iter().map(|line| {
            let words = words(line, true);
            assert_eq!(words.len(), 1);
            specifiers(&words[0])
        }).collect();
        let wanted: Vec<Vec<u8>> = env.iter().map(|(name, value)| {
            [name.as_str().as_bytes(), b"=", value.expose().as_bytes()].concat()
        }).collect();
        prop_assert_eq!(rendered, wanted);
    }

    #[test]
    fn any_path_and_text_stays_on_its_line(
        dir in path(),
        log in path(),
        env_file in path(),
        manifest in prop::collection::vec(1_u8..=255, 0..20),
        script in text(40),
        description in text(20),
        on_path in path(),
    ) {
        prop_assume!(dir.as_path().parent().is_some(), "a strict sandbox leaves `/` to nobody");
        let mut service = sample("web");
        let bytes = [b"/", manifest.as_slice()].concat();
        let manifest = AbsPath::new(Path::new(std::ffi::OsStr::from_bytes(&bytes))).unwrap_or_else(|e| panic!("{e}"));
        service.origin = Origin::Manifest { file: manifest };
        service.working_dir = dir.clone();
        service.logs = Logs { file: Some(log.clone()), ..Logs::default() };
        service.env_files = vec![EnvFile { path: env_file.clone(), optional: false }];
        service.exec = Exec::Script(script.clone());
        service.sandbox = Sandbox::Strict;
        let description = description.trim_matches(['\\', ' ', '\t']).to_owned();
        service.description = Text::parse(&description).ok().filter(|_| !description.contains(['\u{feff}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}']));
        if !on_path.to_string().contains(':') {
            service.path = SearchPath::Listed(vec![on_path]);
        }
        let has_path = service.path != SearchPath::Minimal;
        let mut plain = sample("web");
        plain.sandbox = Sandbox::Strict;
        plain.working_dir = crate::service::sample::abs("/srv");
        plain.logs.file = Some(crate::service::sample::abs("/log/x"));
        plain.env_files = vec![EnvFile { path: dir.clone(), optional: false }];

        let all = assignments(&unit(&service));
        let keys = |all: &[super::model::Assignment]| all.iter().map(|(s, k, _)| format!("{s}.{k}"))
            .filter(|key| key != "Service.Environment" && key != "Service.ReadWritePaths").collect::<Vec<_>>();
        prop_assert_eq!(keys(&all), keys(&assignments(&unit(&plain))));
        prop_assert_eq!(values(&all, "Service", "Environment").len(), usize::from(has_path));

        let bytes = |path: &AbsPath| path.as_path().as_os_str().as_bytes().to_vec();
        prop_assert_eq!(line_path(values(&all, "Service", "WorkingDirectory")[0]), bytes(&dir));
        let output = values(&all, "Service", "StandardOutput")[0].strip_prefix("append:");
        prop_assert_eq!(output.map(line_path), Some(bytes(&log)));
        prop_assert_eq!(only_match(values(&all, "Service", "EnvironmentFile")[0]), bytes(&env_file));
        prop_assert_eq!(argv(values(&all, "Service", "ExecStart")[0]).iter().rev().nth(1).cloned(), Some(script.into_bytes()));
        let writable: Vec<_> = values(&all, "Service", "ReadWritePaths").iter().flat_map(|line| words(line, false)).collect();
        prop_assert_eq!(specifiers(&writable[0]), [b"-", bytes(&dir).as_slice()].concat());
        if let Some(text) = &service.description && !text.as_str().is_empty() {
            prop_assert_eq!(specifiers(values(&all, "Unit", "Description")[0].as_bytes()), text.as_str().as_bytes());
        }
    }
}
