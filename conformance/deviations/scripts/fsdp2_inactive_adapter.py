"""Under FSDP 2 a resume does not bring back an adapter that is loaded and not active.

Documented: a training resumes from its checkpoint (Trainer.train, resume_from_checkpoint); a model
may hold several adapters, of which the active one is trained, and a checkpoint has a folder for
each of the others.

Instead: the inactive adapter keeps what it was injected with; in one process it is loaded.

Why: Trainer._load_from_checkpoint leaves all to Accelerate under FSDP. Its load_fsdp_model reads
pytorch_model_fsdp.bin, and _get_model_state_dict had left out of that what is frozen
(ignore_frozen_params), which an inactive adapter is.

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


def prepared_state():
    state = accelerate.PartialState(cpu=True, backend="gloo")
    state._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def trainer(folder: str, inactive: float) -> Trainer:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    model.add_adapter("other", config)
    for name, parameter in model.named_parameters():
        if ".other." in name:
            parameter.data.fill_(inactive)
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_strategy="steps",
        save_steps=1,
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        accelerator_config={"use_configured_state": True},
        fsdp=True,
        fsdp_config={"version": 2},
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Trainer(model, arguments, train_dataset=data)


def rank(folder: str) -> None:
    prepared_state()
    trainer(folder, inactive=0.5).train()
    resumed = trainer(folder, inactive=0.25)
    resumed.train(resume_from_checkpoint=f"{folder}/checkpoint-1")
    held = [p for name, p in resumed.model.named_parameters() if ".other." in name]
    values = {value for p in held for value in p.full_tensor().flatten().tolist()}
    Path(folder, os.environ["RANK"]).write_text(str(sorted(values)))


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
print("FSDP 2, a second adapter all 0.5, injected as 0.25 before the training is resumed")
with tempfile.TemporaryDirectory() as output_dir:
    launch(output_dir)
    files = sorted(path.name for path in Path(output_dir, "checkpoint-1").iterdir())
    got = Path(output_dir, "0").read_text()
expected = "[0.5]"
print(f"in checkpoint-1: {', '.join(files)}")
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
