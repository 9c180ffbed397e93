"""What the command line says of itself: each verb with an example that runs."""

DESCRIPTION = """\
Knowledge discovery with a generator of 12-lead ECGs.

  generate   ECGs for an age, a sex, a heart rate and a text, as pictures or numbers
  sweep      every ECG of a plan, into a folder; the same command again goes on where it ended
  show       what a sweep's folder holds
  export     a sweep as WFDB records in the layout of PTB-XL, as CSV or NPZ
  measure    PR, QRS, QT and more, of a sweep or of any ECG files
  map        a table of measurements as a UMAP map
  test       hypotheses against a sweep
  report     a sweep as one HTML file
  study      the first study of a generator, from the plan to the report
  calibrate  weights of your own, so that their ECGs measure as records do

`discovery VERB --help` explains each with an example. ECGs that a generator made are marked synthetic:
they suggest hypotheses about the generator, not findings about patients.
"""
EXAMPLES = {
    "generate": """\
example:
  discovery generate --age 63 --sex female --hr 72 --text "sinus rhythm|LBBB" --out ecg.png

Leave out what is not known. The same --seed is the same heart: change one thing, keep the seed, compare.
The ending of --out says the format: .png .svg .pdf (one file per ECG), .html, .npz (all in one), .csv.
""",
    "sweep": """\
example: save as plan.yaml

  base: {heart_rate: 70, text: sinus rhythm}
  factors: {age: [30, 50, 70], sex: [female, male]}
  repeats: 32
  seed: 7

  discovery sweep plan.yaml --out runs/age-sex                says what it would cost, and asks
  discovery sweep plan.yaml --out runs/age-sex --yes          makes it, or goes on after an interruption
  discovery sweep plan.yaml --out runs/age-sex --yes --measure   and measures at the same time

  discovery sweep plan.yaml --out s3://bucket/age-sex --yes      into a bucket (pip install s3fs)

Every cell is asked of the same 32 hearts (seeds). Ends with 0 where every ECG is there; 1 where some cells could
not be made (the others are kept, the causes told), the folder holds another sweep, or it was stopped; 2 where the
plan asks for what cannot be. --hypotheses FILE freezes hypotheses before anything is
made; see `discovery test --help` for how they are written.
""",
    "show": """\
example:
  discovery show runs/age-sex && echo finished
  discovery show runs/age-sex --verify                    reads every byte and checks it

Ends with 0 where every ECG is there, 3 where some are still to be made, 4 where bytes are damaged (the same
`discovery sweep` again repairs both), 1 where the folder holds no sweep.
""",
    "export": """\
example:
  discovery export runs/age-sex --out runs/as-ptbxl                WFDB records in the layout of PTB-XL
  discovery export runs/age-sex --out runs/ecg.npz                 an archive of each chunk
  discovery export runs/age-sex --out runs/ecg.csv --query "age > 60"   a table of each ECG

One seed is one patient in the WFDB layout, so that no fold splits a heart. Each file says that it is synthetic.
""",
    "measure": """\
example:
  discovery measure runs/age-sex --out table.csv          a sweep, one row per ECG
  discovery measure ptb-xl strip.csv --out table.parquet  records: WFDB, PTB-XL, MIMIC-IV-ECG, CSV, NPZ
  discovery measure ptb-xl --workers 2                    the same rows, sooner
  discovery measure strip.npz --draws 8                   with standard errors

Every ECG has a row. What could not be measured is empty, and the column `reasons` says why.
A Parquet table of files also has the times of the beats (r_peaks_s, beat_kept), as training wants them.
""",
    "map": """\
example:
  discovery map table.csv --color text heart_rate qtcf_ms --out map.png

Writes the picture, and the coordinates beside it as map.csv.
""",
    "test": """\
example: save as hypotheses.yaml

  - outcome: qtcf_ms
    contrast: {sex: [female, male]}
    given: [age, heart_rate]
    smallest: 5
    direction: "+"
  - outcome: qt_ms
    trend: rr_ms
    given: [age, sex]
    smallest: 0.05

  discovery test runs/age-sex --hypotheses hypotheses.yaml
  discovery test runs/age-sex                             those frozen when the sweep was made

`smallest` is the smallest effect worth finding, in the outcome's unit. A hypothesis that was not frozen
before the sweep is stamped exploratory.
""",
    "report": """\
example:
  discovery report runs/age-sex                           writes runs/age-sex/report.html
""",
    "study": """\
example:
  discovery study --out runs/first-study                  some minutes on two cores
  discovery study --quick --out runs/look                 a tenth of it, to see that all works

Sweeps age, sex, heart rate and five texts, measures, maps, tests six hypotheses stated beforehand, checks the
instrument on simulated ECGs of known truth, and writes report.html and table.csv.
""",
    "calibrate": """\
example:
  python -m models.training --data ptb-xl --measured table.parquet --out mine.safetensors
  discovery calibrate mine.safetensors ptb-xl --out mine.safetensors

What is measured in a generated ECG is not quite what its heart was drawn with, and less so in some people than in
others: effects of age and sex would be blurred by it. Regresses the logarithms of PR, QRS, QT and T peak to T end on
age, sex, heart rate and statements, in records and in ECGs generated with their conditions, and moves the generator's
means by the difference. Fold 9 and the test fold judge; they are left out. Train first, calibrate last.
""",
}
