"""The agent: what answers a message, with its models, its tools and what it remembers."""
