from collections import OrderedDict

import pytest
from torch import nn

from kbench.architectures.selection import find_sites, select_sites, selects_pointwise

STAGES = (("stem",), ("one", "two"), ("head",))


class _Own(nn.Conv2d):
    """A subclass may compute something else, so it is no candidate."""


def network() -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(3, 8, 7, stride=2),
            one=nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, groups=8), _Own(8, 8, 3)),
            two=nn.Sequential(nn.Conv2d(8, 8, (1, 5)), nn.Conv2d(8, 8, 3, stride=(1, 2))),
            twofold=nn.Conv2d(8, 16, 1, stride=2),
            head=nn.Conv2d(16, 16, 3, groups=4),
        )
    )


SPATIAL = ["stem", "one.1", "two.0", "two.1", "head"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("all", SPATIAL),
        ("stride1", ["one.1", "two.0", "head"]),
        ("not_stem", SPATIAL[1:]),
        ("first", ["stem"]),
        ("depthwise", ["one.1"]),
        ("kernel>=4", ["stem", "two.0"]),
        ("kernel>=5", ["stem", "two.0"]),
        ("kernel>=6", ["stem"]),
        ("depth<=0", ["stem"]),
        ("depth<=0.5", SPATIAL[:3]),
        ("depth<=0.49", SPATIAL[:2]),
        ("depth<=1", SPATIAL),
        ("stage:1", ["one.1", "two.0", "two.1"]),
        ("name:t*", ["two.0", "two.1"]),
        ("name:*.1", ["one.1", "two.1"]),
        ("1x1", ["one.0", "twofold"]),
        ("1x1&stride1", ["one.0"]),
        ("1x1 & all", ["one.0", "twofold"]),
        ("stride1 & kernel>=5", ["two.0"]),
        ("head|first|name:head", None),
        ("first|name:head", ["stem", "head"]),
        ("name:head | 1x1", ["one.0", "twofold", "head"]),
        ("niff", ["one.0", "one.1", "two.0", "head"]),
        ("first|niff", ["stem", "one.0", "one.1", "two.0", "head"]),
    ],
    ids=str,
)
def test_selection(where: str, expected: list[str] | None) -> None:
    sites = find_sites(network(), STAGES)
    if expected is None:
        with pytest.raises(ValueError, match="unknown selector 'head'"):
            select_sites(where, sites)
    else:
        assert [site.name for site in select_sites(where, sites)] == expected


def test_depth_is_the_index_among_candidates() -> None:
    depths = {site.name: site.depth for site in find_sites(network())}
    assert [depths[name] for name in SPATIAL] == [0, 0.25, 0.5, 0.75, 1]
    assert (depths["one.0"], depths["twofold"]) == (0, 1)


def test_single_candidate_has_depth_zero() -> None:
    (site,) = find_sites(nn.Sequential(nn.Conv2d(1, 1, 3)))
    assert select_sites("depth<=0", [site]) == [site]


def test_stages_are_those_of_the_table() -> None:
    stages = {site.name: site.stage for site in find_sites(network(), STAGES)}
    assert stages == {
        "stem": 0,
        "one.0": 1,
        "one.1": 1,
        "two.0": 1,
        "two.1": 1,
        "twofold": None,
        "head": 2,
    }


def test_stem_is_stage_zero_or_the_first_convolution() -> None:
    deep = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    without = select_sites("not_stem", find_sites(deep))
    assert [site.name for site in without] == ["1", "2"]
    within = select_sites("not_stem", find_sites(deep, [("0", "1"), ("2",)]))
    assert [site.name for site in within] == ["2"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", "unknown selector ''"),
        ("all|", "unknown selector ''"),
        (
            "stride2",
            r"unknown selector 'stride2' \(did you mean 'stride1'\?\); known: all, stride1",
        ),
        ("kernel>=x", "'kernel>=x' must end in an integer"),
        ("kernel>=2.5", "'kernel>=2.5' must end in an integer"),
        ("depth<=half", "'depth<=half' must end in a number"),
        ("depth<=1.5", "'depth<=1.5' must have a fraction from 0 to 1"),
        ("depth<=nan", "'depth<=nan' must have a fraction from 0 to 1"),
        ("stage:one", "'stage:one' must end in an integer"),
        ("stage:3", r"there is no convolution in stage 3; stages: \[0, 1, 2\]"),
        ("stage:-1", r"there is no convolution in stage -1; stages: \[0, 1, 2\]"),
        ("kernel>=8", "selects no convolution"),
        ("name:three", "selects no convolution"),
        ("1x1&depthwise", "selects no convolution"),
        ("first&not_stem", "selects no convolution"),
    ],
    ids=lambda text: text if " " not in text else "",
)
def test_refuses_what_is_no_selection(where: str, expected: str) -> None:
    sites = find_sites(network(), STAGES)
    candidates = r"candidates: stem \(7x7, stride 2x2\), .*head .*; and 2 1x1 convolutions"
    with pytest.raises(ValueError, match=f"{expected}.*{candidates}"):
        select_sites(where, sites)


def test_stages_need_a_table() -> None:
    with pytest.raises(ValueError, match="no convolution in stage 1; stages: none"):
        select_sites("stage:1", find_sites(network()))


def test_network_without_convolutions() -> None:
    with pytest.raises(ValueError, match="candidates: none; and 0 1x1 convolutions"):
        select_sites("all", find_sites(nn.Sequential(nn.Linear(2, 2))))


def test_refuses_what_is_no_text() -> None:
    with pytest.raises(TypeError, match=r"where \(=3\) must be a text such as 'all'"):
        select_sites(3, find_sites(network()))


@pytest.mark.parametrize(
    ("where", "expected"),
    [("all", False), ("name:1x1*", False), ("stride1|1x1 & first", True), ("niff", True)],
    ids=str,
)
def test_selects_pointwise(where: str, expected: bool) -> None:
    assert selects_pointwise(where) is expected
