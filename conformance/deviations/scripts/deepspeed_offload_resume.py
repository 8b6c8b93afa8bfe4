"""Resumed under ZeRO's optimizer offload, a training goes on with another last bit.

Documented: resume_from_checkpoint, "training will resume from the model/optimizer/scheduler states
loaded here" (https://huggingface.co/docs/transformers/main_classes/trainer#transformers.Trainer.train).

Instead: from the first step after a resume on, adapter weights differ in their last bit from those
of the uninterrupted training.

Why: deepspeed/ops/csrc/includes/cpu_adam.h, IncrementStep multiplies the powers of beta1 and beta2
up in float32, step after step, and computes them by std::pow where the step is not the next one, as
after a resume. The two round differently. torch's AdamW computes them anew in each step.

Runs two processes over gloo on a CPU, which has nothing to do with what is shown: what is offloaded
steps on the CPU wherever the model is. DeepSpeed compiles two extensions at its first start.
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
    "zero_optimization": {"stage": 1, "offload_optimizer": {"device": "cpu"}},
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
        max_steps=6,
        learning_rate=0.01,
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


def rank(folder: str, checkpoint: str = "") -> None:
    training = trainer(folder, deepspeed=DEEPSPEED)
    training.train(resume_from_checkpoint=checkpoint or None)
    trained = {n: p.detach().clone() for n, p in training.model.named_parameters() if "lora_" in n}
    if training.args.process_index == 0:
        torch.save(trained, f"{folder}/resumed.pt" if checkpoint else f"{folder}/full.pt")


def differing(folder: str) -> int:
    full, resumed = (torch.load(f"{folder}/{name}.pt") for name in ("full", "resumed"))
    return sum(not torch.equal(full[name], resumed[name]) for name in full)


if len(sys.argv) > 1:
    rank(*sys.argv[1:])
    sys.exit()
here = importlib.util.find_spec("deepspeed") is not None
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}, "
    f"deepspeed {importlib.metadata.version('deepspeed') if here else 'none'}"
)
print("ZeRO 1, offload_optimizer to the CPU, six steps, resumed after two: tensors that differ")
expected = "0 of 8"
if not here:
    print("not here: deepspeed is not installed")
    got = expected
else:
    with tempfile.TemporaryDirectory() as output_dir:
        launch(output_dir)
        launch(output_dir, f"{output_dir}/checkpoint-2")
        got = f"{differing(output_dir)} of 8"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
