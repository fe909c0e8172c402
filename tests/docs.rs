//! The documentation names every field and every command, and nothing that is not there.

#![allow(clippy::expect_used, clippy::disallowed_methods, clippy::panic, reason = "tests")]

use clap::CommandFactory;
use std::collections::BTreeSet;
use svc::cli::Cli;
use svc::service::Field;

/// The manual of the manifest without what the table of fields knows.
const PROSE: &str = include_str!("../templates/docs/manifest.md");
const MANIFEST: &str = include_str!("../docs/manifest.md");
const COMMANDS: &str = include_str!("../docs/commands.md");
const SYSTEMD: &str = include_str!("../docs/systemd.md");
const SUPERVISOR: &str = include_str!("../docs/supervisor.md");
const LAUNCHD: &str = include_str!("../docs/launchd.md");
const README: &str = include_str!("../README.md");

/// The text of headings of this level.
fn headings<'a>(text: &'a str, level: &str) -> Vec<&'a str> {
    let mut in_block = false;
    let lines = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        in_block ^= fence;
        !fence && !in_block
    });
    lines.filter_map(|line| line.strip_prefix(level)?.strip_prefix(' ')).map(str::trim).collect()
}

/// What stands under a heading, up to the next of the same or a higher level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}\n")).map(|at| at + heading.len() + 2).expect("the heading is there");
    let rest = &text[start..];
    let end = ["\n## ", "\n### "].iter().filter_map(|next| rest.find(next)).min().unwrap_or(rest.len());
    &rest[..end]
}

/// docs/manifest.md: below the heading of each field what the table of fields says of it.
fn manual() -> String {
    let mut text = String::new();
    for line in PROSE.lines() {
        text.push_str(line);
        text.push('\n');
        if let Some(key) = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')) {
            let field = Field::from_key(key).unwrap_or_else(|| panic!("`{key}` is no field"));
            text.push_str(&facts(field));
        }
    }
    text
}

fn facts(field: Field) -> String {
    let code = |text: &str, is_value: bool| if is_value { format!("`{text}`") } else { text.to_owned() };
    let default = code(field.default_text(), field.default_value().is_some());
    let mut text = format!("\n{}.\n\n- Default: {default}\n", field.doc());
    if let Some(unit) = field.shape().unit() {
        text.push_str(&format!("- Unit: {unit}\n"));
    }
    for key in field.keys() {
        let default = code(key.default_text, key.default_value().is_some());
        let unit = key.shape.unit().map(|unit| format!("; {unit}")).unwrap_or_default();
        text.push_str(&format!("- `{}`: {}{unit}. Default: {default}\n", key.name, key.doc));
    }
    text + &format!("\n```toml\n{}\n```\n", field.example())
}

#[test]
fn the_manual_of_the_manifest_is_what_the_table_of_fields_says() {
    let text = manual();
    if std::env::var_os("GOLDEN").is_some_and(|how| how == "rewrite") {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manifest.md");
        std::fs::write(path, text).expect("docs/manifest.md can be written");
        return;
    }
    assert!(text == MANIFEST, "docs/manifest.md is not what the table of fields makes: `make docs`");
}

#[test]
fn every_field_has_a_heading_in_the_manual_of_the_manifest_and_no_other_has() {
    let headed: BTreeSet<&str> =
        headings(MANIFEST, "###").into_iter().map(|heading| heading.trim_matches('`')).collect();
    let fields: BTreeSet<&str> = Field::ALL.iter().map(|field| field.key()).collect();
    assert_eq!(headed, fields);
}

#[test]
fn every_field_has_an_example_and_says_what_systemd_does() {
    for field in Field::ALL {
        let text = section(MANIFEST, &format!("### `{}`", field.key()));
        assert!(text.contains("```toml\n"), "`{}` has no example", field.key());
        assert!(text.contains("systemd"), "`{}` does not say what systemd does", field.key());
    }
}

#[test]
fn every_field_is_in_the_table_of_each_manager() {
    for text in [SYSTEMD, SUPERVISOR, LAUNCHD] {
        let table = section(text, "## How each field is done");
        for field in Field::ALL {
            let key = field.key();
            let named = table.contains(&format!("`{key}`")) || table.contains(&format!("`{key} = "));
            assert!(named, "`{key}` is in no row");
        }
    }
}

#[test]
fn every_command_has_a_heading_and_no_other_has() {
    let headed: BTreeSet<&str> =
        headings(COMMANDS, "##").into_iter().filter_map(|heading| heading.strip_prefix("svc ")).collect();
    let command = Cli::command();
    let commands: BTreeSet<&str> =
        command.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name).collect();
    assert_eq!(headed, commands);
}

#[test]
fn every_own_option_of_a_command_is_in_its_section() {
    let flags: BTreeSet<String> =
        Field::ALL.iter().map(|field| field.flag()).chain(["log-file".into(), "run-as".into()]).collect();
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let text = section(COMMANDS, &format!("## svc {}", command.get_name()));
        let own = command
            .get_arguments()
            .filter_map(clap::Arg::get_long)
            .filter(|long| !flags.contains(*long) && *long != "help");
        for long in own {
            let short = command.get_arguments().find(|arg| arg.get_long() == Some(long)).and_then(clap::Arg::get_short);
            let named = text.contains(&format!("--{long}"))
                || short
                    .is_some_and(|short| text.contains(&format!("-{short} ")) || text.contains(&format!("-{short}]")));
            assert!(named, "`svc {} --{long}` is not in docs/commands.md", command.get_name());
        }
    }
}

#[test]
fn every_example_of_the_manual_is_toml() {
    for (at, block) in MANIFEST.split("```toml\n").skip(1).enumerate() {
        let text = block.split("```").next().expect("a block ends");
        // a block may show two spellings of one field: each line by itself then
        let whole = text.parse::<toml::Table>().is_ok();
        let lines = text.lines().filter(|line| !line.is_empty()).all(|line| line.parse::<toml::Table>().is_ok());
        assert!(whole || lines, "block {at} is not TOML:\n{text}");
    }
}

#[test]
fn links_of_the_readme_lead_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let targets =
        README.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"));
    for target in targets {
        assert!(root.join(target).exists(), "`{target}` is not there");
    }
}
