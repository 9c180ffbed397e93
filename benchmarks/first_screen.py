"""Makes the README's picture, a generated ECG and the trend it led to: `python benchmarks/first_screen.py`."""

import io
import tempfile
from pathlib import Path

from PIL import Image

from discovery.designs import grid
from discovery.measure import measure
from discovery.plots import plot_ecg, plot_trend
from discovery.sweep import measure_sweep, run_sweep
from models.ecg import Conditions
from models.generator import load_generator

OUT = Path(__file__).parent.parent / "docs" / "first_screen.png"
WIDTH = 1400


def main() -> None:
    """One ECG above, QTc by age and sex of the same hearts below."""
    generator = load_generator("ptbxl")
    patient = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm, normal ECG")
    ecg = generator.generate([patient], [1])
    design = grid(patient, age=range(20, 91, 10), sex=["female", "male"], repeats=16, seed=7)
    with tempfile.TemporaryDirectory() as folder:
        table = measure_sweep(run_sweep(design, generator, folder), measure)
    figures = plot_ecg(ecg, boundaries=measure(ecg)), plot_trend(table, "qtcf_ms", "age", "sex")
    images = [Image.open(io.BytesIO(figure._repr_png_())).convert("RGB") for figure in figures]
    wide = (WIDTH, round(0.62 * WIDTH))
    images = [
        image.resize((width, round(image.height * width / image.width)))
        for image, width in zip(images, wide, strict=True)
    ]
    page = Image.new("RGB", (WIDTH, sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        page.paste(image, ((WIDTH - image.width) // 2, top))
        top += image.height
    OUT.parent.mkdir(exist_ok=True)
    page.save(OUT, optimize=True)
    print(OUT)


if __name__ == "__main__":
    main()
