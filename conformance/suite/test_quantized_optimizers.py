"""Chapter quantized: the optimizers of bitsandbytes, and the moments that they hold in bytes."""

import torch

from conformance.checks.frozen import adapter_moves
from conformance.checks.quantized import EVEN
from conformance.checks.resume import continues
from conformance.judging import close_tensors, empty, equal, require
from conformance.marks import clause, frugal_crossing, scenarios

STEPPED = EVEN.but(adapter="documented-qlora", max_steps=4)
BLOCK = 256  # values that share a scale, of moments held in bytes
# None of them a default: an argument that is not handed on shows.
TOLD = {"adam_beta1": 0.7, "adam_beta2": 0.9, "adam_epsilon": 0.01}
DECAY = 0.1
OPTIMIZERS = (
    "adamw_bnb_8bit",
    "lion_8bit",
    "lion_32bit",
    "paged_adamw_32bit",
    "paged_lion_8bit",
)


@clause("quantized.optimizer-states")
@frugal_crossing(
    STEPPED.but(save="steps", save_steps=2),
    optimizer=("adamw_bnb_8bit", "paged_adamw_8bit"),
    quantization=("nf4", "int8"),
)
def test_optimizer_in_8_bits(runs, scenario):
    """Moments of large tensors are bytes in memory, and a resume brings them back exactly.

    The second is never negative, nor is what its bytes stand for: Dettmers et al.,
    arXiv:2110.02861, section 2.2.
    """
    full = runs.train(scenario)
    held = full.last_state.optimizer
    large = [n for n, t in full.last_state.adapter.items() if t.numel() >= 4096]
    require(bool(large), "tensors of at least 4096 values", 0, "some")
    wide = [n for n in large if held[n]["state1"].dtype is not torch.uint8]
    empty("large tensors whose first moment is not held in bytes", wide)
    empty("the same of the second", [n for n in large if held[n]["state2"].dtype != torch.uint8])
    signed = [n for n in large if (held[n]["qmap2"] < 0).any()]
    empty("large tensors of whose second moment's codes half are negative", signed)
    adapter_moves(full)
    continues(full, runs.resume(scenario, 2))


@clause("quantized.optimizer-states")
@frugal_crossing(
    STEPPED.but(adapter="saved-embedding", optimizer="adamw_bnb_8bit", max_steps=2),
    optimizer=("adamw_bnb_8bit", "lion_8bit"),
    quantization=("nf4", "int8"),
)
def test_embeddings_in_32_bits(observation):
    """Moments of a trained copy of an embedding are in float32, however large it is.

    Dettmers et al., arXiv:2110.02861, section 2.3.
    """
    state = observation.last_state
    large = [n for n, t in state.adapter.items() if "embed" in n and t.numel() >= 4096]
    require(bool(large), "embeddings of at least 4096 values", sorted(state.adapter), "some")
    moments = ("state1", "state2") if "adam" in observation.scenario.optimizer else ("state1",)
    kinds = {str(state.optimizer[name][moment].dtype) for name in large for moment in moments}
    equal("dtypes of their moments", kinds, {"torch.float32"})


@clause("quantized.optimizer-steps")
@scenarios(
    lambda profile: [
        STEPPED.but(optimizer=name, weight_decay=DECAY)
        for name in OPTIMIZERS[: 2 * profile.strength - 1]
    ]
)
def test_steps(runs, scenario):
    """Each step is the one of its paper, from the moments that were held, with what it is told.

    Adam: Loshchilov and Hutter, arXiv:1711.05101. Lion: Chen et al., arXiv:2302.06675. Decay
    shrinks what was there before the step, or what is after it: both are in use. Tolerance: the
    dozen float32 roundings of a step.
    """
    observation = runs.again(scenario, extra_arguments=TOLD)
    before, held = observation.first_state.adapter, {}
    for step in observation.steps:
        rate, expected = step.learning_rates[0], {}
        for name, gradient in step.clipped.items():
            moments = [_moment(held.get(name), n, gradient) for n in (1, 2)]
            way = WAYS["lion" in scenario.optimizer](moments, gradient, step.number)
            kept = 1 - rate * DECAY
            either = before[name] * kept - rate * way, (before[name] - rate * way) * kept
            got = step.after.adapter[name]
            nearest = min(either, key=lambda one, got=got: (one - got).nan_to_num().norm())
            expected[name] = nearest.where(~nearest.isnan(), got)
        close_tensors(f"the adapter of step {step.number}", step.after.adapter, expected, 1e-6)
        before, held = step.after.adapter, step.after.optimizer


def _adam(moments, gradient, taken):
    one, two, epsilon = TOLD.values()
    first = one * moments[0] + (1 - one) * gradient
    second = two * moments[1] + (1 - two) * gradient.square()
    return first / (1 - one**taken) / ((second / (1 - two**taken)).sqrt() + epsilon)


def _lion(moments, gradient, _):
    """A sign, or NaN where that is a matter of rounding: where two terms cancel out."""
    one = TOLD["adam_beta1"]
    terms = torch.stack([one * moments[0], (1 - one) * gradient])
    unsure = (terms.sum(0).abs() < 1e-6 * terms.abs().sum(0)).nonzero(as_tuple=True)
    return torch.sign(terms.sum(0)).index_put(unsure, torch.tensor(torch.nan))


WAYS = (_adam, _lion)  # by whether it is Lion


def _moment(held, number, gradient):
    """A moment as it is held, out of bytes where it is in them; nothing before the first step."""
    if held is None or f"state{number}" not in held:
        return torch.zeros_like(gradient)
    state = held[f"state{number}"]
    if state.dtype is not torch.uint8:
        return state
    values, scales = held[f"qmap{number}"], held[f"absmax{number}"]
    spread = scales.repeat_interleave(BLOCK)[: state.numel()].view(state.shape)
    return values[state.long()] * spread
