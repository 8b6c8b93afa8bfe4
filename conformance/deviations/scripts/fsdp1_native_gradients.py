"""Under FSDP 1 with accumulation a base whose adapter was added with add_adapter gets gradients.

Documented: "only adapter parameters accumulate gradients" (Trainer.train() for PEFT), whose example
adds the adapter with model.add_adapter, and FSDP for PEFT models, whose wrapping policy keeps
frozen and trainable parameters apart (https://huggingface.co/docs/transformers/peft#distributed-training).

Instead: between two micro-batches frozen parameters of the base hold gradients.

Why: transformers/trainer.py calls update_fsdp_plugin_peft only `if _is_peft_model(self.model)`. A
Transformers model with an adapter of its own is none, so a decoder layer's frozen and trainable
parameters share one flat parameter, and with it the gradient that FSDP keeps until it synchronizes.

Runs two processes over gloo on a CPU. Accelerate takes FSDP without a GPU for plain data
parallelism unless its state is prepared, and FSDP 1 without a GPU reads memory that it has freed,
which `keep_storage` prevents; neither has to do with what is shown.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}

import accelerate
import peft
import torch
import transformers
from accelerate.utils import DistributedType
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
VERSION, STATE_DICT = 1, "FULL_STATE_DICT"
LLAMA = LlamaConfig(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
)


@contextlib.contextmanager
def keep_storage(_):
    yield


def prepared_state():
    state = accelerate.PartialState(cpu=True, backend="gloo")
    state._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    if VERSION == 1:
        from torch.distributed.fsdp import _flat_param

        state._shared_state["device"] = torch.device("cpu")
        _flat_param.FlatParamHandle.to_cpu = keep_storage


def trainer(folder: str) -> Trainer:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model.add_adapter(config)
    fsdp = {"version": VERSION, "state_dict_type": STATE_DICT}
    if VERSION == 1:
        fsdp |= {"sync_module_states": False, "use_orig_params": True}
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_strategy="no",
        gradient_accumulation_steps=2,
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        accelerator_config={"use_configured_state": True},
        fsdp=True,
        fsdp_config=fsdp,
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Counting(model, arguments, train_dataset=data)


def rank(folder: str) -> None:
    prepared_state()
    trainer(folder).train()


class Counting(Trainer):
    def training_step(self, model, *rest, **named):
        loss = super().training_step(model, *rest, **named)
        held = [
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is not None and "lora_" not in name
        ]
        file = Path(self.args.output_dir) / f"rank-{self.args.process_index}.txt"
        if not file.exists():  # after the first of two micro-batches
            file.write_text(str(len(held)))
        return loss


def launch(folder: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, folder],
            env={**os.environ, **world, "RANK": str(number), "LOCAL_RANK": str(number)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(2)
    ]
    for process in ranks:
        process.wait()


if len(sys.argv) > 1:
    rank(sys.argv[1])
    sys.exit()
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, "
    f"accelerate {accelerate.__version__}, torch {torch.__version__}"
)
print(
    "add_adapter, FSDP 1, two micro-batches a step; base parameters with a gradient after the first"
)
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    texts = [(Path(output_dir) / f"rank-{number}.txt").read_text() for number in range(2)]
    got = f"{max(map(int, texts))} parameters"
expected = "0 parameters"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
