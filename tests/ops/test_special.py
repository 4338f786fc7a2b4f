"""The gamma family against numbers computed with mpmath 1.3.0 to 60 digits (of betas 250), rounded to float64."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.dispatch import TABLE
from minigrad.ops.special import BERNOULLI, HIGHEST, LARGE, Betaln, Gammaln, Polygamma, PolygammaFall
from tests.compiler.agreement import compare

inf = math.inf
ORDERS = (0, 1, 2, 3, 6)
ONE = [  # x, ln |Γ(x)|, ψ(x), ψ′(x), ψ″(x), ψ‴(x), ψ⁽⁶⁾(x)
    (1e-08, 18.42068073818021, -100000000.57721564, 1.0000000000000002e+16, -2e+24, 5.999999999999999e+32, -7.199999999999999e+58),
    (0.001, 6.907178885383853, -1000.5755719318103, 1000001.6425331958, -2000000002.3976321, 6000000000006.469, -7.199999999999998e+23),
    (0.25, 1.2880225246980774, -4.2274535333762655, 17.19732915450711, -129.32773993753693, 1538.7821440091884, -11796633.687743692),
    (0.5, 0.5723649429247001, -1.9635100260214235, 4.934802200544679, -16.82879664423432, 97.40909103400244, -92203.45792380303),
    (0.9999, 5.7729791561193866e-05, -0.5773801703298691, 1.6451745107027036, -2.4047633247110958, 6.496428639406033, -726.5177367679554),
    (1.0, 0.0, -0.5772156649015329, 1.6449340668482264, -2.4041138063191885, 6.493939402266829, -726.0114797149845),
    (1.0001, -5.771334222047127e-05, -0.5770511835143348, 1.6446936879331444, -2.4034645367899485, 6.4914513859393415, -725.5056266718277),
    (1.4616321449683622, -0.12148629053584961, -9.241265521729427e-17, 0.9676722454476212, -0.8855263379671844, 1.5509985657339065, -51.983684104647416),
    (1.5, -0.12078223763524522, 0.03648997397857652, 0.9348022005446793, -0.82879664423432, 1.4090910340024372, -43.457923803023284),
    (1.999, -0.0004224618006921073, 0.4221391988923556, 0.6453384277720445, -0.40460818920162894, 0.4948267099767592, -6.0320701396481535),
    (2.0, 0.0, 0.42278433509846713, 0.6449340668482264, -0.4041138063191886, 0.49393940226682914, -6.011479714984436),
    (2.5, 0.2846828704729192, 0.7031566406452432, 0.49035775610023485, -0.2362040516417274, 0.22390584881725206, -1.318006107550035),
    (3.7, 1.428072326665388, 1.1671535393615113, 0.3100378576700383, -0.09539530872855403, 0.058279217956563614, -0.09576004675283734),
    (7.99, 8.50501160608848, 2.014309222046224, 0.13331424565985758, -0.017746655198676027, 0.004717977332169241, -0.0006592117296807188),
    (8.0, 8.525161361065415, 2.01564147795561, 0.1331370146940314, -0.017699569195767775, 0.004699239795945104, -0.0006540077388357523),
    (8.01, 8.545324429747733, 2.0169719639065193, 0.13296025365300945, -0.017652670072919593, 0.004680601211153113, -0.0006488515495767765),
    (12.5, 18.734347511936445, 2.4851956512749123, 0.08328522460157838, -0.006932436585788241, 0.0011534128049134052, -3.970634713243468e-05),
    (100.0, 359.1342053695754, 4.600161852738087, 0.010050166663333571, -0.00010100499983335, 2.030199990001333e-06, -1.2364199496131948e-10),
    (1234.5, 7550.550901077895, 7.118016231827998, 0.0008103727271269667, -6.567039209328715e-07, 1.0643497781489607e-09, -3.398519676872867e-17),
    (10000000000.0, 220258509288.81058, 23.025850929890456, 1.00000000005e-10, -1.0000000001e-20, 2.0000000003e-30, -1.20000000036e-58),
    (1e+100, 2.2925850929940456e+102, 230.25850929940458, 1e-100, -1e-200, 2e-300, -0.0),
    (-0.25, 1.589575312551186, 2.9141391202135276, 18.541879647671607, 122.69736678366236, 1555.7633125348507, 11791071.073496904),
    (-0.5, 1.2655121234846454, 0.03648997397857652, 8.934802200544679, -0.82879664423432, 193.40909103400244, -43.457923803023284),
    (-0.75, 1.5757045971498584, -2.894120200042932, 18.975106932284888, -124.58699919679619, 1557.7451069721515, -11791239.778278671),
    (-1.5, 0.860047015376481, 0.7031566406452432, 9.379246644989124, -0.2362040516417274, 194.59427621918763, -1.318006107550035),
    (-2.000001, 13.122362454481664, 1000000.9226416622, 999999999723.339, 1.9999999991613322e+18, 5.999999996645329e+24, 7.19999999295519e+44),
    (-3.7, -1.3797399049658245, -0.8450768588704194, 14.84242186412428, -68.89345468867354, 768.994649440866, -3283537.1093814913),
    (-10.25, -14.20399790093109, 5.516858419886273, 19.646252424622652, 124.0164720214871, 1558.543853536406, 11791224.761163997),
    (-100.5, -364.90096830942736, 4.6151246013380645, 9.859703491870086, -9.802720262719757e-05, 194.8181801269197, -1.1302603907401377e-10),
]  # fmt: skip
TWO = [  # a, b, ln |B(a, b)|
    (0.5, 0.5, 1.1447298858494002),
    (1.0, 1.0, 0.0),
    (1e-08, 3.0, 18.420680728952366),
    (2.5, 0.1, 2.1799836586581454),
    (7.9, 7.9, -10.703832437848734),
    (8.0, 0.001, 6.905163177340341),
    (8.5, 9.5, -12.266472772038624),
    (100.0, 200.0, -192.13419227497894),
    (10000000000.0, 1.0, -23.025850929940457),
    (10000000000.0, 1e-05, 11.512689434386527),
    (1000000000000000.0, 2.5, -86.06225811680379),
    (1e+100, 1e+90, -2.4025850929990455e+91),
    (3.0, 1000000.0, -40.75338749333038),
    (12.0, 0.25, 0.6746608648610707),
    (-0.5, 2.25, 1.4747849593975275),
    (-1.5, -2.25, 2.7328165028434923),
    (30.0, -3.25, 10.19030193767866),
]  # fmt: skip

POINTS = np.array([row[0] for row in ONE])
PAIRS = np.array([row[:2] for row in TWO]).T


def errors_within(found, expected, limit, scale):
    worst = np.abs(found - expected) / scale
    assert (worst <= limit).all(), (POINTS[np.argmax(worst)] if worst.size == POINTS.size else "", worst.max())


# Values --------------------------------------------------------------------------------------------------------------


def test_the_logarithm_of_gamma_is_as_exact_as_it_says():
    y, expected = mg.gammaln(mg.Input(POINTS)).value, np.array([row[1] for row in ONE])
    right = POINTS > -0.5
    np.testing.assert_allclose(y[right], expected[right], rtol=1e-15, atol=0)
    errors_within(y, expected, 2e-15, np.maximum(np.maximum(np.abs(expected), mg.gammaln(1 + np.abs(POINTS)).value), 1))
    assert y[POINTS == 1] == y[POINTS == 2] == 0


@pytest.mark.parametrize("order", ORDERS)
def test_the_derivatives_are_as_exact_as_they_say(order):
    y = mg.polygamma(order, mg.Input(POINTS)).value
    expected = np.array([row[2 + ORDERS.index(order)] for row in ONE])
    right = POINTS > 0
    if order:
        np.testing.assert_allclose(y[right], expected[right], rtol=4e-15, atol=0)
    mirrored = np.abs(mg.polygamma(order, 1 + np.abs(POINTS)).value)
    errors_within(y, expected, 2e-15, np.maximum(np.maximum(np.abs(expected), mirrored * ~right), 1))


def test_the_logarithm_of_beta_is_as_exact_as_it_says():
    a, b = PAIRS
    expected = np.array([row[2] for row in TWO])
    for y in (mg.betaln(mg.Input(a), b).value, mg.betaln(b, mg.Input(a)).value):
        np.testing.assert_array_less(np.abs(y - expected), 4e-15 * np.maximum(np.abs(expected), 1))


@pytest.mark.parametrize(
    "function", [mg.gammaln, mg.digamma, lambda x: mg.polygamma(2, x), lambda x: mg.betaln(x, 0.75)]
)
def test_float32_is_the_rounded_float64(function):
    x = np.float32([0.001, 0.3, 1.0, 2.0, 2.5, 7.0, 9.0, 300.0, -0.3, -2.7])
    y = function(mg.Input(x))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.value, function(mg.Input(x.astype(float))).value.astype(np.float32))
    (slope,) = mg.gradients(y.sum(), y.children[:1] if y.children[0].dtype == np.float32 else [y])
    assert slope.dtype == np.float32


def test_ends_and_poles():
    ends = mg.Input([inf, np.nan])
    np.testing.assert_array_equal(mg.gammaln(ends).value, [inf, np.nan])
    np.testing.assert_array_equal(mg.digamma(ends).value, [inf, np.nan])
    np.testing.assert_array_equal(mg.polygamma(1, ends).value, [0, np.nan])
    poles = mg.Input([0.0, -0.0, -1.0, -7.0, -1e17])
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(mg.gammaln(poles).value, [inf] * 5)
        np.testing.assert_array_equal(mg.digamma(poles).value, [-inf, inf, np.nan, np.nan, np.nan])
        np.testing.assert_array_equal(mg.polygamma(1, poles).value, [inf] * 5)
        np.testing.assert_array_equal(mg.polygamma(2, poles).value, [-inf, inf, np.nan, np.nan, np.nan])


def test_known_relations():
    n = np.arange(1, 12)
    np.testing.assert_allclose(np.exp(mg.gammaln(n)).value, [math.factorial(k - 1) for k in n], rtol=1e-14)
    x = mg.Input(np.linspace(-3.31, 5.13, 29))
    np.testing.assert_allclose((mg.digamma(x + 1) - mg.digamma(x)).value, (1 / x).value, rtol=1e-12)
    np.testing.assert_allclose(
        np.exp(-mg.betaln(n, 3)).value, [math.comb(k + 2, 3) * 3 for k in n.tolist()], rtol=1e-13
    )


def test_a_high_order():
    assert float(mg.polygamma(50, 3.0)) == pytest.approx(
        -math.factorial(50) * sum(k**-51.0 for k in range(3, 60)), rel=1e-13
    )
    assert float(mg.polygamma(HIGHEST, 40.0)) == pytest.approx(
        -math.factorial(100) * math.fsum(k**-101.0 for k in range(40, 900)), rel=1e-12
    )


# Derivatives ---------------------------------------------------------------------------------------------------------


def test_slopes_chain_through_all_orders():
    x = mg.Input(np.array([0.3, 1.7, 9.0, -0.6, -2.3]))
    y = mg.gammaln(x)
    for order in range(6):
        (y,) = mg.gradients(y, [x], adjoint=np.ones(5))
        np.testing.assert_allclose(y.value, mg.polygamma(order, x).value, rtol=1e-15)


@pytest.mark.parametrize("order", [1, 2])
def test_gradients(order):
    x = np.array([0.3, 1.0, 1.7, 2.0, 7.9, 8.2, 30.0, -0.4, -1.6])
    mg.check_gradients(mg.gammaln, x, order=order)
    mg.check_gradients(mg.digamma, x, order=order)
    mg.check_gradients(lambda x: mg.polygamma(2, x), x[1:-2], order=order)
    mg.check_gradients(mg.betaln, np.abs(x)[:, np.newaxis], np.array([0.4, 3.0, 12.0]), order=order)


def test_the_likelihood_of_a_beta_distribution_is_learned():
    x = np.random.default_rng(0).beta(2.0, 5.0, 4000)
    logits = mg.Parameter(np.zeros(2))
    for _ in range(60):
        a, b = np.exp(logits)
        loss = mg.betaln(a, b) - ((a - 1) * np.log(x) + (b - 1) * np.log(1 - x)).mean()
        hessian, (slope,) = mg.hessian(loss, logits).value, mg.gradients(loss, [logits])
        logits.value = logits.value - np.linalg.solve(hessian + 0.1 * np.eye(2), slope.value)
    np.testing.assert_allclose(np.exp(logits.value), [2, 5], rtol=0.06)


# As everywhere -------------------------------------------------------------------------------------------------------


def test_compiled():
    def f(x, z):
        y = mg.gammaln(x) + mg.digamma(x) + mg.polygamma(1, x) + mg.betaln(x, z)
        first = mg.gradients(y.sum(), [x, z])
        return y, first, mg.gradients((first[0] * first[1]).sum(), [x, z])

    rng = np.random.default_rng(0)
    calls = [[rng.uniform(0.2, 12, (3, 4)), rng.uniform(0.2, 12, 4)] for _ in range(3)]
    compare(f, *calls)
    compare(f, *calls, rewrites=())
    compare(f, *[[a.astype(np.float32) for a in call] for call in calls])


def test_integers_and_shapes():
    assert mg.gammaln(mg.Input([5])).dtype == np.float64
    assert mg.betaln(np.ones((2, 1)), mg.Input(np.ones(3))).shape == (2, 3)
    assert mg.betaln(2, mg.Input(np.float32([3.0]))).dtype == np.float32
    assert mg.digamma(mg.Input(np.zeros((0, 3)))).shape == (0, 3)


def test_the_order_is_a_number():
    for wrong in (-1, 1.0, True, mg.Input([1.0]), HIGHEST + 1):
        with pytest.raises(
            ValueError, match=r"polygamma\(n=.*, x\): the order n comes first, an integer from 0 to 100"
        ):
            mg.polygamma(wrong, [1.0])


SCIPYS = {"gammaln": mg.gammaln, "psi": mg.digamma, "digamma": mg.digamma, "betaln": mg.betaln}


def test_they_answer_scipys_functions():
    assert {name: TABLE.get(f"scipy.special.{name}") for name in SCIPYS} == SCIPYS


@pytest.mark.parametrize("name", SCIPYS)
def test_they_are_scipys_functions(name):
    ufunc = getattr(pytest.importorskip("scipy.special"), name)
    x = [np.array([0.5, 3.0])] * ufunc.nin
    np.testing.assert_allclose(ufunc(*map(mg.Input, x)).value, ufunc(*x), rtol=1e-14)


def test_the_slopes_of_beta_keep_their_digits_in_float32():
    a, b = mg.Input(np.float32([1000.0, 3e5])), mg.Input(np.float32([1.0, 0.5]))
    by_a, by_b = mg.gradients(mg.betaln(a, b).sum(), [a, b])
    np.testing.assert_allclose(by_a.value, [-1 / 1000, -1.66666806e-06], rtol=2e-7)  # ψ(1000) − ψ(1001) is −1/1000
    np.testing.assert_allclose(by_b.value, [-7.4854709, -14.5750478], rtol=2e-7)
    assert {by_a.dtype, by_b.dtype} == {np.dtype(np.float32)}


def test_the_registry_names_them():
    assert {Gammaln, Polygamma, Betaln, PolygammaFall} <= set(mg.operations())


def test_what_stirlings_series_leaves_out_where_it_begins():
    """The first term left out, of B₁₈ = 43867/798, bounds it: AS 6.1.40 is asymptotic. There Γ(n) is still a number to count."""
    next_term = 43867 / 798 / (18 * 17) / LARGE**17
    assert len(BERNOULLI) == 8
    assert next_term < 1e-16
    for n in range(3, 13):
        exact = math.log(math.factorial(n - 1))
        np.testing.assert_allclose(mg.gammaln(float(n)).value, exact, rtol=4e-16)
