"""A launchd that truly behaves, for tests on machines that have none. See ../README.md."""
