"""Jacobian, Hessian, and their products with vectors: `gradients`, taken once per entry or twice.

All return nodes, which can be differentiated again. Their dtype is that of the inputs (of the Jacobian-vector product
that of y), and they are 0 where there is no dependence. The inputs are one node, or a sequence of nodes, which is then treated as one long
vector in pieces: vectors come as a sequence, and what has one entry per input is a tuple.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from minigrad.errors import no_node
from minigrad.graph import gradients, seed_for
from minigrad.node import Constant, Input, Node, as_node
from minigrad.ops.shaping import concatenate, stack
from minigrad.wording import as_inputs

if TYPE_CHECKING:
    from minigrad.operators import Operand


@overload
def jacobian(y: Node, x: Node) -> Node: ...
@overload
def jacobian(y: Node, x: Sequence[Node]) -> tuple[Node, ...]: ...
def jacobian(y: Node, x: Node | Sequence[Node]) -> Node | tuple[Node, ...]:
    """Compute ∂y/∂x, of shape y.shape + x.shape; for a sequence of inputs a tuple of such nodes.

    It takes a backward sweep per entry of y, or per entry of x where these are fewer.
    """
    inputs = _as_tuple(x, y)
    if sum(node.size for node in inputs) < y.size:
        found = [_stacked(_columns(y, node), y, node, axis=-1) for node in inputs]
    else:
        rows = [gradients(y, inputs, adjoint=unit) for unit in _units(y)]
        found = [_stacked([row[i] for row in rows], y, node, axis=0) for i, node in enumerate(inputs)]
    return found[0] if isinstance(x, Node) else tuple(found)


@overload
def hessian(loss: Node, x: Node) -> Node: ...
@overload
def hessian(loss: Node, x: Sequence[Node]) -> tuple[tuple[Node, ...], ...]: ...
def hessian(loss: Node, x: Node | Sequence[Node]) -> Node | tuple[tuple[Node, ...], ...]:
    """Compute ∂²loss/∂x², of shape x.shape + x.shape; for a sequence of inputs a tuple of rows of blocks.

    loss is a node of one element. It takes a backward sweep over the graph of the gradient per entry of x.
    """
    if isinstance(x, Node):
        return jacobian(_slopes(loss, x)[0], x)
    return tuple(jacobian(gradient, x) for gradient in _slopes(loss, x))


@overload
def hessian_vector_product(loss: Node, x: Node, v: Operand) -> Node: ...
@overload
def hessian_vector_product(loss: Node, x: Sequence[Node], v: Sequence[Operand]) -> tuple[Node, ...]: ...
def hessian_vector_product(
    loss: Node, x: Node | Sequence[Node], v: Operand | Sequence[Operand]
) -> Node | tuple[Node, ...]:
    """Compute (∂²loss/∂x²) v, of x's shape, without the Hessian: differentiate the gradient with v as its adjoint.

    v has x's shape. It takes two backward sweeps.

    B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994).
    """
    inputs = _as_tuple(x, loss)
    found = gradients(_joined(_slopes(loss, inputs)), inputs, adjoint=_joined(_vectors(x, v)))
    return found[0] if isinstance(x, Node) else found


def jacobian_vector_product(y: Node, x: Node | Sequence[Node], v: Operand | Sequence[Operand]) -> Node:
    """Compute (∂y/∂x) v, of y's shape, in two backward sweeps: x̄ = J'u is linear in u, so its derivative by u, with v as the
    adjoint, is J v.

    v has x's shape; of a sequence of inputs it is Σ (∂y/∂x_i) v_i.
    """
    u, pulled = _pullback(y, _as_tuple(x, y))
    return gradients(_joined(pulled), u, adjoint=_joined(_vectors(x, v)))[0]


def _slopes(loss: Node, x: Node | Sequence[Node]) -> tuple[Node, ...]:
    """The gradient of a loss, whose adjoint nobody gives: it is one element."""
    return gradients(loss, x, adjoint=seed_for(loss, None, takes_adjoint=False))


def _pullback(y: Node, inputs: Sequence[Node]) -> tuple[Node, tuple[Node, ...]]:
    """A node u of y's shape (all 0: J'u is linear in it, so any point will do), and J'u."""
    u = Input(np.zeros_like(y._value))
    return u, gradients(y, inputs, adjoint=u)


def _columns(y: Node, x: Node) -> list[Node]:
    u, (pulled,) = _pullback(y, [x])
    return [gradients(pulled, u, adjoint=unit)[0].astype(x.dtype) for unit in _units(x)]


def _stacked(parts: Sequence[Node], y: Node, x: Node, axis: int) -> Node:
    """The rows or columns as one node of shape y.shape + x.shape; zeros, all none of them, where there are none."""
    shape = y.shape + x.shape
    return stack(parts, axis=axis).reshape(shape) if parts else Constant(np.zeros(shape, x.dtype))


def _units(node: Node) -> Iterator[np.ndarray]:
    """The arrays of the node's shape with a single 1."""
    for i in range(node.size):
        unit = np.zeros(node.size, node.dtype)
        unit[i] = 1
        yield unit.reshape(node.shape)


def _joined(nodes: Sequence[Node]) -> Node:
    """Several nodes as one long vector; one as it is."""
    return nodes[0] if len(nodes) == 1 else concatenate([node.ravel() for node in nodes])


def _vectors(x: Node | Sequence[Node], v: Operand | Sequence[Operand]) -> list[Node]:
    """The vectors of a product as nodes, one per input and of its shape."""
    inputs: Sequence[Node] = (x,) if isinstance(x, Node) else x
    given: Any = (v,) if isinstance(x, Node) else v
    if len(given) != len(inputs):
        raise ValueError(f"{len(inputs)} inputs need as many vectors, not {len(given)}")
    vectors = [as_node(vector, node.dtype) for vector, node in zip(given, inputs, strict=True)]
    for vector, node in zip(vectors, inputs, strict=True):
        if vector.shape != node.shape:
            raise ValueError(f"the vector for {node.label} has its shape, not {vector.shape}")
    return vectors


def _as_tuple(x: Node | Sequence[Node], output: Node) -> tuple[Node, ...]:
    """The inputs as a tuple; inputs and output are nodes, or it is an error."""
    if not isinstance(output, Node):
        raise no_node("derivatives are taken of nodes by nodes", output, "join them, np.concatenate(nodes)")
    inputs = as_inputs(x, "derivatives are taken of nodes by nodes")
    if not inputs:
        raise ValueError("there is no input to differentiate by")
    return inputs
