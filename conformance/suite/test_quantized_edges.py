"""Chapter quantized: evaluating, variants, merging, refusals, other methods."""

import warnings

import pytest
import torch

from conformance import compat
from conformance.checks.checkpoint import holds_no_base, holds_the_adapter, load_back
from conformance.checks.frozen import (
    base_stays,
    no_base_gradient,
    optimizer_holds_the_adapter,
)
from conformance.checks.quantized import quantization_stays
from conformance.checks.resume import continues
from conformance.compat import Unavailable
from conformance.judging import changed, empty, equal, identical, paired, refused, require
from conformance.marks import clause, frugal_crossing
from conformance.running import build, data, quantization_state, quantized
from conformance.running.looking import logits, tensors
from conformance.scenarios import Injection, Scenario
from conformance.scenarios.quantizations import BITSANDBYTES, OTHERS, uncovered

BOTH = tuple(Injection)
UNCOVERED = uncovered(compat.quantizers())
# Sizes that every kernel of bitsandbytes takes: rows of whole blocks of 64, whole groups of 32.
EVEN = Scenario(hidden_size=64, wide=True)


# ---- evaluating -----------------------------------------------------------------------------


@clause("quantized.evaluation")
@frugal_crossing(
    Scenario(max_steps=3, evaluate="steps", wide=True),
    quantization=BITSANDBYTES,
    hidden_size=(64, 0),
)
def test_evaluation(runs, scenario):
    """With evaluations and without them base and training are bit-identical."""
    evaluated, without = runs.train(scenario), runs.train(scenario.but(evaluate="no"))
    equal("evaluations", len(evaluated.evaluations), 3)
    for got, expected in paired("steps", evaluated.steps, without.steps):
        where = f"step {expected.number}"
        identical(f"gradients of {where}", got.gradients, expected.gradients)
        equal(f"the loss of {where}", got.loss, expected.loss)
    identical("the adapter", evaluated.adapters_after, without.adapters_after)
    quantization_stays(evaluated, evaluated.base_after)


# ---- variants -------------------------------------------------------------------------------


@clause("quantized.variants")
@frugal_crossing(
    Scenario(max_steps=3, save="steps"),
    adapter=("dora", "rslora", "lora-dropout", "modules-to-save", "rank-pattern"),
    quantization=("int8", "nf4"),
    injection=BOTH,
)
def test_variants(observation):
    """The variant trains, its base stays as it is, and its checkpoint holds it."""
    base_stays(observation)
    optimizer_holds_the_adapter(observation)
    holds_the_adapter(observation, observation.saves[-1])


CLASSIFIER = Scenario(architecture="bert", max_steps=3)


@clause("quantized.classification-head")
@frugal_crossing(CLASSIFIER, quantization=("nf4", "int8"), injection=BOTH)
def test_classification_head(scenario):
    """A classifier quantized with the default config takes an adapter that trains its head."""
    folder = quantized.checkpoint(scenario, lambda: build.plain_model(scenario))
    config = quantized.config(scenario, llm_int8_skip_modules=None)
    base = quantized.from_disk(scenario, folder, quantization_config=config)
    model = build.inject(scenario, base, seed=1)
    copies = [n for n, p in model.named_parameters() if "modules_to_save" in n and p.requires_grad]
    equal("trainable tensors of the head", len(copies), 2)


@clause("quantized.classification-head")
@frugal_crossing(CLASSIFIER, quantization=("nf4", "int8"), injection=BOTH)
def test_named_head(runs, scenario):
    """One that is named as not to be quantized is kept, and its copy trains while it does not."""
    head = scenario.family.head
    packed = quantization_state.states(build.base_model(scenario))
    empty("parts of the head that are quantized", _below(head, packed))
    observation = runs.train(scenario)
    copies = {n: t for n, t in observation.adapters_before.items() if "modules_to_save" in n}
    changed("training the head's copy", copies, observation.adapters_after)
    kept = _below(head, observation.base_before)
    before = {n: observation.base_before[n] for n in kept}
    identical("the head itself", {n: observation.base_after[n] for n in kept}, before)


def _below(module, names):
    return [name for name in names if module in name.split(".")]


# ---- merging --------------------------------------------------------------------------------


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


# ---- refusals -------------------------------------------------------------------------------


@clause("quantized.refusals")
@frugal_crossing(quantization=("nf4", "int8"))
def test_four_and_eight_bits_at_once(scenario):
    """Asking for 4 and 8 bits at once is refused."""
    quantized.config(scenario)  # not run where even one of them cannot be had
    both = {"load_in_4bit": True, "load_in_8bit": True}
    refused(
        "a config of both",
        lambda: quantized.config(scenario, **both),
        error=ValueError,
        says="both",
    )


@clause("quantized.refusals")
@frugal_crossing(quantization=("nf4", "int8"))
@pytest.mark.parametrize("place", [{"": "disk"}, {"model": "cpu", "lm_head": "disk"}])
def test_modules_on_the_disk(scenario, place):
    """A device map that leaves quantized modules on the disk is refused."""
    config = quantized.config(scenario)
    folder = quantized.checkpoint(scenario, lambda: build.plain_model(scenario))

    def load():
        return quantized.from_disk(scenario, folder, device_map=place, quantization_config=config)

    says = "dispatched on the CPU or the disk"
    refused("modules on the disk", load, error=ValueError, says=says)


@clause("quantized.refusals")
@frugal_crossing(quantization=("nf4", "int8"))
@pytest.mark.parametrize("cast", ["half", "float", "to"])
def test_casting(scenario, cast):
    """Casting a quantized model to another dtype is refused."""
    model = build.base_model(scenario)
    given = (torch.float16,) if cast == "to" else ()
    call = getattr(model, cast)
    says = "cast" if cast == "to" else "not supported for quantized"
    refused(f"{cast}()", lambda: call(*given), error=ValueError, says=says)


# ---- other methods of quantizing ------------------------------------------------------------


@clause("quantized.other-methods")
@frugal_crossing(
    Scenario(max_steps=3, save="steps"),
    quantization=OTHERS,
    injection=BOTH,
)
def test_other_methods(observation):
    """The base stays as it is, the adapter trains, and its checkpoints hold it and load back."""
    base_stays(observation)
    no_base_gradient(observation)
    optimizer_holds_the_adapter(observation)
    holds_no_base(observation)
    load_back(observation, most=1)


@clause("quantized.other-methods")
@frugal_crossing(Scenario(max_steps=4, save="steps"), quantization=OTHERS)
def test_other_methods_resume(runs, scenario):
    """Over them too a resumed training ends as the uninterrupted one."""
    continues(runs.train(scenario), runs.resume(scenario, 2))


@clause("quantized.other-methods")
@pytest.mark.parametrize("method", UNCOVERED)
def test_methods_not_covered(method):
    """Methods that nothing here judges, by name, with the reason."""
    raise Unavailable(f"{method}: {UNCOVERED[method]}")
