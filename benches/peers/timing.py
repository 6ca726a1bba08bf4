"""What both comparisons share: the Rust peer as a process, two cores for everyone, timing in turn, and the verdict."""
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEER = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "examples", "peer")
THREADS = 2
WANTED = 0.5
# All thread pools read these when they are loaded. OpenMP's must sleep rather than spin when they wait: where anything
# else runs on the machine, spinning makes PyTorch several times slower.
os.environ.update(OMP_NUM_THREADS=str(THREADS), LP_NUM_THREADS=str(THREADS), RAYON_NUM_THREADS=str(THREADS))
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def pattern(*shape, scale=1.0):
    """Values without denormals, the same as peer.rs makes."""
    i = np.arange(np.prod(shape), dtype=np.int64)
    return ((i * 7919 % 1000).astype(np.float32) / 500 - 1).reshape(shape) * np.float32(scale)


class Peer:
    """peer.rs with these arguments, waiting for lines."""

    def __init__(self, *args):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([PEER, *map(str, args)], stdin=pipe, stdout=pipe, text=True)
        self.name = self._line()

    def _line(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit("the peer has ended; its message is above")
        return line

    def _ask(self, text):
        print(text, file=self.process.stdin, flush=True)
        return self._line()

    def run(self, times=1):
        """Seconds of one run, averaged over `times` in one go."""
        return float(self._ask(times))

    def output(self):
        """What the last run computed, flat, in NCHW."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.f32")
            self._ask(f"out {path}")
            return np.fromfile(path, np.float32)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def agree(ours, theirs, bound=1e-9):
    """Stops where the two outputs differ by more than an NMSE of `bound`; NaN differs."""
    theirs = theirs.astype(np.float64).ravel()
    nmse = ((ours - theirs) ** 2).sum() / (theirs**2).sum()
    if not nmse <= bound:
        raise SystemExit(f"the outputs disagree: NMSE {nmse:.1e}")
    return nmse


def interleave(runs, rounds, warm=2):
    """The seconds of every function in `runs`, in turn; the first rounds do not count."""
    times = [[] for _ in runs]
    for i in range(rounds + warm):
        for run, seconds in zip(runs, times):
            # Threads of the one before may still wait for work, spinning.
            time.sleep(0.05)
            took = run()
            if i >= warm:
                seconds.append(took)
    return times


def clock(f):
    """Seconds that f took."""
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def verdict(rows, unit, show):
    """Prints the table of (name, our times, their times, NMSE); 1 when we are under the wanted part of their speed.

    Two ratios, and both count: the median over the rounds, in each of which the two ran one after the other, and that
    of the fastest runs, which the machine's other work disturbs least.
    """
    head = f"{'medians':34} {'ours':>9} {'theirs':>9} {unit:8}"
    print(f"{head} {'speed ratio (quartiles)':>24} {'of fastest':>11} {'NMSE':>8}")
    slow = False
    for name, ours, theirs, nmse in rows:
        low, ratio, high = statistics.quantiles([t / o for o, t in zip(ours, theirs)], n=4)
        fastest = min(theirs) / min(ours)
        slow |= min(ratio, fastest) < WANTED
        a, b = show(statistics.median(ours)), show(statistics.median(theirs))
        ratios = f"{ratio:.2f} ({low:.2f} to {high:.2f})"
        print(f"{name:34} {a:9.2f} {b:9.2f} {unit:8} {ratios:>24} {fastest:11.2f} {nmse:8.1e}")
    print(f"{'FAILED' if slow else 'passed'}: {WANTED} is wanted")
    return int(slow)
