"""From lines and their memory to source: programs, formulas, compiled loops."""
