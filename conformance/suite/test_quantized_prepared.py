"""Chapter quantized: what preparing a quantized base for training makes of it."""

import peft

from conformance.checks.quantized import quantized_part, rest
from conformance.judging import empty, equal, identical, require
from conformance.marks import clause, frugal_crossing
from conformance.running import build, quantization_state
from conformance.running.looking import tensors, trainable
from conformance.scenarios import Scenario


@clause("quantized.prepared")
@frugal_crossing(
    Scenario(wide=True),
    quantization=("nf4", "int8"),
    base_dtype=("bfloat16", "float16"),
    architecture=("llama", "t5", "bert"),
)
def test_prepared(scenario):
    """Parameters that are not quantized are float32, of the values they had; those that are stay
    as they were; none asks for gradients.
    """
    _prepared_as_documented(scenario)


@clause("quantized.prepared")
@frugal_crossing(
    Scenario(wide=True, quantization="nf4", base_dtype="bfloat16", quant_storage="bfloat16"),
    quantization=("nf4", "fp4"),
    quant_storage=("bfloat16", "float16", "float32"),
)
def test_prepared_packed_in_floats(scenario):
    """The same where weights are packed in a floating dtype, as FSDP wants them."""
    _prepared_as_documented(scenario)


def _prepared_as_documented(scenario):
    model = build.base_model(scenario)
    before, settings = tensors(model), quantization_state.settings(model)
    require(bool(settings), "quantized weights", settings, "some")
    own = {name for name, _ in model.named_parameters()}
    halves = {n: t for n, t in rest(before).items() if n in own}
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in halves.values()}
    require(scenario.base_dtype in kinds, "dtypes before", kinds, scenario.base_dtype)
    prepared = peft.prepare_model_for_kbit_training(model)
    after = tensors(prepared)
    identical("the rest", {n: after[n] for n in halves}, {n: t.float() for n, t in halves.items()})
    identical("what is quantized", quantized_part(after), quantized_part(before))
    equal("its settings", quantization_state.settings(prepared), settings)
    empty("parameters that ask for gradients", list(trainable(prepared)))
