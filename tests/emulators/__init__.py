"""Emulators: carriers and vendors that speak the real protocols over real sockets.

They know nothing of the code under test, so a test that passes against them says something.
"""
