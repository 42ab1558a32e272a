"""What a call is and does: pure values and decisions, no I/O and no clock."""
