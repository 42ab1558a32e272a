"""`python -m openclaw`: the command, for environments without its script on the PATH."""

from openclaw.cli.main import main

main()
