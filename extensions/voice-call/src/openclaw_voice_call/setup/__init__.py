"""Setting up: what is checked, what is said about it, and pointing a number at this gateway."""
