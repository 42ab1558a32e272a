"""A phone network without phones: scripted people, real signed webhooks, no cost."""
