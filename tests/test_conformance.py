"""The kit over every operator, and over toys that break one promise each."""

import copy
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import kbench.operators  # noqa: F401 - fills the registries
from kbench.cli import main
from kbench.conformance import CHECKS, Conformance, Subject, find_subjects, run_checks
from kbench.conformance.cases import Case
from kbench.conformance.kernels import trim
from kbench.errors import UnsupportedError
from kbench.operators.geometry import Geometry
from kbench.registry import OPERATORS, OPERATORS_1D

VARIANTS = [
    "conv frozen=true init=normal_fan_out",
    "lc expansion=3",
    "lc frozen=false intermediate=bn",
    "lc intermediate=bn_relu",
    "lc intermediate=relu",
    "lc execution=two_stage init=normal_fan_out",
    "lc sharing=master",
    "gmconv variant=dynamic",
    "gmconv variant=dynamic execution=rings",
    "gmconv variant=dynamic execution=loop share=out",
    "gmconv share=kernel param=log",
    "gmconv share=in param=softplus sigma_weight_decay=same",
    "gmconv learn_sigma=false normalise=density",
    "gmconv coord=unit init_gain=var",
    "circular mode=cut",
    "circular angles=uniform",
    "flexconv sigma_init=0.8",
    "flexconv sigma_init=0.8 causal=false",
    "flexconv sigma_init=0.8 generator=gabor alias=0.1",
    "flexconv sigma_init=0.8 generator=siren crop=false",
    "flexconv sigma_init=0.8 execution=fft",
    "flexconv sigma_init=0.8 sigma_floor=grid crop_bucket=1",
    "ckconv generator=siren",
    "ckconv generator=fourier execution=fft causal=false",
    "ckconv generator=gabor kernel_norm=0.1",
    "ckconv kernel_dropout=0.2",
    "conv_maskinit sigma_init=1.0 init_gain=var",
    "niff form=full",
    "niff form=full execution=basis",
    "niff padding_mode=zeros",
    "niff execution=full_spectrum",
    "niff strided=subsample",
    "niff strided=flc",
    "niff ref_channel_roll=true",
    "niff mlp=big coords=centred",
    "njet size_rule=fixed",
    "njet execution=masked max_radius=4",
    "njet execution=basis",
    "njet execution=row_mix_col",
    "njet learn_sigma=false order=2",
    "njet safe_subsample=4.0",
    "njet safe_subsample=4.0 safe_position=before",
    "njet alpha_penalty=frobenius alpha_weight_decay=0.1",
]


def failures(found: Conformance) -> list[str]:
    return [f"{r.check} ({r.case}): {r.detail}" for r in found.failures]


def subjects(variant: str) -> list[Subject]:
    name, *settings = variant.split()
    return find_subjects(name, settings, None)


class TestOperators:
    @pytest.mark.parametrize("name", list(OPERATORS))
    def test_registered_operator_conforms(self, name: str) -> None:
        (subject,) = find_subjects(name, (), 2)
        assert failures(run_checks(subject, fast=True)) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("name", list(OPERATORS_1D))
    def test_registered_line_operator_conforms(self, name: str) -> None:
        (subject,) = find_subjects(name, (), 1)
        assert failures(run_checks(subject, fast=True)) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("variant", VARIANTS)
    def test_variant_conforms(self, variant: str) -> None:
        found = [run_checks(subject, fast=True) for subject in subjects(variant)]
        assert [line for one in found for line in failures(one)] == []

    @pytest.mark.slow
    @pytest.mark.parametrize("variant", [*OPERATORS, *VARIANTS])
    def test_compiles_as_one_graph_or_says_why(self, variant: str) -> None:
        for subject in subjects(variant):
            assert failures(run_checks(subject, fast=False, names=["compile"])) == []

    @pytest.mark.parametrize("name", ["conv", "lc"])
    def test_takes_all_that_torch_takes(self, name: str) -> None:
        # LC has no kernel of one tap (section 3 of its specification); the plain one has all.
        (subject,) = find_subjects(name, (), 2)
        results = run_checks(subject, fast=True, names=["shape"]).results
        one_tap = {r.case for r in results if "kernel_size=1" in r.case}
        refused = {r.case for r in results if r.status != "ok"}
        assert refused == (one_tap if name == "lc" else set())

    def test_fixed_window_has_the_usual_size(self) -> None:
        (subject,) = find_subjects("njet", ["size_rule=fixed"], 2)
        results = run_checks(subject, fast=True, names=["shape"]).results
        assert {result.status for result in results} == {"ok", "refused"}

    def test_literal_padding_is_the_only_size_that_is_declared(self) -> None:
        (subject,) = find_subjects("njet", (), 2)
        results = run_checks(subject, fast=True, names=["shape"]).results
        declared = [result for result in results if result.status == "declared"]
        assert {result.detail.partition(":")[0] for result in declared} == {"literal padding"}
        assert not [r for r in declared if "padding='same'" in r.case or "padding" not in r.case]


