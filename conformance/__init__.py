"""Conformance of ``transformers.Trainer.train()`` with PEFT adapters to its documented contract."""

__version__ = "0.1.0"
