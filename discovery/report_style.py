"""The page a report is poured into, and how it looks on a screen, a phone and paper."""

from string import Template

STYLE = """
:root { color-scheme: light; --ink: #1d1d1f; --faint: #6b6b6b; --rule: #dcdcdc; --blue: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1100px; padding: 2rem 1.25rem 4rem; background: #fff; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; text-wrap: balance; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--rule); }
p { max-width: 72ch; margin: .5rem 0; }
a { color: var(--blue); }
.question { font-size: 1.15rem; }
.honesty { border-left: 4px solid #b00020; padding: .1rem 0 .1rem 1rem; margin: 1.2rem 0; max-width: 80ch; }
.honesty b { color: #b00020; }
.wide { overflow-x: auto; margin: .8rem 0 1.4rem; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--faint); border-bottom: 2px solid var(--rule);
  padding: .35rem .9rem .35rem 0; vertical-align: bottom; }
td { border-bottom: 1px solid var(--rule); padding: .5rem .9rem .5rem 0; vertical-align: top; }
td:last-child, th:last-child { padding-right: 0; }
.findings td { min-width: 90px; }
.findings td:first-child { min-width: 200px; font-size: .92rem; }
.findings td:nth-child(2) { min-width: 165px; }
.findings td:nth-child(3) { min-width: 155px; }
.measured { min-width: 640px; }
small { display: block; color: var(--faint); font-size: .76rem; line-height: 1.35; overflow-wrap: anywhere; }
small.missing { color: #a04000; }
.verdict { display: inline-block; padding: .05rem .5rem; border-radius: 1rem; border: 1px solid;
  white-space: nowrap; }
.verdict.yes { color: #006b4f; background: #e6f4ef; border-color: #9fd0bf; }
.verdict.no { color: #9c3d00; background: #fbeee6; border-color: #e6b592; }
.verdict.open { color: #444; background: #f3f3f3; border-color: #ccc; }
figure { margin: 1.6rem 0 2.2rem; }
img { display: block; max-width: 100%; height: auto; }
figcaption { font-size: .88rem; color: var(--faint); margin-top: .4rem; max-width: 80ch; }
figcaption b { color: var(--ink); }
details { margin: .8rem 0; } summary { cursor: pointer; color: var(--blue); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; font-size: .86rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  body { padding: 1.1rem .8rem 3rem; font-size: 15px; } h1 { font-size: 1.5rem; }
  .findings thead { display: none; }
  .findings tr { display: block; padding: .8rem 0; border-bottom: 2px solid var(--rule); }
  .findings td { display: block; border: 0; padding: .2rem 0; min-width: 0; }
  .findings td:not(:first-child)::before { content: attr(data-head); display: block; color: var(--faint);
    font-size: .72rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; } h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; } .wide { overflow: visible; }
  .findings, .measured { min-width: 0; font-size: 7.5pt; }
  a { color: inherit; text-decoration: none; }
}
"""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<h1>$title</h1>
$question
<p class="honesty"><b>Synthetic ECGs.</b> $honesty</p>
</header>
<main>
<h2>Findings</h2>
$findings
$remarks
$done
<h2>Figures</h2>
$figures
<h2>What was measured, and what was not</h2>
<p>Mean ± standard deviation over ECGs. An ECG is never dropped: where a value could not be measured, it is
counted here with the reason.</p>
$measured
<h2>Table</h2>
$download
<h2>Provenance</h2>
$provenance
</main>
</body>
</html>
""")

PLAIN_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")
