//! systemd, user and system scope, over D-Bus. See systemd.service(5), org.freedesktop.systemd1(5).
