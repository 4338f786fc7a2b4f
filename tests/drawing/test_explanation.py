"""Why an adjoint is what it is, and what a graph is made of, in words."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LSTM, RNN, Dense, Sequential, losses
from tests.drawing.graphs import GRAPHS, net_2_2_1, recurrent


def weights(*shape, value=1.0, name="w"):
    return mg.Parameter(np.full(shape, value), name=name)


W = weights(2)
X = mg.Input(0.5, name="x")
ZERO = mg.Parameter(0.0, name="gate")

ENDS = {
    "a dead unit": (lambda: mg.relu(W - 3), "ends at relu #4, which sends 0 to − #3: no entry of its input is above 0, so it is dead"),
    "a unit dead where it counts": (lambda: mg.relu(W * [1.0, -1.0]) * [0.0, 1.0], "relu #4, which sends 0 to × #3: its input is not above 0 where"),
    "times 0": (lambda: np.sin(W) * ZERO, 'ends at × #4, which sends 0 to sin #3: it is multiplied by "gate", which is 0'),
    "times a matrix of zeros": (lambda: W @ weights(2, 2, value=0.0, name="V"), 'multiplied by "V", which is 0'),
    "times 0 where it counts": (lambda: (W * [0.0, 1.0]) * [1.0, 0.0], "the other factor is 0 where an adjoint arrives"),
    "too small": (lambda: W * 1e-200 * 1e-200, "what it would send is too small for float64."),
    "saturated": (lambda: np.tanh(W * 1000), "ends at tanh #4, which sends 0 to × #3: it is saturated, its values are [1, 1]"),
    "a saturated sigmoid": (lambda: mg.sigmoid(W * 1e4), "saturated"),
    "stopped": (lambda: mg.stop_gradient(W) * X, "sends nothing to \"w\": stop_gradient holds it back"),
    "booleans": (lambda: (W > 0) * X, "which sends nothing to > #3: bool has no adjoint"),
    "a floor": (lambda: np.floor(W), "ends at floor #2, which sends nothing to \"w\": so says its rule, y = ⌊x⌋; no adjoint"),
    "a choice": (lambda: np.where(W > 0, 0.0, W), "sends 0 to \"w\": another entry is chosen where an adjoint arrives"),
    "the larger one": (lambda: np.maximum(W, 7.0), "maximum #3, which sends 0 to \"w\": another entry is chosen"),
    "scaled by 0": (lambda: mg.scale_adjoint(W, 0.0), "which sends 0 to \"w\": it is multiplied by"),
    "clipped to 0": (lambda: mg.clip_adjoint(W, 0.0, 0.0), "which sends 0 to \"w\": what arrives is clipped to 0"),
    "saturated where it counts": (lambda: np.tanh(W * [0.1, 1e3]) * [0.0, 1.0], "tanh #4, which sends 0 to × #3: it is saturated where an adjoint arrives"),
    "no entries": (lambda: W[:0], "which sends 0 to item #2: it has no entries"),
    "an entry that is not read": (lambda: np.concatenate([W, X.reshape(1)])[2:], "concatenate #3, which sends 0 to \"w\": so says its rule"),
    "a square at 0": (lambda: weights_at_zero() ** 2, "its slope is 0 where its input is 0"),
}  # fmt: skip
AT_ZERO = weights(2, value=0.0, name="w")


def weights_at_zero():
    return AT_ZERO


@pytest.mark.parametrize("case", ENDS)
def test_where_an_adjoint_ends_and_why(case):
    make, expected = ENDS[case]
    loss = make().sum() + X * 1.0
    text = mg.explain(AT_ZERO if case == "a square at 0" else W, loss)
    assert text.startswith('parameter "w" (2,): ')
    assert expected in text


SIGNS = mg.Input(np.array([[1.0], [-1.0]]), name="signs")


def outer_product(a, b):
    return np.outer(a, b)


def einsum(subscripts, a, b):
    return np.einsum(subscripts, a, b)


CANCELED = {
    "a broadcast sum": lambda w: (w + np.ones((2, 1))) * SIGNS,
    "a broadcast difference": lambda w: (np.ones((2, 1)) - w) * SIGNS,
    "a broadcast product": lambda w: w * SIGNS,
    "a broadcast quotient": lambda w: np.exp(w) / SIGNS,
    "a product of matrices": lambda w: w[np.newaxis] @ SIGNS.T,
    "an outer product": lambda w: outer_product(w, SIGNS),
    "a repeated array": lambda w: np.broadcast_to(w, (2, 1)) * SIGNS,
    "a tile": lambda w: np.tile(w, 2) * SIGNS.reshape(2),
    "rows read twice": lambda w: w[[0, 0]] * SIGNS.reshape(2),
    "an einsum": lambda w: einsum("i,j->ij", w, SIGNS.reshape(2)),
    "a cross product": lambda w: np.cross(w * [1.0, 0.0, 0.0], np.ones(3)),
    "softmax": lambda w: mg.softmax(np.concatenate([w, w + 0.0])),
    "a choice of all": lambda w: np.where([[True], [True]], w, 0.0) * SIGNS,
    "a running sum": lambda w: np.cumsum(w * np.ones(2)) * [2.0, -1.0],
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", CANCELED)
def test_terms_that_cancel_within_what_one_rule_sends(case, dtype):
    """No factor is 0, no unit is saturated, no slope is 0: the terms add up to 0."""
    w = mg.Parameter(np.zeros(1, dtype), name="w")
    loss = CANCELED[case](w).sum() + mg.Input(1.0)
    assert not mg.gradients(loss, [w])[0].value.any()
    reasons = mg.explain(w, loss).splitlines()[1:]
    assert reasons
    for reason in reasons:
        assert reason.endswith(": its terms add up to 0.") or "several parents adds up to 0" in reason
    unequal = (CANCELED[case](w) * mg.Input(np.random.default_rng(0).uniform(1, 2, CANCELED[case](w).shape))).sum()
    assert mg.gradients(unequal, [w])[0].value.any(), "weights of their own keep them apart"


def test_an_adjoint_of_one_entry_has_terms_too():
    w = mg.Parameter(np.zeros(1), name="w")
    loss = np.einsum("i,j->", w, SIGNS.reshape(2))
    assert mg.explain(w, loss).endswith('which sends 0 to "w": its terms add up to 0.')


def test_a_bias_under_a_balanced_loss_is_not_told_that_its_slope_is_0():
    b = mg.Parameter(np.zeros(2), name="b")
    loss = losses.cross_entropy(b + mg.Input(np.zeros((4, 2)), name="h"), np.array([0, 1, 0, 1]))
    assert mg.explain(b, loss).splitlines()[1:] == ['  It ends at + #2, which sends 0 to "b": its terms add up to 0.']


def test_what_cancels_and_what_is_0_entry_by_entry_are_told_apart():
    """Each pair: the same rule sends 0, once since terms cancel, once since each of them is 0."""
    ones = mg.Input(np.ones(2), name="ones")
    pairs = [
        (mg.softmax, [0.0, 0.0], "terms add up", mg.softmax, [0.0, -1e4], "it is saturated, its values are [1, 0]"),
        (lambda w: w @ np.array([[1.0, -1.0]] * 2), [0.0, 0.0], "terms add up", lambda w: w @ np.zeros((2, 2)), [1.0, 1.0], "which is 0"),
        (lambda w: np.where([[True], [True]], w, ones) * SIGNS, [1.0, 1.0], "terms add up", lambda w: np.where([[False], [False]], w, ones) * SIGNS, [1.0, 1.0], "another entry is chosen"),
        (lambda w: np.square(w) * ones, [0.0, 0.0], "slope is 0 where its input is 0", lambda w: np.square(w + 1e-170) * 1e-170, [0.0, 0.0], "too small for float64"),
    ]  # fmt: skip
    for canceling, start, first, dead, other, second in pairs:
        for f, point, expected in ((canceling, start, first), (dead, other, second)):
            w = mg.Parameter(np.array(point), name="w")
            assert expected in mg.explain(w, f(w).sum())


def test_a_large_unit_is_not_dead_where_some_entries_are_alive():
    """Of arrays that are too large to be stored the range says whether an entry is above 0."""
    w = mg.Parameter(1.0, name="w")
    signs = mg.Input(np.array([1.0] * 50 + [-1.0] * 50), name="signs")
    assert "its input is not above 0 where an adjoint arrives" in mg.explain(w, mg.relu(w * signs)[60:].sum())
    assert "so it is dead" in mg.explain(w, mg.relu(w * -abs(signs)).sum())


@pytest.mark.parametrize("turned", [False, True])
def test_the_path_follows_the_largest_part_wherever_it_stands(turned):
    w = mg.Parameter(np.array([3.0, 4.0]), name="w")
    parts = [w * 100.0, w * 0.01]
    loss = (parts[turned] + parts[not turned]).sum()
    lines = mg.explain(w, loss).splitlines()
    assert lines[-1] == '    "w"   141.4'


@pytest.mark.parametrize("turned", [False, True])
def test_a_nan_is_followed_to_where_it_comes_from_wherever_it_stands(turned):
    w = mg.Parameter(np.array([3.0, 4.0]), name="w")
    with np.errstate(all="ignore"):
        parts = [w * 100.0, w * mg.Input([np.nan, 1.0], name="odd"), w * 0.01][:: -1 if turned else 1]
        parts[1].name = "culprit"
        lines = mg.explain(w, (parts[0] + parts[1] + parts[2]).sum()).splitlines()
    shown = [line for line in lines if line.startswith("    ")]
    assert '"culprit"' in shown[-2]


def test_long_names_are_shortened():
    x = mg.Input(1.0, name="n" * 10**6)
    for text in (mg.explain(x, x * 2), mg.explain(x, x * 0.0), mg.explain(x, X * 2), mg.record(x * 2).describe()):
        assert len(text) < 500
        assert "nnn…nnn" in text


def test_what_is_never_used():
    text = mg.explain(W, X * 2)
    assert text.startswith('Parameter "w" (2,) is never used')
    assert ".value" in text


def test_reasons_alike_are_counted_and_all_kinds_are_given():
    w = mg.Parameter(-1.0, name="w")
    text = mg.explain(w, mg.relu(w) + mg.relu(w * 2) + mg.stop_gradient(w))
    assert text.count("It ends at") == 2
    assert "(and 1 more like it)" in text
    assert "stop_gradient" in text


def test_parts_that_cancel():
    w = mg.Parameter(np.array([1.0, 2.0]), name="w")
    assert mg.explain(w, (w - w).sum()).splitlines()[1:] == [
        '  It ends at "w": what arrives there from several parents adds up to 0.'
    ]
    y = np.tanh(w)
    text = mg.explain(w, (y - y).sum())
    assert text.splitlines()[1:] == ["  It ends at tanh #1: what arrives there from several parents adds up to 0."]


def test_the_end_is_named_though_it_is_far_from_the_parameter():
    net = Sequential(Dense(2, 3, np.tanh, rng=0), Dense(3, 3, mg.relu, rng=0), Dense(3, 1, rng=0))
    net[1].b.value = np.full(3, -100.0, np.float32)
    text = mg.explain(net[0].W, ((net(np.ones((4, 2))) - 1.0) ** 2).sum())
    assert "its adjoint is 0" in text
    assert "It ends at relu" in text
    assert "dead" in text


def test_the_path_has_the_norms_of_what_is_sent():
    x = mg.Input(np.array([3.0, 4.0]), name="x")
    lines = mg.explain(x, (x * 2.0 + np.sin(x) * 1e-9).sum() * 5.0).splitlines()
    assert lines[0] == f'input "x" (2,): its adjoint has the norm {10 * 2**0.5:.4g}.'
    assert lines[2:] == ["    × #9  1", "    Σ #7  5", "    + #6  7.071", "    × #2  7.071", '    "x"   14.14']


def test_a_long_path_shows_both_ends():
    y = x = mg.Input(0.5, name="x")
    for _ in range(50):
        y = np.sin(y)
    lines = mg.explain(x, y).splitlines()
    assert len(lines) == 2 + 13
    assert "… 39 more …" in lines[8]


def unrolled_by_hand():
    """w reaches the loss by ten small ways and a large one."""
    w = mg.Parameter(1.0, name="w")
    p1, p2 = w * 1.0, w * 0.9
    loss = p2 + 0.0
    for _ in range(10):
        loss = loss + 0.1 * p1
    return w, loss


def test_the_largest_of_several_ways_is_found_though_its_parts_are_small():
    text = mg.explain(*unrolled_by_hand())
    assert "The largest of 11 ways carries 0.9 of 1.9 (47 %); with the norm of what it alone carries:" in text
    norms = [line.split()[-1] for line in text.splitlines() if line.startswith("    ") and "more" not in line]
    assert norms == ["1"] * (len(norms) - 1) + ["0.9"], "no jump, since all that is shown went along this way"


@pytest.mark.parametrize("seed", range(20))
def test_the_largest_way_is_that_of_all_products_of_factors(seed):
    rng = np.random.default_rng(seed)
    w = mg.Parameter(rng.normal(), name="w")
    products = {w: [1.0]}  # of a node: what each way from w multiplies by
    for _ in range(8):
        a, b = [list(products)[i] for i in rng.integers(len(products), size=2)]
        f, g = rng.normal(size=2)
        products[a * f + b * g] = [p * f for p in products[a]] + [p * g for p in products[b]]
    loss, ways = list(products.items())[-1]
    text = mg.explain(w, loss)
    largest = max(map(abs, ways))
    assert text.splitlines()[0].endswith(f"{abs(sum(ways)):.4g}.")
    assert next(line for line in text.splitlines() if line.startswith('    "w"')).split()[-1] == f"{largest:.4g}"
    if len(ways) > 1:
        assert f"The largest of {len(ways)} ways carries {largest:.4g} " in text


def test_of_arrays_it_is_said_how_little_one_way_carries():
    W = mg.Parameter(np.diag([0.5, 0.9, 2.0]), name="W")
    s = mg.Input(np.ones(3), name="s")
    for _ in range(30):
        s = W @ s
    text = mg.explain(W, s.sum())
    (adjoint,) = mg.gradients(s.sum(), [W])
    rates = np.array([0.5, 0.9, 2.0])
    last = np.linalg.norm(np.outer(np.ones(3), rates**29))  # of the product of step 30 alone
    total = np.linalg.norm(adjoint.value)
    assert f"The largest found of 30 ways carries {last:.4g} of {total:.4g} ({100 * last / total:.0f} %);" in text


def test_ways_that_carry_nothing_do_not_count():
    w = mg.Parameter([1.0, 1.0], name="w")
    nothing = (w * [1.0, 0.0] * [100.0, 100.0]) * [0.0, 1.0]  # norms promise much, and the zeros meet
    text = mg.explain(w, (nothing + w * [100.0, 0.0] * [0.1, 1.0] * 0.2).sum())
    assert "  It comes by a single way" in text
    assert '\n    "w"    2\n' in text


def test_parts_larger_than_their_sum_are_said_to_cancel():
    w = mg.Parameter(1.0, name="w")
    text = mg.explain(w, w * 100.0 + w * -100.0 + w)
    assert 'Parts cancel at "w": norms of up to 100 add up to 1.' in text
    assert "The largest of 3 ways carries 100 against a sum of 1;" in text
    assert "carries 3 and all ways together only 1;" in mg.explain(w, w * 3.0 - w - w)
    y = w * 2.0
    text = mg.explain(w, y * 100.0 - y * 100.0 + w)
    assert "Parts cancel at × #2: norms of up to 100 add up to 0, and the ways through it are left out." in text
    assert "It comes by a single way" in text
    assert "cancel" not in mg.explain(*unrolled_by_hand())


def test_ways_beyond_counting():
    y = w = mg.Parameter(1.0, name="w")
    for _ in range(2000):
        y = y * 0.5 + y * 0.5
    assert "The largest of more than 10^308 ways carries 0 of 1 (less than 1 %);" in mg.explain(w, y)
    y = w
    for _ in range(20):
        y = y + y
    assert "The largest of more than 10^6 ways carries 1 of 1.049e+06 (less than 1 %);" in mg.explain(w, y)


def test_a_probe_sees_the_whole_adjoint_only():
    seen = []
    w = mg.Parameter(1.0, name="w")
    y = mg.probe(w * 2.0, lambda adjoint: seen.append(float(adjoint)))
    mg.explain(w, y * 3.0 + y * 4.0)
    assert seen == [7.0]


def test_masks_go_along_a_way():
    w = mg.Parameter([0.0, 4.0], name="w")
    with np.errstate(all="ignore"):
        text = mg.explain(w, np.where(w > 0, np.log(w), 0.0).sum() + w.sum() * 0.1)
    assert "The largest found of 2 ways carries 0.25 of 0.364 (69 %);" in text


def test_rows_that_are_zero_are_named():
    layer = Dense(2, 4, mg.relu, rng=0, dtype=np.float64)
    layer.W.value = np.ones((4, 2))
    layer.b.value = np.array([1.0, -100.0, 1.0, -100.0])
    text = mg.explain(layer.W, layer(np.ones((3, 2))).sum())
    assert "and 4 of 8 entries are 0: all of 2 rows 1 and 3." in text


def test_zeros_of_a_large_parameter_are_counted():
    w = mg.Parameter(np.ones((200, 100)), name="w")
    text = mg.explain(w, (w[:150] * 2.0).sum())
    assert "and 5000 of 20000 entries are 0." in text


def test_where_a_nan_comes_from():
    w = mg.Parameter([1.0, 2.0], name="w")
    with np.errstate(all="ignore"):
        text = mg.explain(w, np.sqrt(w - 1).sum())
    assert "sqrt #3 is the first to send what is not finite, [inf, 0.5], to − #2" in text


def test_a_sum_that_overflows_is_named():
    y = mg.Input(1.0, name="y")
    with np.errstate(all="ignore"):
        text = mg.explain(y, y * 1.5e308 + y * 1.5e308)
        assert text.endswith('All that arrives at "y" is finite, but the sum is not, inf: it overflows.')
        u = np.sin(y)
        inner = mg.explain(y, u * 1.5e308 + u * 1.5e308)
        assert inner.endswith("All that arrives at sin #1 is finite, but the sum is not, inf: it overflows.")
        within = mg.explain(y, ((y + np.zeros(2)) * 1.5e308).sum())
        assert '+ #2 is the first to send what is not finite, inf, to "y"' in within
        large = mg.Input(np.ones(100), name="large")
        text = mg.explain(large, (large * 1.5e308 + large * 1.5e308).sum())
        assert 'All that arrives at "large" is finite, but the sum is not' in text


def test_what_is_not_finite_elsewhere_is_not_blamed():
    """Only rules on a way from the loss to the node are looked at."""
    y, other = mg.Input(1.0, name="y"), mg.Input(0.0, name="other")
    with np.errstate(all="ignore"):
        loss = np.sqrt(other) + (y * 1.5e308 + y * 1.5e308)
        assert 'at "y" is finite, but the sum is not' in mg.explain(y, loss)
        assert "sqrt" not in mg.explain(y, loss)
        assert "sqrt #" in mg.explain(other, loss)


def test_the_loss_itself_integers_and_constants():
    loss = X * 2
    assert mg.explain(loss, loss).endswith("is the loss itself: its adjoint is 1.")
    labels = mg.Input([1, 2], name="labels")
    assert "holds int64" in mg.explain(labels, (labels * 0.5).sum())
    c = mg.Constant([1.0, 2.0], name="c")
    assert "norm 2.236" in mg.explain(c, (c * [1.0, 2.0]).sum())


def test_how_the_adjoint_of_a_state_changes_over_the_steps():
    net = RNN(1, 1, 1, activation=mg.linear, dtype=np.float64)
    net.W.value = np.array([[0.5]])
    net.V.value = np.array([[1.0]])
    text = mg.explain(net.R, net(np.ones((1, 5, 1))).sum())
    assert "The adjoint of x: at t = 1 it has 0.062 of its norm at t = 5, × 0.5 per step back." in text
    assert "(step 5)" in text


def test_lines_of_the_program_are_told_where_they_are_known():
    with mg.source_lines():
        loss = mg.relu(W - 3).sum()
    assert "It ends at relu #3 (test_explanation.py:" in mg.explain(W, loss)


def test_what_is_not_a_node_is_refused():
    with pytest.raises(TypeError, match="takes a node"):
        mg.explain("w", X * 2)
    with pytest.raises(TypeError, match="the loss is a node"):
        mg.explain(X, 2.0)
    for parameter in (W, X):  # used, or not
        with pytest.raises(ValueError, match=r"not a scalar: reduce it \(output.sum\(\)\), or give the scalar loss"):
            mg.explain(parameter, W * 2)


@pytest.mark.parametrize("loss", [(W * X).sum(), np.tanh(W)])
def test_swapped_arguments_are_named(loss):
    with pytest.raises(ValueError, match=r"\(parameter, loss\): the arguments look swapped, since .* is computed from"):
        mg.explain(loss, W)


# What a graph is made of ---------------------------------------------------------------------------------------------


def test_the_description_of_a_small_net():
    assert mg.record(net_2_2_1()[0]).describe() == (
        "L = 0.8898 is computed from 9 parameters, 3 inputs and 16 operations (× 6, + 6, tanh 2, − 1, square 1). "
        "Backward 16 rules are applied. The largest adjoint of a leaf is that of y, with the norm 1.887, the smallest that of "
        "x2, 0.2538."
    )


def test_the_description_of_a_loop():
    text = mg.record((LSTM(2, 3, rng=0)(np.ones((1, 8, 2))) ** 2).mean()).describe()
    assert "A loop has 8 steps of up to 15 operations, all but 1 alike; states c and h, gates i, f, o and g." in text
    assert text.count("of its norm at t = 8, × ") == 2
    assert re.search(r"The adjoint of .*: at t = 1 it has .* its norm at t = 3", mg.record(recurrent()[0]).describe())


def test_a_state_is_told_though_its_last_step_is_not_in_the_graph():
    """A loss on the last c alone has no last h; words and picture say the same."""
    net = LSTM(3, 4, rng=0, dtype=np.float64)
    whole = (net(mg.Input(np.random.default_rng(0).normal(size=(2, 6, 3)), name="u")) ** 2).mean()
    loss = ([node for node in mg.Graph(whole).nodes if node.name == "c"][-1] ** 2).mean()
    lines = mg.draw(loss, view="time").text().splitlines()
    drawn = [line for line in lines if line.startswith("Adjoint of ")]
    assert [line[:13] for line in drawn] == ["Adjoint of c:", "Adjoint of h:"]
    texts = mg.record(loss).describe(), mg.explain(net.cell.W_h, loss)
    assert all(f"The a{line[1:]}." in text for line in drawn for text in texts)


def test_states_that_are_left_out_are_counted():
    states = [mg.Input(0.1 * k, name=f"s{k}") for k in range(8)]
    for t in range(4):
        states = [np.tanh(state * 0.5 + states[k - 1]) for k, state in enumerate(states)]
        for k, state in enumerate(states):
            state.name = f"s{k}({t})"
    text = mg.record(sum(states[1:], states[0])).describe()
    assert text.count("The adjoint of s") == 5
    assert "The adjoints of 3 more states are not told." in text


def test_adjoints_that_are_not_finite_are_named_first_and_the_rest_are_compared():
    z, w = mg.Input([np.nan, 1.0], name="z"), mg.Input([3.0, 1.0], name="w")
    loss = (z * w).sum()
    for wrt in ([z, w], [w, z]):
        assert mg.record(loss, wrt).describe().endswith(
            "Not finite is the adjoint of w (1 nan of 2). The largest finite adjoint of a leaf is that of z, with the norm 3.162."
        )  # fmt: skip
    both = (z * mg.Input([np.inf, np.nan], name="x")).sum()
    assert (
        mg.record(both)
        .describe()
        .endswith("Not finite are the adjoints of z (1 nan and 1 inf of 2) and x (1 nan of 2).")
    )
    u, v = mg.Input([0.5, 2.0], name="u"), mg.Input([3.0, 4.0], name="v")
    with np.errstate(all="ignore"):
        loss = (mg.Input([np.inf, 1.0], name="z") * (w := mg.Input([1.0, 1.0], name="w"))).sum() + (u * v).sum()
        text = mg.record(loss, [w, u, v]).describe()
    assert text.endswith(
        "Not finite is the adjoint of w (1 inf of 2). The largest finite adjoint of a leaf is that of u, with the norm 5, "
        "the smallest that of v, 2.062."
    )


def test_what_no_adjoint_reaches():
    text = mg.record((mg.stop_gradient(W) * X).sum(), [W, X]).describe()
    assert text.endswith("No adjoint arrives at w.")
    assert "No rule is applied backward" in mg.record(X * 1, []).describe()


@pytest.mark.parametrize("name", sorted(set(GRAPHS) - {"odd", "penalized", "recurrent gradient", "2-2-1 gradient"}))
def test_descriptions_are_of_one_line_and_read_back(name):
    record = mg.record(GRAPHS[name]())
    assert mg.Record.from_dict(record.as_dict()).describe() == record.describe()
    assert "\n" not in record.describe()
