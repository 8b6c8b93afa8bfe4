"""Chapter detection: how the Trainer knows that a model carries an adapter."""

from conformance import compat, oracle
from conformance.judging import close, equal, refused
from conformance.marks import clause, crossing, scenarios
from conformance.running import build, trainers
from conformance.scenarios import Injection, Scenario, core_families


@clause("detection.peft-model")
@crossing(architecture=core_families())
def test_plain_model(scenario):
    """A plain model is not taken for a PEFT model."""
    equal("_is_peft_model(plain)", compat.is_peft_model(build.base_model(scenario)), False)


@clause("detection.peft-model")
@crossing(architecture=core_families())
def test_peft_model(scenario):
    """`PeftModel` and its task classes are detected, in training and in evaluation mode."""
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    equal(f"_is_peft_model({type(model).__name__})", compat.is_peft_model(model), True)
    equal("the same in evaluation mode", compat.is_peft_model(model.eval()), True)


@clause("detection.peft-model")
def test_mixed_model():
    """`PeftMixedModel` is detected."""
    from peft import get_peft_model

    scenario = Scenario()
    config = build.adapter_config(scenario)
    model = get_peft_model(build.base_model(scenario), config, mixed=True)
    equal("_is_peft_model(PeftMixedModel)", compat.is_peft_model(model), True)


@clause("detection.steers-loading")
@crossing(Scenario(label_smoothing=0.2), architecture=core_families(), injection=Injection)
def test_smoothing_by_the_inner_model(runs, scenario, observation):
    """Label smoothing shifts labels by the type of the model inside the PEFT model."""
    oracle.judge(
        runs,
        observation,
        lambda expected: close(
            "the first step's loss", observation.steps[0].loss, expected.steps[0].loss, oracle.LOSS
        ),
    )


@clause("detection.steers-loading")
@scenarios([Scenario(save="steps")])
def test_adapter_checkpoint_is_loaded(runs, scenario):
    """A checkpoint without base weights is loaded into a PEFT model without complaint."""
    resumed = runs.resume(scenario, 2)
    equal("steps after the resume", [step.number for step in resumed.steps], [3, 4, 5])
    loud = [text for text in resumed.warnings if "missing keys" in text.lower()]
    equal("warnings of missing keys", loud, [])


@clause("detection.quantized-without-adapter")
@crossing(quantization=("nf4", "int8"))
def test_quantized_without_adapter(trainer_class, scenario, folder):
    """A quantized model that has no trainable adapter is refused, and the error says so."""
    model = build.base_model(scenario)
    arguments = build.arguments(scenario, folder, trainer_class)
    keywords = trainers.trainer_keywords(trainer_class, scenario)

    def construct():
        return trainer_class(model, arguments, **keywords)

    refused("a quantized model without adapter", construct, error=ValueError, says="quantized")
