"""Run the lessons of tutorials/, and make pages, notebooks and slides of them: `python -m course`.

A lesson is a script in percent format. `cells` reads it, `run` executes it in a process of its own and keeps what every cell
shows, and `pages`, `notebook` and `slides` write that for a forge and for the site, for Jupyter, and for a lecture.
"""
