"""Exchange lines for others that compute the same with less work."""
