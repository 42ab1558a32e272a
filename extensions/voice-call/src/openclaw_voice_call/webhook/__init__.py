"""The world's door: which requests come in, which URL was signed, and what is answered."""
