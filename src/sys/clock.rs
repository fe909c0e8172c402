//! The clocks.

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

/// Now, wall clock.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Now, in the zone of this machine. `/etc/localtime` is read as it is: to find out its name, jiff
/// looks through all zones, which takes longer than a whole `svc status`.
pub fn local_now() -> jiff::Zoned {
    #[expect(clippy::disallowed_methods, reason = "of the clock, as the C library has it: tzset(3)")]
    let chosen = std::env::var_os("TZ").is_some();
    let file = if chosen { None } else { std::fs::read("/etc/localtime").ok() };
    let zone = file.and_then(|file| jiff::tz::TimeZone::tzif("local", &file).ok());
    now().to_zoned(zone.unwrap_or_else(jiff::tz::TimeZone::system))
}

/// Of CLOCK_MONOTONIC, which no suspended time counts in.
pub(crate) fn monotonic() -> std::time::Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from).unwrap_or_default()
}

/// The wall-clock time of a moment of CLOCK_MONOTONIC, microseconds.
pub fn wall_of_monotonic(microseconds: u64) -> Option<Timestamp> {
    let base = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
    let base = base.tv_sec() * 1_000_000 + base.tv_nsec() / 1_000;
    let ahead = i64::try_from(microseconds).ok()? - base;
    now().checked_add(jiff::SignedDuration::from_micros(ahead)).ok()
}

/// The wall-clock time of a moment after boot (CLOCK_BOOTTIME), in clock ticks of /proc.
#[cfg(target_os = "linux")]
pub(crate) fn wall_of_ticks(ticks: u64) -> Option<Timestamp> {
    let base = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    let since_boot = jiff::SignedDuration::new(base.tv_sec(), i32::try_from(base.tv_nsec()).ok()?);
    let start =
        jiff::SignedDuration::from_millis(i64::try_from(ticks).ok()? * 1000 / super::process::ticks_per_second());
    now().checked_sub(since_boot).ok()?.checked_add(start).ok()
}

/// How long ago a moment after boot was, in clock ticks of /proc; at least so long, to a tick.
pub(crate) fn age(ticks: u64) -> std::time::Duration {
    let started = wall_of_ticks(ticks.saturating_add(1));
    started.and_then(|started| now().duration_since(started).try_into().ok()).unwrap_or_default()
}

/// The wall-clock time of a start: microseconds since 1970.
#[cfg(target_os = "macos")]
pub(crate) fn wall_of_ticks(ticks: u64) -> Option<Timestamp> {
    Timestamp::from_microsecond(i64::try_from(ticks).ok()?).ok()
}

/// There is no /proc here.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn wall_of_ticks(_: u64) -> Option<Timestamp> {
    None
}

/// Time since boot, suspended time included, where the system has such a clock: never set by anybody.
pub fn since_boot() -> std::time::Duration {
    #[cfg(target_os = "linux")]
    let clock = ClockId::CLOCK_BOOTTIME;
    // clock_gettime(3) of macOS: goes on while the machine sleeps, and nobody adjusts it
    #[cfg(target_os = "macos")]
    let clock = ClockId::from_raw(nix::libc::CLOCK_MONOTONIC_RAW);
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    let clock = ClockId::CLOCK_MONOTONIC;
    clock_gettime(clock).map(std::time::Duration::from).unwrap_or_default()
}

/// Which boot this is: `/proc/sys/kernel/random/boot_id`, on macOS `kern.bootsessionuuid`; empty where
/// nothing says so.
pub fn boot_id() -> String {
    #[cfg(target_os = "macos")]
    let id = super::darwin::boot_session().unwrap_or_default();
    #[cfg(not(target_os = "macos"))]
    let id = random_id();
    id
}

#[cfg(not(target_os = "macos"))]
fn random_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
