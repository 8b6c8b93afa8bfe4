"""Chapter injection: where adapters go, what they begin with, what they are in training."""

import re

import pytest
import torch

from conformance import compat
from conformance.checks.injection import adapted
from conformance.judging import empty, equal, identical, require, same_names
from conformance.marks import clause, crossing
from conformance.running import build, data, placing
from conformance.running.build import injected
from conformance.running.looking import logits, trainable
from conformance.scenarios import LORA_RECIPES, Injection, Scenario, core_families, family

AXES = {"architecture": core_families(), "injection": tuple(Injection)}
STACKED = ("llama", "gpt2", "bert", "t5")  # the last one's layers hold numbered ones themselves
SEVERAL = [name for name in core_families() if len(family(name).attention) > 1]
NAMED = [name for name in LORA_RECIPES if name != "default-targets"]  # which has clauses of its own
PASSES = 8
NUMBER = re.compile(r"\.(\d+)\.")  # the first one in a name is the layer's


# ---- where ----------------------------------------------------------------------------------


@clause("injection.left-out")
@crossing(Scenario(), architecture=SEVERAL, injection=tuple(Injection))
def test_exclude_modules(scenario):
    """`exclude_modules` leaves out what it names, by the end of the name or as an expression."""
    everything, (first, *_) = adapted(injected(scenario)), scenario.family.attention
    kept = {name for name in everything if name.rpartition(".")[2] != first}
    require(kept != everything, "modules left out", 0, "some")
    for excluded in ([first], rf".*\.{re.escape(first)}"):
        found = adapted(injected(scenario, exclude_modules=excluded))
        same_names(f"modules with an adapter, without {excluded}", found, kept)


@clause("injection.left-out")
@crossing(Scenario(), architecture=SEVERAL, injection=tuple(Injection))
def test_exclude_modules_as_a_whole(scenario):
    """As an expression it has to match a whole name: one for what holds a target excludes none."""
    everything = adapted(injected(scenario))
    holding = {re.escape(name.rpartition(".")[0]) for name in everything}
    found = adapted(injected(scenario, exclude_modules="|".join(sorted(holding))))
    same_names("modules with an adapter", found, everything)


@clause("injection.left-out")
@crossing(Scenario(), architecture=STACKED, injection=tuple(Injection))
def test_layers_to_transform(scenario):
    """`layers_to_transform` keeps to the layers of these numbers, one or several."""
    everything = adapted(injected(scenario))
    for layers in ([1], 0, [0, 1]):
        chosen = [layers] if isinstance(layers, int) else layers
        expected = {n for n in everything if int(NUMBER.search(n)[1]) in chosen}
        found = adapted(injected(scenario, layers_to_transform=layers))
        same_names(f"modules with an adapter in layers {layers}", found, expected)


@clause("injection.left-out")
@crossing(Scenario(architecture="t5"), injection=tuple(Injection))
def test_layers_pattern(scenario):
    """`layers_pattern` names the list that `layers_to_transform` counts in, the first layer too."""
    everything = adapted(injected(scenario))
    for pattern, number in (("block", 1), ("layer", 1), ("block", 0)):
        expected = {name for name in everything if f"{pattern}.{number}." in name}
        changes = {"layers_to_transform": number, "layers_pattern": pattern}
        found = adapted(injected(scenario, **changes))
        same_names(f"modules with an adapter in {pattern} {number}", found, expected)


# ---- what it begins with --------------------------------------------------------------------


@clause("injection.begins-as-base")
@pytest.mark.parametrize("drawn", [True, "gaussian"])
@crossing(Scenario(), adapter=NAMED, **AXES)
def test_begins_as_base(scenario, drawn):
    """A fresh LoRA adds nothing: B is zero, and the logits are the base's.

    A is drawn uniformly up to one over the root of its inputs, or normally with one over the rank:
    of the hundred values and more of a matrix all below 0.8 of the bound, or a standard deviation
    off by a third, have a chance of 1e-6 at most.
    """
    model, probe = injected(scenario, init_lora_weights=drawn), data.probe(scenario)
    base = {"all": logits(build.base_model(scenario), probe)}
    identical("logits with a fresh adapter", {"all": logits(model, probe)}, base)
    held = {name: p.detach() for name, p in model.named_parameters()}
    empty("B that are not zero", [n for n, t in held.items() if ".lora_B." in n and t.any()])
    for name in (n for n in held if ".lora_A." in n and ".experts." not in n):
        rank, inputs = held[name].shape
        spread = held[name].std() * rank if drawn == "gaussian" else held[name].abs().max()
        least, most = (0.6, 1.4) if drawn == "gaussian" else (0.8, 1.0 + 1e-6)
        share = float(spread) * (1 if drawn == "gaussian" else inputs**0.5)
        require(least < share <= most, f"the spread of {name}", share, f"{least} to {most}")


@clause("injection.begins-as-base")
@crossing(Scenario(adapter="token-indices"), architecture=("gemma", "bart"), injection=Injection)
def test_tokens_begin_as_base(scenario):
    """Trained tokens begin as the base's rows, where an embedding scales these as well."""
    probe = data.probe(scenario)
    got, expected = (
        logits(model, probe) for model in (injected(scenario), build.base_model(scenario))
    )
    identical("logits with fresh tokens", {"all": got}, {"all": expected})


@clause("injection.begins-as-base")
@crossing(Scenario(), **AXES)
def test_begins_at_random(scenario):
    """With `init_lora_weights=False` B is drawn as well: no matrix is zero."""
    model = injected(scenario, init_lora_weights=False)
    held = {n: p for n, p in model.named_parameters() if ".lora_" in n}
    require(bool(held), "matrices", 0, "some")
    empty("matrices that are zero", [name for name, p in held.items() if not p.any()])


