"""Networks that recognise what an instrument shows: tasks, training, calibration, refusal and storage.

A task draws labelled measurements under drawn conditions; `fitting` trains a network on them; a `Recognizer` answers
with calibrated probabilities or a refusal. `TASKS` in `registry` lists the tasks.
"""
