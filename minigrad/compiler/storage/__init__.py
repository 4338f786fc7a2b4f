"""Where the values of lines lie in memory."""
