"""What the launchd double promises, each on real processes."""
