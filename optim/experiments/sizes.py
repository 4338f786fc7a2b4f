"""Estimate the memory of the main job before it starts."""

from __future__ import annotations

from minigrad.models.inputs import LARGEST_BYTES
from minigrad.optim.experiments.cells import CELLS
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.lengths import MOST, of_range
from minigrad.optim.experiments.task_options import TASKS
from minigrad.optim.experiments.tasks import N_GENERATED, N_VALIDATION
from minigrad.optim.training.evaluation import EVALUATION_BATCH

NUMBER = 4  # bytes of a float32
OF_A_PARAMETER = 12  # numbers: its value, gradient and moments, and what the program keeps of them
OF_A_STATE = {"evaluation": 6, "backprop": 15, "penalized": 35}  # numbers, measured on nets of 50 to 2,000 states
OF_AN_EXAMPLE = 128  # bytes of a generated sequence's time step, with what is answered there
OF_A_STEP = 60_000  # bytes: the nodes and lines of a time step
OF_A_RECORD = 500  # bytes: a row of the history, beside a number for each time step


def estimated_bytes(c: Configuration) -> int:
    """The memory that the job takes at once, by estimate, in bytes."""
    parameters = c.states * (c.states + 100)
    kind = "backprop" if c.methods == ("backprop",) else "penalized"
    states = c.length * c.states * max(EVALUATION_BATCH * OF_A_STATE["evaluation"], c.batch_size * OF_A_STATE[kind])
    examples = (N_GENERATED + N_VALIDATION + c.batch_size) * c.length * OF_AN_EXAMPLE if TASKS[c.task].generated else 0
    at_the_start = 3 * len(str(c.record_every))  # at steps 1, 2, 5, 10, …
    n_records = c.steps // c.record_every + 2 + at_the_start
    records = c.seeds * len(c.methods) * n_records * (OF_A_RECORD + 8 * c.length)
    of_the_cell = CELLS[c.cell].size * NUMBER * (OF_A_PARAMETER * parameters + states)
    n_programs = MOST if c.length_schedule else len(of_range(c.shortest, c.length))
    return of_the_cell + examples + records + OF_A_STEP * c.length * n_programs


def check_size(c: Configuration, workers: int = 1) -> None:
    """ValueError, which names the options, where the job would take more than LARGEST_BYTES by estimate."""
    n_bytes = estimated_bytes(c) * min(workers, c.seeds * len(c.methods))
    if n_bytes > LARGEST_BYTES:
        options = ("states", "length", "batch_size", "steps", "record_every", "seeds")
        raise ValueError(
            f"{', '.join([f'{name}={getattr(c, name)}' for name in options])}: together they take about {n_bytes >> 30:,} GiB of "
            f"memory by estimate, and the limit is {LARGEST_BYTES >> 30} GiB: lower one of them (record_every saves more, the "
            "larger it is)"
        )
