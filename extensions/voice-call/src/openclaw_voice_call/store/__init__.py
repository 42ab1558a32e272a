"""The journal: every call, its facts and its carrier's names for it, in one SQLite file."""
