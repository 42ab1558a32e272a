"""Samples and time: telephone audio without clocks, files or sockets. Pure."""
