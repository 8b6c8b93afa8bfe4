"""Chapter checkpoint: what is written beside the adapter, where, and what it says of its base."""

import os

import peft
import pytest
import torch
import transformers

from conformance import compat
from conformance.judging import changed, empty, equal, identical, note, require
from conformance.marks import clause, crossing, native_in_full
from conformance.running import build, data, saved, trainers
from conformance.running.looking import logits
from conformance.running.tokenizing import numbers
from conformance.scenarios import ALIKE, Injection, Scenario

LONG_AGO = 1e9  # seconds since 1970
BY = 0.1  # how far the values of an adapter are moved: what is not loaded has to show
AXES = {"architecture": ("llama", "bert", "t5"), "injection": tuple(Injection)}
AUTO = {
    "causal-lm": "AutoPeftModelForCausalLM",
    "sequence-classification": "AutoPeftModelForSequenceClassification",
    "seq2seq-lm": "AutoPeftModelForSeq2SeqLM",
}


def _moved(scenario, base):
    """The base with an adapter that is not the one it was injected as."""
    return build.move_adapter(build.inject(scenario, base, seed=1), BY)


def _saved(trainer_class, scenario, model, folder, where, **named):
    trainer = trainers.trainer(trainer_class, scenario, folder, model=model, **named)
    trainer.save_model(*([] if where is None else [str(where)]))


@clause("checkpoint.names-its-base")
@crossing(Scenario(), **AXES)
def test_names_its_base(trainer_class, scenario, folder):
    """A saved adapter of a base with a path loads by its own path alone, base and all, as it was,
    though a tokenizer lies beside it that knows fewer tokens.
    """
    published, where = folder / "base", folder / "adapter"
    build.base_model(scenario).save_pretrained(published)
    automatic = getattr(transformers, scenario.task.auto_class)
    model = _moved(scenario, automatic.from_pretrained(published))
    expected = {"all": logits(model, data.probe(scenario))}
    fewer = numbers(scenario.family.text_config["vocab_size"] - 4)  # than rows are embedded
    _saved(trainer_class, scenario, model, folder, where, **compat.processing(fewer))
    named = peft.PeftConfig.from_pretrained(str(where)).base_model_name_or_path
    equal("base_model_name_or_path", named, str(published))
    loaders = [automatic.from_pretrained]
    if not scenario.native:
        loaders.append(getattr(peft, AUTO[scenario.family.task]).from_pretrained)
    for load in loaders:
        got = {"all": logits(load(str(where)), data.probe(scenario))}
        identical("logits of what was loaded by its path", got, expected)


@clause("checkpoint.names-its-base")
@crossing(Scenario(), **AXES)
def test_names_its_own_base(scenario, folder):
    """It names the base that it is on, though its config was used on another one before."""
    config = build.adapter_config(scenario)
    config.base_model_name_or_path = "another/base"
    base = build.base_model(scenario)
    base.name_or_path = base.config._name_or_path = base.__dict__["name_or_path"] = "its/own-base"
    if scenario.native:
        base.add_adapter(config)
    model = base if scenario.native else peft.get_peft_model(base, config)
    model.save_pretrained(folder)
    named = peft.PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    equal("base_model_name_or_path", named, "its/own-base")


@clause("checkpoint.final-save")
@crossing(Scenario(), **AXES)
def test_saves_where_it_trains(trainer_class, scenario, folder):
    """`save_model()` without a folder writes the adapter to `output_dir`."""
    model = _moved(scenario, build.base_model(scenario))
    _saved(trainer_class, scenario, model, folder, None)
    found = {path.name for path in folder.iterdir()}
    expected = {"adapter_model.safetensors", "adapter_config.json", "training_args.bin"}
    empty("files that are missing", sorted(expected - found))
    empty("files of a full model", sorted(found & {"model.safetensors", "config.json"}))


@clause("checkpoint.processing-class")
@crossing(
    Scenario(save="steps", max_steps=1), architecture=("llama", "bert"), injection=tuple(Injection)
)
def test_processing_class(runs, scenario):
    """The tokenizer given as `processing_class` is in each checkpoint, and reads back as it is."""
    tokenizer = numbers(scenario.family.text_config["vocab_size"])
    _saved_with(tokenizer, runs.again(scenario, trainer_options=compat.processing(tokenizer)))


