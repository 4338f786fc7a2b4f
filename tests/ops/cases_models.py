"""What proves the operations that models bring along."""

from minigrad.models import losses
from tests.models import test_bad_input, test_losses
from tests.ops.cases_arithmetic import binary
from tests.ops.trials import Trial

CASES = {
    losses.Counted: binary(losses.Counted).map(lambda trial: Trial(losses.Counted, trial.arrays, lambda w, x: w * x)),
}

DEFINITIONS = {
    losses.Labels: test_losses.test_labels_that_are_no_signs_are_refused_now_and_in_replays,
    losses.Probabilities: test_losses.test_numbers_that_are_no_probabilities_are_refused_now_and_in_replays,
    losses.Distributions: test_losses.test_rows_that_are_no_distributions_are_refused_now_and_in_replays,
    losses.FiniteTargets: test_bad_input.test_targets_that_are_not_finite_are_refused_now_and_in_replays,
    losses.ExampleWeights: test_losses.test_weights_that_cannot_be_are_refused_now_and_in_replays,
}
