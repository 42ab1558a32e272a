"""The agent answers the other party."""
