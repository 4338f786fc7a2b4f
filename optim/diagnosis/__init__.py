"""What a training shows of itself: how large gradients, adjoints and updates are, what arrives at each layer, which units are dead; and bias and variance."""

from minigrad.optim.diagnosis.errors import BiasVariance as BiasVariance
from minigrad.optim.diagnosis.errors import bias_variance as bias_variance
from minigrad.optim.diagnosis.health import LayerSignals as LayerSignals
from minigrad.optim.diagnosis.health import UnitHealth as UnitHealth
from minigrad.optim.diagnosis.health import gradient_norms as gradient_norms
from minigrad.optim.diagnosis.health import layer_signals as layer_signals
from minigrad.optim.diagnosis.health import unit_health as unit_health
from minigrad.optim.diagnosis.reports import AdjointReport as AdjointReport
from minigrad.optim.diagnosis.reports import GradientHealth as GradientHealth
from minigrad.optim.diagnosis.reports import UpdateSizes as UpdateSizes

__all__ = [
    "gradient_norms",
    "layer_signals",
    "LayerSignals",
    "unit_health",
    "UnitHealth",
    "GradientHealth",
    "UpdateSizes",
    "AdjointReport",
    "bias_variance",
    "BiasVariance",
]
