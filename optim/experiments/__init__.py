"""The main job: tasks, methods and nets, the comparison of trainings, its run folder, report and figures, and the commands.

`minigrad train`, `draw` and `explain` are made of these modules. Users import `minigrad.optim.configuration`, `tasks` and
`example_graphs`, which are modules of this folder under short names.
"""
