"""Whether a call means on nodes what it means on arrays: values, dtype, shape, or the kind of error.

A half-precision result of NumPy's (of np.exp and its like on small integers) counts as a TypeError: nodes hold none.
"""

import warnings

import numpy as np

import minigrad as mg
from minigrad.node import DTYPES


def outcome(call, *operands):
    """The array a call gives, or the exception; warnings (of empty means and the like) are NumPy's own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = call(*operands)
        except Exception as error:  # whatever NumPy raises
            return error
    if isinstance(result, np.ndarray | np.generic) and result.dtype not in DTYPES:
        return TypeError("no node holds it")
    return result.value if isinstance(result, mg.Node) else result


def assert_like_numpy(call, *operands, exact=True):
    """`call` gives the same on nodes as on arrays; operands that are not arrays are passed as they are."""
    expected = outcome(call, *operands)
    found = outcome(call, *[mg.Input(a) if isinstance(a, np.ndarray) else a for a in operands])
    where = f"of {operands!r}"
    if isinstance(expected, Exception):
        assert isinstance(found, Exception), f"NumPy raises {expected!r}, and a node gives {found!r} {where}"
        kinds = (ValueError, TypeError, IndexError, OverflowError)
        assert isinstance(found, tuple(kind for kind in kinds if isinstance(expected, kind))), (
            f"NumPy raises {expected!r}, and a node {found!r} {where}"
        )
        return
    if isinstance(found, Exception):
        raise AssertionError(f"{found!r} {where}") from found
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype, f"{found.dtype} for {expected.dtype} {where}"
    np.testing.assert_allclose(found, expected, rtol=0 if exact else 1e-6, atol=0, err_msg=where)
    assert found.shape == expected.shape, where
