"""The names that peft gives an adapter's tensors in a file, with the values they have now."""

from collections.abc import Iterable
from typing import Any

import torch

from .launch.wrappers import whole
from .observation import Tensors

Named = dict[str, dict[str, torch.Tensor]]


class AdapterStates:
    """Copies of what peft says belongs to each adapter of ``model``, as often as it is called.

    peft is asked once where all that it names are tensors of the model as they are: these are then
    copied, in a fifth of the time, for as long as the model keeps its parameters and its adapters
    their configs (AdaLoRA writes into its own which ranks are left, and peft then cuts tensors to
    them). Where it computes something, it is asked each time.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._names: Named | None = None
        self._of: tuple[Any, ...] = ()

    def __call__(self) -> dict[str, Tensors]:
        """Each adapter's name to its tensors as they are now."""
        held = [*self.model.parameters(), *self.model.buffers()]
        configs = {name: config.to_dict() for name, config in self.model.peft_config.items()}
        of = [id(tensor) for tensor in held], configs
        if self._names is None or self._of != of:
            told = _told(self.model)
            self._names, self._of = _places(told, held), of
            return _copied(told)
        return _copied(self._names)


def adapter_state_dicts(model: Any, state: Tensors | None = None) -> dict[str, Tensors]:
    """What peft says belongs to each of the model's adapters, copied.

    ``state`` are the tensors to name; the model's own unless given.
    """
    return _copied(_told(model, state))


def _told(model: Any, state: Tensors | None = None) -> Named:
    from peft import get_peft_model_state_dict

    return {
        name: get_peft_model_state_dict(model, state_dict=state, adapter_name=name)
        for name in model.peft_config
    }


def _copied(named: Named) -> dict[str, Tensors]:
    return {name: {key: whole(tensor) for key, tensor in of.items()} for name, of in named.items()}


def _places(named: Named, held: Iterable[torch.Tensor]) -> Named | None:
    """The model's own tensors under peft's names; none unless all of them are."""
    own = {_place(tensor): tensor.detach() for tensor in held}
    if all(_place(tensor) in own for of in named.values() for tensor in of.values()):
        return {
            name: {key: own[_place(tensor)] for key, tensor in of.items()}
            for name, of in named.items()
        }
    return None


def _place(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
