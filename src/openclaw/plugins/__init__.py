"""Plugins: found by entry point, described by their manifest, switched on by configuration.

`discovery` and `rules` decide without running any of a plugin's code; `loader` imports the plugins
that are on and lets them register; `registry` keeps what came of it and runs their services.
"""
