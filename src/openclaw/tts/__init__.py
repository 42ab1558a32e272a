"""The host's text to speech: what its owner set, for whoever speaks."""
