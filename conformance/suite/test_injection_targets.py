"""Chapter injection: which modules an adapter is put on, and with which rank and scale."""

import math
import re

import peft
import torch

from conformance.checks.injection import adapted
from conformance.judging import close, equal, refused, require, same_names
from conformance.marks import clause, crossing
from conformance.running import build
from conformance.running.build import injected
from conformance.scenarios import Injection, Scenario

AXES = {"architecture": ("llama", "bert", "t5"), "injection": tuple(Injection)}
MANY = 20  # from so many names on peft looks for fewer that say the same
SEEN = 1e-4  # of a scale, see test_patterns
RANK, ALPHA = 4, 8  # of modules that no pattern names
NONE = {"error": ValueError, "says": "modules"}  # what is said of targets that match nothing


def _linear(scenario):
    """The names of the base's linear layers, but for its heads."""
    modules = build.base_model(scenario).named_modules()
    named = (name for name, module in modules if isinstance(module, torch.nn.Linear))
    return [name for name in named if "." in name and not name.endswith("lm_head")]


# ---- which modules --------------------------------------------------------------------------


@clause("injection.targets")
@crossing(Scenario(), architecture=("t5", "whisper"), injection=tuple(Injection))
def test_many_full_names(scenario):
    """Of modules that are alike but for their layer, those sit out that are not named, though more
    are named than can be listed in short.
    """
    every = _linear(scenario)
    for left_out in (every[0], every[len(every) // 2], every[-1]):
        names = [name for name in every if name != left_out]
        require(len(names) > MANY, "names", len(names), f"more than {MANY}")
        found = adapted(injected(scenario, target_modules=names))
        same_names(f"modules with an adapter, all but {left_out}", found, names)


@clause("injection.targets")
@crossing(Scenario(), **AXES)
def test_ends_of_names(scenario):
    """A name in a list is a module's whole name or its end from a dot on, and no part of a word."""
    every = _linear(scenario)
    first, last = every[0], every[-1].rpartition(".")[2]
    expected = {first, *(name for name in every if name.endswith(f".{last}"))}
    part = first[1:]  # the end of no name from a dot on
    found = adapted(injected(scenario, target_modules=[first, last, part]))
    same_names("modules with an adapter", found, expected)
    refused("a part of a name", lambda: injected(scenario, target_modules=[part]), **NONE)


@clause("injection.targets")
@crossing(Scenario(), **AXES)
def test_regular_expression(scenario):
    """A text is a regular expression that has to match a module's whole name."""
    every = _linear(scenario)
    kind = every[0].rpartition(".")[2]
    expected = [name for name in every if name.rpartition(".")[2] == kind and ".1." in name]
    found = adapted(injected(scenario, target_modules=rf".*\.1\..*\.{re.escape(kind)}"))
    same_names("modules with an adapter", found, expected)
    beginning = re.escape(every[0][:-1])
    refused("a beginning", lambda: injected(scenario, target_modules=beginning), **NONE)


@clause("injection.targets")
@crossing(Scenario(architecture="llama"), injection=tuple(Injection))
def test_layer_replication(scenario):
    """`layer_replication` repeats layers with adapters of their own over the base's own weights."""
    base = build.base_model(scenario)
    held = {name: tuple(p.shape) for name, p in base.named_parameters()}
    model = injected(scenario, layer_replication=[[0, 2], [1, 2], [0, 1]])
    layers = {int(re.search(r"layers\.(\d+)\.", name)[1]) for name in adapted(model)}
    equal("layers with an adapter", layers, {0, 1, 2, 3})
    whole = {id(p): p.numel() for n, p in model.named_parameters() if "lora_" not in n}
    equal("weights of the base", sum(whole.values()), sum(map(math.prod, held.values())))
    own = [p for n, p in model.named_parameters() if "lora_" in n]
    require(len({id(p) for p in own}) == len(own), "matrices of adapters", own, "all their own")


@clause("injection.targets")
@crossing(Scenario(architecture="t5", adapter="ia3"), injection=tuple(Injection))
def test_feedforward_modules(scenario, folder):
    """(IA)³ scales what goes into `feedforward_modules`, named by their ends or in full, few of
    them or many, and what comes out of the other targets; its config is saved and reads back.
    """
    every = _linear(scenario)
    inner = [name for name in every if name.endswith(".wo")]
    require(len(every) > MANY, "names", len(every), f"more than {MANY}")
    ends = sorted({name.rpartition(".")[2] for name in every})
    for targets, feedforward in ((ends, ["wo"]), (every, inner)):
        model = injected(scenario, target_modules=targets, feedforward_modules=feedforward)
        scaled = {n: m for n, m in model.named_modules() if hasattr(m, "ia3_l")}
        same_names("modules with an adapter", map(build.base_name, scaled), every)
        found = [build.base_name(n) for n, m in scaled.items() if m.ia3_l["default"].shape[0] == 1]
        same_names("modules whose inputs are scaled", found, inner)
        model.save_pretrained(str(folder))
        held = peft.PeftConfig.from_pretrained(str(folder))
        equal("feedforward_modules as saved", sorted(held.feedforward_modules), sorted(feedforward))


# ---- with which rank and scale --------------------------------------------------------------


@clause("injection.patterns")
@crossing(Scenario(), **AXES)
def test_patterns(scenario):
    """`rank_pattern` and `alpha_pattern` each say for themselves which modules they are for, by the
    end of the name, by all of it, by an expression.

    Tolerance: what is added is seen as the difference of two float32 outputs, each rounded by 6e-8
    of what may be a thousand times as large. A wrong rank or alpha is off by a fifth at least.
    """
    names = sorted(adapted(injected(scenario)))
    one, kind = names[0], names[0].rpartition(".")[2]
    alike = [name for name in names if name.endswith(f".{kind}")]
    zeroth = [name for name in names if ".0." in name]
    every, plain = dict.fromkeys(names, RANK), dict.fromkeys(names, ALPHA)
    whole = f"^{re.escape(one)}"
    cases = {
        "a module's rank, its kind's scale": (
            {re.escape(one): 3},
            {kind: 5},
            every | {one: 3},
            plain | dict.fromkeys(alike, 5),
        ),
        "a kind's rank, a module's scale": (
            {kind: 2},
            {whole: 6},
            every | dict.fromkeys(alike, 2),
            plain | {one: 6},
        ),
        "a module by its whole name": ({whole: 3}, {}, every | {one: 3}, plain),
        "a layer by an expression": (
            {r".*\.0\..*": 5},
            {},
            every | dict.fromkeys(zeroth, 5),
            plain,
        ),
        "none by how its name begins": ({kind[:-1]: 3}, {kind[:-1]: 5}, every, plain),
    }
    for what, (ranks, alphas, *expected) in cases.items():
        model = injected(scenario, rank_pattern=ranks, alpha_pattern=alphas)
        found = {build.base_name(n): layer for n, layer in _layers(model)}
        equal(f"ranks: {what}", {n: _rank(found[n]) for n in names}, expected[0])
        for name in names:
            scale = expected[1][name] / expected[0][name]
            close(f"{what}: the scale of {name}", _scale(found[name]), scale, SEEN)


@clause("injection.patterns")
@crossing(Scenario(), **AXES)
def test_patterns_of_a_second(scenario):
    """An adapter that comes second is of its own patterns. Tolerance: that of `test_patterns`."""
    model = injected(scenario)
    name = sorted(adapted(model))[0]
    kind = name.rpartition(".")[2]
    patterns = {"rank_pattern": {kind: 3}, "alpha_pattern": {kind: 6}}
    build.add_adapter(scenario, model, "second", **patterns)
    model.set_adapter("second")
    layer = {build.base_name(n): layer for n, layer in _layers(model)}[name]
    equal(f"the rank of {name}", _rank(layer, "second"), 3)
    close(f"the scale of {name}", _scale(layer, "second"), 2.0, SEEN)


def _layers(model):
    """The modules that hold a LoRA, by name."""
    return [(name, module) for name, module in model.named_modules() if hasattr(module, "lora_A")]


def _rank(layer, adapter="default"):
    return len(layer.lora_A[adapter].weight)


def _scale(layer, adapter="default"):
    """What B A x is multiplied by when it is added, as measured in double precision."""
    down, up = (held[adapter].weight.detach() for held in (layer.lora_A, layer.lora_B))
    with torch.no_grad():
        up.copy_(torch.linspace(0.5, 1.0, up.numel()).reshape(up.shape))
        given = torch.linspace(-1.0, 1.0, down.shape[1], device=down.device).reshape(1, -1)
        added = (layer(given) - layer.base_layer(given)).double()
    expected = given.double() @ down.double().T @ up.double().T
    return float((added * expected).sum() / expected.square().sum())
