"""Which convolutions of a finished network an operator replaces: the grammar of `where`.

A selection is a text of alternatives joined by `|`, each of them terms joined by `&`:

    all          no condition
    stride1      stride 1 in both axes
    not_stem     not in stage 0, or not the first convolution of a network without stages
    first        the first candidate
    depthwise    as many groups as input channels, more than one
    kernel>=K    the longest side of the kernel is at least K taps
    depth<=F     index / (number of candidates - 1) is at most F, 0 <= F <= 1
    stage:N      in stage N of the network
    name:GLOB    the dotted name of the module, with `*`, `?` and `[...]`
    1x1          kernels of one tap, which are no candidates otherwise

Candidates are the `torch.nn.Conv2d` with a kernel axis longer than 1, in the order of registration
(GMConv, section 3). An alternative with the term `1x1` is about the other ones instead. A preset
stands for an alternative: `niff` is every convolution of stride 1 behind the stem, 1x1 included
(NIFF, section 5).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from kbench.errors import guess

PRESETS = {"niff": "stride1&not_stem|1x1&stride1&not_stem"}

Stages = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Site:
    """A plain convolution of a network.

    Attributes:
        name: Dotted name of the module.
        module: The convolution.
        index: Position among the candidates of its kind: one tap, or more.
        depth: `index` as a fraction of the last one's, 0 for a single candidate.
        stage: Number of its stage; None outside of all stages or without a stage table.
        is_stem: Whether the term `not_stem` leaves it out.
    """

    name: str
    module: nn.Conv2d
    index: int
    depth: float
    stage: int | None
    is_stem: bool

    @property
    def is_pointwise(self) -> bool:
        """Return whether the kernel has one tap."""
        return max(self.module.kernel_size) == 1

    def __str__(self) -> str:
        sizes = (self.module.kernel_size, self.module.stride)
        kernel, stride = ("x".join(map(str, size)) for size in sizes)
        return f"{self.name} ({kernel}, stride {stride})"


Condition = Callable[[Site], bool]

_WORDS: dict[str, Condition] = {
    "all": lambda _: True,
    "stride1": lambda site: max(site.module.stride) == 1,
    "not_stem": lambda site: not site.is_stem,
    "first": lambda site: site.index == 0,
    "depthwise": lambda site: site.module.groups == site.module.in_channels > 1,
    "1x1": lambda site: site.is_pointwise,
}
_FORMS = ("kernel>=K", "depth<=F", "stage:N", "name:GLOB")


def find_sites(model: nn.Module, stages: Stages | None = None) -> list[Site]:
    """Return the plain convolutions of a network, in order of registration.

    Args:
        model: The network; only modules that are exactly `torch.nn.Conv2d` count, a subclass may
            compute something else.
        stages: Names of the modules of stage 0, 1, ...; what lies in them belongs to the stage.
    """
    found = [(name, m) for name, m in model.named_modules() if type(m) is nn.Conv2d]
    totals = {kind: sum(_is_pointwise(m) is kind for _, m in found) for kind in (False, True)}
    counts = {False: 0, True: 0}
    sites: list[Site] = []
    for name, module in found:
        kind = _is_pointwise(module)
        index, last = counts[kind], totals[kind] - 1
        counts[kind] += 1
        stage = _stage_of(name, stages or ())
        is_stem = stage == 0 if stages else not sites
        sites.append(Site(name, module, index, index / max(last, 1), stage, is_stem))
    return sites


def select_sites(where: str, sites: Sequence[Site]) -> list[Site]:
    """Return the sites that a selection names, in their order.

    Raises:
        ValueError: If the text is no selection, or selects nothing; lists the candidates.
        TypeError: If `where` is no text.
    """
    alternatives = _parse(where, sites)
    selected = [site for site in sites if any(_holds(terms, site) for terms in alternatives)]
    if not selected:
        message = f"where (={where!r}) selects no convolution; {_candidates(sites)}"
        raise ValueError(message)
    return selected


def selects_pointwise(where: str) -> bool:
    """Return whether a selection is about 1x1 convolutions, too."""
    return any("1x1" in terms for terms in _split(where))


def _is_pointwise(module: nn.Conv2d) -> bool:
    return max(module.kernel_size) == 1


def _stage_of(name: str, stages: Stages) -> int | None:
    for number, prefixes in enumerate(stages):
        if any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes):
            return number
    return None


def _split(where: str) -> list[list[str]]:
    parts = [part.strip() for part in where.split("|")]
    parts = [part for whole in parts for part in PRESETS.get(whole, whole).split("|")]
    return [[term.strip() for term in part.split("&")] for part in parts]


def _parse(where: str, sites: Sequence[Site]) -> list[dict[str, Condition]]:
    if not isinstance(where, str):
        message = f"where (={where!r}) must be a text such as 'all'; {_candidates(sites)}"
        raise TypeError(message)
    alternatives = []
    for terms in _split(where):
        try:
            alternatives.append({term: _condition(term, sites) for term in terms})
        except ValueError as error:
            message = f"where (={where!r}): {error}; {_candidates(sites)}"
            raise ValueError(message) from None
    return alternatives


def _holds(terms: dict[str, Condition], site: Site) -> bool:
    is_meant = site.is_pointwise == ("1x1" in terms)
    return is_meant and all(condition(site) for condition in terms.values())


def _condition(term: str, sites: Sequence[Site]) -> Condition:
    if term in _WORDS:
        return _WORDS[term]
    if term.startswith("kernel>="):
        least = _number(term, 8, int)
        return lambda site: max(site.module.kernel_size) >= least
    if term.startswith("depth<="):
        most = _number(term, 7, float)
        if not 0 <= most <= 1:
            message = f"{term!r} must have a fraction from 0 to 1"
            raise ValueError(message)
        return lambda site: site.depth <= most
    if term.startswith("stage:"):
        return _in_stage(int(_number(term, 6, int)), sites)
    if term.startswith("name:"):
        return lambda site: fnmatchcase(site.name, term[5:])
    known = [*_WORDS, *_FORMS, *PRESETS]
    message = f"unknown selector {term!r}{guess(term, known)}; known: {', '.join(known)}"
    raise ValueError(message)


def _number(term: str, start: int, kind: type[int] | type[float]) -> float:
    try:
        return kind(term[start:])
    except ValueError:
        message = f"{term!r} must end in {'an integer' if kind is int else 'a number'}"
        raise ValueError(message) from None


def _in_stage(number: int, sites: Sequence[Site]) -> Condition:
    known = sorted({site.stage for site in sites if site.stage is not None})
    if number not in known:
        message = f"there is no convolution in stage {number}; stages: {known or 'none'}"
        raise ValueError(message)
    return lambda site: site.stage == number


def _candidates(sites: Sequence[Site]) -> str:
    spatial = ", ".join(str(site) for site in sites if not site.is_pointwise)
    num_pointwise = sum(site.is_pointwise for site in sites)
    return f"candidates: {spatial or 'none'}; and {num_pointwise} 1x1 convolutions"
