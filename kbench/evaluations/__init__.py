"""Evaluations of a trained network; each yields pairs of metric and value.

A new evaluation is a function `(network: Evaluated, *, options) -> Iterator[tuple[str, float]]` in
a file of its own, registered in `EVALUATIONS`; its metrics stand in `kbench/metrics.py`.
"""

from kbench.evaluations import accuracy as accuracy
from kbench.evaluations import filters as filters
from kbench.evaluations import kernels as kernels
from kbench.evaluations import least_squares as least_squares
from kbench.evaluations import receptive_field as receptive_field
from kbench.evaluations import robustness as robustness
from kbench.evaluations import sizes as sizes
from kbench.evaluations import spectra as spectra
from kbench.evaluations import speed as speed
from kbench.evaluations import two_stage as two_stage
from kbench.evaluations.run import is_periodic as is_periodic
from kbench.evaluations.run import run_evaluation as run_evaluation
