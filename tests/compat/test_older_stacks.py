"""`conformance.compat`: what older releases say or lack, and what that is turned into."""

import os
from types import SimpleNamespace

import pytest
from transformers import TrainingArguments

from conformance import compat, judging


@pytest.mark.parametrize(
    "said",
    [
        "There are currently no available devices found, must be one of 'XPU', 'CUDA'.",
        "None of the available devices `available_devices = None` are supported",
        "All input tensors need to be on the same GPU, but found some tensors to not be on a GPU:",
        "'frozenset' object has no attribute 'discard'",
        "EarlyStoppingCallback requires load_best_model_at_end = True",
    ],
)
def test_what_the_libraries_want_is_a_reason(said):
    """A training that ends so is not judged; the reason holds what was said."""
    assert said in compat.why_unavailable(RuntimeError(said))


@pytest.mark.parametrize(
    "said",
    [
        "",
        "mat1 and mat2 shapes cannot be multiplied",
        "don't know how to restore data location of torch.storage.UntypedStorage",
        "Weights only load failed. This file can still be loaded",  # which this release knows of
    ],
)
def test_what_they_fail_at_is_none(said):
    """Any other failure is one, that of loading weights alone where the release knows of it."""
    assert compat.why_unavailable(RuntimeError(said)) == ""


def test_random_states_of_releases_before_weights_only(monkeypatch):
    """A release that cannot load what it wrote is told with the way out."""
    monkeypatch.delattr("transformers.trainer.safe_globals")
    said = compat.why_unavailable(RuntimeError("Weights only load failed."))
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1" in said


def test_what_arguments_leave_in_the_environment_is_forgotten(monkeypatch):
    """What older `TrainingArguments` tell Accelerate does not reach the next training."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("FSDP_VERSION", "2")
    compat.reset_accelerate()
    assert not {"ACCELERATE_MIXED_PRECISION", "FSDP_VERSION"} & set(os.environ)


def test_warm_up_by_share(monkeypatch, tmp_path):
    """A share of all steps is taken where it is one, and not run where it would be refused."""
    given = {"output_dir": str(tmp_path), "warmup_steps": 0.4, "use_cpu": True}
    assert compat.training_arguments(TrainingArguments, {}, **given).warmup_steps == 0.4
    field = TrainingArguments.__dataclass_fields__["warmup_steps"]
    monkeypatch.setattr(field, "type", int)
    with pytest.raises(compat.Unavailable, match="whole number"):
        compat.training_arguments(TrainingArguments, {}, **given)
    whole = {**given, "warmup_steps": 2}
    assert compat.training_arguments(TrainingArguments, {}, **whole).warmup_steps == 2


def test_wrapping_under_fsdp(monkeypatch):
    """Where the config does not choose how to wrap, the argument does."""

    def made(fsdp, train_sampling_strategy):
        return fsdp

    assert compat.training_arguments(made, {}, fsdp=True) is True
    field = TrainingArguments.__dataclass_fields__["fsdp"]
    monkeypatch.setattr(field, "type", "list[FSDPOption] | str | None")
    assert compat.training_arguments(made, {}, fsdp=True) == "full_shard auto_wrap"


def test_averaging_over_devices_that_a_release_does_not_know(tmp_path):
    """It is left out."""

    def made(output_dir, train_sampling_strategy):
        return output_dir

    given = {"output_dir": "here", "average_tokens_across_devices": True}
    assert compat.training_arguments(made, {}, **given) == "here"


@pytest.mark.parametrize("method", ["update_dtype", "update_torch_dtype"])
def test_releases_that_halve_what_is_not_quantized(monkeypatch, method):
    """They are asked to load as saved; a recipe that does not ask is not run."""
    from transformers.quantizers.quantizer_bnb_4bit import Bnb4BitHfQuantizer

    assert compat.loading_as_saved() == {}
    compat.require_loading_as_saved()
    monkeypatch.setattr(Bnb4BitHfQuantizer, method, lambda *_: None, raising=False)
    assert set(compat.loading_as_saved().values()) == {"auto"}
    with pytest.raises(compat.Unavailable, match="float16"):
        compat.require_loading_as_saved()


def test_active_adapters():
    """A property, a method, and a merged model that still has configs."""
    wrapped = SimpleNamespace(active_adapters=["default"])
    native = SimpleNamespace(active_adapters=lambda: ["one"], _hf_peft_config_loaded=True)
    merged = SimpleNamespace(active_adapters=lambda: ["one"], _hf_peft_config_loaded=False)
    found = [compat.active_adapters(model) for model in (wrapped, native, merged)]
    assert found == [("default",), ("one",), ()]


def test_merging_safely_where_there_is_no_such_thing():
    """It is not run; merging as such is."""
    merged = []
    tuner = SimpleNamespace(merge_adapter=lambda adapter_names=None: None)
    model = SimpleNamespace(base_model=tuner, merge_adapter=lambda: merged.append(1))
    compat.merge_adapter(model, safe=False)
    assert merged == [1]
    with pytest.raises(compat.Unavailable, match="safe_merge"):
        compat.merge_adapter(model, safe=True)


def test_unavailable_is_no_refusal():
    """A refusal that could not be asked for is not run."""

    def unavailable():
        raise compat.Unavailable("wants a GPU")

    with pytest.raises(compat.Unavailable, match="wants a GPU"):
        judging.refused("a call", unavailable, error=ValueError, says="")


def test_optimizers_for_gpus_alone(monkeypatch):
    """What only a GPU's kernels can step is not run on a CPU, and is on a GPU."""
    pytest.importorskip("bitsandbytes")
    compat.require_optimizer("lion_8bit", on_cpu=True)
    monkeypatch.setattr("conformance.compat.arguments._steps_on_a_cpu", lambda: False)
    compat.require_optimizer("adamw_torch", on_cpu=True)
    compat.require_optimizer("lion_8bit", on_cpu=False)
    with pytest.raises(compat.Unavailable, match="for GPUs alone"):
        compat.require_optimizer("lion_8bit", on_cpu=True)


