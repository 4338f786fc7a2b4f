"""Plan where the value of every line lies in memory."""
