"""The plugin's section of the configuration: `plugins.entries.voice-call.config`."""
