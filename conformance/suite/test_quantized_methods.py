"""Chapter quantized: methods other than LoRA that have layers of their own for packed weights."""

from peft.tuners.tuners_utils import BaseTunerLayer

from conformance import oracle
from conformance.checks.checkpoint import holds_no_base, holds_the_adapter, load_back
from conformance.checks.frozen import adapter_moves, no_base_gradient, optimizer_holds_the_adapter
from conformance.checks.quantized import EVEN, GAPS, multiplied_by, quantization_stays, rounded
from conformance.checks.resume import continues
from conformance.judging import changed, close, close_tensors, identical, paired, require
from conformance.marks import clause, frugal_crossing, scenarios
from conformance.running import build
from conformance.scenarios import Injection, Scenario

PACKED = ("nf4", "int8")
METHODS = ("adalora", "hira", "ia3", "pvera", "randlora", "road", "vera")
ALL = {"adapter": METHODS, "quantization": PACKED, "injection": tuple(Injection)}
SAVED = Scenario(max_steps=4, save="steps", save_steps=2)


@clause("quantized.methods")
@frugal_crossing(SAVED, **ALL)
def test_methods(observation):
    """The method trains, its base stays as it is, and its checkpoints hold it and load back."""
    quantization_stays(observation, observation.base_after)
    no_base_gradient(observation)
    optimizer_holds_the_adapter(observation)
    adapter_moves(observation)
    holds_no_base(observation)
    holds_the_adapter(observation, observation.saves[-1])
    load_back(observation, most=1)


@clause("quantized.methods")
@frugal_crossing(SAVED, **ALL)
def test_methods_disabled(observation):
    """With the adapter disabled the logits are those of the quantized base before training."""
    observation.completed()
    before, after = observation.base_logits, observation.disabled_logits
    identical("logits with the adapter disabled", {"logits": after}, {"logits": before})
    changed("training", {"logits": before}, {"logits": observation.logits})


@clause("quantized.methods")
@frugal_crossing(SAVED.but(dropout=0.1), **ALL)
def test_methods_resume(runs, scenario):
    """Resumed over a base quantized anew, a training ends exactly as the uninterrupted one."""
    full = runs.train(scenario)
    continues(full, runs.resume(scenario, 2))


@clause("quantized.methods")
@scenarios(
    [
        EVEN.but(max_steps=3, optimizer="sgd", learning_rate=0.1, adapter=name, quantization=kind)
        for name in METHODS
        for kind in PACKED
    ]
)
def test_methods_close_to_full(runs, scenario):
    """The run is that over the values which the packed weights stand for.

    Tolerance: that of `quantized.close-to-full`; both runs compute in float32.
    """
    got, full = runs.train(scenario), runs.train(scenario.but(dequantized=True))
    for one, other in paired("steps", got.steps, full.steps):
        where = f"of step {one.number}"
        close(f"the loss {where}", one.loss, other.loss, oracle.LOSS, "loss_distance")
        close_tensors(f"gradients {where}", one.gradients, other.gradients, oracle.GRADIENT)
    adapter_moves(got)


def _merging(*methods):
    base = EVEN.but(architecture="bert")
    return [base.but(adapter=name, quantization=kind) for name in methods for kind in PACKED]


@clause("quantized.methods")
@scenarios(_merging("hira", "pvera", "randlora", "road"))
def test_methods_merge(scenario):
    """Merged, a layer multiplies by what it did with the adapter beside it. Tolerance: `_is`."""
    layers, _, beside, model = _layers(scenario)
    model.merge_adapter()
    for name, layer in layers.items():
        _is(scenario, name, layer, [beside[name]])


@clause("quantized.methods")
@scenarios(_merging("pvera", "randlora"))
def test_methods_merge_undone(scenario):
    """Undone, by its own weight again, of methods that add to it. Tolerance: `_is`."""
    layers, alone, beside, model = _layers(scenario)
    model.merge_adapter()
    model.unmerge_adapter()
    for name, layer in layers.items():
        _is(scenario, name, layer, [beside[name], alone[name]])


def _layers(scenario):
    """The adapted layers, what they multiply by alone and with the adapter; their model."""
    model = build.move_adapter(build.injected(scenario), by=0.2).eval()
    layers = {n: m for n, m in model.named_modules() if isinstance(m, BaseTunerLayer)}
    alone = {name: multiplied_by(layer.base_layer) for name, layer in layers.items()}
    beside = {name: multiplied_by(layer) for name, layer in layers.items()}
    changed("the adapter", alone, beside)
    return layers, alone, beside, model


def _is(scenario, name, layer, passed):
    """A layer multiplies by the last of the weights that it had to pack.

    Tolerance: `rounded`, each time; and int8 layers, of which the weights are read off, round their
    inputs and outputs to float16, 2^-11.
    """
    limit = rounded(passed, GAPS[scenario.quantization]) + 2**-11 * passed[0].abs().max()
    off = ((multiplied_by(layer.base_layer) - passed[-1]).abs() / limit).max().item()
    require(off <= 1, f"{name}, off by", off, "at most 1, in shares of what rounding allows")
