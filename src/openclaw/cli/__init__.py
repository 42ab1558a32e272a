"""The command `openclaw`. Modules here import little at the top: every verb pays for it."""
