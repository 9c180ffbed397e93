"""What the words of ECG reports mean: every SCP-ECG statement, its name and its phrases, English and German.

Phrases are written as people write them, separated by semicolons; `models.statements` folds case, accents,
hyphens, British and American spelling, and plurals on both sides, so one form of each is enough.
"""

from typing import NamedTuple


class Term(NamedTuple):
    """An SCP-ECG statement: its English name, and the phrases that say it."""

    name: str
    phrases: str


STATEMENTS: dict[str, Term] = {
    # --- normal ---
    "NORM": Term(
        "normal ECG",
        "normal; normal ECG; normal tracing; within normal limits; no definite pathology; unremarkable ECG; "
        "normales EKG; EKG normal; normal EKG; normalt EKG; normalbefund; unauffälliges EKG; EKG "
        "unauffällig; healthy; gesund",
    ),
    # --- rhythm ---
    "SR": Term(
        "sinus rhythm", "NSR; normal sinus rhythm; regular sinus rhythm; sinusrhythmus; sinusrytm; sinus"
    ),
    "SBRAD": Term("sinus bradycardia", "sinusbradykardie; sinus brady; sinusbradykardi"),
    "STACH": Term("sinus tachycardia", "sinustachykardie; sinus tachy; sinustakykardi"),
    "SARRH": Term(
        "sinus arrhythmia", "sinusarrhythmie; sinus arrhythmie; respiratory arrhythmia; sinusarytmi"
    ),
    "AFIB": Term(
        "atrial fibrillation",
        "AF; AFib; A-fib; auricular fibrillation; vorhofflimmern; VHF; vorhofflimmern/-flattern; "
        "förmaksflimmer; tachykardes vorhofflimmern; bradykardes vorhofflimmern; absolute arrhythmie; "
        "fibrillating atria",
    ),
    "AFLT": Term("atrial flutter", "AFL; AFlut; A-flutter; flutter waves; vorhofflattern; förmaksfladder"),
    "SVTAC": Term(
        "supraventricular tachycardia",
        "SVT; supraventrikuläre tachykardie; narrow complex tachycardia; AVNRT; AVRT",
    ),
    "PSVT": Term(
        "paroxysmal supraventricular tachycardia", "paroxysmal SVT; paroxysmale supraventrikuläre tachykardie"
    ),
    "SVARR": Term(
        "supraventricular arrhythmia",
        "supraventrikuläre arrhythmie; supraventricular ectopic rhythm; supraventrikuläre extrasystole(n)",
    ),
    "PACE": Term(
        "working artificial pacemaker",
        "pacemaker; pacemaker rhythm; paced rhythm; ventricular paced rhythm; ventricular pacing; paced; "
        "atrial pacing; AV paced; schrittmacher; schrittmacher EKG; schrittmacherrhythmus; pacemaker EKG",
    ),
    "BIGU": Term(
        "bigeminy", "bigeminal pattern; bigeminal rhythm; bigeminus; ventricular bigeminy; in bigeminy"
    ),
    "TRIGU": Term(
        "trigeminy", "trigeminal pattern; trigeminal rhythm; trigeminus; ventricular trigeminy; in trigeminy"
    ),
    "PVC": Term(
        "ventricular premature beats",
        "VPC; VPB; VES; ventricular extrasystole; ventricular premature complex; ventricular premature "
        "contraction; ventricular premature beat; premature ventricular contraction(s); premature "
        "ventricular complex; premature ventricular beat; ventrikulär extrasystoli(er); ventricular "
        "ectopic; ventricular ectopic beat; ventricular ectopy; ventrikuläre extrasystole(n)",
    ),
    "PAC": Term(
        "atrial premature beats",
        "APC; APB; SVES; atrial extrasystole; atrial premature complex; atrial premature contraction; "
        "atrial premature beat; premature atrial contraction(s); premature atrial complex; premature atrial "
        "beat; supraventrikulär extrasystoli(er); atrial ectopic beat; atrial ectopy; supraventricular "
        "extrasystole; supraventricular premature beat; supraventricular premature complex",
    ),
    "PRC(S)": Term(
        "premature beats of unknown origin",
        "premature complex(es); premature beat; premature contraction; extrasystole(n); ectopic beat; "
        "ectopics",
    ),
    # --- conduction ---
    "1AVB": Term(
        "first-degree AV block",
        "first degree AV block; 1st degree AV block; 1 degree AV block; AV block first degree; AV block 1st "
        "degree; AV block I; AV block 1; AVB I; AVB 1; I AVB; AV block I grades; AV block 1 grades; AV "
        "block ersten grades; AV block grad I; AV block grad 1; first degree atrioventricular block; 1st "
        "degree atrioventricular block; first degree heart block; 1st degree heart block; first degree "
        "block; 1st degree block; FDAVB; atrioventricular block first degree",
    ),
    "2AVB": Term(
        "second-degree AV block",
        "second degree AV block; 2nd degree AV block; 2 degree AV block; AV block second degree; AV block "
        "II; AV block 2; AVB II; AV block II grades; AV block 2 grades; AV block zweiten grades; second "
        "degree heart block; mobitz; mobitz I; mobitz II; mobitz type I; mobitz type II; wenckebach; second "
        "degree atrioventricular block; 2:1 AV block",
    ),
    "3AVB": Term(
        "third-degree AV block",
        "third degree AV block; 3rd degree AV block; 3 degree AV block; AV block third degree; AV block "
        "III; AV block 3; AVB III; AV block III grades; AV block 3 grades; AV block dritten grades; "
        "complete heart block; complete AV block; third degree heart block; CHB; totaler AV block; third "
        "degree atrioventricular block",
    ),
    "LPR": Term(
        "long PR interval",
        "prolonged PR interval; prolonged PR; long PR; PR prolongation; PR interval is prolonged; "
        "verlängerte PQ zeit; PQ zeit verlängert; PR verlängerung; verlängerte PQ dauer",
    ),
    "CLBBB": Term(
        "complete left bundle branch block",
        "left bundle branch block; LBBB; complete LBBB; linksschenkelblock; kompletter linksschenkelblock; "
        "vänstergrenblock; LSB; vollständiger linksschenkelblock; vänster grenblock; vänstersidigt "
        "skänkelblock; left bundle block",
    ),
    "CRBBB": Term(
        "complete right bundle branch block",
        "right bundle branch block; RBBB; complete RBBB; rechtsschenkelblock; kompletter "
        "rechtsschenkelblock; RSB; vollständiger rechtsschenkelblock; höger grenblock; högersidigt "
        "skänkelblock; right bundle block",
    ),
    "ILBBB": Term(
        "incomplete left bundle branch block",
        "incomplete LBBB; partial LBBB; partial left bundle branch block; unvollständiger "
        "linksschenkelblock; inkompletter linksschenkelblock",
    ),
    "IRBBB": Term(
        "incomplete right bundle branch block",
        "incomplete RBBB; partial RBBB; partial right bundle branch block; unvollständiger "
        "rechtsschenkelblock; inkompletter rechtsschenkelblock; inkomplett höger grenblock",
    ),
    "LAFB": Term(
        "left anterior fascicular block",
        "left anterior hemiblock; LAHB; LAH; anterior fascicular block; anterior hemiblock; left anterior "
        "hemi block; linksanteriorer hemiblock; linksanteriorer faszikelblock; left axis hemiblock",
    ),
    "LPFB": Term(
        "left posterior fascicular block",
        "left posterior hemiblock; LPHB; posterior fascicular block; posterior hemiblock; linksposteriorer "
        "hemiblock; linksposteriorer faszikelblock",
    ),
    "IVCD": Term(
        "non-specific intraventricular conduction delay",
        "intraventricular conduction delay; intraventricular conduction defect; intraventricular conduction "
        "disturbance; IVCB; nonspecific intraventricular block; non-specific intraventricular block; "
        "non-specific intraventricular delay; intraventricular block; unspezifische intraventrikuläre "
        "leitungsstörung; intraventrikuläre leitungsstörung; unspezifischer intraventrikulärer block; "
        "non-specific intraventricular conduction disturbance (block); non-specific intraventricular "
        "conduction delay",
    ),
    "WPW": Term(
        "Wolff-Parkinson-White pattern",
        "wolff parkinson white; wolf parkinson white; wolff parkinson white syndrome; preexcitation; "
        "pre-excitation; ventricular preexcitation; ventricular pre-excitation; delta wave; präexzitation; "
        "deltawelle; WPW syndrome",
    ),
    # --- hypertrophy and enlargement ---
    "LVH": Term(
        "left ventricular hypertrophy",
        "LV hypertrophy; linkshypertrophie; linksventrikuläre hypertrophie; linksherzhypertrophie; left "
        "ventricular strain; vänster kammarhypertrofi; LV strain; vänsterkammarhypertrofi; left ventricular "
        "enlargement",
    ),
    "VCLVH": Term(
        "voltage criteria of left ventricular hypertrophy",
        "voltage criteria for LVH; voltage criteria for left ventricular hypertrophy; LVH by voltage; "
        "voltage LVH; minimal voltage criteria for LVH; voltages are high in chest leads; voltages are high "
        "in limb leads; amplitudenkriterien für linkshypertrophie; amplitudkriterier för vänster "
        "kammarhypertrofi; mässige amplitudenkriterien für linkshypertrophie; high V lead voltages; voltage "
        "criteria (QRS) for left ventricular hypertrophy; sokolow positive",
    ),
    "RVH": Term(
        "right ventricular hypertrophy",
        "RV hypertrophy; rechtshypertrophie; rechtsventrikuläre hypertrophie; rechtsherzhypertrophie; "
        "högerkammarhypertrofi; RV strain; right ventricular strain",
    ),
    "SEHYP": Term("septal hypertrophy", "septumhypertrophie; septal LVH; asymmetric septal hypertrophy"),
    "LAO/LAE": Term(
        "left atrial enlargement",
        "LAE; LAO; left atrial overload; left atrial abnormality; left atrial hypertrophy; P mitrale; "
        "p-sinistrocardiale; left atrial overload/enlargement; linksatriale belastung; left atrial "
        "dilatation",
    ),
    "RAO/RAE": Term(
        "right atrial enlargement",
        "RAE; RAO; right atrial overload; right atrial abnormality; right atrial hypertrophy; P pulmonale; "
        "right atrial overload/enlargement; p-dextrocardiale; right atrial dilatation",
    ),
    # --- QRS and voltages ---
    "ABQRS": Term(
        "abnormal QRS",
        "QRS abnormality; abnormal QRS complex; QRS abnorm; QRS abnormal; QRS(T) abnorm; QRS(T) abnormal; "
        "abnormal QRS-T; QRS-T abnormality",
    ),
    "QWAVE": Term(
        "Q waves",
        "Q waves present; pathological Q waves; abnormal Q waves; QS complexes; Q-zacken; pathologische "
        "Q-zacken; Q wave",
    ),
    "LVOLT": Term(
        "low QRS voltage",
        "low voltage; low voltage QRS; low limb lead voltage; low QRS voltages in the frontal and "
        "horizontal leads; low QRS voltage in limb leads; low QRS voltage in precordial leads; "
        "niedervoltage; periphere niederspannung; niederspannung; periphere niedervoltage; QRS voltage is "
        "low",
    ),
    "HVOLT": Term(
        "high QRS voltage",
        "high voltage; high voltage QRS; hochvoltage; voltages at upper limit; voltages in chest leads are "
        "at upper limit; voltages in limb leads are at upper limit",
    ),
    # --- ST segment, T wave, QT ---
    "STD_": Term(
        "ST depression",
        "ST segment depression; depressed ST segment; ST segments are depressed; ST senkung; ST "
        "streckensenkung; non-specific ST depression; non-specific ST segment depression; st-t sänkning; ST "
        "sänkning; widespread ST segment depression",
    ),
    "STE_": Term(
        "ST elevation",
        "ST segment elevation; elevated ST segment; ST segments are elevated; ST hebung; ST streckenhebung; "
        "non-specific ST elevation; ST segments are slightly elevated; ST höjning",
    ),
    "NST_": Term(
        "non-specific ST changes",
        "nonspecific ST changes; ST changes; ST segment changes; non-specific ST abnormality; non-specific "
        "ST segment changes; ST abnormality; non-specific ST-T changes; non-specific ST-T wave changes; "
        "nonspecific ST-T abnormality; ST-T changes; non-specific ST-T abnormality; nonspecific ST-T "
        "changes; ST & T abnorm; ST & T abnormal; ST & T abnormality; unspezifische ST-T veränderungen; ST "
        "abnorm; ST veränderungen; repolarisation abnormality; repolarization abnormality",
    ),
    "NT_": Term(
        "non-specific T-wave changes",
        "nonspecific T wave changes; non-specific T wave abnormality; nonspecific T wave abnormality; T "
        "wave changes; non-specific T changes; unspezifische T veränderungen; ospecifik t-förändring; "
        "non-specific T wave flattening; minor non-specific T wave flattening; T veränderungen",
    ),
    "NDT": Term(
        "non-diagnostic T-wave abnormalities",
        "non-diagnostic T abnormalities; nondiagnostic T wave abnormality; unspezifisches abnormes T; "
        "unspezifisches abnormales T; unspezifische T abnormität",
    ),
    "TAB_": Term(
        "T-wave abnormality", "T abnormality; T wave abnormal; abnormal T wave; T abnorm; T abnormal"
    ),
    "INVT": Term(
        "T-wave inversion",
        "inverted T waves; inverted T; T waves are inverted; T inversion; negative T waves; T "
        "negativierung; TWI; T wave inverted; negatives T; T negativ; negativ T; symmetric T inversion",
    ),
    "LOWT": Term(
        "low T waves",
        "low amplitude T waves; flat T waves; T wave flattening; T waves are low; T waves are flat; "
        "flattened T waves; T waves are low or flat; T abflachung; flache T wellen; T waves are low or "
        "inverted; flaches T",
    ),
    "LNGQT": Term(
        "long QT interval",
        "prolonged QT; prolonged QT interval; long QT; long QT syndrome; LQTS; QT prolongation; prolonged "
        "QTc; QTc prolongation; QT verlängerung; verlängerte QT zeit; verlängertes QT; QT interval is "
        "prolonged; QT zeit verlängert; long QTc; borderline prolonged QT",
    ),
    "DIG": Term(
        "digitalis effect",
        "digoxin effect; digitaliseffekt; digitaliswirkung; digitalis; digoxin; dig effect",
    ),
    "EL": Term(
        "electrolyte or drug effect",
        "electrolyte disturbance; electrolyte abnormality; electrolytic disturbance; drug effect; "
        "elektrolytstörung; electrolytic disturbance or drug",
    ),
    "ANEUR": Term(
        "ventricular aneurysm",
        "left ventricular aneurysm; LV aneurysm; aneurysma; herzwandaneurysma; ST-T changes compatible with "
        "ventricular aneurysm; aneurysm",
    ),
    "ISC_": Term(
        "ischaemia",
        "non-specific ischaemia; myocardial ischaemia; ischaemic changes; ischaemic ST-T changes; ischämie; "
        "myokardischämie; linksbelastung; ischämie oder linksbelastung; non-specific ischaemic; ischaemic; "
        "vänster belastning; ischemi; ischemi eller vänster belastning",
    ),
}

