"""What the first study asks: six texts, six hypotheses stated beforehand, what has been published."""

from discovery.claims import Hypothesis
from discovery.evidence import Published

NORMAL = "sinus rhythm, normal ECG"
LBBB = "sinus rhythm, left bundle branch block"
RBBB = "sinus rhythm, right bundle branch block"
AV_BLOCK = "sinus rhythm, first degree AV block"
FIBRILLATION = "atrial fibrillation"
DENIAL = "sinus rhythm, normal ECG, no left bundle branch block"
TEXTS = (NORMAL, LBBB, RBBB, AV_BLOCK, FIBRILLATION)
IS_NORMAL = f"text == {NORMAL!r}"

RATE = Hypothesis(
    "rate_bpm",
    trend="heart_rate",
    given=("age", "sex", "text"),
    where=f"text != {FIBRILLATION!r}",
    target=1.0,
    smallest=0.05,
    statement="The measured heart rate follows the asked one, 1 bpm for 1 bpm, in sinus rhythm",
)
QT_RR = Hypothesis(
    "qt_ms",
    trend="rr_ms",
    given=("age", "sex"),
    where=IS_NORMAL,
    smallest=0.05,
    direction="+",
    statement="QT lengthens with the RR interval in normal ECGs",
)
QTC_SEX = Hypothesis(
    "qtcf_ms",
    contrast={"sex": ("female", "male")},
    given=("age", "heart_rate"),
    where=IS_NORMAL,
    smallest=5.0,
    direction="+",
    statement="QTc (Fridericia) is longer in women than in men of the same age and heart rate",
)
PR_AGE = Hypothesis(
    "pr_ms",
    trend="age",
    given=("sex", "heart_rate"),
    where=IS_NORMAL,
    smallest=0.1,
    direction="+",
    statement="PR lengthens with age in normal ECGs",
    source="van der Ende et al., Clin Cardiol 2017 (LifeLines): direction only",
)
LBBB_QRS = Hypothesis(
    "qrs_ms",
    contrast={"text": (LBBB, NORMAL)},
    given=("age", "sex", "heart_rate"),
    smallest=20.0,
    direction="+",
    statement="The text 'left bundle branch block' widens QRS against a normal ECG",
    source="AHA/ACCF/HRS recommendations part III, 2009: 120 ms or more defines it",
)
DENIED_QRS = Hypothesis(
    "qrs_ms",
    contrast={"text": (DENIAL, NORMAL)},
    given=("sex", "heart_rate"),
    where="age == 50",
    smallest=5.0,
    control="negative",
    statement="The text 'no left bundle branch block' changes nothing about QRS",
)
HYPOTHESES = (RATE, QT_RR, QTC_SEX, PR_AGE, LBBB_QRS, DENIED_QRS)
PUBLISHED = {
    QT_RR.digest: Published(
        0.154,
        0.152,
        0.156,
        "Sagie et al., Am J Cardiol 1992 (Framingham); range: PLoS ONE 2014, "
        "doi:10.1371/journal.pone.0106947",
    ),
    QTC_SEX.digest: Published(
        14.0,
        11.0,
        14.0,
        "Vicente et al., Am Heart J 2014 (healthy, 18-65 years); lower end: Pinto-Filho et al., "
        "Arq Bras Cardiol 2017 (35-74 years); QT formulas differ",
    ),
}
