"""The training loop, and what it is made of."""

from minigrad.optim.training.evaluation import Loss as Loss
from minigrad.optim.training.evaluation import evaluate as evaluate
from minigrad.optim.training.evaluation import predict as predict
from minigrad.optim.training.fitting import fit as fit
from minigrad.optim.training.step import Step as Step
from minigrad.optim.training.step import outputs_and_states as outputs_and_states

__all__ = ["Step", "fit", "evaluate", "predict"]
