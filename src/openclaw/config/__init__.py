"""The host's configuration: where it lies, how it is read, what it may say.

`load.load_config` is what the gateway uses. `light.find_gateway` is what command-line clients use
to reach a running gateway; it shares every step but the typed models, whose import costs too much
there.
"""
