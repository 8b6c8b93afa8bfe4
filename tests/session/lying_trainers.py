"""Trainers that lie in one documented way each, to see what the harness makes of them."""

import ctypes
import locale
import os
import random
import signal
import tempfile
import time

import torch
from transformers import Trainer

from conformance.subjects import Difference, Subject


class Honest(Trainer):
    """Changes nothing: what a subclass of one's own looks like."""


class Hanging(Trainer):
    """Never comes back from training."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        while True:
            time.sleep(0.1)


class Deaf(Trainer):
    """Never comes back, and lets no signal through, as native code that hangs."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(3600)


class Killed(Trainer):
    """Takes its interpreter with it, as the kernel does when memory is short."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        os.kill(os.getpid(), signal.SIGKILL)


class Faulting(Trainer):
    """Takes its interpreter with it, as native code that reads where nothing is."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        ctypes.string_at(0)


class Exiting(Trainer):
    """Ends its interpreter, and says that all is well."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        os._exit(0)


class Forking(Trainer):
    """Comes back twice, once of them in a process that it forked."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        os.fork()
        return super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)


class Hungry(Trainer):
    """Takes ever more memory."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        taken = []
        while len(taken) < 4096:
            taken.append(b"x" * 2**20)
            time.sleep(0.001)


class Rude(Trainer):
    """Trains as documented, prints without end, and turns the process upside down."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        output = super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)
        for _ in range(1024):
            os.write(1, b"x" * 2**20)
            os.write(2, b"y" * 2**10)
        with tempfile.TemporaryDirectory() as gone:
            os.chdir(gone)
        locale.setlocale(locale.LC_ALL, "C")
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        random.seed(0)
        torch.manual_seed(0)
        return output


class Leaky(Trainer):
    """Fails, and tells everybody what the environment holds."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        address, token = os.environ["PIP_INDEX_URL"], os.environ["HF_TOKEN"]
        raise OSError(f"401 for {address} with the token {token}\n\x1b[2J[bold]::error::%0A")


class Idle(Trainer):
    """Says that it trained, and did nothing."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        from transformers.trainer_utils import TrainOutput

        return TrainOutput(self.args.max_steps, 1.0, {"epoch": 1.0})


class Talkative(Trainer):
    """Takes a parameter more than documented."""

    def train(
        self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None, verbose=False
    ):
        return super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)


class Frank(Talkative):
    """Does the same, and declares it."""

    conformance_subject = Subject(
        trainer="lying_trainers:Frank",
        differences=(
            Difference(
                "train() can be verbose",
                ("signature.train-parameters",),
                symptom="^Violation: the parameters of train",
            ),
        ),
    )


class Moody(Trainer):
    """Takes a step too few where it is not UTC."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        output = super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)
        late = os.environ.get("TZ") != "UTC"
        return output._replace(global_step=output.global_step - 1) if late else output


class Alone(Trainer):
    """Trains for itself where several processes should train together."""

    def train(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None):
        output = super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)
        self.model_wrapped = self.model
        return output


class NotATrainer:
    """No subclass of the Trainer."""
