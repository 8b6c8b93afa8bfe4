"""Chapter signature: how training is called."""

import inspect

from conformance.judging import equal, require
from conformance.marks import clause, crossing
from conformance.running import build, trainers
from conformance.scenarios import Injection


@clause("signature.train-parameters")
def test_train_parameters(trainer_class):
    """`train` takes exactly the three documented parameters, in order, all optional."""
    parameters = list(inspect.signature(trainer_class.train).parameters.values())[1:]
    named = [p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    documented = ["resume_from_checkpoint", "trial", "ignore_keys_for_eval"]
    equal("the parameters of train()", [p.name for p in named], documented)
    equal("their defaults", [p.default for p in named], [None, None, None])


@clause("signature.import-path")
def test_import_path():
    """The documented import statements are enough."""
    found = {}
    exec("from transformers import Trainer, TrainingArguments", found)
    exec("from peft import LoraConfig", found)
    for name in ("Trainer", "TrainingArguments", "LoraConfig"):
        require(inspect.isclass(found[name]), f"{name} as imported", found[name], "a class")


@clause("signature.model-at-init")
@crossing(injection=Injection)
def test_model_at_init(trainer_class, scenario, folder):
    """Model, arguments and data are given at construction; evaluation data may be left out."""
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    arguments = build.arguments(scenario, folder, trainer_class)
    keywords = trainers.trainer_keywords(trainer_class, scenario)
    trainer = trainer_class(model, arguments, **keywords)
    equal("trainer.model", trainer.model is model, True)
    equal("trainer.args", trainer.args is arguments, True)
    equal("trainer.train_dataset", trainer.train_dataset is keywords["train_dataset"], True)
    equal("trainer.eval_dataset", trainer.eval_dataset, None)
    equal("the steps train() took", trainer.train().global_step, scenario.steps)
