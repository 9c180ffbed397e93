"""What the bundled generator must reach and is meant to reach; the one place where these numbers stand."""

from discovery.benchmark import Goal

RATIOS = ("pr_ms", "qrs_ms", "qt_ms", "qtcf_ms", "qrs_axis_deg", "sokolow_lyon_mv", "t_v5_mv")
"""Measured quantities whose distance to records is bounded (T amplitude: lead V5)."""

GOALS = (
    Goal("heart rate, sinus rhythm: mean absolute error", "at most", 1.0, 0.5),
    Goal("heart rate, sinus rhythm: within 5 bpm", "at least", 0.98, 0.995),
    Goal("heart rate, worst of 45, 60, 75, 110, 150 bpm: mean absolute error", "at most", 2.0, 1.0),
    Goal("heart rate, worst of 45, 60, 75, 110, 150 bpm: within 5 bpm", "at least", 0.95, 0.99),
    Goal("limb-lead identities: largest residual", "at most", 1e-5, 1e-5),  # float32's rounding of some mV
    *(Goal(f"{name}: distance over records' own", "at most", 1.5, 1.15) for name in RATIOS),
    *(
        Goal(f"{text} text: {sign}, over records'", "at least", must, goal)
        for text, sign, must, goal in (
            ("LBBB", "QRS 120 ms or more", 0.92, 0.98),
            ("RBBB", "QRS 120 ms or more", 0.92, 0.98),
            ("first-degree AV block", "PR above 200 ms", 0.92, 0.98),
            ("AF", "no coherent P and RR variation above 0.10", 0.95, 0.98),
            ("LAFB", "QRS axis below -30 degrees", 0.9, 0.98),
        )
    ),
    Goal("sinus text: P coherent", "at least", 0.97, 0.99),
    Goal("sinus bradycardia text, no rate asked: below 60 bpm", "at least", 0.9, 0.97),
    Goal("sinus tachycardia text, no rate asked: above 100 bpm", "at least", 0.9, 0.97),
    Goal("inferior infarct text: inferior Q, odds ratio over records'", "at least", 0.5, 0.9),
    Goal("anterior infarct text: anterior Q, odds ratio over records'", "at least", 0.5, 0.9),
    Goal("beat similarity within a strip", "at least", 0.99, 0.995),
    Goal("two-sample test, boosted trees on signal features: AUC", "at most", 0.85, 0.65),
    Goal("two-sample test, network on strips: AUC", "at most", 0.85, 0.65),
    Goal("statement classifier: macro AUROC, generated less recorded", "at least", -0.05, -0.01),
    Goal("train on synthetic, test on real: AUROC over train on real", "at least", 0.92, 0.96),
    Goal("train on real and synthetic, test on real: AUROC less train on real", "at least", 0.0, 0.002),
    Goal("effects in normal ECGs: sign as in records", "at least", 1.0, 1.0),
    Goal("effects in normal ECGs: size within the records' interval", "at least", 0.5, 1.0),
    Goal("copies by the ratio test, median beats", "at most", 0, 0),
    Goal("copies by the ratio test, autoencoder", "at most", 0, 0),
    Goal(
        "nearest training record, median beats: distance over held-out records'",
        "within",
        (0.9, 1.1),
        (0.97, 1.03),
    ),
    Goal(
        "nearest training record, autoencoder: distance over held-out records'",
        "within",
        (0.9, 1.1),
        (0.97, 1.03),
    ),
    *(
        Goal(f"same heart, {change}: {name}, median absolute change", "at most", None, 3.0)
        for change, name in (
            ("sinus to first-degree AV block", "QRS"),
            ("sinus to first-degree AV block", "QT"),
        )
    ),
    Goal("one ECG, one thread: CPU time", "at most", 0.5, 0.1),
    Goal("batch: ECG per second over DiffuSETS' networks with 1,000 steps", "at least", 60, 200),
)
