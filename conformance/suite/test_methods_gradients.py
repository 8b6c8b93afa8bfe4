"""Chapter methods: what is trained by is the slope of the loss."""

import pytest
import torch

from conformance import oracle
from conformance.judging import note, require
from conformance.marks import clause, scenarios
from conformance.running import build, data, losses, placing
from conformance.running.looking import trainable
from conformance.scenarios import METHODS, RECIPES, Scenario, family

# CPT and OSF change gradients on purpose, by a mask and a projection; DEFT and the encoder of
# P-tuning have kinks (ReLU), where a difference is no slope.
LEFT_OUT = ("cpt", "deft", "osf", "p-tuning")
EACH = {"lora": RECIPES["lora"], **{n: r for n, r in METHODS.items() if n not in LEFT_OUT}}
SMOOTH = ("bert", "llama")  # families without kinks; the first is in float64 throughout
STEPS = (2.0**-10, 2.0**-11, 2.0**-12)
WAYS = ("steepest", "drawn")
# AdaMSS holds tensors in float32 that no cast of a model reaches.
ROUNDED, IN_FLOAT32 = 2.0**-24, ("adamss",)


def fitting(_):
    """Every method on a family that it fits."""
    for name, recipe in EACH.items():
        fitted = [each for each in SMOOTH if recipe.fits(family(each))]
        yield from (Scenario(adapter=name, architecture=each) for each in fitted[:1])


@clause("methods.gradients")
@pytest.mark.parametrize("way", WAYS)
@scenarios(fitting)
def test_gradients(scenario, way):
    """Along a direction, their own signs' or a drawn one, gradients give the slope of the outputs.

    Tolerance: `_gives_the_slope`.
    """
    _gives_the_slope(scenario, build.injected(scenario), way)


@clause("methods.gradients")
@pytest.mark.parametrize("way", WAYS)
@scenarios([Scenario(architecture="bert", adapter="c3a")])
def test_gradients_of_the_last_layer(scenario, way):
    """The same of C3A on the last layer alone: below it no parameter is reached by the gradient of
    its inputs, of which it is known that it is wrong (c3a-input-gradient).
    """
    _gives_the_slope(scenario, build.injected(scenario, layers_to_transform=[1]), way)


@clause("methods.gradients")
@pytest.mark.parametrize("way", WAYS)
@scenarios([Scenario(architecture="vit", adapter=name) for name in ("lora", "lokr", "loha")])
def test_gradients_of_convolutions(scenario, way):
    """The same of an adapter on a convolution, decomposed as one where the method can."""
    more = {} if scenario.adapter == "lora" else {"use_effective_conv2d": True, "task_type": None}
    model = build.injected(scenario, target_modules=["projection"], modules_to_save=None, **more)
    _gives_the_slope(scenario, model, way)


def _gives_the_slope(scenario, model, way):
    """The gradients' slope is that of differences.

    Central differences over three distances, each half of the one before, are off by c h² + d h⁴:
    extrapolated from two of them by Richardson, by less than extrapolating from the others changes.
    Tolerance: that; and a rounding to float32, in which some norms and methods compute whatever
    they are given, of the mean output at both ends (those of its parts average out), over the
    smallest distance.
    """
    model = _moved(scenario, model)
    batch = data.probe(scenario)
    value = _value(model, batch)
    value.backward()
    held = {n: p for n, p in trainable(model).items() if p.is_floating_point()}
    gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in held.items()}
    drawn = torch.Generator().manual_seed(1)
    along = {name: _signs(g, way, drawn) for name, g in gradients.items()}
    got = sum((g * along[name]).sum() for name, g in gradients.items()).item()
    far, slope = _slopes(model, batch, along)
    rounding = oracle.LOSS if scenario.adapter in IN_FLOAT32 else ROUNDED
    allowed = abs(far - slope) + rounding * abs(value.item()) / STEPS[-1]
    note(slope=slope, gradients=got, allowed=allowed)
    require(abs(got - slope) <= allowed, "the slope", got, f"{slope} ± {allowed}")
    seen = way != "steepest" or got > allowed
    require(seen, "the steepest slope", got, f"more than {allowed}, which is none")


def _signs(gradient, way, drawn):
    """Which way each entry is moved: where a gradient is none, only in the drawn direction."""
    if way == "steepest":
        return gradient.sign()
    return torch.randn(gradient.shape, generator=drawn).sign().to(gradient)


def _moved(scenario, model):
    """The model in float64, its adapter far enough off its beginning that each part matters."""
    model = build.move_adapter(model, by=0.2)
    return model if scenario.adapter in IN_FLOAT32 else model.double()


def _slopes(model, batch, along):
    """The slope along a direction, extrapolated from the first two distances and the last two."""
    start = {name: parameter.detach().clone() for name, parameter in trainable(model).items()}
    first, second, third = (
        (_at(model, batch, start, along, step) - _at(model, batch, start, along, -step)) / 2 / step
        for step in STEPS
    )
    return (4 * second - first) / 3, (4 * third - second) / 3


@torch.no_grad()
def _at(model, batch, start, along, distance):
    """The value with the parameters so far along from where they started."""
    for name, direction in along.items():
        trainable(model)[name].copy_(start[name] + distance * direction)
    return _value(model, batch).item()


def _value(model, batch):
    """A number that all outputs have a part in; what a method draws is the same every time."""
    torch.manual_seed(0)
    return losses.answers(model(**placing.batch_for(model, batch))).double().logsumexp(-1).mean()
