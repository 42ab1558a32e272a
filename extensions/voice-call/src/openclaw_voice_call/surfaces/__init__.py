"""The owner's doors: RPC, the agent's tool, the command line. All go through `service.py`."""
