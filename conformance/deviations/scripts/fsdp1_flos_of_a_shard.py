"""Under FSDP 1 `total_flos` counts a rank's share of the parameters in place of all of them.

Documented: TrainerState.total_flos is the total number of floating operations done by the model
since the beginning of training, six for each token and parameter.

Instead: with w processes it is about the w-th part, and the more cards, the less a training seems
to have cost. Under DDP and FSDP 2 it is whole.

Why: PreTrainedModel.num_parameters, which the tokens of each batch are multiplied by, counts the
elements of the model's parameters, and what FSDP 1 has sharded are views of the rank's own part.

Runs two processes over gloo on a CPU. Accelerate takes FSDP without a GPU for plain data
parallelism unless its state is prepared, which has nothing to do with what is shown.
"""

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
LLAMA = LlamaConfig(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
)
SHARDED = {
    "accelerator_config": {"use_configured_state": True},
    "fsdp": True,
    "fsdp_config": {"version": 1, "use_orig_params": True, "sync_module_states": False},
}


def prepared_state():
    state = accelerate.PartialState(cpu=True, backend="gloo")
    state._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    state._shared_state["device"] = torch.device("cpu")


def operations(folder: str, batch: int, **launched) -> float:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    rows = torch.randint(3, 64, (4, 8))
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        save_strategy="no",
        per_device_train_batch_size=batch,
        use_cpu=True,
        report_to=[],
        **launched,
    )
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.train()
    return trainer.state.total_flos


def rank(folder: str) -> None:
    prepared_state()
    Path(folder, os.environ["RANK"]).write_text(f"{operations(folder, batch=2, **SHARDED):.0f}")


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
print("total_flos of four examples, in two processes under FSDP 1 and in one")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    got = Path(output_dir, "0").read_text()
    expected = f"{operations(output_dir, batch=4):.0f}"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
