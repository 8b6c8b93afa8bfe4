"""Chapter quantized: evaluating, variants, refusals, other methods."""

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
from conformance.running import build, quantization_state, quantized
from conformance.scenarios import Injection, Scenario
from conformance.scenarios.quantizations import BITSANDBYTES, OTHERS, uncovered

BOTH = tuple(Injection)
UNCOVERED = uncovered(compat.quantizers())


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


@clause("quantized.variants")
@frugal_crossing(
    Scenario(max_steps=3, architecture="gpt2", wide=True),
    adapter=("bias-all", "bias-lora-only"),
    quantization=("nf4", "int8", "fp4-double"),
    architecture=("gpt2", "bert"),
)
def test_biases_train(observation):
    """The biases that an adapter trains are trained in quantized layers as well: all move."""
    trained = [name for name in observation.trainable if name.endswith("bias")]
    require(bool(trained), "biases that ask for gradients", trained, "some")
    start, end = observation.first_state.adapter, observation.last_state.adapter
    changed("training biases", {name: start[name] for name in trained}, end)


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
