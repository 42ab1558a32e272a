"""The gateway host: configuration, plugins, RPC, agents and speech."""

__version__ = "0.1.0"
