# svc: one definition, and it is a real service of the platform.
#
#   make            build it (target/release/svc)
#   make demo       see the main job done on a real program
#   make test       run every test that this machine can run; say and count what it can't
#   make bench      measure it beside what a user would pick instead
#   make install    put it into PREFIX/bin (default /usr/local)
#   make lint       formatting, clippy, documentation: as CI does
#   make golden     write systemd/ and launchd/ anew from examples/
#   make docs       write docs/manifest.md and docs/errors.md anew from their sources
#   make darwin     type-check for macOS, both processors (docs/macos.md)
#   make dist       binaries for Macs and static ones for Linux, in target/dist

PREFIX ?= /usr/local
CARGO ?= cargo

.PHONY: all test bench demo install lint golden docs darwin dist needs

all:
	$(CARGO) build --release

test: needs
	CARGO=$(CARGO) tests/tools/run

bench: needs all
	benches/supervisor
	benches/logs
	benches/run
	benches/tasks

demo:
	CARGO=$(CARGO) tests/tools/demo

install: all
	install -D -m 755 target/release/svc $(DESTDIR)$(PREFIX)/bin/svc

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items

golden:
	GOLDEN=rewrite $(CARGO) test --lib golden

docs:
	GOLDEN=rewrite $(CARGO) test --test docs --test errors

darwin:
	CARGO=$(CARGO) tests/tools/darwin

dist:
	tests/tools/dist

needs:
	tests/tools/needs
