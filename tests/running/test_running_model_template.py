"""Copies of base models are whole, and each is its own."""

import copy

import pytest
import torch

from conformance.running import build
from conformance.running.model_template import ModelTemplate
from conformance.scenarios import Scenario, families


@pytest.fixture(params=families())
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    model: torch.nn.Module = build.plain_model(Scenario(architecture=request.param))
    return model


def test_is_what_a_deep_copy_is(model: torch.nn.Module) -> None:
    """The same modules, settings and tensors, tied ones tied, as `copy.deepcopy` gives."""
    deep, copied = copy.deepcopy(model), ModelTemplate(model).copy()
    assert repr(copied) == repr(deep)
    assert copied.config.to_dict() == deep.config.to_dict()
    held = dict(copied.named_parameters(remove_duplicate=False))
    for name, parameter in deep.named_parameters(remove_duplicate=False):
        assert torch.equal(held[name], parameter)
        assert held[name].requires_grad == parameter.requires_grad
    assert [n for n, _ in copied.named_parameters()] == [n for n, _ in deep.named_parameters()]
    buffers = dict(deep.named_buffers())
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in copied.named_buffers())
    assert [m.training for m in copied.modules()] == [m.training for m in deep.modules()]


def test_shares_nothing(model: torch.nn.Module) -> None:
    """What is done to one copy does not show in the model or in another."""
    template = ModelTemplate(model)
    one, other = template.copy(), template.copy()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for tensor in one.state_dict().values():
            tensor.zero_()
    one.config.name_or_path = "changed"
    for held in (model.state_dict(), other.state_dict()):
        assert all(torch.equal(held[name], tensor) for name, tensor in before.items())
    assert "changed" not in (model.config.name_or_path, other.config.name_or_path)