def test_embeddings_resized_by_any_release():
    """The new rows are asked to be drawn where that can be asked, and no other word is said."""

    class Newer:
        def resize_token_embeddings(self, size, mean_resizing=True):
            self.asked = size, mean_resizing

    class Older:
        def resize_token_embeddings(self, size):
            self.asked = (size,)

    newer, older = Newer(), Older()
    compat.resize_embeddings(newer, 8)
    compat.resize_embeddings(older, 8)
    assert (newer.asked, older.asked) == ((8, False), (8,))


def test_what_models_could_not_do_yet(tmp_path):
    """Deleting an adapter, and loading one to train on, are not run where there is no such way."""

    class Older:
        def load_adapter(self, folder):
            raise AssertionError(folder)

    with pytest.raises(compat.Unavailable, match="Older has no delete_adapter"):
        compat.delete_adapter(Older(), "default")
    with pytest.raises(compat.Unavailable, match="has no is_trainable"):
        compat.load_adapter(Older(), tmp_path, True)


def test_a_schedule_that_has_to_be_told_more(monkeypatch, tmp_path):
    """A schedule is not run where it wants to be told what no later release asks for."""
    given = {"output_dir": str(tmp_path), "lr_scheduler_type": "warmup_stable_decay"}
    compat.training_arguments(TrainingArguments, {}, **given, use_cpu=True)

    def older(optimizer, num_warmup_steps, num_stable_steps, num_decay_steps):
        raise AssertionError(optimizer)

    monkeypatch.setattr("transformers.optimization.get_wsd_schedule", older)
    with pytest.raises(compat.Unavailable, match="num_stable_steps"):
        compat.training_arguments(TrainingArguments, {}, **given, use_cpu=True)


def test_what_an_older_peft_does_not_refuse(monkeypatch):
    """A tuner that shares its state is refused where tuners say whether they do."""
    config = SimpleNamespace(peft_type="X", is_prompt_learning=False, is_adaption_prompt=False)
    tuners = {"X": SimpleNamespace(uses_shared_state=True)}
    monkeypatch.setattr("peft.mapping.PEFT_TYPE_TO_TUNER_MAPPING", tuners)
    compat.require_refusal(config)
    tuners["X"] = SimpleNamespace()
    with pytest.raises(compat.Unavailable, match="shared or not"):
        compat.require_refusal(config)
    config.is_prompt_learning = True
    compat.require_refusal(config)


def test_a_trial_that_is_of_no_study(monkeypatch):
    """A fixed trial is given where `train()` knows it, and not run where it knows no such type."""
    pytest.importorskip("optuna")
    assert compat.fixed_trial({"seed": 1}).suggest_int("seed", 0, 3) == 1

    def older(trial):
        raise RuntimeError(f"Unknown type for trial {type(trial)}")

    monkeypatch.setattr("transformers.integrations.integration_utils.hp_params", older)
    with pytest.raises(compat.Unavailable, match="of a study alone"):
        compat.fixed_trial({"seed": 1})


def test_the_kind_of_state_dict(monkeypatch):
    """It is told by the process environment where the arguments do not pass it on."""
    monkeypatch.delenv("FSDP_STATE_DICT_TYPE", raising=False)
    config = {"state_dict_type": "FULL_STATE_DICT"}

    def made(fsdp_config, train_sampling_strategy):
        return SimpleNamespace(fsdp_plugin_args=passed)

    passed = config
    compat.training_arguments(made, {}, fsdp_config=config)
    assert "FSDP_STATE_DICT_TYPE" not in os.environ
    passed = {"fsdp_version": 2}
    compat.training_arguments(made, {}, fsdp_config=config)
    assert os.environ["FSDP_STATE_DICT_TYPE"] == "FULL_STATE_DICT"
    compat.reset_accelerate()
    assert "FSDP_STATE_DICT_TYPE" not in os.environ


def test_what_a_release_does_not_have_yet_is_a_reason():
    """The reason names the release that brings it, and the one that is installed."""
    compat.require_since({"transformers": "4.45", "peft": "0.13"})
    with pytest.raises(compat.Unavailable, match=r"since peft 999.1, and [\d.]+ is installed"):
        compat.require_since({"transformers": "4.45", "peft": "999.1"})
