"""From lines to other lines that compute the same with less work."""
