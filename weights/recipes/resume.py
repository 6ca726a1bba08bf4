"""What the trainings of the latent systems share: a loop over the allotted time that goes on after an interruption, a falling
learning rate, an average of the weights. The time counted is the processor's, as the machine may be busy with other things."""
import os
import signal
import time

import numpy as np
import torch


def add_arguments(p, batch, lr):
    """The flags of a training, with defaults for what differs."""
    p.add_argument("--state", help="checkpoint file; FOLDER.state.pt when not given")
    p.add_argument("--batch", type=int, default=batch)
    p.add_argument("--lr", type=float, default=lr, help="highest learning rate; it falls to nothing along a half cosine")
    p.add_argument("--minutes", type=float, default=30, help="processor time of the training, over all interruptions")
    p.add_argument("--steps", type=int, default=0, help="train this many steps instead of --minutes")
    p.add_argument("--save", type=float, default=3, help="minutes between checkpoints")
    p.add_argument("--bf16", action="store_true", help="compute the network in bfloat16")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=0)


class Average:
    """An exponential average of a model's state, with a warm-up."""

    def __init__(self, model, decay):
        self.model, self.decay, self.count = model, decay, 0
        self.values = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self):
        """Takes the model's present state in; what are no floats, as counters, is copied."""
        self.count += 1
        rate = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        for key, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.values[key].lerp_(value, rate)
            else:
                self.values[key].copy_(value)

    def state_dict(self):
        """What a checkpoint holds."""
        return {"values": self.values, "count": self.count}

    def load_state_dict(self, state):
        """Goes on from a checkpoint."""
        self.values, self.count = state["values"], state["count"]


class Run:
    """The steps of one training: `for step, rng in run:`, with `run.learn(loss, name=value ...)` once in each. SIGTERM ends it
    after a checkpoint.

    `parts` are what a checkpoint holds: the networks, the optimiser, averages. `write` is called after each checkpoint.
    """

    def __init__(self, args, folder, model, parts, write, betas=(0.9, 0.99)):
        self.args, self.write, self.model = args, write, model
        self.path = args.state or os.path.normpath(folder) + ".state.pt"
        self.optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=args.lr, weight_decay=1e-4,
                                           betas=betas)
        self.parts = {"model": model, "optimizer": self.optimizer} | parts
        self.step, self.elapsed, self.notes = 0, 0.0, {}
        if os.path.exists(self.path):
            saved = torch.load(self.path, weights_only=True)
            for name, part in self.parts.items():
                part.load_state_dict(saved[name])
            self.step, self.elapsed = saved["step"], saved["elapsed"]
        self.stopped = False
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopped", True))
        count = sum(p.numel() for p in model.parameters())
        print(f"{count:,} parameters, from step {self.step}", flush=True)

    def progress(self):
        """The share of the training that is done."""
        return self.step / self.args.steps if self.args.steps else self.elapsed / (60 * self.args.minutes)

    def __iter__(self):
        rng = np.random.default_rng([self.args.seed, self.step])
        torch.manual_seed(self.args.seed + self.step)
        last, saved_at, shown_at = time.process_time(), time.time(), time.time()
        while self.progress() < 1 and not self.stopped:
            fall = 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * self.progress()))
            for group in self.optimizer.param_groups:
                group["lr"] = float(self.args.lr * min(1, (self.step + 1) / 100) * fall)
            yield self.step, rng
            self.step += 1
            now = time.process_time()
            self.elapsed, last = self.elapsed + now - last, now
            if time.time() - shown_at > 20:
                said = " ".join(f"{k} {np.mean(v):.5f}" for k, v in self.notes.items())
                pace = self.elapsed / self.step
                left = (self.args.steps - self.step) * pace if self.args.steps else 60 * self.args.minutes - self.elapsed
                print(f"step {self.step} {said} {pace:.3f} s/step, {left / 60:.1f} min of processor time left", flush=True)
                shown_at, self.notes = time.time(), {}
            if time.time() - saved_at > 60 * self.args.save:
                self.checkpoint()
                saved_at, last = time.time(), time.process_time()
        self.checkpoint()
        print(f"{'stopped' if self.stopped else 'done'}: step {self.step}, {self.elapsed / 60:.1f} min", flush=True)
        if self.stopped:
            raise SystemExit(1)

    def learn(self, loss, **notes):
        """One step of the optimiser down the gradient of `loss`; the other values are printed now and then."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        for key, value in ({"loss": loss} | notes).items():
            self.notes.setdefault(key, []).append(float(value.detach() if torch.is_tensor(value) else value))

    def checkpoint(self):
        """Saves the state under a temporary name, renames it, and writes the model."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
        torch.save(state | {"step": self.step, "elapsed": self.elapsed}, self.path + ".part")
        os.replace(self.path + ".part", self.path)
        self.write()
