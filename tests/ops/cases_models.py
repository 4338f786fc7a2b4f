"""What proves the operations that models bring along."""

from minigrad.models import losses
from tests.models import test_losses

DEFINITIONS = {losses.ClassIndices: test_losses.test_class_indices_out_of_range_are_refused_now_and_in_replays}
