import pytest

from models.phrases import findings
from models.statements import CODES, describe, recognise

# text, and the codes it should be taken for (a certainty only where it is not 1)
CASES = {
    # plain statements, names, abbreviations, codes
    "sinus rhythm": "SR",
    "Normal sinus rhythm": "SR",
    "normal ECG": "NORM SR",
    "normal": "NORM SR",
    "Within normal limits.": "NORM SR",
    "LBBB": "CLBBB",
    "left bundle branch block": "CLBBB",
    "complete LBBB": "CLBBB",
    "left complete bundle-branch block": "CLBBB",
    "incomplete right bundle branch block": "IRBBB",
    "RBBB": "CRBBB",
    "IRBBB": "IRBBB",
    "AF": "AFIB",
    "AFib": "AFIB",
    "a-fib": "AFIB",
    "Atrial Flutter": "AFLT",
    "LVH": "LVH",
    "1AVB": "1AVB",
    "1st degree AV block": "1AVB",
    "first-degree A-V block": "1AVB",
    "First degree atrioventricular block": "1AVB",
    "AVB I": "1AVB",
    "AV block 1°": "1AVB",
    "prolonged PR interval": "LPR",
    "Mobitz II": "2AVB",
    "complete heart block": "3AVB",
    "WPW": "WPW",
    "delta waves": "WPW",
    "T waves are inverted in V4-6": "INVT",
    "ST segments are depressed in II, III": "STD_",
    "ischaemia in inferior leads": "ISCIN",
    "antero-septal ischemia": "ISCAS",
    "hyperkalaemia": "",
    "PVCs": "PVC",
    "premature atrial contraction(s)": "PAC",
    "long QT": "LNGQT",
    "bifascicular block": "CRBBB LAFB",
    "acute anterior STEMI": "AMI",
    "old inferior MI": "IMI",
    "LAO/LAE": "LAO/LAE",
    "PRC(S)": "PRC(S)",
    # machine phrases
    "Sinus rhythm with 1st degree A-V block": "SR 1AVB",
    "Inferior infarct - age undetermined": "IMI",
    "Possible anterior infarct - age undetermined": "AMI:0.5",
    "RBBB with left anterior fascicular block": "CRBBB LAFB",
    "Atrial fibrillation with rapid ventricular response": "AFIB",
    "Sinus rhythm with PAC(s)": "SR PAC",
    "Sinus bradycardia | Borderline ECG": "SBRAD",
    "Sinus bradycardia with borderline 1st degree A-V block": "SBRAD 1AVB:0.5",
    "*** CONSIDER ACUTE ST ELEVATION MI ***": "IMI:0.25",
    "QRS changes V3/V4 may be due to LVH but cannot rule out anterior infarct": "LVH:0.5 AMI:0.35",
    "Low QRS voltages in limb leads": "LVOLT",
    "Prolonged QT interval": "LNGQT",
    "Left ventricular hypertrophy by voltage only | sinus tachycardia": "LVH STACH",
    "Atrial fibrillation. Otherwise normal ECG": "AFIB NORM:0.8",
    # German and Swedish
    "sinusrhythmus normales ekg": "SR NORM",
    "Vorhofflimmern": "AFIB",
    "Linksschenkelblock": "CLBBB",
    "links-schenkelblock": "CLBBB",
    "unvollständiger Rechtsschenkelblock": "IRBBB",
    "AV-Block I. Grades": "1AVB",
    "av-block 1.grades": "1AVB",
    "SINUSRHYTHMUS LAGETYP NORMAL ANTEROSEPTALER INFARKT MÖGLICH": "SR ASMI:0.5",
    "anteroseptaler infarkt wahrscheinlich alt": "ASMI",
    "linksschenkelblock nicht auszuschliessen": "CLBBB:0.35",
    "verdacht auf p-sinistrocardiale": "LAO/LAE:0.5",
    "Hinterwandinfarkt": "IMI",
    "sinusrytm": "SR",
    # negation
    "no LBBB": "",
    "no evidence of LBBB": "",
    "kein Linksschenkelblock": "",
    "ohne Hinweis auf Vorhofflimmern": "",
    "LBBB is no longer present": "",
    "LBBB ruled out": "",
    "RBBB not seen": "",
    "sinus rhythm without AV block": "SR",
    "sinus rhythm, no AV block, LBBB": "SR CLBBB",
    "no LBBB, RBBB or AF": "",
    "neither LBBB nor RBBB": "",
    "no LBBB. RBBB": "CRBBB",
    "no LBBB but RBBB": "CRBBB",
    "kein AV-Block linksschenkelblock": "CLBBB",
    "not atrial fibrillation": "",
    "it isn't AF": "",
    "RBBB rather than LBBB": "CRBBB",
    "non-sinus rhythm": "",
    "not normal": "",
    "no change in LBBB": "CLBBB",
    "no longer in AF, now sinus rhythm": "SR",
    # doubt
    "LBBB cannot be ruled out": "CLBBB:0.35",
    "probable LVH": "LVH:0.8",
    "possible LVH and RBBB": "LVH:0.5 CRBBB:0.5",
    "possible LVH, RBBB": "LVH:0.5 CRBBB",
    "LBBB?": "CLBBB:0.5",
    "normal ECG except for rate": "NORM:0.5 SR:0.5",
    # classes
    "myocardial infarction": "IMI:0.5",
    "AV block": "1AVB:0.5",
    "bradycardia": "SBRAD:0.5",
    # words that mean no statement
    "": "",
    "abnormal ECG": "",
    "normal axis": "",
    "PR interval normal": "",
    "a normal gait": "",
    "purple elephants sing": "",
    "vänster el-axel": "",
}


