"""Everything after the millivolts: designs, sweeps, measurement, maps, hypotheses, figures, widgets, reports."""
