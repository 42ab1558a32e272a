"""Parsers under random input: each gives a value or a documented error, nothing else.

    python -m tests.fuzz                     all targets, 60 s together (FUZZ_SECONDS)
    python -m tests.fuzz webhook:twilio      one target
    python -m tests.fuzz --seed 7            the inputs of an earlier run
    python -m tests.fuzz rpc --replay FILE   an input that has failed

Valid examples are mutated: bytes, tokens, and values inside their JSON. An input that makes a
parser raise anything undocumented, or take long, is written to a file and ends the run.
"""
