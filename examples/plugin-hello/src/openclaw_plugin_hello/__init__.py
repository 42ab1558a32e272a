"""An OpenClaw plugin that greets people and counts its greetings."""
