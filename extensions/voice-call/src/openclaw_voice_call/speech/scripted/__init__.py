"""Tones instead of speech, for tests, demonstrations and load."""
