"""From a scenario to an observation: building, training, watching, and the hand-written oracle.

- what is trained: `build` (base model, adapter, arguments), `trainers`, `model_template`,
  `quantized`, `tasks`, `data`, `tokenizing`, `losses`
- one training, in this process: `single`, and what it saw: `observation`, `failures`; cached by
  scenario and resumed: `runs`; in several processes: `launch`; on a card or not: `placing`
- watching it: `recorder`; reading models: `looking`, `quantization_state`, `adapter_states`;
  reading what lies on disk: `saved`
- the oracle: `reference` is the training loop, with `optimizers`, `schedules`, `dequantizing`
- other ways to train: `lifecycle` (one model's adapters come and go), `searching` (trials that
  share a Trainer), `recipes` (the documentation's examples)
- what goes wrong, on purpose: `damage` (files), `full_disk`, `small_disk`, `permissions`,
  `poisoned` (losses); further callbacks of single tests: `hooks`, `scaling` (of losses),
  `measuring`
- kept of other releases, under ``fixtures/``: `artefacts` (checkpoints), `kept_methods` (adapters)
"""
