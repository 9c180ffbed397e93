"""The shapes of the simulator: waves of a healthy heart, and what each SCP-ECG statement does to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from models.vectorcardiogram import Lobe, Wave

P_WAVE: Wave = (
    Lobe(0.0, 0.70, (0.05, 0.10, -0.05), 0.5, 1.4, 1.4),  # right atrium: forwards and down
    Lobe(0.28, 1.0, (0.07, 0.07, 0.06), 0.5, 1.4, 1.4),  # left atrium: backwards and left
)
QRS: Wave = (
    Lobe(0.0, 0.42, (-0.12, -0.05, -0.30)),  # septum, left to right
    Lobe(0.10, 0.62, (0.75, 0.65, -0.35)),  # apex
    Lobe(0.28, 0.85, (0.65, 0.35, 0.75)),  # free wall
    Lobe(0.58, 1.0, (-0.15, -0.28, 0.35)),  # base
)
T_VECTOR = (0.31, 0.19, -0.15)

LBBB: Wave = (
    Lobe(0.0, 0.32, (0.30, 0.18, -0.22)),
    Lobe(0.05, 0.60, (0.80, 0.28, 1.00)),
    Lobe(0.36, 1.0, (0.85, 0.20, 1.20), 0.44),
)
RBBB: Wave = (
    Lobe(0.0, 0.27, (-0.12, -0.05, -0.32)),
    Lobe(0.06, 0.40, (0.70, 0.60, -0.30)),
    Lobe(0.17, 0.56, (0.65, 0.35, 0.50)),
    Lobe(0.46, 1.0, (-0.50, -0.05, -0.52), 0.40),
)
INCOMPLETE_RBBB: Wave = (*QRS[:3], Lobe(0.55, 1.0, (-0.30, -0.12, -0.22)))
LAFB: Wave = (
    Lobe(0.0, 0.35, (-0.14, 0.32, -0.16)),
    Lobe(0.14, 0.68, (0.75, -0.55, -0.15)),
    Lobe(0.34, 0.90, (0.55, -0.50, 0.75)),
    Lobe(0.62, 1.0, (-0.10, -0.25, 0.35)),
)
LPFB: Wave = (
    Lobe(0.0, 0.35, (0.28, -0.26, -0.18)),
    Lobe(0.14, 0.68, (0.10, 0.90, -0.20)),
    Lobe(0.34, 0.90, (-0.15, 0.80, 0.65)),
    Lobe(0.62, 1.0, (-0.20, 0.10, 0.30)),
)
RVH: Wave = (
    Lobe(0.0, 0.42, (-0.10, -0.05, -0.35)),
    Lobe(0.12, 0.66, (0.10, 0.60, -0.70)),
    Lobe(0.32, 1.0, (-0.55, 0.35, -0.10)),
)
DELTA: Wave = (
    Lobe(0.0, 0.62, (0.50, 0.16, -0.18), 0.80),
    *(Lobe(0.25 + 0.75 * lobe.start, 0.25 + 0.75 * lobe.end, lobe.vector) for lobe in QRS[1:]),
)


@dataclass(frozen=True)
class Form:
    """What a statement does to a heart.

    Parameters
    ----------
    shifts : mapping of str to float
        Added to the outcomes of `models.hearts`.
    qrs : tuple of Lobe or None
        Another QRS.
    initial : tuple of Lobe
        Lobes added to the QRS, as an infarct's Q waves.
    t_vector : tuple of float or None
        Another T wave, (x, y, z), mV.
    st_vector : tuple of float
        Displacement of the ST segment, (x, y, z), mV.
    """

    shifts: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    qrs: Wave | None = None
    initial: Wave = ()
    t_vector: tuple[float, float, float] | None = None
    st_vector: tuple[float, float, float] = (0.0, 0.0, 0.0)


_LATERAL_ST = (-0.14, -0.08, 0.02)
_LATERAL_T = (-0.28, -0.06, -0.10)
_INFERIOR_T = (0.30, -0.22, -0.15)
_ANTERIOR_T = (0.15, 0.15, 0.28)
_INFERIOR_Q = (Lobe(0.0, 0.46, (0.12, -0.62, 0.05)),)
_SEPTAL_Q = (Lobe(0.0, 0.55, (0.10, 0.05, 0.62)),)
_LATERAL_Q = (Lobe(0.0, 0.45, (-0.62, 0.05, 0.05)),)

# Where several statements give a QRS or a T wave, the first in this table has its way.
FORMS: dict[str, Form] = {
    "NORM": Form(),
    "SR": Form(),
    "SBRAD": Form(),
    "STACH": Form(),
    "SARRH": Form(),
    "AFIB": Form(),
    "AFLT": Form(),
    "PVC": Form(),
    "PAC": Form(),
    "BIGU": Form(),
    "TRIGU": Form(),
    "CLBBB": Form(
        {"qrs_ms": 55, "qt_ms": 35, "qrs_axis_deg": -25},
        LBBB,
        (),
        (-0.42, -0.12, -0.45),
        (-0.12, -0.03, -0.14),
    ),
    "CRBBB": Form({"qrs_ms": 48, "qt_ms": 25, "qrs_axis_deg": 0}, RBBB, (), (0.42, 0.24, 0.12)),
    "WPW": Form(
        {"pr_ms": -62, "qrs_ms": 40, "qt_ms": 20}, DELTA, (), (-0.15, 0.05, -0.20), (-0.05, -0.03, -0.02)
    ),
    "LAFB": Form({"qrs_ms": 8, "qrs_axis_deg": -92}, LAFB),
    "LPFB": Form({"qrs_ms": 8, "qrs_axis_deg": 75}, LPFB),
    "RVH": Form({"qrs_ms": 4, "qrs_axis_deg": 85}, RVH, (), (0.30, -0.10, 0.22)),
    "IRBBB": Form({"qrs_ms": 18}, INCOMPLETE_RBBB),
    "ILBBB": Form({"qrs_ms": 22, "qrs_axis_deg": -10}, LBBB),
    "IVCD": Form({"qrs_ms": 30, "qt_ms": 15}),
    "1AVB": Form({"pr_ms": 78}),
    "LPR": Form({"pr_ms": 70}),
    "LVH": Form(
        {"qrs_ms": 6, "qrs_gain": 0.6, "qrs_axis_deg": -12},
        None,
        (),
        (-0.25, -0.02, -0.35),
        (-0.09, -0.03, -0.05),
    ),
    "VCLVH": Form({"qrs_gain": 0.7}),
    "HVOLT": Form({"qrs_gain": 0.6}),
    "LVOLT": Form({"qrs_gain": -0.62}),
    "LAO/LAE": Form({"p_ms": 22}),
    "LNGQT": Form({"qt_ms": 70}),
    "IMI": Form({"qrs_ms": 4}, None, _INFERIOR_Q, _INFERIOR_T),
    "ASMI": Form({"qrs_ms": 4}, None, _SEPTAL_Q, _ANTERIOR_T),
    "AMI": Form({"qrs_ms": 4}, None, _SEPTAL_Q, _ANTERIOR_T),
    "ALMI": Form({"qrs_ms": 4}, None, (*_SEPTAL_Q, *_LATERAL_Q), _LATERAL_T),
    "LMI": Form({"qrs_ms": 4}, None, _LATERAL_Q, _LATERAL_T),
    "ILMI": Form({"qrs_ms": 4}, None, (*_INFERIOR_Q, *_LATERAL_Q), (-0.15, -0.20, -0.15)),
    "INVT": Form({}, None, (), (-0.30, -0.12, 0.15)),
    "ISC_": Form({}, None, (), _LATERAL_T, _LATERAL_ST),
    "ISCAL": Form({}, None, (), (-0.25, -0.03, 0.15), _LATERAL_ST),
    "ISCLA": Form({}, None, (), _LATERAL_T, _LATERAL_ST),
    "ISCIN": Form({}, None, (), _INFERIOR_T, (0.03, -0.15, 0.0)),
    "ISCIL": Form({}, None, (), (-0.20, -0.20, -0.10), (-0.10, -0.12, 0.0)),
    "ISCAS": Form({}, None, (), _ANTERIOR_T, (0.0, 0.0, 0.12)),
    "ISCAN": Form({}, None, (), _ANTERIOR_T, (-0.03, 0.0, 0.12)),
    "STD_": Form({}, None, (), None, _LATERAL_ST),
    "STE_": Form({}, None, (), None, (0.08, 0.08, -0.18)),
    "LOWT": Form({"t_gain": -0.75}),
    "NT_": Form({"t_gain": -0.6}),
    "NDT": Form({"t_gain": -0.55}),
    "TAB_": Form({"t_gain": -0.6}),
}