# ---- dropout --------------------------------------------------------------------------------


@clause("injection.dropout")
@crossing(Scenario(adapter="lora-dropout"), architecture=("llama", "gpt2"))
def test_dropout_of_each(scenario):
    """Of two that act together each drops from the layer's own input, not the other's rest."""
    model, seen = injected(scenario).train(), {}
    build.add_adapter(scenario, model, "second")
    model.base_model.set_adapter(["default", "second"])
    for name, module in model.named_modules():
        if ".lora_dropout." in name:
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: seen.update({name: inputs[0].detach().clone()})
            )
    model(**placing.batch_for(model, data.probe(scenario)))
    first = {name: values for name, values in seen.items() if name.endswith(".default")}
    require(len(seen) == 2 * len(first) > 0, "inputs", len(seen), "two of each layer")
    second = {name: seen[name.replace(".default", ".second")] for name in first}
    identical("what the second drops from", second, first)


@clause("injection.dropout")
@crossing(Scenario(adapter="lora-dropout"), **AXES)
def test_dropout(scenario):
    """In training a share of `lora_dropout` of what reaches A is zero, the rest grows by as much.

    Of six thousand values and more a share of 0.25 is off by 0.03 with a chance of 1e-7.
    """
    _drops(scenario)


@clause("injection.dropout")
@crossing(Scenario(adapter="lora-dropout", hidden_size=64, wide=True), quantization=("int8", "nf4"))
def test_dropout_over_a_quantized_base(scenario):
    """The same where the base is quantized."""
    _drops(scenario)


def _drops(scenario):
    model, probability = injected(scenario), build.adapter_arguments(scenario)["lora_dropout"]
    for training in (True, False):
        pairs = _around_dropout(model.train(training), data.probe(scenario))
        dropped, whole, rest = 0, 0, 1 / (1 - probability if training else 1)
        for given, got in pairs:
            kept, there = got != 0, given != 0  # padding may be embedded as zeros
            dropped += int((there & ~kept).sum())
            whole += int(there.sum())
            identical("what is kept", {"all": got[kept]}, {"all": (given * rest)[kept]})
        share, wanted = dropped / whole, probability if training else 0.0
        require(abs(share - wanted) < (0.03 if wanted else 1e-9), "share dropped", share, wanted)


def _around_dropout(model, batch):
    """What reaches each adapted layer, and what of it reaches its A."""
    pairs, handles = [], []
    for name, module in list(model.named_modules()):
        if name.endswith("lora_A.default"):
            layer, last = model.get_submodule(name.removesuffix(".lora_A.default")), {}
            before = lambda _, given, last=last: last.update(x=given[0])  # noqa: E731
            inside = lambda _, given, last=last: pairs.append((last["x"], given[0]))  # noqa: E731
            handles += [layer.register_forward_pre_hook(before)]
            handles += [module.register_forward_pre_hook(inside)]
    with torch.no_grad(), placing.forked_generators():
        torch.manual_seed(6)
        for _ in range(PASSES):
            model(**placing.batch_for(model, batch))
    for handle in handles:
        handle.remove()
    require(bool(pairs), "adapted layers", 0, "some")
    return pairs


# ---- how much of it there is ----------------------------------------------------------------


@clause("injection.counts")
@crossing(Scenario(), adapter=NAMED, **AXES)
def test_counts(scenario, capsys):
    """What is reported of trainable and of all parameters is what there is, each counted once."""
    model = injected(scenario)
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    trained, everything = sum(n for n, asks in sizes if asks), sum(n for n, _ in sizes)
    if scenario.native:
        found = model.num_parameters(only_trainable=True), model.num_parameters()
        equal("trainable and all parameters", found, (trained, everything))
        return
    equal("trainable, all", tuple(model.get_nb_trainable_parameters()), (trained, everything))
    capsys.readouterr()
    model.print_trainable_parameters()
    found = re.findall(r": ([\d,]+) ", capsys.readouterr().out)
    shown = [int(number.replace(",", "")) for number in found]
    equal("trainable and all parameters as printed", shown, [trained, everything])


# ---- loaded to go on training ---------------------------------------------------------------


@clause("injection.loaded-to-train")
@crossing(Scenario(), adapter=("lora", "modules-to-save", "rank-pattern"), **AXES)
def test_loaded_to_train(scenario, folder):
    """A saved adapter that is loaded with `is_trainable` asks for the gradients it asked for
    before, with the values saved; without, nothing asks for any.
    """
    _asks_as_it_is_told(scenario, folder)


@clause("injection.loaded-to-train")
@crossing(Scenario(adapter="token-indices"), architecture=core_families())
def test_tokens_loaded_to_train(scenario, folder):
    """The same of single tokens that are trained beside it."""
    _asks_as_it_is_told(scenario, folder)


def _asks_as_it_is_told(scenario, folder):
    model = injected(scenario)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(0.125)
    model.save_pretrained(str(folder))
    before = {n: p.detach() for n, p in trainable(model).items()}
    for to_train in (True, False):
        model = _loaded(scenario, folder, to_train)
        loaded, asking = dict(model.named_parameters()), trainable(model)
        same_names(f"trainable, loaded with {to_train}", asking, before if to_train else [])
        identical("what was loaded", {name: loaded[name].detach() for name in before}, before)


def _loaded(scenario, folder, trainable):
    base = build.base_model(scenario)
    if scenario.native:
        compat.load_adapter(base, folder, trainable)
        return base
    from peft import PeftModel

    return PeftModel.from_pretrained(base, str(folder), is_trainable=trainable)
