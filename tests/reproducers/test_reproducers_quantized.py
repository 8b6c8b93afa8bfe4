"""Scripts over quantized bases and over images, on planted faults: seen with them, not without."""

import pytest
from showing import Show, Told, seen_when_planted_alone

from conformance.scenarios import Scenario

pytest.importorskip("bitsandbytes")
NF4 = Scenario(quantization="nf4")
SAVED = NF4.but(architecture="bert", max_steps=3, save="steps", save_steps=2)
RESUMED = NF4.but(examples=5, accumulation=2, max_steps=4, dropout=0.1, save="steps")
EVEN = NF4.but(hidden_size=64, wide=True)
SUMMED = NF4.but(accumulation=3, examples=9, optimizer="sgd", learning_rate=0.1, max_grad_norm=0.0)
DOCUMENTED = Scenario(
    architecture="bert",
    adapter="documented-qlora",
    injection="add_adapter",
    quantization="nf4",
    compute_dtype="bfloat16",
    device_map="auto",
    examples=17,
    batch_size=1,
    accumulation=16,
    gradient_checkpointing="default",
    learning_rate=2e-4,
    bf16=True,
    save="steps",
)
EIGHT_BITS = EVEN.but(
    adapter="documented-qlora", max_steps=4, save="steps", save_steps=2, optimizer="adamw_bnb_8bit"
)
CASES: dict[str, Told] = {
    # ---- the base
    "scales-a-millionth-off": (
        *("quantized.base-identical", "test_base_identical", SAVED, "packed weights and their"),
    ),
    "double-quantization-forgotten": (
        *("quantized.base-identical", "test_base_identical", SAVED, "quantization settings at"),
    ),
    "saving-forgets-a-setting": (
        *("quantized.base-identical", "test_base_identical_after_saving"),
        *(SAVED, "quantization settings at"),
    ),
    "norm-beside-quantized-layers-nudged": (
        *("quantized.rest-identical", "test_rest_identical"),
        *(SAVED, "tensors that are not quantized"),
    ),
    "packed-weights-in-checkpoints": (
        *("quantized.adapter-only", "test_only_the_adapter_is_written"),
        *(SAVED, "base weights in checkpoint-2/base.bin"),
    ),
    "resume-forgets-a-setting": (
        *("quantized.resume", "test_resume", RESUMED, "quantization settings at"),
    ),
    "resume-quantizes-once-more": (
        *("quantized.resume", "test_resume", RESUMED, "resumed at 3, step 4: losses"),
    ),
    "adapter-of-a-quantized-base-in-half-precision": (
        *("quantized.round-trip", "test_round_trip"),
        *(SAVED, "the adapter loaded from checkpoint-2"),
    ),
    # ---- the training
    "loss-of-a-quantized-run-a-thousandth-off": (
        *("quantized.output", "test_output", SAVED, "training_loss"),
    ),
    "accumulation-loses-its-last-micro-batch": (
        *("quantized.accumulation", "test_accumulation"),
        *(SUMMED, "gradients of step 1, against the reference"),
    ),
    "quantized-gradient-a-thousandth-off": (
        *("quantized.reference", "test_reference", NF4.but(epochs=2.0), "gradients of step 1"),
    ),
    "checkpointed-quantized-gradient-a-millionth-off": (
        *("quantized.checkpointing", "test_checkpointing"),
        *(NF4.but(max_steps=3, gradient_checkpointing="reentrant"), "gradients of step 1"),
    ),
    "evaluation-lets-gradients-go": (
        *("quantized.evaluation", "test_evaluation"),
        EVEN.but(quantization="int8", max_steps=3, evaluate="steps"),
        "gradients of step 2: the names differ",
    ),
    "recipe-leaves-the-first-adapter-untrained": (
        *("quantized.documented-recipe", "test_documented_recipe_keeps_its_promises"),
        *(DOCUMENTED, "parameters with a gradient: the names differ"),
    ),
    "recipe-without-its-last-target": (
        *("quantized.documented-recipe", "test_documented_recipe"),
        *(DOCUMENTED, "modules with an adapter"),
    ),
    "quantized-weights-computed-with-off-by-a-thousandth": (
        *("quantized.close-to-full", "test_close_to_full"),
        *(EVEN.but(max_steps=3, optimizer="sgd", learning_rate=0.1), "the loss of step 1"),
    ),
    # ---- what is quantized, merged and refused
    "modules-to-skip-are-quantized": (
        *("quantized.classification-head", "test_named_head"),
        *(NF4.but(architecture="bert", max_steps=3), "parts of the head that are quantized"),
    ),
    "moments-in-32-bits": (
        *("quantized.optimizer-states", "test_optimizer_in_8_bits"),
        *(EIGHT_BITS, "large tensors whose first moment is not held in bytes"),
    ),
    "merging-without-a-word": (
        *("quantized.merge", "test_merge", EVEN, "warnings of rounding errors"),
    ),
    "merging-passes-over-a-layer": (
        *("quantized.merge", "test_merge", EVEN, "merging: tensors that did not change"),
    ),
    "quantized-models-can-be-cast": ("quantized.refusals", "test_casting-half", NF4, "half()"),
    "modules-left-on-the-disk": (
        *("quantized.refusals", "test_modules_on_the_disk-place0", NF4, "modules on the disk"),
    ),
    "quantized-models-not-checked": (
        *("detection.quantized-without-adapter", "test_quantized_without_adapter"),
        *(NF4, "a quantized model without adapter"),
    ),
    "value-projections-not-quantized": (
        *("quantized.every-layer", "test_every_layer", NF4.but(architecture="bart")),
        "quantized layers: the names differ",
    ),
    "widening-layers-overflow": (
        *("quantized.default-config", "test_default_config"),
        *(Scenario(architecture="bert", quantization="int8"), "outputs"),
    ),
}


@pytest.mark.parametrize("fault", CASES)
def test_a_script_sees_a_planted_fault_and_nothing_without_it(show: Show, fault: str) -> None:
    seen_when_planted_alone(show, fault, CASES[fault])
