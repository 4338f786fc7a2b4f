"""Print lines and their storage plan as source: NumPy programs, compiled loops, formulas."""
