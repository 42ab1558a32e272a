"""Live audio of one call: its stream, its ear, its mouth and its sense of turns."""
