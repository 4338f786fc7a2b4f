"""Turn gradients into new parameters.

Defaults, and where other libraries differ. In all three the momentum is 0 unless one says 0.9, β₁ = 0.9 and β₂ = 0.999; ρ = 0.9, in
PyTorch 0.99.

| Default of | here | Keras | PyTorch |
|---|---|---|---|
| SGD | α = 0.01, velocity | α = 0.01, velocity: the same | α = 0.001, sum: `form="sum"` |
| AdaGrad | α = 0.01, r_0 = 0, √r + ε | α = 0.001, r_0 = 0.1, √(r + ε): `epsilon_inside=True` | α = 0.01, r_0 = 0, √r + ε |
| RMSProp | α = 0.001, √r + ε | √(r + ε): `epsilon_inside=True` | α = 0.01, √r + ε; momentum in its sum form |
| Adam | α = 0.001, ε beside √v̂ | ε beside √v: `epsilon_hat=True` | the same |
| ε | 1e-7 | 1e-7 | 1e-8, AdaGrad 1e-10 |
| `weight_decay` | λ w added to g | decoupled: `decoupled=True` | added to g, in AdamW decoupled |
| AdamW | λ = 0.01 | λ = 0.004 | λ = 0.01 |
"""

from minigrad.optim.optimizers.adam import Adam as Adam
from minigrad.optim.optimizers.adam import AdamW as AdamW
from minigrad.optim.optimizers.adaptive import AdaGrad as AdaGrad
from minigrad.optim.optimizers.adaptive import RMSProp as RMSProp
from minigrad.optim.optimizers.base import Optimizer as Optimizer
from minigrad.optim.optimizers.gradient_descent import SGD as SGD

__all__ = ["SGD", "AdaGrad", "RMSProp", "Adam", "AdamW", "Optimizer"]
