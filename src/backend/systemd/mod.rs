//! systemd, user and system scope, over D-Bus. See systemd.service(5), org.freedesktop.systemd1(5).

mod command;
mod environment;
mod escape;
mod refuse;
pub(crate) mod render;
mod restart;
mod sandbox;
mod support;
mod text;
mod timer;
mod unit;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