class Toy(nn.Module):
    """A plain convolution that offers all that an operator can."""

    dims = 2
    is_translation_equivariant = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__()
        sizes = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.geometry = Geometry.of(*sizes, dims=2, padding_mode=padding_mode)
        self.weight = nn.Parameter(torch.randn(self.geometry.weight_shape))
        self.bias = nn.Parameter(torch.randn(out_channels)) if bias else None

    @property
    def num_params(self) -> int:
        geometry = self.geometry
        return geometry.out_channels * (geometry.fan_in + (self.bias is not None))

    def forward(self, x: Tensor) -> Tensor:
        return self.geometry.convolve(x, self.weight, self.bias)

    def effective_kernel(self, _size: object = None) -> Tensor:
        return self.weight

    def fold(self) -> nn.Module:
        return self.geometry.plain(self.weight, self.bias)

    def regularisation(self) -> Tensor:
        return self.weight.square().sum()

    def parameter_groups(self) -> dict[str, object]:
        return {"weight": ([self.weight], 0.5, None)}

    @staticmethod
    def after_init(modules: list["Toy"]) -> None:
        for module in modules:
            nn.init.ones_(module.weight[0, 0, 0])


def breaking(**methods: object) -> type[Toy]:
    """Return the toy with other methods or attributes."""
    return type("Broken", (Toy,), methods)


def changed_start(change: Callable[[Toy], None]) -> type[Toy]:
    """Return the toy with something done at the end of its construction."""

    def start(self: Toy, *arguments: object, **options: object) -> None:
        Toy.__init__(self, *arguments, **options)
        change(self)

    return breaking(__init__=start)


def changed_output(change: Callable[[Toy, Tensor, Tensor], Tensor]) -> type[Toy]:
    """Return the toy with something done to its output, given module, input and output."""
    return breaking(forward=lambda self, x: change(self, x, Toy.forward(self, x)))


class DoubleGradient(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_ctx: object, grad: Tensor) -> Tensor:
        return 2 * grad


def with_geometry(**changes: object) -> type[Toy]:
    def start(self: Toy, *arguments: object, **options: object) -> None:
        Toy.__init__(self, *arguments, **options)
        values = {key: value(self.geometry) for key, value in changes.items()}
        self.geometry = copy.copy(self.geometry)
        vars(self.geometry).update(values)

    return breaking(__init__=start)


class LiteralSizes(Toy):
    def __init__(self, *arguments: object, groups: int = 1, **options: object) -> None:
        Toy.__init__(self, *arguments, **options)
        self.geometry = copy.copy(self.geometry)
        vars(self.geometry).update(groups=groups)
        shape = self.geometry.weight_shape if groups else (6, 4, 3, 3)
        self.weight = nn.Parameter(torch.randn(shape))


class OddOnly(Toy):
    def __init__(self, *arguments: object, **options: object) -> None:
        if arguments[2] == 4:
            message = "kernel_size (=4) must be odd"
            raise ValueError(message)
        Toy.__init__(self, *arguments, **options)


class NoReason(Toy):
    def __init__(self, *_arguments: object, **_options: object) -> None:
        message = "only for convolutions of three axes"
        raise UnsupportedError(message)


class Shift(Toy):
    """Grows from left to right."""

    def forward(self, x: Tensor) -> Tensor:
        return Toy.forward(self, x * torch.linspace(1, 2, x.shape[-1]).to(x))