def read(expected):
    pairs = (item.partition(":") for item in expected.split())
    return {code: float(certainty or 1) for code, _, certainty in pairs}


@pytest.mark.parametrize("text", CASES)
def test_a_text_means_these_statements(text):
    assert recognise(text, CODES).statements == pytest.approx(read(CASES[text]))


def test_every_code_is_known_by_its_code_and_by_its_name():
    assert len(CODES) == len(set(CODES)) == 71
    for code in CODES:
        assert recognise(code, [code]).statements == {code: 1}
        assert recognise(describe(code), [code]).statements == {code: 1}


def test_every_phrase_of_the_tables_means_what_the_tables_say():
    for phrase, meaning in findings():
        found = recognise(phrase, CODES)
        expected = set(meaning.codes[:1] if meaning.role == "class" else meaning.codes)
        assert set(found.statements) - {"SR"} == expected - {"SR"}, phrase
        assert not found.negated, phrase


def test_what_was_denied_ignored_and_unseen_is_shown():
    found = recognise("sinus rhythm, no LBBB, Brugada pattern and wobbly lines", CODES)
    assert found.negated == ("LBBB",)
    assert found.unseen == ("Brugada pattern",)
    assert found.ignored == ("wobbly lines",)
    assert [(span.text, span.code, span.certainty) for span in found.understood] == [
        ("sinus rhythm", "SR", 1.0)
    ]


def test_a_code_without_training_records_is_unseen():
    found = recognise("sinus rhythm with WPW and LBBB", ["SR", "CLBBB", "WPW"], {"SR": 900, "WPW": 0})
    assert found.statements == {"SR": 1}
    assert found.unseen == ("WPW", "LBBB")


def test_the_nearest_code_stands_in_for_one_that_was_never_seen():
    found = recognise("prolonged PR", ["SR", "1AVB"])
    assert found.statements == {"1AVB": 1}
    assert "nearest to long PR interval" in str(found)


def test_a_class_takes_its_first_code_that_was_seen():
    found = recognise("myocardial infarction", CODES, {"ASMI": 200})
    assert found.statements == {"ASMI": 0.5}
    assert "no wall named" in str(found)


def test_normal_implies_sinus_rhythm_unless_another_rhythm_is_named_or_sinus_rhythm_denied():
    assert "SR" not in recognise("atrial fibrillation, normal ECG", CODES).statements
    assert "SR" not in recognise("normal ECG, no sinus rhythm", CODES).statements
    assert "SR" not in recognise("normal ECG", ["NORM"]).statements


def test_slips_of_the_pen_get_a_suggestion_and_known_words_do_not():
    found = recognise("atrial fibrilation | abnormal ecg | zzzz", CODES)
    assert found.suggestions == {"atrial fibrilation": "atrial fibrillation"}
    assert "did you mean 'atrial fibrillation'?" in str(found)


def test_the_printed_form_says_everything():
    shown = str(recognise("possible LBBB, no AF, brugada, blah", CODES))
    assert "complete left bundle branch block (CLBBB, certainty 0.5) from 'LBBB'" in shown
    assert "denied: AF" in shown
    assert "never seen in training: brugada" in shown
    assert "ignored: blah" in shown
    assert str(recognise("", CODES)) == "understood: nothing"


def test_the_same_finding_twice_keeps_the_surer_one():
    assert recognise("possible LBBB. LBBB", CODES).statements == {"CLBBB": 1}


def test_messages():
    with pytest.raises(TypeError, match="text must be a string, got None"):
        recognise(None, CODES)
    with pytest.raises(TypeError, match=r"vocabulary must be several codes, got 'SR': write \['SR'\]"):
        recognise("sinus rhythm", "SR")
    with pytest.raises(
        ValueError, match="code must be an SCP-ECG statement, got 'CLBB': did you mean 'CLBBB'"
    ):
        recognise("sinus rhythm", ["CLBB"])
    with pytest.raises(ValueError, match="got 77: see models.statements.CODES"):
        describe(77)
