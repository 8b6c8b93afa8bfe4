"""`Recipe`: one way of configuring an adapter, as data.

A recipe is data about a family; `conformance.running.build` turns it into a config object.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .families import Family

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way of configuring an adapter.

    ``arguments`` maps a family to keyword arguments of the config, for LoRA over the plain ones;
    ``trains_base`` says which base parameters this recipe documents as trainable;
    ``name`` is the adapter's name; ``inactive`` are further adapters, loaded and not trained, which
    come after it unless it ``comes_last``;
    ``stochastic`` recipes draw random numbers in their forward pass; ``config`` is the name of the
    config's class in peft: recipes of other methods than LoRA are not ``swept``, nor are those that
    ask for something that not every base has.

    ``method`` is the name in `peft.PeftType`; ``fits`` says which families the method is made for;
    ``native`` is whether `add_adapter` is documented to take it; ``needs`` a distribution that the
    method cannot do without; ``tasks`` the number of tasks whose numbers the batches carry as
    ``task_ids`` (0: they do not); ``allocates`` methods have an ``update_and_allocate`` that the
    training loop is documented to call after every optimizer step; ``experts`` are LoRA adapters
    that must have been trained and saved before; ``condenses`` methods save what inference
    needs and not each trained tensor (the prompt that an encoder computes, the ranks in use);
    ``base_settings`` are the base config's values that the method demands.
    """

    arguments: Callable[[Family], Arguments] = lambda _: {}
    trains_base: Callable[[Family, str], bool] = lambda _, __: False
    name: str = "default"
    inactive: tuple[str, ...] = ()
    comes_last: bool = False
    stochastic: bool = False
    config: str = "LoraConfig"
    swept: bool = True
    method: str = "LORA"
    fits: Callable[[Family], bool] = lambda _: True
    native: bool = True
    needs: str = ""
    tasks: int = 0
    allocates: bool = False
    experts: tuple[str, ...] = ()
    condenses: bool = False
    base_settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def order(self) -> tuple[str, ...]:
        """The names of all adapters, as they are added."""
        return (*self.inactive, self.name) if self.comes_last else (self.name, *self.inactive)

    @property
    def lora(self) -> bool:
        """Whether it is one of the ways of configuring LoRA."""
        return self.config == "LoraConfig"
