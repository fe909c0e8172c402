//! A short run of the fuzz targets on every CI run, with proptest as the source of inputs: any text
//! as a manifest gives services or problems, never a panic; any bytes as log, index and compressed log give each
//! complete line once. `tests/fuzz` is the same for libFuzzer.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::path::Path;
use std::time::{Duration, Instant};
use svc::definition::{Secrets, Surroundings, read_text, to_toml};
use svc::service::{AbsPath, Field};

fn around() -> Surroundings {
    let path = |text: &str| AbsPath::new(Path::new(text)).unwrap();
    Surroundings { folder: path("/srv"), home: path("/home/ann"), path: "/usr/bin:/bin".into(), other_accounts: true }
}

/// Manifests that are nearly right: known keys with values of every shape.
fn manifest() -> impl Strategy<Value = String> {
    let key =
        prop::sample::select(Field::ALL.iter().map(|field| field.key()).chain(["projct", "x"]).collect::<Vec<_>>());
    let value = prop_oneof![
        "[ -~]{0,12}".prop_map(|text| format!("{text:?}")),
        prop::sample::select(vec![
            "1",
            "-1",
            "0.5",
            "true",
            "[]",
            "{}",
            "[1, \"a\"]",
            "\"5m\"",
            "\"1s\"",
            "{ tcp = \"127.0.0.1:1\" }",
            "{ count = 3, within = \"1m\" }",
            "\"/bin/true\"",
            "[\"/bin/true\", \"{name}\"]",
            "\"always\"",
            "{ file = \"x\" }",
            "{ memory = \"1M\" }",
            "\"strict\"",
            "1979-05-27",
            "{ Service = { A = 1, B = [\"x\", \"y\"] } }",
            "\"\"\"\nlong\n\"\"\"",
            "\"\\u0000\"",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let line = (key, value).prop_map(|(key, value)| format!("{key} = {value}"));
    let header = prop::sample::select(vec![
        "[service.a]",
        "[service.\"b c\"]",
        "[defaults]",
        "[service]",
        "project = \"p\"",
        "[[service]]",
        "",
    ]);
    prop::collection::vec((header, prop::collection::vec(line, 0..6)), 0..4)
        .prop_map(|tables| tables.into_iter().map(|(head, lines)| format!("{head}\n{}\n", lines.join("\n"))).collect())
}

/// Manifests that are right more often than not: one service, each key once.
fn likely() -> impl Strategy<Value = String> {
    let lines = vec![
        "group = [\"g\", \"h\"]",
        "description = \"d %h\"",
        "env = { A = \"{name}\", B = \"\\n'\\\"$\" }",
        "env_file = [\"-e\", \"/f\"]",
        "path = \"minimal\"",
        "path = [\"/usr/bin\", \"sub\"]",
        "working_dir = \"w\"",
        "start = \"manual\"",
        "restart = \"never\"",
        "restart_delay = \"1500ms\"",
        "restart_max_delay = \"3m\"",
        "restart_limit = { count = 3, within = \"1h 1s\" }",
        "restart_reset = \"2m\"",
        "stop_signal = \"int\"",
        "stop_timeout = \"1d\"",
        "reload = \"HUP\"",
        "reload = [\"/bin/true\", \"x\"]",
        "ready = \"notify\"",
        "ready = { log = \"up|ready\" }",
        "start_timeout = \"1us\"",
        "depends_on = [\"b\"]",
        "wait_for = [\"network\", \"/x\"]",
        "on_failure = { command = \"/bin/true a\", desktop = true }",
        "health = { http = \"http://x/\", retries = 2 }",
        "logs = { file = \"l\", keep = 2, max_size = \"1k\" }",
        "pid_file = \"p.pid\"",
        "limits = { memory = 1, cpu = \"5%\", tasks = 1, files = 9 }",
        "sandbox = \"basic\"",
        "nice = -3",
        "umask = \"0\"",
        "user = \"www\"",
        "every = \"90s\"",
        "schedule = \"daily\"",
        "update = { branch = \"b\", build = [\"x\"], staged = true }",
        "systemd = { Service = { A = [\"1\", \"2\"] } }",
        "launchd = { K = { L = 1 } }",
        "label = \"a.b\"",
        "instances = [\"i\", \"j\"]",
    ];
    prop::sample::subsequence(lines, 0..6)
        .prop_map(|lines| format!("[service.a]\ncommand = [\"/bin/true\", \"{{home}} %\"]\n{}\n", lines.join("\n")))
}

#[test]
fn any_text_is_a_manifest_or_a_list_of_problems() {
    let mut runner = TestRunner::default();
    let around = around();
    let schema = jsonschema::draft7::new(&svc::definition::schema()).unwrap();
    let (until, mut count, mut valid) = (Instant::now() + Duration::from_secs(20), 0u64, 0u64);
    while Instant::now() < until {
        for _ in 0..200 {
            let text = prop_oneof![manifest(), likely()].new_tree(&mut runner).unwrap().current();
            count += 1;
            match read_text(&text, Path::new("/srv/svc.toml"), &around) {
                Ok(definitions) => {
                    let value: serde_json::Value = toml::from_str(&text).unwrap();
                    // defaults that no service takes over are read by nobody
                    if !text.contains("[defaults]")
                        && let Err(error) = schema.validate(&value)
                    {
                        panic!("the reader takes what the schema does not: {error}\n{text}");
                    }
                    for service in definitions.services {
                        valid += 1;
                        // what `svc show` prints reads back as the same service
                        let shown = to_toml(&service, Secrets::Shown);
                        let again = read_text(&shown, Path::new("/srv/svc.toml"), &around);
                        let mut again =
                            again.unwrap_or_else(|problems| panic!("{shown}\n{problems:?}")).services.remove(0);
                        again.asked = service.asked;
                        again.instance.clone_from(&service.instance);
                        if let (
                            svc::service::Exec::Command { written, .. },
                            svc::service::Exec::Command { written: own, .. },
                        ) = (&mut again.exec, &service.exec)
                        {
                            written.clone_from(own);
                        }
                        again.path = service.path.clone();
                        assert_eq!(again, service, "{shown}");
                    }
                }
                Err(problems) => assert!(!problems.is_empty(), "{text}"),
            }
        }
    }
    eprintln!("{count} manifests, {valid} services of them valid and the same after `svc show`");
    assert!(valid > 1000, "{valid}");
}

/// Text in lines of any bytes, some with a time in front, the last one ended or not.
fn log() -> impl Strategy<Value = Vec<u8>> {
    let stamp = (0_u32..3_000_000).prop_map(|second| {
        let time = jiff::Timestamp::from_second(i64::from(second)).unwrap();
        format!("{time:.6} ").into_bytes()
    });
    let line = (prop_oneof![Just(Vec::new()), stamp], vec(any::<u8>(), 0..40), prop::bool::weighted(0.9));
    vec(line, 0..30).prop_map(|lines| {
        let end = |ended| if ended { &b"\n"[..] } else { b"" };
        lines.into_iter().flat_map(|(stamp, text, ended)| [&stamp, &text[..], end(ended)].concat()).collect()
    })
}

fn gz(text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text).unwrap();
    gz.finish().unwrap()
}

/// What stands in these files, in lines without the times that svc puts in front.
fn expected(texts: &[&[u8]]) -> Vec<Vec<u8>> {
    let stamp = r"^(?-u)[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z ";
    let stamp = regex::bytes::Regex::new(stamp).unwrap();
    let lines = texts.iter().flat_map(|text| text.split_inclusive(|byte| *byte == b'\n'));
    lines.map(|line| stamp.replace(line.strip_suffix(b"\n").unwrap_or(line), &b""[..]).into_owned()).collect()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "fixtures")]
fn any_bytes_are_a_log_and_each_line_comes_once() {
    use std::os::unix::fs::MetadataExt;
    let mut runner = TestRunner::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let index = folder.path().join(svc::logs::times::FOLDER);
    std::fs::create_dir(&index).unwrap();
    let (until, mut count) = (Instant::now() + Duration::from_secs(5), 0u64);
    let made =
        (log(), log(), log(), vec(any::<u8>(), 0..200), any::<bool>(), any::<prop::sample::Index>(), 0_usize..60);
    while Instant::now() < until {
        for _ in 0..50 {
            count += 1;
            let (old, rotated, text, bytes, header, cut, last) = made.new_tree(&mut runner).unwrap().current();
            std::fs::write(folder.path().join("log.2.gz"), gz(&old)).unwrap();
            std::fs::write(folder.path().join("log.1"), &rotated).unwrap();
            std::fs::write(&path, &text).unwrap();
            let inode = std::fs::metadata(&path).unwrap().ino();
            let bytes = if header { [b"svctimes\0\0\0\0\0\0\0\0", &bytes[..]].concat() } else { bytes };
            std::fs::write(index.join(format!("log.{inode}")), &bytes).unwrap();
            let lines = |last, since: Option<i64>| -> Vec<Vec<u8>> {
                let since = since.and_then(|second| jiff::Timestamp::from_second(second).ok());
                svc::logs::lines(&path, last, since).unwrap().into_iter().map(|line| line.message).collect()
            };
            let whole = expected(&[&old, &rotated, &text]);
            assert_eq!(lines(None, None), whole);
            assert_eq!(lines(Some(last), None), whole[whole.len().saturating_sub(last)..]);
            // whatever the index says, what is chosen stands there
            assert!(lines(None, Some(1_500_000)).len() <= whole.len());
            // damaged: what comes behind is not lost, and nothing comes twice
            let mut damaged = gz(&old);
            let at = cut.index(damaged.len());
            if header {
                damaged.truncate(at);
            } else {
                damaged[at] ^= 0x55;
            }
            std::fs::write(folder.path().join("log.2.gz"), &damaged).unwrap();
            let behind = expected(&[&rotated, &text]);
            assert!(lines(None, None).ends_with(&behind));
            assert_eq!(lines(Some(last.min(behind.len())), None), behind[behind.len() - last.min(behind.len())..]);
        }
    }
    eprintln!("{count} logs");
}
