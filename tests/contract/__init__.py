"""What every carrier must do alike: one suite, run over each of `networks.NETWORKS`.

To have a further carrier take part: an adapter of its emulator beside the others, and a line in
`networks.py`.
"""
