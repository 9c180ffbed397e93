"""The walls of the heart: their names, and the SCP-ECG codes of infarct, ischaemia and injury in each."""

from typing import NamedTuple


class Wall(NamedTuple):
    """One wall: its names, and its three codes (None: SCP-ECG as used by PTB-XL has none)."""

    names: str
    infarct: str | None
    ischaemia: str | None
    injury: str | None


WALLS: dict[str, Wall] = {
    "anterior": Wall("anterior; anteriore; anteriorer; anterioren; vorderwand", "AMI", "ISCAN", None),
    "anteroseptal": Wall(
        "anteroseptal; anteroseptale; anteroseptaler; anteroseptalen; septal; septale; septaler",
        "ASMI",
        "ISCAS",
        "INJAS",
    ),
    "anterolateral": Wall(
        "anterolateral; anterolaterale; anterolateraler; anterolateralen; extensive anterior",
        "ALMI",
        "ISCAL",
        "INJAL",
    ),
    "inferior": Wall(
        "inferior; inferiore; inferiorer; inferioren; diaphragmatic; hinterwand; inferior wall",
        "IMI",
        "ISCIN",
        "INJIN",
    ),
    "inferolateral": Wall(
        "inferolateral; inferolaterale; inferolateraler; inferolateralen", "ILMI", "ISCIL", "INJIL"
    ),
    "lateral": Wall(
        "lateral; laterale; lateraler; lateralen; high lateral; hochlaterale; hochlateraler; "
        "hochlateralen; hög lateral",
        "LMI",
        "ISCLA",
        "INJLA",
    ),
    "posterior": Wall(
        "posterior; posteriore; posteriorer; strictly posterior; streng posteriorer", "PMI", None, None
    ),
    "inferoposterior": Wall("inferoposterior; inferoposteriorer; posteroinferior", "IPMI", None, None),
    "inferoposterolateral": Wall("inferoposterolateral; inferoposterolateraler", "IPLMI", None, None),
}

WALL_PHRASES = {
    "infarct": (
        "{} infarct; {} infarction; {} myocardial infarction; {} myocardial infarct; {} MI; {} STEMI; "
        "{} infarkt; {}infarkt; {} wall infarction; {} wall MI; infarct {}; {} myokardinfarkt; "
        "infarction {}; {} myokardschaden; {} ST elevation MI; {} ST elevation myocardial infarction; "
        "{} ST elevation infarct; {} myocardial damage; {} myokardskada; {} myokardaffektion; "
        "{} myokardschädigung; {} wall myocardial infarction"
    ),
    "ischaemia": (
        "{} ischaemia; {} myocardial ischaemia; {} ischaemic changes; {} ischämie; ischaemia {}; "
        "ischaemia {} leads; {} ischämie oder linksbelastung; {} wall ischaemia; ischaemic {} leads; "
        "{} ischemi eller vänster belastning; {}ischämie"
    ),
    "injury": (
        "{} injury; {} subendocardial injury; subendocardial injury {} leads; injury {} leads; "
        "{} injury current"
    ),
}

NAMES = {
    "infarct": "{} myocardial infarction",
    "ischaemia": "{} ischaemia",
    "injury": "{} subendocardial injury",
}
