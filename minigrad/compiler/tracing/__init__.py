"""Trace a function to a graph, watch what it read, and record the graph as lines."""
