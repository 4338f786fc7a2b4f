"""Optimizers, clipping, the training loop, files of parameters, and the main job that compares ways to train."""

from minigrad.array_files import UnreadableFileError as UnreadableFileError
from minigrad.optim import diagnosis as diagnosis
from minigrad.optim import figures as figures
from minigrad.optim import schedules as schedules
from minigrad.optim.arrays import load_arrays as load_arrays
from minigrad.optim.arrays import save_arrays as save_arrays
from minigrad.optim.clipping import clip_by_norm as clip_by_norm
from minigrad.optim.clipping import clip_by_value as clip_by_value
from minigrad.optim.optimizers import SGD as SGD
from minigrad.optim.optimizers import AdaGrad as AdaGrad
from minigrad.optim.optimizers import Adam as Adam
from minigrad.optim.optimizers import AdamW as AdamW
from minigrad.optim.optimizers import Optimizer as Optimizer
from minigrad.optim.optimizers import RMSProp as RMSProp
from minigrad.optim.second_order import HessianCost as HessianCost
from minigrad.optim.second_order import LBFGSResult as LBFGSResult
from minigrad.optim.second_order import Newton as Newton
from minigrad.optim.second_order import NewtonStep as NewtonStep
from minigrad.optim.second_order import TaylorModel as TaylorModel
from minigrad.optim.second_order import hessian_by_differences as hessian_by_differences
from minigrad.optim.second_order import hessian_cost as hessian_cost
from minigrad.optim.second_order import lbfgs as lbfgs
from minigrad.optim.second_order import taylor_model as taylor_model
from minigrad.optim.selection import Choices as Choices
from minigrad.optim.selection import LogUniform as LogUniform
from minigrad.optim.selection import ThreeWay as ThreeWay
from minigrad.optim.selection import Trial as Trial
from minigrad.optim.selection import Trials as Trials
from minigrad.optim.selection import Uniform as Uniform
from minigrad.optim.selection import cross_validate as cross_validate
from minigrad.optim.selection import grid_search as grid_search
from minigrad.optim.selection import random_search as random_search
from minigrad.optim.selection import successive_halving as successive_halving
from minigrad.optim.selection import three_way_split as three_way_split
from minigrad.optim.training.best import EarlyStopping as EarlyStopping
from minigrad.optim.training.best import KeepBest as KeepBest
from minigrad.optim.training.callbacks import Callback as Callback
from minigrad.optim.training.checkpoints import Checkpoints as Checkpoints
from minigrad.optim.training.checkpoints import load_checkpoint as load_checkpoint
from minigrad.optim.training.checkpoints import save_checkpoint as save_checkpoint
from minigrad.optim.training.evaluation import evaluate as evaluate
from minigrad.optim.training.evaluation import predict as predict
from minigrad.optim.training.examples import batches as batches
from minigrad.optim.training.examples import bucketed as bucketed
from minigrad.optim.training.fitting import fit as fit
from minigrad.optim.training.history import History as History
from minigrad.optim.training.rates import LearningRates as LearningRates
from minigrad.optim.training.rates import find_learning_rate as find_learning_rate
from minigrad.optim.training.step import Step as Step
from minigrad.optim.training.tensorboard import TensorBoard as TensorBoard

__all__ = [
    "SGD",
    "AdaGrad",
    "RMSProp",
    "Adam",
    "AdamW",
    "Optimizer",
    "Newton",
    "NewtonStep",
    "taylor_model",
    "TaylorModel",
    "hessian_by_differences",
    "hessian_cost",
    "HessianCost",
    "lbfgs",
    "LBFGSResult",
    "schedules",
    "figures",
    "diagnosis",
    "clip_by_norm",
    "clip_by_value",
    "fit",
    "History",
    "KeepBest",
    "EarlyStopping",
    "Callback",
    "TensorBoard",
    "find_learning_rate",
    "LearningRates",
    "grid_search",
    "random_search",
    "successive_halving",
    "Trials",
    "Trial",
    "Uniform",
    "LogUniform",
    "Choices",
    "three_way_split",
    "ThreeWay",
    "cross_validate",
    "Step",
    "predict",
    "evaluate",
    "batches",
    "bucketed",
    "save_arrays",
    "load_arrays",
    "save_checkpoint",
    "load_checkpoint",
    "Checkpoints",
    "UnreadableFileError",
]
