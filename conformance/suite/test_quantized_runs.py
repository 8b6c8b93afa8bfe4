"""Chapter quantized: relations between trainings over quantized bases."""

from conformance import oracle
from conformance.checks.accumulation import equals_one_batch
from conformance.checks.checkpointing import every_adapter_gets_its_gradient, same_run
from conformance.checks.frozen import adapter_moves
from conformance.checks.quantized import quantization_stays
from conformance.checks.reference import follows_the_reference
from conformance.checks.resume import continues, points
from conformance.judging import close, close_tensors, identical, note, paired, require, same
from conformance.marks import clause, frugal_crossing
from conformance.running import build, data, quantization_state, quantized
from conformance.running.looking import logits
from conformance.scenarios import Injection, Scenario, core_families
from conformance.scenarios.quantizations import BITSANDBYTES

BOTH = tuple(Injection)
IN_FLOAT16 = 12 * 2**-11  # a dozen operations in float16, which kernels may compute in


# ---- resuming -------------------------------------------------------------------------------


@clause("quantized.resume")
@frugal_crossing(
    Scenario(save="steps", max_steps=4, examples=5, accumulation=2),
    quantization=BITSANDBYTES,
    injection=BOTH,
    kbit_prepared=(False, True),
    dropout=(0.1, 0.0),
    gradient_checkpointing=("", "non-reentrant"),
)
def test_resume(runs, profile, scenario):
    """Resumed over a base quantized anew, a training ends exactly as the uninterrupted one."""
    full = runs.train(scenario)
    for step in points(full, profile)[-1:] if profile.resume_points else points(full, profile):
        resumed = runs.resume(scenario, step)
        continues(full, resumed)
        quantization_stays(resumed, resumed.base_after)
        identical("the base, against the uninterrupted run", resumed.base_after, full.base_after)
        same("its settings", resumed.settings_after, full.settings_after)


# ---- the same as ----------------------------------------------------------------------------


@clause("quantized.accumulation")
@frugal_crossing(
    Scenario(accumulation=3, examples=9, optimizer="sgd", learning_rate=0.1, max_grad_norm=0.0),
    quantization=("nf4", "int8", "nf4-double", "fp4"),
    architecture=("llama", "bert"),
    injection=BOTH,
)
def test_accumulation(runs, scenario):
    """Batch 2 accumulated 3 times trains as batch 6, over weights computed with in float32."""
    equals_one_batch(runs, scenario)


@clause("quantized.reference")
@frugal_crossing(
    Scenario(epochs=2.0),
    quantization=BITSANDBYTES,
    architecture=("llama", "gpt2"),
    injection=BOTH,
)
def test_reference(runs, observation):
    """Data order, loss, gradients and weights of every step are the hand-written loop's."""
    follows_the_reference(runs, observation)


@clause("quantized.checkpointing")
@frugal_crossing(
    Scenario(max_steps=3),
    gradient_checkpointing=("reentrant", "non-reentrant", "default"),
    quantization=("nf4", "int8", "fp4-double"),
    injection=BOTH,
    kbit_prepared=(False, True),
    dropout=(0.0, 0.1),
)
def test_checkpointing(runs, scenario):
    """With gradient checkpointing and without it the run is bit-identical, dropout included."""
    checkpointed = runs.train(scenario)
    same_run(runs.train(scenario.but(gradient_checkpointing="")), checkpointed)
    every_adapter_gets_its_gradient(checkpointed)


@clause("quantized.close-to-full")
@frugal_crossing(
    Scenario(max_steps=3, wide=True, optimizer="sgd", learning_rate=0.1),
    quantization=BITSANDBYTES,
    architecture=("llama", "bert"),
    hidden_size=(64, 0),
    compute_dtype=("float32", "bfloat16"),
)
def test_close_to_full(runs, scenario):
    """The run is that over the values the packed weights stand for, in the compute dtype.

    The values are unpacked by hand, in float32: a product or two a weight, each off by at most a
    rounding (6e-8), which the float32 arithmetic of both runs adds anyway. So the tolerances are
    those of `conformance.oracle`, and for the loss of the first step whatever the compute dtype:
    the same sums are rounded alike. In bfloat16 (8 bits of a significand) a backward sum in another
    order is rounded to one of two neighbours, 2^-8 apart; and once trained weights differ by that
    much, each of the dozen operations that a value passes may be off by 2^-9, forth, and back.
    """
    got, full = runs.train(scenario), runs.train(scenario.but(dequantized=True))
    halved = scenario.compute_dtype == "bfloat16" and scenario.how_quantized.packed
    first = (oracle.LOSS, 2**-8 if halved else oracle.GRADIENT)
    later = (12 * 2**-9, 24 * 2**-9) if halved else first
    for one, other in paired("steps", got.steps, full.steps):
        loss, gradient = first if one.number == 1 else later
        close(f"the loss of step {one.number}", one.loss, other.loss, loss, "loss_distance")
        where = f"gradients of step {one.number}"
        close_tensors(where, one.gradients, other.gradients, gradient)
    adapter_moves(got)


@clause("quantized.close-to-full")
@frugal_crossing(
    Scenario(wide=True, hidden_size=64, quantization="int8"), architecture=("llama", "bert")
)
def test_outliers_are_not_quantized(scenario):
    """Activations above `llm_int8_threshold` are not rounded to int8: where all are, evaluating
    gives the logits of the dequantized base.

    Tolerance: `IN_FLOAT16`. With all of them rounded to int8 it is some times that.
    """
    folder = quantized.checkpoint(scenario, lambda: build.plain_model(scenario))
    full = build.base_model(scenario.but(dequantized=True)).eval()
    expected, distances = logits(full, data.probe(scenario)), []
    for threshold in (1e-6, 0.0):
        config = quantized.config(scenario, llm_int8_threshold=threshold)
        model = quantized.from_disk(scenario, folder, quantization_config=config).eval()
        off = logits(model, data.probe(scenario)) - expected
        distances.append((off.norm() / expected.norm()).item())
    note(none_rounded=distances[0], all_rounded=distances[1])
    none, every = distances
    require(none <= IN_FLOAT16, "with no activation rounded, off by", none, IN_FLOAT16)
    require(every > IN_FLOAT16, "with all of them rounded, off by", every, IN_FLOAT16)


# ---- what it saves --------------------------------------------------------------------------


@clause("quantized.memory")
@frugal_crossing(quantization=BITSANDBYTES, architecture=core_families())
def test_memory(scenario):
    """The bytes that the base holds, against those of the same base in bfloat16."""
    held = quantization_state.held_bytes(build.base_model(scenario))
    half = sum(2 * p.numel() for p in build.plain_model(scenario).parameters())
    note(bytes=held, bytes_in_bfloat16=half, share=round(held / half, 4))
    require(held > 0, "bytes of the base", held, "some")
