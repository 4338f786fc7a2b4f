"""What a new user writes first: the message says in one sentence what to write instead, and that works."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import GRU, LSTM, Dense, Module, Sequential, losses, metrics
from minigrad.optim import SGD, AdaGrad, Adam, RMSProp, fit, load_arrays, save_arrays

X = np.ones((6, 3), np.float32)
Y = np.ones((6, 1), np.float32)
LOGITS = mg.Input([[0.1, 0.5, 0.2], [0.3, -0.1, 0.9]])


def net():
    return Sequential(Dense(3, 4, np.tanh, rng=0), Dense(4, 1, rng=1))


# Arrays and nodes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "//", "%", "**", "@"])
def test_an_array_is_not_changed_in_place_by_a_node(sign):
    W = mg.Parameter(np.full((2, 2), 3.0))
    g = mg.Input(np.full((2, 2), 2.0))
    before = W.value.copy()
    names = {"W": W, "g": g, "a": np.ones((2, 2))}
    for statement in (f"W.value {sign}= g", f"W.value {sign}= 0.01 * g", f"a {sign}= g"):
        with pytest.raises(TypeError, match=r"W\.value is an array") as caught:
            exec(statement, names)
        assert "out=" not in str(caught.value)
        np.testing.assert_array_equal(W.value, before)
    if sign == "-":
        assert "write W.value = W.value - 0.01 * g.value;" in str(caught.value)
    exec(str(caught.value).split("outside the graph, write ")[1].split(";")[0], names)
    assert not np.array_equal(W.value, before)


def test_out_that_the_user_wrote_is_still_called_out():
    x = mg.Input(np.ones(2))
    for call in (lambda: np.add(x, 1, out=np.ones(2)), lambda: np.add(np.ones(2), x, out=np.ones(2))):
        with pytest.raises(TypeError, match="there is no out="):
            call()


def test_a_graph_is_fed_by_nodes():
    x = mg.Input(np.ones(2), name="x")
    graph = mg.Graph(2 * x)
    for key in ("x", 3):
        with pytest.raises(ValueError, match=r"of type (str|int): feed by the node itself, \{x: array\}"):
            graph.fprop({key: np.zeros(2)})
    with pytest.raises(ValueError, match="is not in the graph, so feed another node"):
        graph.fprop({mg.Input(np.ones(2)): np.zeros(2)})
    np.testing.assert_array_equal(graph.fprop({x: np.zeros(2)}), 0)


# Classes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.multi_class_hinge])
@pytest.mark.parametrize(
    ("y", "error", "advice"),
    [
        (np.array([1.0, 2.0]), TypeError, "y.astype(int)"),
        (np.array([True, False]), TypeError, "y.astype(int)"),
        (np.array([[1.0], [2.0]]), TypeError, "y[..., 0].astype(int)"),
        (np.array([[1], [2]]), ValueError, "y[..., 0]"),
        (np.eye(3)[:2], TypeError, "y.argmax(axis=-1)"),
        (np.eye(3, dtype=int)[:2], ValueError, "y.argmax(axis=-1)"),
    ],
)
def test_class_indices_say_how_to_become_such(loss, y, error, advice):
    with pytest.raises(error) as caught:
        loss(LOGITS, y)
    assert f"write {advice}" in str(caught.value)
    assert ("one-hot" in str(caught.value)) == (y.shape == LOGITS.shape)
    loss(LOGITS, eval(advice))
    with pytest.raises((TypeError, ValueError)) as caught:
        metrics.accuracy(LOGITS, y)
    assert advice in str(caught.value)
    metrics.accuracy(LOGITS, eval(advice))


def test_class_indices_of_quite_another_shape_get_no_advice():
    with pytest.raises(ValueError, match=r"found \(5,\)$"):
        losses.cross_entropy(LOGITS, np.zeros(5, int))


@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.classification_error])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 2, 1)])
@pytest.mark.parametrize("of_node", [True, False])
def test_the_advice_for_one_logit_works_as_written(metric, shape, of_node):
    z = np.array([1.0, -2.0, np.inf, 4.0]).reshape(shape)
    for y in (
        np.array([1, 0, 1, 0]).reshape(shape),
        np.array([1.0, 0.0, 1.0, 0.0]).reshape(shape),
        np.array([1, 0, 1, 0]),
    ):
        outputs = mg.Input(z) if of_node else z
        with pytest.raises(ValueError, match="of one logit z per example") as caught:
            metric(outputs, y)
        advice = str(caught.value).split("write ")[1]
        found = eval(advice, {"np": np, metric.__name__: metric, "z": outputs, "y": y})
        assert found == (0.75 if metric is metrics.accuracy else 0.25)


# Optimizers and fit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [SGD, Adam, AdaGrad, RMSProp])
def test_an_optimizer_says_what_it_takes(optimizer):
    name, model = optimizer.__name__, net()
    for given, said in (
        (model.parameters, r"is the method parameters: call it, model.parameters\(\)"),
        (model.state_dict(), "is of type dict"),
        (dict(model.named_parameters()), "is of type dict"),
        (0.1, "is of type float"),
        (None, "is of type NoneType"),
        (model[0].W, r"is a single one of type Parameter: write \[W\]"),
    ):
        with pytest.raises(TypeError, match=f"^{name} takes .*{said}"):
            optimizer(given, 0.1)
    for rate, error, said in (
        ("0.1", TypeError, "learning_rate='0.1': expected a number, found str: write 0.1"),
        ("fast", TypeError, "learning_rate='fast': expected a number, found str$"),
        (None, TypeError, "learning_rate=None: expected a number"),
        (np.nan, ValueError, r"learning_rate=nan: it lies in \[0, inf\)"),
        ([0.1], TypeError, r"learning_rate=\[0.1\]: expected a number, found list"),
    ):
        with pytest.raises(error, match=said):
            optimizer(model.parameters(), rate)


@pytest.mark.parametrize(
    ("name", "given", "error", "said"),
    [
        *[(name, given, TypeError, f"{name}={given!r}: expected an integer, found {type(given).__name__}")
          for name in ("epochs", "batch_size") for given in (1.5, 2.0, "3", None)],
        ("epochs", 0, ValueError, "epochs=0: at least 1"),
        *[(name, given, TypeError, f"{name}={given!r}: expected True or False")
          for name in ("drop_last", "quiet", "eager") for given in ("no", None, 0.5)],
        ("clip", "1", TypeError, "clip='1': expected a number, or None, found str"),
        ("rng", "a", TypeError, "rng='a': expected an integer, or a generator"),
        ("rng", 1.5, TypeError, "rng=1.5: expected an integer, or a generator"),
        ("callbacks", print, TypeError, "pass a list of functions of (model, history), [print]"),
        ("callbacks", None, TypeError, "callbacks=None: pass a list"),
        ("callbacks", [3], TypeError, "callbacks: 3 is neither a function of (model, history) nor a Callback"),
        ("callbacks", [Dense], TypeError, "is neither a function of (model, history) nor a Callback"),
    ],
)  # fmt: skip
def test_fit_says_what_its_arguments_are(name, given, error, said):
    model = net()
    before = model.state_dict()
    arguments = {"loss": losses.mean_squared_error, "optimizer": Adam(model.parameters()), "epochs": 1, "quiet": True}
    with pytest.raises(error) as caught:
        fit(model, X, Y, **arguments | {name: given})
    assert said in str(caught.value)
    np.testing.assert_array_equal(model[0].W.value, before["dense_1.W"])


def test_integers_of_numpy_count():
    model = net()
    history = fit(model, X, Y, loss=losses.mean_squared_error, optimizer=Adam(model.parameters()), epochs=np.int64(2),
                  batch_size=np.int32(3), drop_last=np.True_, quiet=1)  # fmt: skip
    assert history.n_rows == 2


# Layers ------------------------------------------------------------------------------------------------------------------


def test_a_layer_with_a_mask_says_how_lengths_become_one():
    u, lengths = np.ones((2, 5, 2), np.float32), np.array([3, 5])
    for layer in (LSTM(2, 1, rng=0), GRU(2, 1, rng=0), Sequential(LSTM(2, 1, rng=0))):
        with pytest.raises(TypeError, match=r"takes no lengths: write mask=np.arange") as caught:
            layer(u, lengths=lengths)
        advice = str(caught.value).split("write mask=")[1]
        layer(u, mask=eval(advice, {"np": np, "u": u, "lengths": lengths}))
    for deaf in (Dense(2, 1), Sequential(Dense(2, 1))):
        with pytest.raises(TypeError) as caught:
            deaf(u, lengths=lengths)
        assert "mask" not in str(caught.value)

    class Own(Module):
        def forward(self, u, mask=None, lengths=None):
            return mg.Input(lengths)

    np.testing.assert_array_equal(Own()(u, lengths=lengths).value, lengths)


def test_a_sequential_says_how_a_layer_is_replaced():
    model = net()
    for place, name in ((-1, "dense_2"), (0, "dense_1"), ("dense_2", "dense_2")):
        with pytest.raises(TypeError, match=rf"under its name, net\.{name} = layer") as caught:
            model[place] = Dense(4, 2)
    layer = Dense(4, 2, rng=0)
    model.dense_2 = layer
    assert model[-1] is layer
    assert "Sequential(*net[:-1], layer)" in str(caught.value)
    assert Sequential(*model[:-1], layer)(X).shape == (6, 2)
    with pytest.raises(TypeError, match=r"cannot be deleted: make another of those to keep, net\[:2\]"):
        del model[-1]


# Files -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda path, net: (path, net), "found Sequential: the arrays of this Sequential are its .state_dict()"),
        (lambda path, net: (path, Adam(net.parameters())), "the arrays of this Adam are its .state_dict()"),
        (lambda path, net: (path, net.state_dict), "the method state_dict: call it, model.state_dict()"),
        (lambda path, net: (path, net.parameters()), "found list: a dict, {'W': array}"),
        (lambda path, net: (path, X), "found ndarray: a dict, {'W': array}"),
        (lambda path, net: (net, path), "the path comes first"),
        (lambda path, net: (net.state_dict(), path), "the path comes first, and is a string, found dict"),
    ],
)
def test_what_is_saved_is_a_dict_of_arrays(given, said, tmp_path):
    with pytest.raises(TypeError) as caught:
        save_arrays(*given(tmp_path / "m.safetensors", net()))
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_file_of_numpy_is_told_from_a_damaged_one(tmp_path):
    np.savez(tmp_path / "m.npz", a=X)
    np.save(tmp_path / "m.npy", X)
    (tmp_path / "m").write_bytes(b"")
    for name, kind in (("m.npz", "npz"), ("m.npy", "npy")):
        with pytest.raises(
            ValueError, match=rf"is no safetensors file, but one of NumPy's \({kind}\): load it by np.load"
        ):
            load_arrays(tmp_path / name)
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        load_arrays(tmp_path / "m")