class KeptKernel(Toy):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return Toy.forward(self, x)
        if "kept" not in vars(self):
            object.__setattr__(self, "kept", self.weight.detach().clone())
        return self.geometry.convolve(x, vars(self)["kept"], self.bias)


class HiddenBuffer(Toy):
    def __init__(self, *arguments: object, **options: object) -> None:
        Toy.__init__(self, *arguments, **options)
        self.register_buffer("factor", torch.rand(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return Toy.forward(self, x) * self.factor


class SharedCopy(Toy):
    def __deepcopy__(self, memo: dict[int, object]) -> "SharedCopy":
        return copy.copy(self)


class CentimetreMemory(Toy):
    """Reads the input's memory as if the usual order of axes were the only one."""

    def forward(self, x: Tensor) -> Tensor:
        strides = torch.empty(x.shape, device="meta").stride()
        return Toy.forward(self, torch.as_strided(x, x.shape, strides))


class NarrowSum(Toy):
    def forward(self, x: Tensor) -> Tensor:
        y = Toy.forward(self, x)
        return (y + 1000) - 1000 if torch.is_autocast_enabled("cpu") else y


class ReadsNumber(Toy):
    def forward(self, x: Tensor) -> Tensor:
        return Toy.forward(self, x) * (1 if self.weight.sum().item() > 0 else 2)


def add_idle(module: Toy) -> None:
    module.idle = nn.Parameter(torch.ones(1))


def own_random_start(module: Toy) -> None:
    generator = torch.Generator()
    generator.seed()
    module.weight.data.normal_(generator=generator)


def place_on_host(module: Toy) -> None:
    module.weight = nn.Parameter(module.weight.new_zeros(module.weight.shape, device="cpu"))


# Name: the broken toy, the check that finds it, what is said.
BROKEN: dict[str, tuple[Callable[..., object], str, str]] = {
    "refuses-all": (NoReason, "construction", "every usual convolution is refused"),
    "refusal-without-class": (OddOnly, "construction", r"ValueError: kernel_size \(=4\) must be"),
    "no-module": (
        lambda *_, **__: "conv",
        "construction",
        "construction gives str, expected torch.nn.Module",
    ),
    "two-outputs": (
        breaking(forward=lambda self, x: (Toy.forward(self, x), 1)),
        "shape",
        "output is tuple, expected a tensor",
    ),
    "groups-unchecked": (LiteralSizes, "arguments", "construction gives a module"),
    "wrong-padding": (
        with_geometry(padding=lambda g: tuple((a + 1, b + 1) for a, b in g.padding)),
        "shape",
        r"output has shape \(2, 6, 13, 12\), expected \(2, 6, 11, 10\)",
    ),
    "ignores-stride": (with_geometry(stride=lambda _: (1, 1)), "shape", r"\(2, 6, 6, 5\)"),
    "ignores-dilation": (with_geometry(dilation=lambda _: (1, 1)), "shape", "expected"),
    "ignores-padding-mode": (
        changed_output(
            lambda m, _, y: y if m.geometry.padding_mode == "zeros" else y[..., 1:-1, 1:-1]
        ),
        "shape",
        "output has shape",
    ),
    "takes-any-channels": (
        breaking(forward=lambda self, x: Toy.forward(self, x[:, : self.geometry.in_channels])),
        "wrong input",
        r"one channel more gives an output \(2, 6, 11, 10\), expected an error",
    ),
    "takes-empty-maps": (
        breaking(
            forward=lambda self, x: Toy.forward(self, x) if x.shape[-1] else x.new_zeros(2, 6, 1, 0)
        ),
        "empty input",
        r"an empty map gives an output \(2, 6, 1, 0\), expected an error",
    ),
    "refuses-empty-batches": (
        breaking(forward=lambda self, x: Toy.forward(self, x) * x.flatten(1).max(1)[0].min()),
        "empty input",
        "RuntimeError|IndexError",
    ),
    "hides-nan": (
        breaking(forward=lambda self, x: Toy.forward(self, x.nan_to_num())),
        "nan",
        "an image of NaN gives 0% NaN, expected all",
    ),
    "mixes-images": (
        changed_output(lambda _m, x, y: y - 0.1 * x.mean()),
        "batch",
        "output of one image differs",
    ),
    "detached-weight": (
        breaking(
            forward=lambda self, x: self.geometry.convolve(x, self.weight.detach(), self.bias)
        ),
        "gradients",
        "weight has no gradient",
    ),
    "idle-parameter": (changed_start(add_idle), "gradients", "idle has no gradient"),
    "zero-gradient": (
        breaking(forward=lambda self, x: self.geometry.convolve(x, 0 * self.weight, self.bias)),
        "gradients",
        "gradient of the input is all zero",
    ),
    "infinite-gradient": (
        changed_output(lambda m, _, y: y + (m.weight[0, 0, 0, 0] * 0).sqrt()),
        "gradients",
        "gradient of weight is not finite",
    ),
    "double-gradient": (
        changed_output(lambda _m, _x, y: DoubleGradient.apply(y)),
        "gradcheck",
        r"gradient of the input is (\S+), by finite differences (\S+)",
    ),
    "buffer-not-saved": (HiddenBuffer, "state_dict", "output after load_state_dict differs"),
    "shared-copy": (SharedCopy, "deepcopy", r"a deep copy shares \['bias', 'weight'\]"),
    "outdated-kernel": (KeptKernel, "update", "output is as before the update"),
    "own-random-numbers": (
        changed_start(own_random_start),
        "seed",
        "weight differs under the same",
    ),
    "noisy": (
        changed_output(lambda _m, _x, y: y + 0.01 * torch.randn_like(y)),
        "determinism",
        "a second evaluation differs",
    ),
    "draws-unused-numbers": (
        changed_output(lambda _m, _x, y: y + 0 * torch.rand(1).to(y)),
        "determinism",
        "evaluation draws random numbers",
    ),
    "mode-dependent": (
        changed_output(lambda m, _, y: 2 * y if m.training else y),
        "modes",
        "output in evaluation, as against training, differs",
    ),
    "always-float": (changed_output(lambda _m, _x, y: y.float()), "dtype", "is torch.float32"),
    "narrow-sum": (NarrowSum, "autocast", "output under autocast differs"),
    "reads-memory": (CentimetreMemory, "channels_last", "for a channels_last input differs"),
    "stays-on-host": (changed_start(place_on_host), "meta", r"parameters are on \['cpu'"),
    "position-dependent": (Shift, "equivariance", "output for a moved input differs"),
    "fold-unequal": (
        breaking(fold=lambda self: self.geometry.plain(1.0001 * self.weight, self.bias)),
        "fold",
        "output of the folded module differs",
    ),
    "fold-shares": (
        breaking(fold=lambda self: self),
        "fold",
        "the folded module shares parameters",
    ),
    "kernel-unequal": (
        breaking(effective_kernel=lambda self, _=None: self.weight.flip(-1)),
        "effective_kernel",
        "effective_kernel, beside the folded, differs",
    ),
    "kernel-transposed": (
        breaking(effective_kernel=lambda self, _=None: self.weight.transpose(0, 1)),
        "effective_kernel",
        r"has shape \(4, 6\), expected \(6, 4\)",
    ),
    "wrong-formula": (breaking(num_params=17), "num_params", "222 parameters, expected 17"),
    "foreign-parameter": (
        breaking(parameter_groups=lambda self: {"a": ([self.weight.clone()], 1.0, None)}),
        "parameter_groups",
        "group 'a' holds a tensor that is no parameter of the module",
    ),
    "parameter-in-two-groups": (
        breaking(
            parameter_groups=lambda self: {
                "a": ([self.weight], 1.0, None),
                "b": ([self.weight], 1.0, 0.0),
            }
        ),
        "parameter_groups",
        "weight is in groups 'a' and 'b'",
    ),
    "negative-rate": (
        breaking(parameter_groups=lambda self: {"a": ([self.weight], -1.0, None)}),
        "parameter_groups",
        r"lr_scale -1\.0, expected a number > 0",
    ),
    "negative-decay": (
        breaking(parameter_groups=lambda self: {"a": ([self.weight], 1.0, -0.1)}),
        "parameter_groups",
        r"weight_decay -0\.1, expected None or >= 0",
    ),
    "regularisation-vector": (
        breaking(regularisation=lambda self: self.weight.flatten()),
        "regularisation",
        r"has shape \(216,\), expected \(\)",
    ),
    "regularisation-detached": (
        breaking(regularisation=lambda self: self.weight.detach().abs().sum()),
        "regularisation",
        "without a gradient",
    ),
    "start-for-one-only": (
        breaking(after_init=staticmethod(lambda modules: modules[0].weight.data.zero_())),
        "after_init",
        "IndexError",
    ),
}


class TestKit:
    def test_plain_convolution_keeps_every_promise(self) -> None:
        found = run_checks(Subject("toy", Toy, 2, {}), fast=True)
        assert {r.status for r in found.results} == {"ok"}, failures(found)
        assert {r.check for r in found.results} == {c.name for c in CHECKS if not c.is_slow}

    def test_class_of_torch_conforms(self) -> None:
        found = run_checks(Subject("conv", nn.Conv2d, 2, {}), fast=True)
        assert failures(found) == []

    @pytest.mark.parametrize(("kind", "check", "text"), BROKEN.values(), ids=BROKEN)
    def test_broken_promise_is_found(self, kind: type[nn.Module], check: str, text: str) -> None:
        found = run_checks(Subject("toy", kind, 2, {}), fast=True, names=[check])
        details = " ".join(result.detail for result in found.failures)
        assert {result.check for result in found.failures} == {check}
        assert re.search(text, details)

    @pytest.mark.slow
    def test_graph_break_is_found(self) -> None:
        found = run_checks(Subject("toy", ReadsNumber, 2, {}), fast=False, names=["compile"])
        assert [result.status for result in found.results] == ["failed"]

    def test_dropout_belongs_to_training(self) -> None:
        kind = changed_output(lambda m, _, y: nn.functional.dropout(y, 0.2, m.training))
        subject = Subject("toy", kind, 2, {})
        results = run_checks(subject, fast=True, names=["modes", "gradcheck", "autocast"]).results
        found = {(r.check, r.status) for r in results}
        assert found == {("modes", "not offered"), ("gradcheck", "ok"), ("autocast", "ok")}

    def test_declared_exception_is_no_failure(self) -> None:
        reason = "it adds noise"
        kind = type("Noisy", (BROKEN["noisy"][0],), {"conformance_exceptions": {"nan": "never"}})
        found = run_checks(Subject("toy", kind, 2, {}), fast=True, names=["determinism"])
        assert found.failures
        kind.conformance_exceptions = {"determinism": reason}
        found = run_checks(Subject("toy", kind, 2, {}), fast=True, names=["determinism"])
        assert {(r.status, r.detail) for r in found.results} == {("declared", reason)}

    def test_declared_parameter_needs_no_gradient(self) -> None:
        reasons: ClassVar[dict[str, str]] = {"gradient of idle": "kept for old checkpoints"}
        kind = type("Idle", (BROKEN["idle-parameter"][0],), {"conformance_exceptions": reasons})
        found = run_checks(Subject("toy", kind, 2, {}), fast=True, names=["gradients"])
        assert failures(found) == []

    def test_nothing_offered_is_no_failure(self) -> None:
        found = run_checks(Subject("conv", nn.Conv2d, 2, {}), fast=True, names=["fold"])
        assert {r.status for r in found.results} == {"not offered"}
        assert "no fold" in {r.detail for r in found.results}

    def test_global_random_state_is_kept(self) -> None:
        torch.manual_seed(5)
        state = torch.get_rng_state()
        run_checks(Subject("toy", Toy, 2, {}), fast=True, names=["gradients", "seed", "after_init"])
        assert torch.equal(torch.get_rng_state(), state)

    def test_case_is_named_by_what_is_unusual(self) -> None:
        assert Case(2, stride=2, padding=1).label == "kernel_size=3 stride=2 padding=1"

    def test_trim_drops_outer_zeros_only(self) -> None:
        kernel = torch.tensor([0.0, 0.0, 1.0, 0.0, 2.0, 0.0])[None, None]
        assert trim(kernel).flatten().tolist() == [1, 0, 2]
        assert trim(torch.zeros(1, 1, 3, 3)).shape == (1, 1, 1, 1)


OWN = """
import torch
from torch import nn

class Good(nn.Conv2d):
    pass

class Line(nn.Conv1d):
    pass

class Unsaid(nn.Module):
    pass

class Cube(nn.Module):
    dims = 3

class Broken(nn.Conv2d):
    def __init__(self, *sizes, gain: float = 1.0, **arguments):
        super().__init__(*sizes, **arguments)
        self.stride = (1, 1)
        self.gain = gain

    def forward(self, x):
        return self.gain * super().forward(x)
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module in the current folder, forgotten after the test."""
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "my_operator.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, ""])
    for name in ("my_package", "my_package.my_operator"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
    return "my_package.my_operator"


def check(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["check", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


class TestCommand:
    def test_registered_operator(self) -> None:
        code, output = check("--operator", "lc", "--option", "expansion=2", "--dims", "1", "--fast")
        assert code == 0
        assert "operator lc expansion=2, 1-D" in output
        assert "lc expansion=2, 1-D: conforms" in output
        assert "must have more than one tap" in output
        assert "2-D" not in output.replace("2-D only", "")

    def test_own_class(self, own_module: str) -> None:
        code, output = check("--operator", f"{own_module}:Good", "--fast")
        assert code == 0
        assert "Good, 2-D: conforms" in output

    def test_own_class_of_lines(self, own_module: str) -> None:
        code, output = check("--operator", f"{own_module}:Line", "--fast")
        assert code == 0
        assert "Line, 1-D: conforms" in output

    def test_broken_class_exits_with_1(self, own_module: str) -> None:
        name = f"{own_module}:Broken"
        code, output = check("--operator", name, "--option", "gain=1/2", "--fast")
        assert code == 1
        assert "gain=0.5, 2-D" in output
        lines = [line for line in output.splitlines() if line.startswith("shape ")]
        assert any("failed" in line and "expected (2, 6," in line for line in lines)
        assert "failed" in output.splitlines()[-2]

    def test_verbose_has_a_line_for_every_case(self, own_module: str) -> None:
        arguments = ("--operator", f"{own_module}:Broken", "--fast")
        counts = [len(check(*arguments, *more)[1].splitlines()) for more in ((), ("--verbose",))]
        assert counts[0] < 50
        assert counts[1] > 200

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ((), "give suites, or --operator"),
            (("some.yaml", "--operator", "conv"), "give suites, or --operator"),
            (("some.yaml", "--option", "a=1"), "give suites, or --operator"),
            (("--operator", "convv"), "unknown operator 'convv' (did you mean 'conv'?)"),
            (("--operator", "lc", "--option", "expand=2"), "has no option 'expand'"),
            (("--operator", "lc", "--option", "expansion"), "must be KEY=VALUE"),
            (("--operator", "lc", "--option", "expansion=two"), "expected int, got 'two'"),
            (("--operator", "lc", "--option", "expansion="), "file is empty"),
            (("--operator", "circular", "--dims", "1"), "'circular' has no 1-D form"),
            (("--operator", "no.such:Op"), "module 'no.such' cannot be imported"),
        ],
        ids=str,
    )
    def test_wrong_use_exits_with_2(self, arguments: tuple[str, ...], text: str) -> None:
        code, output = check(*arguments)
        assert code == 2
        assert text in output

    @pytest.mark.parametrize(
        ("name", "dims", "expected"),
        [("Good", None, 2), ("Line", None, 1), ("Unsaid", None, 2), ("Unsaid", 1, 1)],
        ids=str,
    )
    def test_axes_of_a_class(
        self, own_module: str, name: str, dims: int | None, expected: int
    ) -> None:
        (subject,) = find_subjects(f"{own_module}:{name}", (), dims)
        assert subject.dims == expected

    @pytest.mark.parametrize(
        ("name", "dims", "text"), [("Cube", None, "1-D or 2-D"), ("Line", 2, "2-D")], ids=str
    )
    def test_axes_that_a_class_has_not(
        self, own_module: str, name: str, dims: int | None, text: str
    ) -> None:
        with pytest.raises(UnsupportedError, match=f"has no {text} form"):
            find_subjects(f"{own_module}:{name}", (), dims)

    def test_unknown_class_has_a_guess(self, own_module: str) -> None:
        code, output = check("--operator", f"{own_module}:Godo")
        assert code == 2
        assert "has no operator 'Godo' (did you mean 'Good'?)" in output
