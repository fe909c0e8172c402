//! Nomad: a job for each service, run by the driver `raw_exec` on the machine itself, in HCL (hcl-rs).

use super::{Notes, cron, seconds, variables_here, words};
use crate::service::{Field, RestartPolicy, Service};
use hcl::expr::TemplateExpr;
use hcl::structure::BlockBuilder;
use hcl::{Block, Body, Expression};

const CARRIED: [Field; 11] = [
    Field::Env,
    Field::WorkingDir,
    Field::Restart,
    Field::RestartDelay,
    Field::RestartLimit,
    Field::StopSignal,
    Field::StopTimeout,
    Field::User,
    Field::Every,
    Field::Schedule,
    Field::Limits,
];

pub(super) fn write(services: &[Service], notes: &mut Notes) -> String {
    let mut jobs = Vec::new();
    for service in services {
        match job(service, notes) {
            Ok(job) => jobs.push(job),
            Err(why) => notes.skipped(service, &why),
        }
    }
    hcl::format::to_string(&Body::from_iter(jobs)).unwrap_or_default()
}

/// A string that is one: HCL and Nomad would replace `${…}` and `%{…}`.
fn text(value: &str) -> Expression {
    let mut raw = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '"' => raw.push_str("\\\""),
            '\\' => raw.push_str("\\\\"),
            '\n' => raw.push_str("\\n"),
            '\r' => raw.push_str("\\r"),
            '\t' => raw.push_str("\\t"),
            c if c.is_control() => raw.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => raw.push(c),
        }
    }
    let raw = raw.replace("${", "$${").replace("%{", "%%{");
    Expression::TemplateExpr(Box::new(TemplateExpr::QuotedString(raw)))
}

fn job(service: &Service, notes: &mut Notes) -> Result<Block, String> {
    let name = service.name.as_str();
    let mut job = Block::builder("job").add_label(name);
    match &service.schedule {
        None => job = job.add_attribute(("type", "service")),
        Some(schedule) => {
            let crons = vec![Expression::from(cron::cron(schedule)?)];
            job = job.add_attribute(("type", "batch")).add_block(
                Block::builder("periodic")
                    .add_attribute(("crons", Expression::Array(crons)))
                    .add_attribute(("prohibit_overlap", true))
                    .build(),
            );
        }
    }
    let group =
        Block::builder("group").add_label(name).add_block(restart(service, notes)).add_block(task(service, notes));
    notes.left_out(service, &CARRIED);
    notes.add(service, "the driver is `raw_exec`: it runs on the machine itself, and the client must allow it");
    Ok(job.add_block(group.build()).build())
}

fn restart(service: &Service, notes: &mut Notes) -> Block {
    let policy = service.restart;
    let attempts = if policy.policy == RestartPolicy::Never { 0 } else { policy.limit.count.saturating_sub(1) };
    if policy.policy == RestartPolicy::OnFailure && service.schedule.is_none() {
        notes.add(service, "`restart`: Nomad starts a service again after success, too");
    }
    Block::builder("restart")
        .add_attribute(("attempts", u64::from(attempts)))
        .add_attribute(("interval", format!("{}s", seconds(policy.limit.within))))
        .add_attribute(("delay", format!("{}s", seconds(policy.delay))))
        .add_attribute(("mode", "fail"))
        .build()
}

fn task(service: &Service, notes: &mut Notes) -> Block {
    let words = words(service);
    let (program, rest) = words.split_at(1.min(words.len()));
    let mut config =
        Block::builder("config").add_attribute(("command", text(program.first().map_or("", String::as_str))));
    config = config
        .add_attribute(("args", Expression::Array(rest.iter().map(|word| text(word)).collect())))
        .add_attribute(("work_dir", text(&service.working_dir.to_string())));
    let mut task: BlockBuilder =
        Block::builder("task").add_label(service.name.as_str()).add_attribute(("driver", "raw_exec"));
    if let Some(user) = &service.user {
        task = task.add_attribute(("user", text(user)));
    }
    task = task
        .add_attribute(("kill_signal", service.stop.signal.name()))
        .add_attribute(("kill_timeout", format!("{}s", seconds(service.stop.timeout))))
        .add_block(config.build());
    let env = variables_here(service);
    if !env.is_empty() {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
        task = task.add_block(env.fold(Block::builder("env"), BlockBuilder::add_attribute).build());
    }
    if words.iter().chain(env.iter().map(|(_, value)| value)).any(|text| text.contains("${")) {
        notes.add(service, "Nomad replaces `${…}` when it starts the task, and has no way to leave it");
    }
    resources(service, task, notes).build()
}

/// Memory is a reservation and a limit in mebibytes.
fn resources(service: &Service, task: BlockBuilder, notes: &mut Notes) -> BlockBuilder {
    let limits = service.limits;
    if limits.cpu.is_some() || limits.tasks.is_some() || limits.files.is_some() {
        notes.add(service, "`limits`: of these Nomad's `raw_exec` has `memory` only");
    }
    match limits.memory {
        Some(bytes) => {
            task.add_block(Block::builder("resources").add_attribute(("memory", bytes.div_ceil(1 << 20))).build())
        }
        None => task,
    }
}
