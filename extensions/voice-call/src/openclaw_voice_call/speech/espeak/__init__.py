"""The program espeak-ng, or espeak: an offline voice."""
