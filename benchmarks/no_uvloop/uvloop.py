"""First on PYTHONPATH, this makes a program believe that uvloop is not installed."""

raise ImportError("left out for the benchmark")
