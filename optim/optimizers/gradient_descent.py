"""Gradient descent, with and without momentum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

from minigrad.node import Node, Parameter
from minigrad.ops.control import update
from minigrad.optim.entries import Formula
from minigrad.optim.optimizers.base import Optimizer, Rates
from minigrad.optim.optimizers.given import Decays, Number, is_set, refuse_new_momentum

Form = Literal["velocity", "sum"]


class SGD(Optimizer):
    """v = η v − α g;  w += v;  v_0 = 0, with momentum η in its velocity form.

    One class for full-batch, mini-batch and stochastic gradient descent: they differ in what the loss averages over.

    form:     "velocity" is the formula above (Keras's); "sum" is v = g + η v;  w −= α v (PyTorch's). They are the same while the rate
              is; after a change the velocity still moves at the old rate, the sum at the new one at once
    nesterov: True: Nesterov's momentum, without a second place to take gradients at: w holds w + η v, and
              w += η v − α g with the new v (in the form "sum" w −= α (g + η v)), as in Keras and PyTorch.
              "look-ahead": the parameters stay the w of v = η v − α ∂J(w + η v);  w += v, and the gradient is taken within
              `with optimizer.look_ahead():`, as `Step` and `fit` do; the loss they report is then that at w + η v

    Source: Y. Nesterov, A method for solving the convex programming problem with convergence rate O(1/k²), 1983; I. Sutskever,
    J. Martens, G. Dahl and G. Hinton, On the importance of initialization and momentum in deep learning, ICML 2013.
    """

    settings = ("momentum", "form", "nesterov")
    momentum = Number(0, 1)

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates = 0.01,
        momentum: float = 0.0,
        *,
        nesterov: bool | Literal["look-ahead"] = False,
        form: Form = "velocity",
        weight_decay: Decays = 0.0,
        decoupled: bool = False,
        proximal_l1: Decays = 0.0,
        backend: str = "numpy",
    ) -> None:
        self.momentum = momentum
        self._has_velocity = self.momentum > 0
        self.form = form
        self.nesterov = nesterov
        self._check_form()
        self._looked_ahead = False
        super().__init__(
            parameters,
            learning_rate,
            weight_decay=weight_decay,
            decoupled=decoupled,
            proximal_l1=proximal_l1,
            backend=backend,
        )
        self._check_decay()

    def _check_form(self) -> None:
        form, nesterov = self.form, self.nesterov
        if form not in ("velocity", "sum"):
            raise ValueError(f'form={form!r}: expected "velocity" or "sum"')
        if nesterov not in (False, True, "look-ahead"):
            raise ValueError(f'nesterov={nesterov!r}: expected False, True or "look-ahead"')
        if nesterov and not self._has_velocity:
            raise ValueError(f"nesterov={nesterov!r}: it needs a momentum: write momentum=0.9")
        if nesterov == "look-ahead" and form == "sum":
            raise ValueError('nesterov="look-ahead": the place ahead is w + η v of the form "velocity"')

    def _check_decay(self) -> None:
        if self.nesterov == "look-ahead" and is_set(self.weight_decay) and not self.decoupled:
            raise ValueError(
                'nesterov="look-ahead" with weight_decay: λ w is not the gradient at w + η v: write decoupled=True, or add the penalty '
                "penalties.L2(λ / 2) to the loss"
            )

    def step(self) -> None:
        """Apply the gradients that are there, once."""
        if self.nesterov == "look-ahead" and not self._looked_ahead:
            raise RuntimeError(
                f'{type(self).__name__}(nesterov="look-ahead").step(): the gradient was not taken ahead: write '
                "`with optimizer.look_ahead(): loss = ...; loss.backward()` before"
            )
        super().step()
        self._looked_ahead = False

    def look_ahead(self) -> AbstractContextManager[None]:
        """Within this the parameters are at w + η v where nesterov="look-ahead"; afterwards at w again, to the bit."""
        return self._ahead() if self.nesterov == "look-ahead" else nullcontext()

    @contextmanager
    def _ahead(self) -> Iterator[None]:
        velocities = [state["v"] for state in self._views()]
        moved = [(p, v, p._value.copy()) for p, v in zip(self.parameters, velocities, strict=True) if p.trainable]
        try:
            for parameter, v, before in moved:
                parameter.value = before + before.dtype.type(self.momentum) * v
            yield
            self._looked_ahead = True
        finally:
            for parameter, _, before in moved:
                parameter.value = before

    def _start(self) -> dict[str, float]:
        return {"v": 0.0} if self._has_velocity else {}

    def _formula(self) -> Formula:
        self._check_form()
        self._check_decay()
        refuse_new_momentum(self, self.momentum, self._has_velocity)
        momentum = self.momentum

        def descent(w: Parameter, g: Node, rate: Node) -> None:
            update(w, w - rate * g)

        def velocity(w: Parameter, g: Node, v: Parameter, rate: Node) -> None:
            update(v, momentum * v - rate * g)
            update(w, w + v)

        def velocity_nesterov(w: Parameter, g: Node, v: Parameter, rate: Node) -> None:
            update(v, momentum * v - rate * g)
            update(w, w + (momentum * v - rate * g))

        def sums(w: Parameter, g: Node, v: Parameter, rate: Node) -> None:
            update(v, momentum * v + g)
            update(w, w - rate * v)

        def sums_nesterov(w: Parameter, g: Node, v: Parameter, rate: Node) -> None:
            update(v, momentum * v + g)
            update(w, w - rate * (g + momentum * v))

        if not self._has_velocity:
            return descent
        if self.form == "sum":
            return sums_nesterov if self.nesterov else sums
        return velocity_nesterov if self.nesterov is True else velocity
