"""Data: data sets, readers of data files, generated sequences, preprocessing, and the files of the small data sets.

Users import `minigrad.models.datasets`, `preprocessing`, `generated` and `readers`: the modules of this folder under short names.
"""
