"""What merging documents: the base's weight plus what the adapter adds, computed by hand.

LoRA adds ``scaling * B @ A`` (Hu et al., arXiv:2106.09685); with rank stabilisation the scaling
divides by the root of the rank (arXiv:2312.03732); DoRA scales every row of the sum to a learned
length (arXiv:2402.09353). All is computed in double precision.

Tolerances: u = 2**-24 is float32's unit of rounding. A product of ``r`` terms is off by at most
``r * u`` times the product of the absolute values (Higham, Accuracy and Stability, section 3.1);
scaling, adding and storing cost one rounding each.
"""

from dataclasses import dataclass
from typing import Any

import torch

from conformance import oracle
from conformance.judging import Tensors, close_tensors, equal, identical, note_most, require
from conformance.running import build
from conformance.scenarios import Scenario

U = 2.0**-24


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged weights, and how far rounding may take each value of them from there.

    ``slack`` is how far from its old value each weight may be after unmerging: adding the delta and
    taking it away again rounds twice, by at most u times the sum and u times the old value; DoRA
    also multiplies by its factor and divides by it. Twice that is allowed. ``copies`` are the
    trained copies of whole modules, which take their originals' places when the adapter's layers
    are unloaded.
    """

    weights: Tensors
    bounds: Tensors
    slack: Tensors
    copies: Tensors

    @classmethod
    def of(cls, scenario: Scenario, base: Tensors, adapter: Tensors) -> "Merged":
        """What merging ``adapter`` into ``base`` has to give."""
        weights, bounds, slack = {}, {}, {}
        for key, down in adapter.items():
            if ".lora_A." not in key:
                continue
            up, length = adapter[key.replace("lora_A", "lora_B")], _magnitude(adapter, key)
            name = build.base_name(key.partition(".lora_A.")[0]) + ".weight"
            turned = scenario.family.fan_in_fan_out
            old = base[name].T.double() if turned else base[name].double()
            new, bound = _added(old, up.double(), down.double(), _scaling(scenario, name, down))
            left = 2 * U * (new.abs() + old.abs())
            if length is not None:
                left = 2 * U * (4 * new.abs() + old.abs())
                new, bound = _rescaled(new, bound, length.double())
            found = (new.T, bound.T, left.T) if turned else (new, bound, left)
            weights[name], bounds[name], slack[name] = found
        return cls(weights, bounds, slack, _copies(adapter))

    def is_in(self, got: Tensors, before: Tensors, unloaded: bool = False) -> None:
        """The base holds the merged weights; all else has the bits it had before."""
        require(bool(self.weights), "merged weights", 0, "some")
        _within("merged weights", got, self.weights, self.bounds)
        replaced = self.copies if unloaded else {}
        kept = {n: t for n, t in before.items() if n not in self.weights and n not in replaced}
        identical("the rest of the base", {n: got[n] for n in kept}, kept)
        for name, copy in replaced.items():
            identical(f"the trained copy of {name}", {name: got[name]}, {name: copy})


def _added(
    old: torch.Tensor, up: torch.Tensor, down: torch.Tensor, scaling: float
) -> tuple[torch.Tensor, torch.Tensor]:
    new = old + scaling * (up @ down)
    sums = abs(scaling) * (up.abs() @ down.abs())
    return new, U * ((down.shape[0] + 3) * sums + 2 * new.abs())


def _rescaled(
    new: torch.Tensor, bound: torch.Tensor, length: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row brought to its learned length; the norm of n values is off by n roundings."""
    norm = new.norm(dim=1, keepdim=True)
    factor = length.reshape(-1, 1) / norm
    relative = U * (new.shape[1] + 6) + bound.norm(dim=1, keepdim=True) / norm
    return factor * new, factor.abs() * bound + relative * (factor * new).abs()


def _scaling(scenario: Scenario, name: str, down: torch.Tensor) -> float:
    arguments = build.adapter_arguments(scenario)
    module = name.removesuffix(".weight").rpartition(".")[2]
    alpha = arguments.get("alpha_pattern", {}).get(module, arguments["lora_alpha"])
    rank = down.shape[0]
    return float(alpha / (rank**0.5 if arguments.get("use_rslora") else rank))


def _magnitude(adapter: Tensors, key: str) -> torch.Tensor | None:
    module = key.partition(".lora_A.")[0]
    found = (t for n, t in adapter.items() if n.startswith(f"{module}.lora_magnitude_vector."))
    return next(found, None)


def _copies(adapter: Tensors) -> dict[str, torch.Tensor]:
    """Trained copies by the base's name of what they were copied from."""
    found = {}
    for key, tensor in adapter.items():
        module, mark, rest = key.partition(".modules_to_save.")
        if mark:
            found[build.base_name(f"{module}.{rest.partition('.')[2]}")] = tensor
    return found


def is_back(got: Tensors, old: Tensors, slack: Tensors) -> None:
    """After unmerging the base is the old one, merged weights but for rounding."""
    _within("weights after unmerging", got, {n: old[n].double() for n in slack}, slack)
    kept = {name: tensor for name, tensor in old.items() if name not in slack}
    identical("the rest of the base", {n: got[n] for n in kept}, kept)


def logits_stay(got: torch.Tensor, expected: torch.Tensor) -> None:
    """The logits are those of before, but for rounding.

    ``W x + B A x`` and ``(W + B A) x`` sum the same terms in another order, as the two sides of a
    gradient do (see `conformance.oracle`), in a forward pass alone.
    """
    close_tensors("logits", {"logits": got}, {"logits": expected}, oracle.GRADIENT)


def is_plain(model: Any, scenario: Scenario) -> None:
    """A model of the base's own class, with the base's parameters and nothing of peft's."""
    base = build.base_model(scenario)
    equal("the merged model's class", type(model).__name__, type(base).__name__)
    names = {name for name, _ in model.named_parameters()}
    equal("its parameters", sorted(names), sorted(name for name, _ in base.named_parameters()))
    foreign = {type(m).__module__ for m in model.modules() if "peft" in type(m).__module__}
    equal("modules of peft in it", foreign, set())


def _within(what: str, got: Tensors, expected: Tensors, bounds: Tensors) -> None:
    """Every value lies within its own bound; notes the largest share of a bound that was used."""
    for name, wanted in expected.items():
        apart = (got[name].double() - wanted).abs()
        share = float((apart / bounds[name].clamp_min(torch.finfo(torch.float32).tiny)).max())
        note_most("share_of_bound", share)
        require(
            share <= 1.0,
            f"{what}: {name}",
            f"off by up to {float(apart.max()):.3g}, {share:.3g} times what rounding explains",
            "within the bound of rounding",
        )
