"""From a function to lines: it is run once on nodes, and what these compute is recorded."""
