"""What proves the operations that layers bring along."""

from minigrad.models import layers
from tests.models import test_layers

DEFINITIONS = {layers.RowIndices: test_layers.test_indices_out_of_range_are_refused_now_and_in_replays}
