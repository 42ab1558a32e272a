"""A public URL for the local webhook port."""