RHYTHMS = ("SR", "SBRAD", "STACH", "SARRH", "AFIB", "AFLT", "SVTAC", "PSVT", "SVARR", "PACE", "3AVB")

# A word for a class of statements stands for the first of its codes that is known, at half certainty.
CLASSES: dict[str, tuple[tuple[str, ...], str]] = {
    "myocardial infarction, no wall named": (
        ("IMI", "ASMI", "AMI", "ALMI", "ILMI", "LMI"),
        "myocardial infarction; infarction; infarct; MI; STEMI; ST elevation MI; heart attack; infarkt; "
        "herzinfarkt; myokardinfarkt; ST elevation myocardial infarction; extensive infarct; acute coronary "
        "syndrome; NSTEMI",
    ),
    "subendocardial injury, no wall named": (
        ("INJAS", "INJAL", "INJIN"),
        "subendocardial injury; myocardial injury; myokardschaden",
    ),
    "bundle branch block, no side named": (("CRBBB", "CLBBB"), "bundle branch block; BBB; schenkelblock"),
    "AV block, no degree named": (
        ("1AVB", "2AVB", "3AVB"),
        "AV block; AVB; atrioventricular block; heart block; AV delay",
    ),
    "hemiblock, no fascicle named": (("LAFB", "LPFB"), "hemiblock; fascicular block"),
    "hypertrophy, no chamber named": (("LVH", "RVH"), "hypertrophy; ventricular hypertrophy; hypertrophie"),
    "atrial enlargement, no side named": (
        ("LAO/LAE", "RAO/RAE"),
        "atrial enlargement; atrial abnormality; atrial overload",
    ),
}

