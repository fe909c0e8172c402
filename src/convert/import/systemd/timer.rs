//! `NAME.timer`: systemd.timer(5).

use super::super::times;
use super::{Reading, Unit, is_true};
use crate::service::Field;
use std::time::Duration;

impl<'a> Reading<'a> {
    /// The times of a service, from its timer.
    pub(super) fn timer(&mut self, timer: &'a Unit) {
        let service = std::mem::replace(&mut self.unit, timer);
        let (mut times_of, mut persistent) = (0, false);
        for line in &timer.lines {
            match (line.section.as_str(), line.key.as_str()) {
                ("Timer", "OnCalendar") => {
                    times_of += 1;
                    if times_of == 1 && self.entry.get(Field::Every).is_none() {
                        self.entry.set(Field::Schedule, line.value.clone());
                    } else {
                        self.through(line);
                    }
                }
                ("Timer", "OnUnitActiveSec" | "OnUnitInactiveSec")
                    if self.entry.get(Field::Schedule).is_none() && self.entry.get(Field::Every).is_none() =>
                {
                    match times::span(&line.value).filter(|every| *every >= Duration::from_secs(1)) {
                        Some(every) => self.entry.set(Field::Every, times::shown(every)),
                        None => self.through(line),
                    }
                    if line.key == "OnUnitInactiveSec" {
                        self.note(line.number, "counts from the end of a run; `every` counts from its start");
                    }
                }
                ("Timer", "Unit") | ("Unit", _) | ("Install", "WantedBy") => {}
                ("Timer", "Persistent") => {
                    persistent = true;
                    if !is_true(&line.value) {
                        self.through(line);
                    }
                }
                ("Timer", _) => self.through(line),
                _ => self.note(line.number, format!("`{}=` of the timer is not carried over", line.key)),
            }
        }
        if !persistent && self.entry.get(Field::Schedule).is_some() {
            self.entry.unit_line("Timer", "Persistent", "false");
        }
        if self.entry.get(Field::Schedule).is_none() && self.entry.get(Field::Every).is_none() {
            self.note(0, "no time of it is carried over: the service would run always");
        }
        if self.entry.get(Field::Restart).is_some_and(|value| value.as_str() == Some("always")) {
            self.entry.set(Field::Restart, "on-failure");
            self.note(0, "`Restart=always` of a scheduled service becomes `on-failure`");
        }
        self.unit = service;
    }
}
