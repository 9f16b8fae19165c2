"""Convolution operators, one file per paper.

An operator is an `nn.Module` with the arguments of `torch.nn.ConvNd` and keyword-only options.
What it may offer beyond `forward`, each declared on its class and each optional:

- `effective_kernel(size=None) -> (O, I/G, *K)`: the kernel that it applies, for inputs of `size`
- `fold() -> nn.Module`: an equal plain convolution for inference
- `regularisation() -> Tensor`: a scalar that training adds to the loss
- `parameter_groups() -> {name: (parameters, lr_scale, weight_decay)}`: what the optimiser treats
  apart; a `weight_decay` of None keeps the recipe's
- `after_init(modules)`: a static step over all modules of the class in a network, in order of
  construction, once the network is built and initialised
- `with_reach(reach) -> nn.Module`: an operator with the same weights and bias whose kernel extends
  `reach` pixels from its centre; what sets the extent is its own. The input's side is kept
- `change_resolution(source, target)`: changes the operator in place such that it does to inputs of
  side `target` what it did to those of side `source`; parameters stay. Without it, it stays as is
- `fixes_map_size`: that the first forward pass fixes the sides of the map; a cell's network then
  makes one on zeros when it is built, before averages, wrappers and compilers see its parameters
- `quantities() -> {name: values}`: what the layer has learned beside its weights, such as `sigma`
  and `kernel_size`: one value, or one an axis; each name is a metric
- `quantities_of(x) -> {name: (B, n)}`: the same, where it depends on the input
- `centred_kernels(size) -> (M, *K)`, offset 0 at K // 2: what analyses of kernels look at, where it
  is not `effective_kernel`; `rank_bound` is the most dimensions that they can span
- `spatial_filters() -> (M, I/G, *K)`: what the kernels are combinations of; `is_folded` says that
  the combination and the filters run as one convolution, and may be switched
- `version: int`: raised when the operator's numbers change
- `is_translation_equivariant`, `num_params`, `conformance_exceptions`: see `kbench.conformance`
"""

from kbench.operators import ckconv as ckconv
from kbench.operators import conv as conv
from kbench.operators import deformable as deformable
from kbench.operators import flexconv as flexconv
from kbench.operators import gmconv as gmconv
from kbench.operators import gmconv_controls as gmconv_controls
from kbench.operators import lc as lc
from kbench.operators import niff as niff
from kbench.operators import njet as njet
from kbench.operators import separable as separable
from kbench.operators import stored_spectrum as stored_spectrum
from kbench.operators.build import ConvFactory as ConvFactory
from kbench.operators.build import build_operator as build_operator
from kbench.operators.build import construct_operator as construct_operator
from kbench.operators.build import finish_operators as finish_operators
