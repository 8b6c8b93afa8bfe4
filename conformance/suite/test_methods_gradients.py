"""Chapter methods: what is trained by is the slope of the loss."""

import itertools

import torch

from conformance import oracle
from conformance.judging import note, require
from conformance.marks import clause, scenarios
from conformance.running import build, data, placing
from conformance.running.looking import trainable
from conformance.scenarios import METHODS, RECIPES, Scenario, core_families, family

# CPT masks gradients on purpose: what its labels begin as is not to be trained.
EACH = {"lora": RECIPES["lora"], **{n: r for n, r in METHODS.items() if n != "cpt"}}
# T5's ReLU has kinks, where a difference is no slope; Mixtral's grouped product takes no float64.
SMOOTH = [name for name in core_families() if name not in ("t5", "mixtral")]
STEPS = [2.0**-exponent for exponent in range(4, 16)]
# The last operations of most models (norms, the loss) compute in float32 whatever they are given;
# AdaMSS holds tensors in float32 that no cast of a model reaches.
ROUNDED, IN_FLOAT32 = 12 * 2.0**-24, ("adamss",)


def fitting(profile):
    """Every method on a family that it fits; in full on all of those."""
    for name, recipe in EACH.items():
        families = [each for each in SMOOTH if recipe.fits(family(each))]
        turn = sum(map(ord, name)) % max(len(families), 1)
        for each in families if profile.strength > 2 else families[turn : turn + 1]:
            yield Scenario(adapter=name, architecture=each)


@clause("methods.gradients")
@scenarios(fitting)
def test_gradients(scenario):
    """Along a direction drawn at random the gradients give the loss's slope, in float64.

    The slope is the difference of the losses so far forth and back over the distance, at the best
    of several distances. Tolerance: what halving the distance changes, which is three times the
    error that is left then; and `ROUNDED` of the loss, at both ends, over the distance.
    """
    model = _moved(scenario)
    batch = placing.batch_for(model, data.collator(scenario)(data.training_examples(scenario)[:2]))
    along = {name: torch.randn_like(p).sign() for name, p in trainable(model).items()}
    loss = _loss(model, batch)
    loss.backward()
    slopes = [(p.grad * along[n]).sum() for n, p in trainable(model).items() if p.grad is not None]
    got, found = sum(slopes).item(), [_slope(model, batch, along, step) for step in STEPS]
    rounding = oracle.LOSS if scenario.adapter in IN_FLOAT32 else ROUNDED
    allowed, slope = min(
        (abs(far - near) + rounding * abs(loss.item()) / step, near)
        for step, (far, near) in zip(STEPS[1:], itertools.pairwise(found), strict=True)
    )
    note(slope=slope, gradients=got, allowed=allowed)
    require(abs(got - slope) <= allowed, "the slope", got, f"{slope} ± {allowed}")


def _moved(scenario):
    """A model in training, in float64, whose adapter is off its beginning."""
    model = build.move_adapter(build.injected(scenario))
    return model if scenario.adapter in IN_FLOAT32 else model.double()


def _slope(model, batch, along, step):
    """The difference of the losses so far forth and back along a direction, over the distance."""
    start = {name: parameter.detach().clone() for name, parameter in trainable(model).items()}
    forth, back = (_at(model, batch, start, along, end) for end in (step, -step))
    _at(model, batch, start, along, 0)
    return (forth - back) / (2 * step)


@torch.no_grad()
def _at(model, batch, start, along, distance):
    """The loss with the parameters so far along from where they started."""
    for name, parameter in trainable(model).items():
        parameter.copy_(start[name] + distance * along[name])
    return _loss(model, batch).item()


def _loss(model, batch):
    """The loss of a batch; what a method draws is the same every time."""
    torch.manual_seed(0)
    return model(**batch).loss
