"""The small words of reports that change what a finding means: negations, doubts, their ends, filler."""

# Before a finding: it is absent. ("keine" and other inflections are written out.)
NEGATIONS = (
    "no; not; without; w/o; absence of; absent; no evidence of; no evidence for; no signs "
    "of; no sign of; negative for; free of; neither; nor; never; lacks; lacking; none; "
    "denies; rather than; instead of; kein; keine; keinen; keinerlei; keiner; ohne; "
    "nicht; kein hinweis auf; keine hinweise auf; kein anhalt für; ohne hinweis auf; kein "
    "nachweis von; ingen; inget; inga; utan; non; not suggestive of; not consistent with; "
    "resolved; no longer; no definite; no obvious"
)

# After a finding: it is absent.
DENIALS = (
    "is absent; absent; not present; not seen; not found; is not present; not evident; "
    "not detected; not visible; ruled out; is ruled out; excluded; is excluded; no longer "
    "present; no longer seen; has resolved; resolved; has disappeared; ausgeschlossen; "
    "nicht nachweisbar; nicht vorhanden; nicht erkennbar; negative; unlikely; is "
    "unlikely; unwahrscheinlich"
)

# Sound like negations and deny nothing.
HARMLESS = (
    "no change; no changes; no significant change; no significant changes; not "
    "significantly changed; without change; unchanged; no interval change; no acute "
    "change; no acute changes; no doubt; without doubt; not only; no previous ECG; no "
    "prior ECG; no previous tracing; no comparison; keine änderung; unverändert; no "
    "change from; no change in; no increase; no further; normal axis; normal QRS axis; "
    "axis normal; lagetyp normal; normal lagetyp; normaler lagetyp; normal variant; "
    "normal PR; normal PR interval; normal QT; normal QT interval; normal QTc; normal "
    "QRS; normal QRS duration; normal rate; normal intervals; normal T waves; normal ST "
    "segments; normal P waves; normal conduction; normal heart rate; normal age; normal "
    "voltage; limits of normal; limit of normal; upper limits of normal; upper limit of "
    "normal; normal function; normal functioning; regular rhythm; regelmässiger rhythmus; "
    "abnormal ECG; abnormal EKG; abnormales EKG; borderline ECG; otherwise abnormal; "
    "normal R wave progression; normal standing; probably normal variant; normal size; "
    "normal sized; rate normal; axis is normal; rapid ventricular response; slow "
    "ventricular response; controlled ventricular response"
)

# Say how old a finding is, with words that would otherwise count as doubt.
AGES = (
    "probably old; possibly old; wahrscheinlich alt; probably recent; possibly recent; "
    "possibly acute; probably acute; möglicherweise akut; sannolikt äldre; möjligen "
    "färsk; wahrscheinlich frisch; age undetermined; age indeterminate; undetermined age; "
    "uncertain age; alter unbestimmt; alter unbest; age uncertain; wahrscheinlich akut"
)

# Doubt before a finding, and the certainty it leaves.
DOUBTS: dict[float, str] = {
    0.8: "probable; probably; likely; most likely; suggests; suggesting; suggestive of; "
    "consistent with; compatible with; wahrscheinlich; vermutlich; presumably; otherwise; "
    "sonst; eljest; presumed; sannolikt; im übrigen; am ehesten",
    0.5: "possible; possibly; borderline; suspected; suspect; suspicion of; consider; may be; "
    "may be due to; might be; maybe; could be; questionable; question of; perhaps; "
    "equivocal; minimal criteria for; verdacht auf; mögliche; möglicherweise; möglicher; "
    "fraglich; fragliche; fraglicher; eventuell; nearly; almost; grenzwertig; "
    "grenzwertiger; möjlig; incipient; concern for; query; not certain; grenzwertige; "
    "misstanke om",
    0.35: "cannot rule out; can not rule out; cannot exclude; can not exclude; could not "
    "exclude; rule out; r/o; to exclude; suggest exclude; exclude; not excluded; does not "
    "exclude; kein ausschluss von; ausschluss von",
}

# Doubt after a finding.
DOUBTS_AFTER: dict[float, str] = {
    0.8: "is likely; likely; probable; is probable; wahrscheinlich",
    0.5: "is possible; possible; möglich; suspected; is suspected; to be considered; should be "
    "considered; bör övervägas; fraglich; questionable; is borderline; borderline; "
    "vermutet; mögl; possibly present; ?",
    0.35: "cannot be ruled out; can not be ruled out; not ruled out; cannot be excluded; can "
    "not be excluded; not excluded; is not excluded; nicht auszuschliessen; nicht "
    "ausgeschlossen; is not ruled out; kan ej uteslutas; cannot be totally excluded",
}

# After a normal ECG: it is not quite one.
EXCEPTIONS = (
    "except; except for; apart from; aside from; other than; with the exception of; ausser; "
    "abgesehen von; bis auf"
)

# Here the reach of a negation or a doubt ends.
BARRIERS = (
    "but; however; although; though; yet; with; shows; showing; there is; because; which; "
    "aber; jedoch; mit; sondern; men; med; due to; now; then; whereas; while; except; "
    "accompanied by; instead; also; plus"
)

# Joins findings that share one negation or doubt.
JOINTS = "and; or; nor; und; oder; sowie; eller; och; as well as; noch"

# Words that may stand inside a phrase without breaking it, and that count as heard or ignored on their own.
MODIFIERS = (
    "old; acute; recent; new; chronic; previous; prior; remote; fresh; mild; moderate; "
    "severe; marked; slight; slightly; minor; significant; definite; frequent; "
    "occasional; multiple; isolated; complete; alt; alter; akut; akuter; alte; frischer; "
    "frisch; evolving; diffuse; pattern; typical; atypical; known; persistent; permanent; "
    "intermittent; uncontrolled; type; clear; single"
)

# Skipped everywhere, and never reported as ignored.
STOPWORDS = (
    "a; an; the; of; in; on; at; to; for; is; are; was; were; be; been; being; has; have; "
    "had; this; that; these; those; there; it; its; by; from; as; s; es; n; en; seen; "
    "noted; present; evidence; signs; sign; der; die; das; dem; den; des; ein; eine; "
    "einer; eines; im; am; bei; zum; zur; ist; sind; von; auf; für; som; ett; some; any; "
    "all; very; quite; rather; only"
)

# Never reported as ignored, though a phrase ends at them.
SILENT = (
    "ecg; ekg; electrocardiogram; report; edit; patient; year; years; please; me; my; "
    "show; shows; showing; showed; draw; generate; man; woman; male; female; lead; leads; "
    "ableitungen; unbestätigter; bericht; unconfirmed"
)

# Pairs of words written apart or with a hyphen that are read as one.
JOINED = (
    "a v=av; a fib=afib; a flutter=aflutter; w o=without; r o=r/o; non "
    "specific=nonspecific; non diagnostic=nondiagnostic; antero septal=anteroseptal; "
    "antero lateral=anterolateral; infero lateral=inferolateral; infero "
    "posterior=inferoposterior; pre excitation=preexcitation; sinus "
    "rhythmus=sinusrhythmus; hoch lateral=hochlateral; vorhof flimmern=vorhofflimmern; "
    "links schenkelblock=linksschenkelblock; rechts schenkelblock=rechtsschenkelblock; st "
    "t=stt; can not=cannot; sinus arrhythmie=sinusarrhythmie"
)
