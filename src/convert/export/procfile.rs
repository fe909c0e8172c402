//! A Procfile: `NAME: COMMAND`, run by a shell. It has no word for most of a service.

use super::{Notes, variables_here, words};
use crate::service::{Field, Service};

const CARRIED: [Field; 3] = [Field::Env, Field::WorkingDir, Field::Group];

pub(super) fn write(services: &[Service], notes: &mut Notes) -> String {
    let mut text = String::new();
    for service in services {
        if service.schedule.is_some() {
            notes.skipped(service, "a Procfile has no times");
            continue;
        }
        let line = line(service);
        if line.contains(['\n', '\r']) {
            notes.skipped(service, "a line end can't stand in a Procfile");
            continue;
        }
        let name: String = service
            .name
            .as_str()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
            .collect();
        if name != service.name.as_str() {
            notes.add(service, format!("is called `{name}`: a name in a Procfile has letters, digits, `_` and `-`"));
        }
        notes.left_out(service, &CARRIED);
        text.push_str(&format!("{name}: {line}\n"));
    }
    text
}

fn line(service: &Service) -> String {
    let quoted = |text: &str| shell_words::quote(text).into_owned();
    let mut parts = vec![format!("cd {} &&", quoted(&service.working_dir.to_string())), "exec env".to_owned()];
    parts.extend(variables_here(service).iter().map(|(name, value)| format!("{name}={}", quoted(value))));
    parts.extend(words(service).iter().map(|word| quoted(word)));
    parts.join(" ")
}
