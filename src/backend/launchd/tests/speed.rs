//! Rendering is no slower than systemd's, though each property list is read again.

use super::target;
use crate::backend::Scope;
use crate::backend::launchd::render::render;
use crate::backend::systemd::render as units;
use crate::service::Service;
use crate::service::sample::{abs, command, sample};
use crate::service::{EnvName, EnvValue, SearchPath, Text};
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

fn service(number: usize) -> Service {
    let mut service = sample(&format!("web-{number}"));
    service.exec = command("/usr/local/bin/server", &["--port", "3000", "--title", "it's & <that> for $5"]);
    service.env.insert(EnvName::parse("NODE_ENV").unwrap(), EnvValue::new("production").unwrap());
    service.path = SearchPath::Inherited(["/usr/local/bin", "/usr/bin", "/bin"].map(abs).into());
    service.description = Some(Text::parse("the site").unwrap());
    service
}

/// Time of this thread's processor for 1,000 services, the least of some rounds: others use the machine too.
fn time(mut render: impl FnMut(&Service) -> usize) -> Duration {
    let services: Vec<Service> = (0..1_000).map(service).collect();
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let rounds = (0..10).map(|_| {
        let began = now();
        assert!(services.iter().map(&mut render).sum::<usize>() > 500_000);
        now().saturating_sub(began)
    });
    rounds.min().unwrap()
}

#[test]
#[ignore = "a measurement: `cargo test --lib launchd::tests::speed -- --ignored --nocapture`"]
#[allow(clippy::print_stderr, reason = "a measurement")]
fn a_thousand_services() {
    let target = target(Scope::User);
    let agents = time(|service| render(service, &target).unwrap().files[0].contents.len());
    let newest = units::Target { scope: Scope::User, version: units::NEWEST_KNOWN, unit_dir: "/units".into() };
    let units = time(|service| units::render(service, &newest).unwrap().files[0].contents.len());
    eprintln!("1,000 services: launchd {agents:?}, systemd {units:?}");
}
