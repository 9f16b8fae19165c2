"""The checks of the kit, in the order in which they are shown."""

from kbench.conformance import execution, gradients, kernels, shapes, speed, state
from kbench.conformance.cases import first_case, shape_cases, wrong_cases
from kbench.conformance.outcome import Check

CHECKS = (
    Check("construction", shapes.check_construction),
    Check("arguments", shapes.check_arguments, wrong_cases),
    Check("shape", shapes.check_shape, shape_cases),
    Check("wrong input", shapes.check_wrong_input),
    Check("empty input", shapes.check_empty),
    Check("nan", execution.check_nan),
    Check("batch", execution.check_batch),
    Check("gradients", gradients.check_gradients),
    Check("gradcheck", gradients.check_gradcheck),
    Check("state_dict", state.check_state_dict),
    Check("deepcopy", state.check_deepcopy),
    Check("update", state.check_update),
    Check("seed", state.check_seed),
    Check("determinism", execution.check_determinism),
    Check("modes", execution.check_modes),
    Check("dtype", execution.check_dtype),
    Check("autocast", execution.check_autocast),
    Check("channels_last", execution.check_channels_last),
    Check("meta", shapes.check_meta),
    Check("compile", execution.check_compile, first_case, is_single=True, is_slow=True),
    Check("equivariance", kernels.check_equivariance, kernels.unit_stride_cases),
    Check("fold", kernels.check_fold, kernels.kernel_cases),
    Check("effective_kernel", kernels.check_effective_kernel, kernels.kernel_cases),
    Check("num_params", state.check_num_params),
    Check("parameter_groups", state.check_parameter_groups),
    Check("regularisation", gradients.check_regularisation),
    Check("after_init", state.check_after_init),
    Check("speed", speed.check_speed, speed.speed_cases, is_single=True),
)
