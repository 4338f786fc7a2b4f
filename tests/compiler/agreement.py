"""Whether a compiled function gives what the same function gives on nodes, on several calls, and keeps its hands to itself."""

import copy
import warnings

import numpy as np

import minigrad as mg
from minigrad.compiler.tracing import tracer
from minigrad.graph import ancestry


def arrays_in(result):
    """The arrays in what a compiled function returned, in order."""
    if isinstance(result, np.ndarray):
        return [result]
    if isinstance(result, dict):
        result = list(result.values())
    return [array for part in result or () for array in arrays_in(part)]


def eagerly(f, arguments):
    """The values f gives on nodes."""
    given = [mg.Input(a) if isinstance(a, np.ndarray) else a for a in arguments]
    return [node.value.copy() for node in tracer.leaves(f(*given))]


def sensitivity(f, arguments, expected):
    """By how much rounding may change each array: a lot where it is badly conditioned, or float32 on the way."""
    rng = np.random.default_rng(0)
    given = [mg.Input(a) if isinstance(a, np.ndarray) else a for a in arguments]
    single = any(node.dtype == np.float32 for node in ancestry(tracer.leaves(f(*given))))
    largest = [0.0] * len(expected)
    for _ in range(4):
        moved = [
            np.asarray(
                a * (1 + np.finfo(np.float32 if single else a.dtype).eps * rng.choice([-2.0, 2.0], a.shape)), a.dtype
            )
            if isinstance(a, np.ndarray) and a.dtype.kind == "f"
            else a
            for a in arguments
        ]
        for i, (other, value) in enumerate(zip(eagerly(f, moved), expected, strict=True)):
            change = np.abs(np.subtract(other, value, dtype=float))
            largest[i] = max(largest[i], float(np.nanmax(change, initial=0.0)))
            if single and value.dtype.kind == "f":
                rounding = np.abs(value[np.isfinite(value)]).max(initial=0.0) * np.finfo(np.float32).eps
                largest[i] = max(largest[i], float(rounding))
    return largest


def assert_agree(found, expected, message="", allowed=()):
    """To rounding: relative to the largest entry of the array, or to 1; `allowed` is what else each array may differ by."""
    assert len(found) == len(expected), message
    for i, (a, b, more) in enumerate(zip(found, expected, allowed or [0.0] * len(found), strict=True)):
        assert type(a) is np.ndarray, f"output {i} is of type {type(a).__name__} {message}"
        assert (a.shape, a.dtype) == (b.shape, b.dtype), f"output {i} {message}"
        if b.dtype.kind != "f":
            np.testing.assert_array_equal(a, b, f"output {i} {message}")
            continue
        finite = np.isfinite(b)
        np.testing.assert_array_equal(a[~finite], b[~finite], f"output {i} {message}")
        scale = float(np.abs(b[finite]).max(initial=0.0))
        eps = float(np.finfo(b.dtype).eps)
        limit = scale * eps**0.75 + 30 * eps + more  # what cancels leaves the rounding of numbers around 1
        np.testing.assert_allclose(a[finite], b[finite], rtol=0, atol=limit, err_msg=f"output {i} {message}")


def assert_near(found, expected, f, arguments, where):
    """As `assert_agree`; where they do not, the rounding that f amplifies is allowed for."""
    try:
        assert_agree(found, expected, where)
    except AssertionError:
        assert_agree(found, expected, where, [30 * change for change in sensitivity(f, arguments, expected)])


def call(step, arguments):
    """What a compiled function returns; an error is raised anew, since hypothesis takes each program's lines for a bug of
    its own.
    """
    try:
        return step(*arguments)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    raise AssertionError(f"{text}\n{step.source if step.programs else ''}")


def purely(step, arguments):
    """What the pure source gives, run as it stands."""
    names = step.pure_names
    exec(step.pure_source, names)
    arrays = [np.asarray(a) for a in arguments if isinstance(a, np.ndarray | np.generic)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        results = names["program"](*arrays, *[p.value for p in step.pure_parameters.values()])
    return [np.asarray(a) for a in results]


def assert_pure(step, arguments, expected, where, f):
    """The pure source gives the same; what it draws is not the same."""
    if any(isinstance(thing, np.random.Generator) for thing in step.pure_names.values()):
        return
    try:
        found = purely(step, arguments)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    else:
        assert_near(found, expected, f, arguments, where)
        return
    raise AssertionError(f"{text}\n{step.pure_source}")


def compare(f, *calls, rewrites=None, states=(), backend=None):
    """f compiled and called with each of the calls' arguments, against f on nodes. Gives the compiled function.

    What was returned stays as it is, whatever later calls and the caller do; arguments are not written to; states are
    set back before the nodes are built, and are as they leave them.
    """
    if len(calls) == 1:  # the first call only traces: what it returns is not the program's
        calls *= 2
    step = mg.compile(f, rewrites=rewrites, **({"backend": backend} if backend else {}))
    returned = []
    for number, arguments in enumerate(calls):
        before = copy.deepcopy([a for a in arguments if isinstance(a, np.ndarray)])
        states_before = [state.value.copy() for state in states]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found = arrays_in(call(step, arguments))
            states_after = [state.value.copy() for state in states]
            for state, array in zip(states, states_before, strict=True):
                state.value = array
            expected = eagerly(f, arguments)
        where = f"in call {number}, rewrites={rewrites}"
        assert_agree(states_after, [state.value for state in states], f"(a state) {where}")
        assert_near(found, expected, f, arguments, where)
        for array, same in zip([a for a in arguments if isinstance(a, np.ndarray)], before, strict=True):
            np.testing.assert_array_equal(array, same, f"an argument was written to {where}")
        for i, array in enumerate(found):
            assert array.flags.writeable, f"output {i} cannot be written to {where}"
            assert not any(np.may_share_memory(array, other) for other in found[:i]), f"outputs share memory {where}"
            assert not any(np.may_share_memory(array, a) for a in arguments if isinstance(a, np.ndarray)), where
        for older, values in returned:
            for array, value in zip(older, values, strict=True):
                np.testing.assert_array_equal(array, value, f"a later call wrote into what was returned {where}")
        if number == 0 and not states:
            assert_pure(step, arguments, expected, f"in pure_source {where}", f)
        if number % 2:  # the caller may write into what is theirs
            for array in found:
                array[...] = 1
        returned.append((found, [array.copy() for array in found]))
    return step


def agree(graph, rewrites=None, backend=None):
    """A random graph's function, compiled, against the nodes: in all of its calls, and once more with other parameters."""
    before = [parameter.value.copy() for parameter in graph.parameters]
    step = compare(graph.f, *graph.calls, rewrites=rewrites, backend=backend)
    assert step.programs, "no program was made: nodes were compared with nodes"
    for parameter, value in zip(graph.parameters, before, strict=True):
        assert (parameter.value == value).all(), "a parameter was written to"
        parameter.value = value * 1.5 + 0.25  # is read anew
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found, expected = arrays_in(call(step, graph.calls[0])), eagerly(graph.f, graph.calls[0])
    assert_near(found, expected, graph.f, graph.calls[0], f"with other parameters, rewrites={rewrites}")