@clause("checkpoint.processing-class")
@native_in_full(Scenario(architecture="bert", save="steps", max_steps=1))
def test_tokenizer_of_the_collator(runs, scenario):
    """Without a `processing_class` it is the collator's tokenizer that is in each checkpoint."""
    compat.require_since({"transformers": "4.50"})
    tokenizer = numbers(scenario.family.text_config["vocab_size"])
    given = {"data_collator": transformers.DataCollatorWithPadding(tokenizer)}
    _saved_with(tokenizer, runs.again(scenario, trainer_options=given))


def _saved_with(tokenizer, observation):
    require(bool(observation.saves), "checkpoints", 0, "some")
    for save in observation.saves:
        held = "tokenizer_config.json" in save.files
        require(held, f"files of {save.folder.name}", save.files, "a tokenizer's among them")
        loaded = transformers.AutoTokenizer.from_pretrained(str(save.folder))
        equal("its words", loaded.get_vocab(), tokenizer.get_vocab())
        equal("its padding", loaded.pad_token_id, tokenizer.pad_token_id)
        equal("what it makes of a text", loaded("3 5 8").input_ids, [3, 5, 8])


@clause("checkpoint.total-limit")
@native_in_full(Scenario(save="steps", save_total_limit=1))
@pytest.mark.parametrize("own", ["my-checkpoint-1", "notes", "checkpoint-best"])
def test_limit_spares_what_is_no_checkpoint(runs, scenario, folder, own):
    """`save_total_limit` deletes checkpoints alone: a folder of one's own, older than they, stays.

    Where all folders are younger than a second, as in a short training, the rotation goes by their
    names; else by their times, as it does over any real training.
    """
    (folder / own).mkdir()
    os.utime(folder / own, (LONG_AGO, LONG_AGO))
    runs.resume_from(scenario, None, folder).trained()
    last = f"checkpoint-{scenario.steps}"
    left = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != "final")
    equal("folders that are left", left, sorted([own, last]))


@clause("checkpoint.total-limit")
@native_in_full(Scenario(save="steps", save_total_limit=1))
def test_limit_spares_the_newest(runs, scenario, folder):
    """Beside an old checkpoint of a longer training the one that was just written stays."""
    longer = folder / f"checkpoint-{scenario.steps + 90}"
    longer.mkdir()
    os.utime(longer, (LONG_AGO, LONG_AGO))
    runs.resume_from(scenario, None, folder).trained()
    left = sorted(path.name for path in folder.glob("checkpoint-*"))
    equal("checkpoints that are left", left, [f"checkpoint-{scenario.steps}"])


# ---- other configs --------------------------------------------------------------------------

CONFIGS = {  # of which layers of which family: what the config asks for
    "bias-of-b": ("llama", {"lora_bias": True}),
    "embedding": ("llama", {"target_modules": ["embed_tokens", "q_proj"]}),
    "tied-embedding": ("gpt2", {"target_modules": ["wte"], "fan_in_fan_out": False}),
    "two-dimensions": ("vit", {"target_modules": ["projection"]}),
    "head": ("llama", {"target_modules": ["lm_head"]}),
    "patterns": (
        "llama",
        {"rank_pattern": {r"layers\.1\.self_attn\.q_proj": 3}, "alpha_pattern": {"v_proj": 5}},
    ),
    "stabilized-patterns": ("llama", {"rank_pattern": {"v_proj": 2}, "use_rslora": True}),
    "drawn": ("llama", {"init_lora_weights": False}),
    "replicated-layers": ("llama", {"layer_replication": [[0, 2], [1, 2]]}),
    "truncated-base": ("llama", {"kasa_config": {"beta": 1e-4}}),
    "copies-named-in-others": ("t5", {"modules_to_save": ["o", "final_layer_norm"]}),
}


