"""Adjoint control: identities forward; backward each does what it says, at order 1, order 2 and in replays."""

import numpy as np
import pytest

import minigrad as mg

A = np.array([0.5, -1.0, 2.0])


def test_stop_gradient_is_a_wall():
    x = mg.Input(A)
    wall = mg.stop_gradient(x)
    y = (wall * x).sum()
    assert wall.value is x.value
    (g,) = mg.gradients(y, [x])
    np.testing.assert_array_equal(g.value, A)  # not 2 x
    (gg,) = mg.gradients((g * g).sum(), [x])
    np.testing.assert_array_equal(gg.value, 0 * A)  # the gradient, which is the wall's value, is a constant of x too


def test_stop_gradient_gives_the_gradient_by_its_output():
    x = mg.Input(A)
    wall = mg.stop_gradient(x)
    (by_wall, by_x) = mg.gradients((wall * wall).sum(), [wall, x])
    np.testing.assert_array_equal(by_wall.value, 2 * A)
    np.testing.assert_array_equal(by_x.value, 0 * A)


def test_no_rule_runs_behind_a_wall(monkeypatch):
    calls = []
    monkeypatch.setattr(mg.ops.Tanh, "bprop", lambda node, adjoint: calls.append(node))
    x = mg.Input(A)
    mg.gradients(mg.stop_gradient(np.tanh(x)).sum(), [x])
    assert not calls


def test_clip_adjoint():
    """Order 1: the clipped adjoint. Order 2: its derivative is 0 where it was clipped, and clipped on its way through y."""
    x = mg.Input(A)
    y = mg.clip_adjoint(x, -1.5, 1.5)
    np.testing.assert_array_equal(y.value, A)
    (g,) = mg.gradients((y**2).sum(), [x])
    np.testing.assert_array_equal(g.value, [1.0, -1.5, 1.5])
    (gg,) = mg.gradients(g.sum(), [x])
    np.testing.assert_array_equal(gg.value, [1.5, 0.0, 0.0])


def test_clip_adjoint_with_nodes_as_bounds():
    x, high = mg.Input(A), mg.Input(1.5)
    (g,) = mg.gradients((mg.clip_adjoint(x, -high, high) ** 2).sum(), [x])
    (by_high,) = mg.gradients((g * np.array([1.0, 10.0, 100.0])).sum(), [high])
    assert by_high.value == 100 - 10
    np.testing.assert_array_equal(mg.Graph(g).fprop({high: np.array(0.5)}), [0.5, -0.5, 0.5])


def test_clip_adjoint_refuses_what_does_not_fit():
    x = mg.Input(A)
    with pytest.raises(ValueError, match="low is above high"):
        mg.clip_adjoint(x, 1.0, -1.0)
    with pytest.raises(ValueError, match=r"high of shape \(2,\) does not broadcast to Input \(3,\)"):
        mg.clip_adjoint(x, 0.0, np.ones(2))
    with pytest.raises(ValueError, match=r"low of shape \(2, 3\) does not broadcast"):
        mg.clip_adjoint(x, np.zeros((2, 3)), 1.0)


def test_scale_adjoint():
    """Order 1: the scaled adjoint. Order 2: scaled twice."""
    x = mg.Input(A)
    y = mg.scale_adjoint(x, -0.5)
    np.testing.assert_array_equal(y.value, A)
    (g,) = mg.gradients((y**3).sum(), [x])
    np.testing.assert_allclose(g.value, -0.5 * 3 * A**2)
    (gg,) = mg.gradients(g.sum(), [x])
    np.testing.assert_allclose(gg.value, 0.25 * 6 * A)


def test_scale_adjoint_with_a_node_as_factor():
    x, factor = mg.Input(A), mg.Input(np.ones(3))
    (g,) = mg.gradients((mg.scale_adjoint(x, factor) ** 2).sum(), [x])
    np.testing.assert_array_equal(mg.gradients(g.sum(), [factor])[0].value, 2 * A)
    np.testing.assert_array_equal(mg.Graph(g).fprop({factor: np.array([0.0, 1.0, -1.0])}), [0.0, -2.0, -4.0])
    with pytest.raises(ValueError, match=r"factor of shape \(4,\) does not broadcast"):
        mg.scale_adjoint(x, np.ones(4))


@pytest.mark.parametrize("control", [lambda x: mg.clip_adjoint(x, -1, 1), lambda x: mg.scale_adjoint(x, 2)])
def test_controls_keep_float32(control):
    x = mg.Input(A.astype(np.float32))
    y = control(x)
    (g,) = mg.gradients((y * y).sum(), [x])
    (gg,) = mg.gradients(g.sum(), [x])
    assert y.dtype == g.dtype == gg.dtype == np.float32


