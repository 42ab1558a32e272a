"""The whole program, as its users have it: a process, reached by CLI, RPC and HTTP only."""
