"""ECG per second of the bundled generator against DiffuSETS' networks: `python benchmarks/diffusets_speed.py`.

Both run in this process, in turns, on the same threads; the cost of a network does not depend on its weights, so
DiffuSETS' are drawn at random. Of its 1,000 steps a few are timed and multiplied; the decoding is added. Its attention
to the conditions is computed on the values' path alone: the original does more. Times are those that the
processors spent (CPU time), so that whatever else runs here counts little; on a GPU it is the clock's, waiting for the
GPU, and networks run once as they are and once in bfloat16. The ratio is of the medians of the rounds.
The bundled generator makes each ECG by itself on a CPU, whatever the batch: its bits depend on no other ECG.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from statistics import median

import torch

from models.diffusets_nets import LATENT, SCALARS, TEXT_WIDTH, Decoder, UNet
from models.diffusion import TIMES
from models.ecg import Conditions
from models.generator import load_generator

PATIENT = Conditions(50, "female", 70, "sinus rhythm")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generator", default="ptbxl")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="the GPU where there is one")
    parser.add_argument("--threads", type=int, help="of PyTorch; as many as it takes by itself if not said")
    parser.add_argument("--steps", type=int, default=20, help="steps of DiffuSETS to be timed, %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="turns of both, %(default)s")
    parser.add_argument("--batches", type=int, nargs="+", help="ECGs at once; 1 16 64, on a GPU 1 64 512")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    device = chosen.device or ("cuda" if torch.cuda.is_available() else "cpu")
    batches = chosen.batches or ([1, 64, 512] if device == "cuda" else [1, 16, 64])
    bundled = load_generator(chosen.generator, device)
    theirs = Theirs(device, chosen.steps)
    print(
        f"{bundled.name} {bundled.digest} against DiffuSETS' networks, {TIMES} steps ({chosen.steps} timed), on "
        f"{torch.cuda.get_device_name() if device == 'cuda' else f'{torch.get_num_threads()} threads of the CPU'}; "
        f"{'clock' if device == 'cuda' else 'CPU'} time, median of {chosen.rounds} rounds (range)\n"
    )
    print(
        "| ECGs at once | precision | bundled, ms per ECG | DiffuSETS, ms per ECG | ratio | peak GPU memory, MiB |"
    )
    print("|---|---|---|---|---|---|")
    for batch in batches:
        for precision in ("float32", "bfloat16") if device == "cuda" else ("float32",):
            print(row(bundled, theirs, batch, precision, chosen.rounds))


class Theirs:
    """DiffuSETS' U-Net and decoder with random weights."""

    def __init__(self, device: str, steps: int) -> None:
        self.device, self.steps = device, steps
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.unet, self.decoder = (net.eval().to(device) for net in (UNet(), Decoder()))

    @torch.no_grad()
    def seconds(self, batch: int) -> float:
        """Of one ECG of a batch: 1,000 evaluations of the U-Net and one of the decoder."""
        x = torch.zeros(batch, *LATENT, device=self.device)
        t = torch.full((batch,), TIMES // 2, device=self.device)
        condition = torch.zeros(batch, 1, TEXT_WIDTH + SCALARS, device=self.device)

        def walk() -> None:
            for _ in range(self.steps):
                self.unet(x, t, condition)

        step = spent(walk, self.device) / self.steps
        return (step * TIMES + spent(lambda: self.decoder(x), self.device)) / batch


def row(bundled, theirs: Theirs, batch: int, precision: str, rounds: int) -> str:
    """One line of the table."""
    count = batch if theirs.device == "cuda" else min(max(batch, 8), 16)
    asked, device = [PATIENT] * count, theirs.device

    def generate() -> None:
        bundled.generate(asked, range(count))

    half = torch.autocast("cuda", torch.bfloat16) if precision == "bfloat16" else nullcontext()
    with half:
        generate()  # the first call of each prepares
        theirs.seconds(batch)
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        ours, others = zip(
            *((spent(generate, device) / count, theirs.seconds(batch)) for _ in range(rounds)), strict=True
        )
    memory = f"{torch.cuda.max_memory_allocated() / 2**20:.0f}" if device == "cuda" else "-"
    ratio = median(others) / median(ours)
    return f"| {batch} | {precision} | {shown(ours)} | {shown(others)} | {ratio:.0f} | {memory} |"


def spent(work: Callable[[], None], device: str) -> float:
    """Seconds that the work takes: of the processors, or, on a GPU, of the clock until it is done."""
    if device == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def shown(seconds: tuple[float, ...]) -> str:
    """Median and range in milliseconds."""
    least, middle, most = (1000 * value for value in (min(seconds), median(seconds), max(seconds)))
    return f"{middle:.3g} ({least:.3g} to {most:.3g})"


if __name__ == "__main__":
    main()
