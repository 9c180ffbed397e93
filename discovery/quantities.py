"""Every column of a table of ECGs: label, unit, plausible range, definition, source."""

import difflib
from dataclasses import dataclass

from models.ecg import AGE_LIMITS, HEART_RATE_LIMITS, LEADS


@dataclass(frozen=True)
class Quantity:
    """What one column means.

    Parameters
    ----------
    name : str
        The column.
    label : str
        For axes and tables, without the unit.
    unit : str
        "" for pure numbers, words and yes/no.
    low, high : float
        Values outside are not impossible, but worth a second look; NaN for words.
    definition : str
        How the number is made, in one sentence.
    source : str
        The paper or standard that defines it so, or "here".
    """

    name: str
    label: str
    unit: str
    low: float
    high: float
    definition: str
    source: str

    @property
    def title(self) -> str:
        """Label and unit, as written on an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


IEC = "IEC 60601-2-25; CSE working party 1985 (global intervals)"
HRV = "Task Force of ESC and NASPE, Circulation 1996"
MI4 = "Thygesen et al. 2018 (fourth universal definition)"
AHA4 = "Rautaharju et al., AHA/ACCF/HRS part IV, 2009"
NEUROKIT = "Makowski et al. 2021 (NeuroKit2); Emrich et al. 2024"
NAN = float("nan")

_ASKED = (
    Quantity("age", "age", "years", *AGE_LIMITS, "Age the ECG was asked for, or the patient's.", "here"),
    Quantity("sex", "sex", "", NAN, NAN, "'female' or 'male', asked for or the patient's.", "here"),
    Quantity("heart_rate", "asked heart rate", "bpm", *HEART_RATE_LIMITS,
             "Ventricular rate asked for.", "here"),
    Quantity("text", "report text", "", NAN, NAN, "Clinical text the ECG was asked for.", "here"),
    Quantity("seed", "seed", "", -1, NAN, "Seed of a generated ECG; -1 for a recorded one.", "here"),
)  # fmt: skip

_RHYTHM = (
    Quantity("rate_bpm", "heart rate", "bpm", 30, 200, "60 over the mean RR interval of all beats.", HRV),
    Quantity("rr_ms", "RR interval", "ms", 300, 2000,
             "Mean interval between neighbouring beats of the dominant kind.", HRV),
    Quantity("rr_sd_ms", "RR standard deviation", "ms", 0, 300,
             "Standard deviation of those RR intervals.", HRV),
    Quantity("rmssd_ms", "RMSSD", "ms", 0, 300,
             "Root mean square of the differences between successive RR intervals.", HRV),
    Quantity("rr_cv", "RR variation", "", 0, 0.4,
             "RR standard deviation over mean RR; high in atrial fibrillation.", HRV),
    Quantity("beats", "beats", "", 4, 200,
             "R peaks found in the strip.", "Makowski et al. 2021 (NeuroKit2)"),
    Quantity("beats_used", "beats used", "", 3, 200,
             "Beats of the dominant kind, the median beat among them.", "here"),
    Quantity("beats_removed", "beats removed", "", 0, 50,
             "Beats unlike the dominant kind: ectopic, aberrant or noisy.", "here"),
)  # fmt: skip

_INTERVALS = (
    Quantity("p_present", "P wave present", "", 0, 1,
             "1 where the P wave repeats from beat to beat (score above 0.65), else 0.", "here"),
    Quantity("p_score", "P coherence", "", -1, 1,
             "Median correlation of each beat's P wave with the mean of all others.", "here"),
    Quantity("p_ms", "P duration", "ms", 60, 160, "P onset to P offset over all leads.", IEC),
    Quantity("pr_ms", "PR interval", "ms", 100, 320,
             "P onset to QRS onset over all leads; absent without a P wave.", IEC),
    Quantity("qrs_ms", "QRS duration", "ms", 60, 200, "QRS onset to QRS offset over all leads.", IEC),
    Quantity("qt_ms", "QT interval", "ms", 240, 600, "QRS onset to T offset over all leads.", IEC),
    Quantity("jt_ms", "JT interval", "ms", 180, 480,
             "QT less QRS; compare it instead of QT where QRS is wide.", AHA4),
    Quantity("tpte_ms", "T peak to T end", "ms", 40, 160,
             "Largest T vector to T offset.", "Antzelevitch et al. 1998"),
    Quantity("qtcf_ms", "QTc (Fridericia)", "ms", 340, 520, "QT / RR^(1/3), RR in s.", "Fridericia 1920"),
    Quantity("qtcb_ms", "QTc (Bazett)", "ms", 340, 540,
             "QT / RR^(1/2), RR in s; over-corrects fast rates.", "Bazett 1920"),
    Quantity("qtcfr_ms", "QTc (Framingham)", "ms", 340, 520,
             "QT + 154 (1 - RR), RR in s.", "Sagie et al. 1992"),
    Quantity("qtch_ms", "QTc (Hodges)", "ms", 340, 520,
             "QT + 1.75 (rate - 60), rate = 60 / RR.", "Hodges et al. 1983"),
    Quantity("jtcf_ms", "JTc (Fridericia)", "ms", 240, 420,
             "JT / RR^(1/3), RR in s.", "Fridericia 1920; Rautaharju et al. 2009"),
    Quantity("qtmcf_ms", "QTc for wide QRS (Bogossian, Fridericia)", "ms", 320, 520,
             "(QT - 0.485 QRS) / RR^(1/3); only where QRS is 120 ms or more.", "Bogossian et al. 2014"),
)  # fmt: skip

_AXES = (
    Quantity("p_axis_deg", "P axis", "deg", -180, 180,
             "Frontal direction of the P area, from leads I and aVF.", "Macfarlane and Lawrie 2010"),
    Quantity("qrs_axis_deg", "QRS axis", "deg", -180, 180,
             "Frontal direction of the QRS area, from leads I and aVF.",
             "Surawicz et al., AHA/ACCF/HRS part III, 2009"),
    Quantity("t_axis_deg", "T axis", "deg", -180, 180,
             "Frontal direction of the T area, from leads I and aVF.", "Macfarlane and Lawrie 2010"),
    Quantity("qrst_angle_deg", "frontal QRS-T angle", "deg", 0, 180,
             "Angle between QRS axis and T axis.", "Oehler et al. 2014"),
    Quantity("spatial_qrst_angle_deg", "spatial QRS-T angle", "deg", 0, 180,
             "Angle between the mean QRS and T vectors in the Frank leads.",
             "Kors et al. 1990 (matrix); Kors et al. 2003"),
)  # fmt: skip

_VOLTAGES = (
    Quantity("sokolow_lyon_mv", "Sokolow-Lyon voltage", "mV", 0.3, 5,
             "S in V1 plus the larger R of V5 and V6; 3.5 mV or more suggests hypertrophy.",
             "Sokolow and Lyon 1949"),
    Quantity("cornell_mv", "Cornell voltage", "mV", 0.1, 4,
             "R in aVL plus S in V3; above 2.8 mV (men) or 2.0 mV (women) suggests hypertrophy.",
             "Casale et al. 1987"),
    Quantity("cornell_product_mvms", "Cornell product", "mV ms", 5, 400,
             "Cornell voltage, plus 0.8 mV in women, times QRS duration; above 244 mV ms suggests hypertrophy; "
             "absent where the sex is not known.", "Molloy et al. 1992; Okin et al. 1995"),
    Quantity("r_transition", "R transition", "chest lead", 1, 7,
             "First chest lead whose R exceeds its S; 7 where none does.", "Zema and Kligfield 1979"),
    Quantity("q_inferior", "inferior Q waves", "", 0, 1,
             "1 where two of II, III, aVF begin with a Q of 30 ms and 0.1 mV.", MI4),
    Quantity("q_anterior", "anterior Q waves", "", 0, 1,
             "1 where two of V2, V3, V4 begin with a Q of 30 ms and 0.1 mV.", MI4),
    Quantity("q_lateral", "lateral Q waves", "", 0, 1,
             "1 where two of I, aVL, V5, V6 begin with a Q of 30 ms and 0.1 mV.", MI4),
)  # fmt: skip

_PER_LEAD = {
    "r": ("R amplitude", 0.0, 4.0, "Largest positive value within QRS", "IEC 60601-2-25"),
    "s": ("S amplitude", 0.0, 4.0, "Depth of the lowest value within QRS (Q or S)", "IEC 60601-2-25"),
    "j": ("J level", -0.5, 0.8, "Level at QRS offset", MI4),
    "st": ("ST level", -0.5, 0.8, "Level 60 ms after QRS offset", AHA4),
    "st80": ("ST80 level", -0.5, 0.8, "Level 80 ms after QRS offset", AHA4),
    "t": (
        "T amplitude",
        -1.0,
        1.5,
        "Signed extreme from 20 ms after QRS offset to T offset",
        "IEC 60601-2-25",
    ),
}

_LEADWISE = tuple(
    Quantity(
        f"{prefix}_{lead.lower()}_mv",
        f"{label} {lead}",
        "mV",
        low,
        high,
        f"{text} in {lead}, against the level just before QRS onset.",
        source,
    )
    for prefix, (label, low, high, text, source) in _PER_LEAD.items()
    for lead in LEADS
)

_QUALITY = (
    Quantity("template_r", "template correlation", "", 0.75, 1,
             "Mean correlation of the QRS complexes used with their median.", "here"),
    Quantity("chest_order", "chest-lead disorder", "", 0.4, 1.2,
             "Way from V1 to V6 through QRS and T, over the shortest after two leads are exchanged.", "here"),
    Quantity("einthoven_mv", "limb-lead residual", "mV", 0, 0.05,
             "Largest RMS by which III, aVR, aVL, aVF miss what I and II demand.",
             "Einthoven 1913; Goldberger 1942"),
    Quantity("p_on_ms", "P onset", "ms", -450, -60, "P onset relative to the R peak.", IEC),
    Quantity("p_off_ms", "P offset", "ms", -300, -20, "P offset relative to the R peak.", IEC),
    Quantity("qrs_on_ms", "QRS onset", "ms", -120, -10, "QRS onset relative to the R peak.", IEC),
    Quantity("qrs_off_ms", "QRS offset", "ms", 10, 160, "QRS offset relative to the R peak.", IEC),
    Quantity("t_peak_ms", "T peak", "ms", 80, 500, "Largest T vector relative to the R peak.", "here"),
    Quantity("t_off_ms", "T offset", "ms", 150, 600, "T offset relative to the R peak.", IEC),
    Quantity("pr_se_ms", "PR standard error", "ms", 0, 20,
             "Spread of PR when the beats of the strip are drawn again.", "Efron 1979 (bootstrap)"),
    Quantity("qrs_se_ms", "QRS standard error", "ms", 0, 20,
             "Spread of QRS when the beats of the strip are drawn again.", "Efron 1979 (bootstrap)"),
    Quantity("qt_se_ms", "QT standard error", "ms", 0, 20,
             "Spread of QT when the beats of the strip are drawn again.", "Efron 1979 (bootstrap)"),
    Quantity("nk_pr_ms", "PR by NeuroKit2", "ms", 100, 320,
             "Median over the leads of each lead's own PR, by peak prominence.", NEUROKIT),
    Quantity("nk_qrs_ms", "QRS by NeuroKit2", "ms", 50, 100,
             "Median over the leads of each lead's own QRS, by peak prominence; 100 ms at most.", NEUROKIT),
    Quantity("nk_qt_ms", "QT by NeuroKit2", "ms", 240, 600,
             "Median over the leads of each lead's own QT, by peak prominence.", NEUROKIT),
    Quantity("reasons", "reasons", "", NAN, NAN,
             "Codes of everything wrong or missing, comma-joined; see REASONS.", "here"),
)  # fmt: skip

_GROUPS = (_ASKED, _RHYTHM, _INTERVALS, _AXES, _VOLTAGES, _LEADWISE, _QUALITY)
QUANTITIES: dict[str, Quantity] = {item.name: item for group in _GROUPS for item in group}
ASKED: tuple[str, ...] = tuple(item.name for item in _ASKED)
MEASURED: tuple[str, ...] = tuple(
    name
    for name in QUANTITIES
    if name not in ASKED and name != "reasons" and not name.endswith("_se_ms") and not name.startswith("nk_")
)

# Standard deviation against manual edges, ms, by benchmarks/measurement.py; it comes on top of *_se_ms.
METHOD_SD_MS = {"pr_ms": 11.0, "qrs_ms": 7.0, "qt_ms": 10.0}

REASONS: dict[str, str] = {
    "too_short": "the strip is shorter than 4 s: nothing measured",
    "not_millivolts": "the signal spans more than 30 mV, as if in microvolts: nothing measured",
    "flat": "fewer than four of the eight independent leads move: nothing measured",
    "no_beats": "fewer than two heart beats were found: nothing measured",
    "noise": "the beats found do not resemble each other: nothing measured",
    "missing_samples": "samples are NaN; short gaps were bridged, leads with long ones left out",
    "dead_lead": "a lead does not move; it was left out",
    "clipped": "a lead rests at its own extreme: amplitudes are not to be trusted",
    "leads_disagree": "the limb leads contradict Einthoven's law: leads mixed up, or units differ",
    "few_beats": "fewer than three beats could be averaged",
    "no_dominant_kind": "less than half of the beats are of one kind",
    "ectopics_removed": "some beats are unlike the others and were left out of the median beat",
    "p_absent": "no P wave that repeats from beat to beat: no PR, no P duration",
    "t_p_merged": "the T wave had not ended when the next P wave began: T offset is where the two meet",
    "t_flat": "the T wave is below 0.05 mV in every lead: QT is unsure",
    "wide_qrs": "QRS is 120 ms or more: compare JT rather than QT",
    "paced_like": "spikes like those of a pacemaker were bridged: PR and QRS onset are unsure",
    "p_uncertain": "PR moves by more than 10 ms when the beats are drawn again",
    "limb_reversal": "lead I is upside down while V6 is upright, as with the arm electrodes exchanged",
    "chest_leads_swapped": "V1 to V6 would follow each other better with two of them exchanged",
    "nk_disagrees": "NeuroKit2, lead by lead, finds PR, a narrow QRS or QT 30 ms farther away than it does as a rule",
    "order_violation": "edges came in an impossible order and were withdrawn",
    "at_window_edge": "the T wave may end later than the window of the median beat",
    "refused": "the leads, sampling frequency or length of the record are not those of an ECG: see `refusal`",
}


def quantity(name: str) -> Quantity:
    """What a column means.

    Raises
    ------
    ValueError
        Where there is no such column, with the nearest names.
    """
    if name not in QUANTITIES:
        near = difflib.get_close_matches(str(name).lower(), QUANTITIES, n=3, cutoff=0.5)
        near = near or [known for known in QUANTITIES if known.startswith(str(name).lower())][:3]
        nearest = " or ".join(repr(item) for item in near)
        mend = f"did you mean {nearest}?" if near else "see QUANTITIES for all names"
        raise ValueError(f"name must be a known quantity, got {name!r}: {mend}")
    return QUANTITIES[name]