CLASSES |= {
    "bradycardia, no origin named": (("SBRAD",), "bradycardia; bradykardie"),
    "tachycardia, no origin named": (("STACH",), "tachycardia; tachykardie"),
}

# One phrase, several statements.
BUNDLES: dict[tuple[str, ...], str] = {
    ("CRBBB", "LAFB"): "bifascicular block; bifaszikulärer block",
    ("CRBBB", "LAFB", "1AVB"): "trifascicular block; trifaszikulärer block",
    ("STD_", "INVT"): "ST segments are depressed and T waves inverted; ST depression and T inversion",
}

# Where the vocabulary lacks the code itself, the nearest one that says almost the same.
NEAREST = {
    "LPR": "1AVB",
    "1AVB": "LPR",
    "VCLVH": "LVH",
    "TAB_": "NT_",
    "NT_": "TAB_",
    "BIGU": "PVC",
    "TRIGU": "PVC",
}

# Findings that an ECG reader knows and SCP-ECG as used by PTB-XL has no code for.
OUTSIDE = (
    "brugada; brugada pattern; hyperkalaemia; hyperkaliämie; hypokalaemia; hypokaliämie; "
    "hypercalcaemia; hypocalcaemia; pericarditis; perikarditis; early repolarisation; early "
    "repolarization; frühe repolarisation; junctional rhythm; AV junctional rhythm; junctional escape; "
    "accelerated junctional rhythm; knotenrhythmus; ectopic atrial rhythm; low atrial rhythm; wandering "
    "atrial pacemaker; multifocal atrial tachycardia; atrial tachycardia; idioventricular rhythm; "
    "ventricular tachycardia; VT; ventricular fibrillation; VF; torsades de pointes; torsades; "
    "asystole; wide complex tachycardia; kammerflimmern; ventrikuläre tachykardie; pulmonary embolism; "
    "S1Q3T3; dextrocardia; short QT; short QT syndrome; short PR; U waves; left axis deviation; right "
    "axis deviation; LAD; RAD; leftward axis; rightward axis; linkstyp; rechtstyp; überdrehter "
    "linkstyp; indeterminate axis; vänster el-axel; steiltyp; poor R wave progression; late transition; "
    "early transition; RSR; wellens; de winter; takotsubo; hypertrophic cardiomyopathy; HCM; dilated "
    "cardiomyopathy; ARVC; epsilon wave; osborn wave; J wave; hypothermia; electrical alternans; fusion "
    "beats; ventricular escape; sinus arrest; sinus pause; sick sinus syndrome; AV dissociation; "
    "cardiac amyloidosis; myocarditis; heart failure; cardiac tamponade; COPD; lead reversal; "
    "bradykardie-tachykardie-syndrom; peaked T waves; tall T waves; pulmonary disease"
)