@clause("checkpoint.any-config")
@pytest.mark.parametrize("kind", CONFIGS)
@crossing(Scenario(), injection=tuple(Injection))
def test_any_config(scenario, folder, kind):
    """What the config asks for is written and loads back to exactly the same model."""
    architecture, asked = CONFIGS[kind]
    note(architecture=architecture, lora=repr(asked))
    scenario = scenario.but(architecture=architecture)
    arguments = {**build.adapter_arguments(scenario), **asked}
    config = compat.adapter_config("LoraConfig", "LORA", arguments)
    model, base = build.base_model(scenario), build.base_model(scenario)
    if scenario.native:
        model.add_adapter(config)
    else:
        model = peft.get_peft_model(model, config)
    build.move_adapter(model, BY)
    expected = {"all": logits(model, data.probe(scenario))}
    changed("the adapter", {"all": logits(base, data.probe(scenario))}, expected)
    model.save_pretrained(str(folder))
    identical(
        "logits", {"all": logits(_loaded(scenario, base, folder), data.probe(scenario))}, expected
    )


@clause("checkpoint.named-and-multiple")
@crossing(Scenario(), adapter=("lora", "ia3", "loha", "oft", "trainable-tokens", "vera"))
def test_each_holds_its_own(scenario, folder):
    """Of two adapters of one method each is written with the tensors that a single one has."""
    single, both = build.injected(scenario), build.injected(scenario)
    build.add_inactive(scenario, both, ALIKE)
    single.save_pretrained(folder / "single")
    both.save_pretrained(folder / "both")
    shapes = [
        {name: tuple(t.shape) for name, t in saved.adapter_tensors(folder / where).items()}
        for where in ("single", "both", f"both/{ALIKE}")
    ]
    require(bool(shapes[0]), "tensors", shapes[0], "some")
    equal("tensors of the first adapter", shapes[1], shapes[0])
    equal("tensors of the second", shapes[2], shapes[0])


@clause("checkpoint.named-and-multiple")
@crossing(Scenario(), architecture=("llama", "gpt2"), injection=tuple(Injection))
def test_each_with_its_config(scenario, folder):
    """Each adapter is written with the config that it was made with; of a Transformers model that
    is the active one.
    """
    model = build.injected(scenario)
    build.add_adapter(scenario, model, "second", r=2, lora_alpha=6)
    model.set_adapter("second")
    model.save_pretrained(folder)
    where = saved.adapter_folder(scenario, folder, "second")
    held = peft.PeftConfig.from_pretrained(str(where))
    equal("rank and scale of the second", (held.r, held.lora_alpha), (2, 6))
    rows = {len(t) for n, t in saved.adapter_tensors(where).items() if "lora_A" in n}
    equal("rows of its matrices A", rows, {2})


@clause("checkpoint.resized-embeddings")
@crossing(Scenario(), architecture=("llama", "bert", "t5"))
def test_resized_embeddings(scenario, folder):
    """Embeddings that were resized are written unasked, and loaded onto a base of that size."""
    published, where = folder / "base", folder / "adapter"
    build.base_model(scenario).save_pretrained(published)
    automatic = getattr(transformers, scenario.task.auto_class)
    models = []
    for seed in (1, 2):
        models.append(automatic.from_pretrained(published))
        torch.manual_seed(seed)
        size = scenario.family.text_config["vocab_size"] + 8
        models[-1].resize_token_embeddings(size, mean_resizing=False)
    model = build.inject(scenario, models[0], seed=1)
    build.move_adapter(model, BY)
    model.save_pretrained(str(where))
    rows = [each.get_input_embeddings().weight for each in (model, models[1])]
    changed("new tokens", {"rows": rows[0].detach()}, {"rows": rows[1].detach()})
    loaded = peft.PeftModel.from_pretrained(models[1], str(where))
    got = {"all": logits(loaded, data.probe(scenario))}
    identical("logits", got, {"all": logits(model, data.probe(scenario))})
    found = {"rows": loaded.get_input_embeddings().weight.detach()}
    identical("the embedding", found, {"rows": rows[0].detach()})


def _loaded(scenario, base, folder):
    if not scenario.native:
        return peft.PeftModel.from_pretrained(base, str(folder))
    base.load_adapter(str(folder))
    return base
