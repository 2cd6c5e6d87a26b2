"""SQL of the figures of a benchmark, on the table `records`."""

from typing import Final

SEARCHES: Final = """
SELECT task, method, seed,
       list(evaluation ORDER BY evaluation) AS evaluations,
       list(predicted_loss ORDER BY evaluation) AS predicted,
       list(verified_loss ORDER BY evaluation) AS verified,
       max(seconds) AS seconds, coalesce(arg_max(described, evaluation), '') AS described,
       coalesce(arg_max(xyz, evaluation), '') AS xyz
FROM records WHERE track = 'search' GROUP BY ALL ORDER BY task, method, seed
"""
"""Every search as one row."""

MET: Final = """
SELECT method, seed, evaluation,
       avg(CASE WHEN isfinite(verified_loss) AND verified_loss <= $met THEN 1.0 ELSE 0.0 END) AS share
FROM records WHERE track = 'amortised' AND task = $task GROUP BY ALL ORDER BY method, seed, evaluation
"""
"""Share of the targets of an amortised task that were met, by method, seed and queries."""

FINAL: Final = """
SELECT method, seed, any_value(last) AS queries,
       list(predicted_loss ORDER BY target_index) AS predicted,
       list(verified_loss ORDER BY target_index) AS verified
FROM (SELECT *, max(evaluation) OVER (PARTITION BY method, seed) AS last FROM records WHERE task = $task)
WHERE evaluation = last GROUP BY ALL ORDER BY method, seed
"""
"""Losses of all targets of a task after the last query, by method and seed."""

COSTS: Final = """
WITH searches AS (
  SELECT track, method, task, seed, target_index, max(evaluation) AS evaluations, max(seconds) AS seconds,
         max(training_seconds) AS training_seconds, max(surrogate) AS surrogate, max(oracle) AS oracle,
         max(simulation) AS simulation, max(experiment) AS experiment, max(verifications) AS verifications
  FROM records GROUP BY ALL),
runs AS (
  SELECT track, method, task, seed, sum(evaluations) AS evaluations, max(seconds) AS seconds,
         max(training_seconds) AS training_seconds, max(surrogate) AS surrogate, max(oracle) AS oracle,
         max(simulation) AS simulation, max(experiment) AS experiment, max(verifications) AS verifications
  FROM searches GROUP BY ALL)
SELECT track, method, count(*) AS runs, sum(evaluations)::BIGINT AS evaluations, sum(surrogate)::BIGINT AS surrogate,
       sum(oracle)::BIGINT AS oracle, sum(simulation)::BIGINT AS simulation,
       sum(experiment)::BIGINT AS experiment,
       sum(verifications)::BIGINT AS verifications, avg(seconds) AS seconds, avg(training_seconds) AS training_seconds
FROM runs GROUP BY ALL ORDER BY track DESC, method
"""
"""Evaluations and seconds, by track and method."""
