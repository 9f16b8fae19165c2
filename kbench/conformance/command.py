"""The command `check --operator`: does an operator hold what all have to hold."""

from dataclasses import dataclass

import click

from kbench.conformance.report import format_conformance, run_checks
from kbench.conformance.subject import find_subjects


@dataclass(frozen=True)
class CheckOptions:
    """Options of `kbench check --operator`.

    Attributes:
        options: Operator options as `KEY=VALUE`.
        dims: `1`, `2` or `both`: all that there are.
        fast: Leave out what takes seconds.
        verbose: Print a line for every case.
    """

    options: tuple[str, ...] = ()
    dims: str = "both"
    fast: bool = False
    verbose: bool = False


def check_operator(name: str, options: CheckOptions) -> int:
    """Print what is found about an operator, a table for each number of axes.

    Returns:
        Exit status: 1 if anything failed.

    Raises:
        UnknownNameError: If there is no such operator or option.
        UnsupportedError: If the operator has no form for these dimensions.
        SuiteError: If an option has a wrong value.
    """
    dims = None if options.dims == "both" else int(options.dims)
    found = []
    for subject in find_subjects(name, options.options, dims):
        found.append(run_checks(subject, fast=options.fast))
        click.echo(format_conformance(found[-1], verbose=options.verbose))
    return int(any(conformance.failures for conformance in found))
