"""Reference pages made from the code: `python -m reference` writes them, and a test finds them stale when it was not."""
