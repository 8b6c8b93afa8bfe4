"""Chapter quantized: merging adapters into a base that is packed into few bits."""

import warnings

import pytest
import torch

from conformance import compat
from conformance.checks.quantized import EVEN, GAPS, multiplied_by, rounded
from conformance.judging import (
    changed,
    close_tensors,
    empty,
    equal,
    identical,
    refused,
    require,
)
from conformance.marks import clause, frugal_crossing
from conformance.running import build, data, quantization_state, trainers
from conformance.running.looking import logits, tensors
from conformance.scenarios.quantizations import BITSANDBYTES

BOTH = ["default", "second"]


@clause("quantized.merge")
@frugal_crossing(EVEN, quantization=BITSANDBYTES)
def test_merge(scenario, folder):
    """Merging warns of rounding; the merged model is quantized, saves, and loads back exactly."""
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    _move_off_the_identity(model)
    before = tensors(build.base_model(scenario))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        merged = model.merge_and_unload()
    said = [str(entry.message) for entry in heard if "rounding errors" in str(entry.message)]
    require(bool(said), "warnings of rounding errors", [str(e.message) for e in heard], "some")
    after = tensors(merged)
    empty("adapter tensors that are left", [name for name in after if "lora_" in name])
    targeted = [
        n
        for n in quantization_state.states(merged)
        if n.split(".")[-2] in scenario.family.attention
    ]
    changed("merging", {n: before[n] for n in targeted}, after)
    expected = logits(merged, data.probe(scenario))
    merged.save_pretrained(folder)
    where = {"": merged.device}
    again = type(merged).from_pretrained(folder, device_map=where, **compat.loading_as_saved())
    identical("the base that was saved", _packed(again), _packed(merged))
    got = logits(again, data.probe(scenario))
    identical("its logits", {"logits": got}, {"logits": expected})


def _move_off_the_identity(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)


def _packed(model):
    known, weights = quantization_state.states(model), dict(model.named_parameters())
    parts = {f"{n}.{part}": t for n, s in known.items() for part, t in s.tensors.items()}
    return {**{n: weights[n].data for n in known}, **parts}


PACKED = EVEN.but(architecture="bert")


@clause("quantized.merge")
@frugal_crossing(PACKED, quantization=GAPS)
@pytest.mark.parametrize("undone", [False, True], ids=("merged", "undone"))
def test_merge_two(scenario, undone):
    """Two adapters that are merged at once move each weight by both of their parts; undone at once,
    it is where it was.
    """
    _merges_both(scenario, _with_two(scenario), undone)


@clause("quantized.merge")
@frugal_crossing(PACKED, quantization=GAPS)
def test_merge_evaluated(trainer_class, scenario, folder):
    """The same of a model that has been evaluated before."""
    model, evaluated = _with_two(scenario), data.training_examples(scenario)
    before = _weights(model)
    options = {"model": model, "evaluated": evaluated}
    trainers.trainer(trainer_class, scenario, folder, **options).evaluate()
    _merges_both(scenario, model.train(), undone=False, before=before)


def _merges_both(scenario, model, undone, before=None):
    """Tolerance: `rounded`; activations, of which the weights are read off, are rounded to
    float16, 2^-11.
    """
    before = before or _weights(model)
    deltas = {name: _deltas(layer) for name, layer in _adapted(model)}
    model.merge_adapter(adapter_names=BOTH)
    if undone:
        model.unmerge_adapter()
    _acts_once(model, undone)
    for name, after in _weights(model).items():
        first, second = deltas[name]
        passed = [before[name] + first, before[name] + first + second]
        passed += [before[name] + first, before[name]] if undone else []
        limit = rounded(passed, GAPS[scenario.quantization]) + 2**-11 * passed[-1].abs().max()
        off = ((after - passed[-1]).abs() / limit).max().item()
        require(off <= 1, f"{name}, off by", off, "at most 1, in shares of what rounding allows")


def _acts_once(model, undone):
    """What is merged no longer acts beside the layer; what is undone does again."""
    for name, layer in _adapted(model):
        device = layer.base_layer.weight.device
        values = torch.linspace(-1, 1, layer.in_features, device=device, requires_grad=True)
        alone = torch.equal(layer(values[None]), layer.base_layer(values[None]))
        equal(f"{name} gives what its base layer gives", alone, not undone)


@clause("quantized.merge")
@frugal_crossing(PACKED, quantization=BITSANDBYTES)
def test_safe_merge(scenario):
    """Merged safely an adapter with a single value that is not finite is refused, and the weight
    that it was to go into keeps its bytes.
    """
    model = build.injected(scenario)
    _, layer = next(iter(_adapted(model)))
    packed = layer.base_layer.weight.data.clone()
    with torch.no_grad():
        layer.lora_B["default"].weight.view(-1)[0] = float("nan")
    merge = lambda: model.merge_adapter(safe_merge=True)  # noqa: E731
    refused("merging", merge, error=ValueError, says="NaN")
    identical("the weight", {"weight": layer.base_layer.weight.data}, {"weight": packed})


@clause("quantized.merge")
@frugal_crossing(PACKED, quantization=GAPS)
def test_merge_biases(scenario):
    """Biases of adapters go into the base as they act, scaled. Tolerance: `_biases_are`."""
    model = _with_two(scenario, lora_bias=True, lora_alpha=12, r=4)
    expected = {
        name: layer.base_layer.bias + sum(3 * layer.lora_B[adapter].bias for adapter in BOTH)
        for name, layer in _adapted(model)
    }
    model.merge_adapter(adapter_names=BOTH)
    _biases_are(model, expected)


@clause("quantized.merge")
@frugal_crossing(PACKED, quantization=GAPS)
def test_unmerge_biases(scenario):
    """They come out of it again. Tolerance: `_biases_are`."""
    model = _with_two(scenario, lora_bias=True, lora_alpha=12, r=4)
    before = {name: layer.base_layer.bias.detach().clone() for name, layer in _adapted(model)}
    model.merge_adapter(adapter_names=BOTH)
    model.unmerge_adapter()
    _biases_are(model, before)


def _biases_are(model, expected):
    """Tolerance: the float32 roundings of four sums."""
    after = {name: layer.base_layer.bias for name, layer in _adapted(model)}
    close_tensors("biases of the base", after, expected, 4 * 6e-8)


def _with_two(scenario, **changes):
    model = build.injected(scenario, **changes)
    build.add_adapter(scenario, model, "second", **changes)
    model.set_adapter("default")
    _move_off_the_identity(model)
    return model


def _adapted(model):
    return [(name, module) for name, module in model.named_modules() if hasattr(module, "lora_A")]


def _weights(model):
    """What each adapted layer of the base multiplies by as it trains: (out, in), float32."""
    return {name: multiplied_by(layer.base_layer) for name, layer in _adapted(model)}


@torch.no_grad()
def _deltas(layer):
    """What each adapter adds to the weight."""
    pairs = ((layer.lora_A[name].weight, layer.lora_B[name].weight) for name in BOTH)
    scales = (layer.scaling[name] for name in BOTH)
    return [scale * (b @ a) for scale, (a, b) in zip(scales, pairs, strict=True)]