def test_masks_travel_through_controls():
    """A nan behind where's mask stays behind it."""
    x = mg.Input([0.0, 4.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(x > 0, mg.scale_adjoint(x**-0.5, 2.0), 0.0)
        (g,) = mg.gradients(y.sum(), [x])
    np.testing.assert_allclose(g.value, [0.0, 2 * -0.5 * 4**-1.5])


def test_probe_sees_every_adjoint():
    seen = []
    x = mg.Input(A)
    y = (mg.probe(x, seen.append) ** 2).sum()
    assert not seen
    (g,) = mg.gradients(y, [x])
    np.testing.assert_array_equal(seen, [2 * A])
    mg.Graph(g).fprop({x: 10 * A})
    np.testing.assert_array_equal(seen, [2 * A, 20 * A])
    seen[0][:] = 7  # the callback's array is a copy
    np.testing.assert_array_equal(g.value, 20 * A)
    mg.gradients(g.sum(), [x])
    np.testing.assert_array_equal(seen[2], np.full(3, 2.0))  # the sweep over the gradient comes by x as well


def test_report_passes_the_adjoint_on():
    """The node of the adjoint graph that calls back is an identity in both directions."""
    x = mg.Input(A)
    (g,) = mg.gradients((mg.probe(x, lambda array: None) ** 3).sum(), [x])
    np.testing.assert_allclose(g.value, 3 * A**2)
    np.testing.assert_allclose(mg.gradients(g.sum(), [x])[0].value, 6 * A)


def test_probe_is_silent_where_no_adjoint_is_needed():
    seen = []
    x, w = mg.Input(A), mg.Input(A)
    mg.gradients((mg.probe(x, seen.append) * w).sum(), [w])
    assert not seen


def test_probe_in_backward():
    seen = []
    W = mg.Parameter(A)
    (mg.probe(W, seen.append) ** 2).sum().backward()
    np.testing.assert_array_equal(seen, [2 * A])


def test_probe_takes_a_function():
    with pytest.raises(TypeError, match="the callback is a function of one array, not str"):
        mg.probe(mg.Input(A), "loss")


def test_update_writes_in_place():
    state = mg.Parameter(A, trainable=False)
    array = state.value
    mg.update(state, state * 0.5 + 1)
    assert state.value is array
    np.testing.assert_array_equal(array, A * 0.5 + 1)
    mg.update(state, A)
    np.testing.assert_array_equal(array, A)


def test_update_refuses_what_is_no_state():
    with pytest.raises(TypeError, match=r'Parameter "W" \(3,\) is trainable'):
        mg.update(mg.Parameter(A, name="W"), A)
    with pytest.raises(TypeError, match="not Input"):
        mg.update(mg.Input(A), A)
    with pytest.raises(ValueError, match="of its own shape"):
        mg.update(mg.Parameter(A, trainable=False), np.zeros(4))
    with pytest.raises(TypeError, match="float32"):
        mg.update(mg.Parameter(A, trainable=False), A.astype(np.float32))


VIEWS = {
    "transposed": lambda s: s.T, "matrix transposed": lambda s: s.mT, "reshaped": lambda s: s.reshape(9),
    "a slice": lambda s: s[1:], "a row": lambda s: s[0], "backward": lambda s: s[::-1], "a new axis": lambda s: s[:, np.newaxis],
    "broadcast": lambda s: np.broadcast_to(s, (2, 3, 3)), "flipped": lambda s: np.flip(s), "diagonal": lambda s: np.diagonal(s),
    "squeezed": lambda s: np.squeeze(s[np.newaxis]), "stopped": mg.stop_gradient, "clipped": lambda s: mg.clip_adjoint(s, -1, 1),
    "scaled": lambda s: mg.scale_adjoint(s, 2.0), "probed": lambda s: mg.probe(s, print), "a view of a view": lambda s: s.T[0],
    "einsum": lambda s: np.einsum("ij->ji", s),
    "a view of what is stopped": lambda s: mg.stop_gradient(s).T,
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("frozen_later", [False, True])
def test_a_view_of_a_state_keeps_what_it_showed_before_an_update(name, frozen_later):
    """As a node, and in the first and the later calls of a compiled function; also of a weight that was frozen later."""
    old, new = np.arange(9.0).reshape(3, 3), np.full((3, 3), 7.0)
    shown = np.array(VIEWS[name](mg.Input(old)).value)

    def states():
        a = mg.Parameter(old, "a", trainable=frozen_later)
        b = mg.Parameter(np.zeros(shown.shape), "b", trainable=False)
        a.trainable = False
        return a, b

    def f(a, b, x):
        view = VIEWS[name](a)
        mg.update(a, x)
        mg.update(b, view)
        return view, view * 1.0

    a, b = states()
    held = a.value if not frozen_later else None
    for found in f(a, b, mg.Input(new)):
        np.testing.assert_array_equal(found.value, shown)
    np.testing.assert_array_equal(b.value, shown)
    np.testing.assert_array_equal(a.value, new)
    assert held is None or held is a.value
    a, b = states()
    step = mg.compile(lambda x: f(a, b, x))
    for _ in range(3):
        a.value = old
        for found in step(new):
            np.testing.assert_array_equal(found, shown)
        np.testing.assert_array_equal(b.value, shown)
        np.testing.assert_array_equal(a.value, new)


def test_a_replayed_view_of_a_state_keeps_its_value_too():
    state = mg.Parameter(A, trainable=False)
    view = state[::-1]
    mg.Graph(view).fprop()
    mg.update(state, A * 2)
    np.testing.assert_array_equal(view.value, A[::-1])
    np.testing.assert_array_equal(mg.Graph(view).fprop(), 2 * A[::-1])
