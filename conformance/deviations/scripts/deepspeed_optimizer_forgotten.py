"""A checkpoint that DeepSpeed wrote resumes without it, from an empty optimizer and without a word.

Documented: resume_from_checkpoint, "training will resume from the model/optimizer/scheduler states
loaded here" (https://huggingface.co/docs/transformers/main_classes/trainer#transformers.Trainer.train).

Instead: the adapter and the schedule are taken from the checkpoint, and Adam's moments are not.

Why: transformers/trainer.py, _load_optimizer_and_scheduler returns quietly where optimizer.pt is
missing. DeepSpeed's shards, in which the moments are, lie in a folder beside it.

Runs two processes over gloo on a CPU, which has nothing to do with what is shown. DeepSpeed
compiles a small extension at its first start.
"""

import importlib.metadata
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import warnings

os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
LLAMA = LlamaConfig(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
)
DEEPSPEED = {
    "zero_optimization": {"stage": 1},
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_clipping": "auto",
}


def trainer(folder: str, **more) -> Trainer:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        logging_steps=1,
        save_strategy="steps",
        save_steps=1,
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        **more,
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Trainer(peft.get_peft_model(model, config), arguments, train_dataset=data)


def launch(*arguments: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    world |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, *arguments],
            env={**os.environ, **world, "RANK": str(number), "LOCAL_RANK": str(number)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(2)
    ]
    for process in ranks:
        process.wait()


class Look(transformers.TrainerCallback):
    """Tells how many parameters the optimizer has moments of when training begins."""

    found = -1

    def on_train_begin(self, args, state, control, **seen):
        self.found = len(seen["optimizer"].state_dict()["state"])


def moments(folder: str) -> int:
    look, resumed = Look(), trainer(folder)
    resumed.add_callback(look)
    resumed.train(resume_from_checkpoint=f"{folder}/checkpoint-1")
    return look.found


if len(sys.argv) > 1:
    trainer(sys.argv[1], deepspeed=DEEPSPEED).train()
    sys.exit()
here = importlib.util.find_spec("deepspeed") is not None
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}, "
    f"deepspeed {importlib.metadata.version('deepspeed') if here else 'none'}"
)
print("ZeRO 1 in two processes, resumed in one: parameters with moments")
expected = "8, or an error"
if not here:
    print("not here: deepspeed is not installed")
    got = expected
else:
    with tempfile.TemporaryDirectory() as output_dir:
        launch(output_dir)
        try:
            found = moments(output_dir)
            got = str(found) if found == 0 else expected
        except Exception:
            got = expected
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
