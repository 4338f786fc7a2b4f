"""What proves the operations that layers bring along."""

from minigrad.models import inputs, normalization
from tests.models import test_layers, test_normalization

DEFINITIONS = {
    inputs.Indices: test_layers.test_indices_out_of_range_are_refused_now_and_in_replays,
    normalization.FiniteStatistics: test_normalization.test_statistics_that_are_not_finite_are_refused_now_and_in_replays,
    normalization.Unit: test_normalization.test_the_unit_of_a_row_is_a_power_of_two,
}
