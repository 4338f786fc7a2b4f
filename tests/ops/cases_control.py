"""What proves that the adjoint controls do what they say."""

from minigrad.ops import control
from tests.ops import test_control, test_masks_and_checks

DEFINITIONS = {
    control.OrderedBounds: test_masks_and_checks.test_bounds_are_checked_where_only_the_adjoint_is_computed,
    control.StopGradient: test_control.test_stop_gradient_is_a_wall,
    control.ClipAdjoint: test_control.test_clip_adjoint,
    control.ScaleAdjoint: test_control.test_scale_adjoint,
    control.Probe: test_control.test_probe_sees_every_adjoint,
    control.Report: test_control.test_report_passes_the_adjoint_on,
}
