"""Small tables of tubes and of crystals, for the tests of what goes out."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.data import Dataset
from matgym.models import Predictions
from matgym.physics import GAP_EV, PiElectrons
from matgym.structures import Nanotube

GAPS = np.array([0.5, 0.25, np.nan, 1.5, 0.75, 0.1])

TUBES = (
    Nanotube(8, 0, 1),
    Nanotube(6, 6, 2, strain=0.02).decorated({3: "B", 8: "N", 20: "N"}),
    Nanotube(8, 0, 2).decorated({5: "vacancy", 9: "B"}),
    Nanotube(5, 5, 1).decorated({0: "13C", 7: "14C"}),
    Nanotube(6, 3, 1).decorated({1: "B"}),
    Nanotube(8, 0, 1, torsion=0.02),  # which has no period
)


PROVENANCE = {
    "source": "optimade", "database": "Example", "url": "https://example.org", "licence": "CC-BY-4.0",
    "version": "OPTIMADE 1.2.0", "query": {"elements": ["B", "N"]}, "fetched": "2026-11-30T12:00:00+00:00",
}  # fmt: skip
"""As `matgym data fetch` writes it."""


def tube_table(path):
    """Write a data set of `TUBES`; the third has no gap, for a reason, and the last cannot be published."""
    labels = Predictions({GAP_EV.key: GAPS}, {GAP_EV.key: {2: "the bands do not converge"}})
    data = Dataset.of(list(TUBES), labels, {GAP_EV.key: PiElectrons()}, command="by hand")
    data.save(path)
    return data


def crystal_table(path):
    """Write crystals as `matgym data fetch` does: h-BN, half-occupied LiCl, and a row whose cell is flat."""
    hexagonal = [2.5, 0.0, 0.0, -1.25, 2.5 * np.sqrt(0.75), 0.0, 0.0, 0.0, 20.0]
    cubic = np.diag([5.0, 5.0, 5.0]).ravel().tolist()
    unit = {b"unit": b"eV", b"description": b"band gap of the provider"}
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("formula", pa.string()),
            pa.field("cell", pa.list_(pa.float64()), metadata={b"unit": "Å".encode()}),
            pa.field("fractional", pa.list_(pa.float64())),
            pa.field("numbers", pa.list_(pa.int16())),
            pa.field("occupancies", pa.list_(pa.float64())),
            pa.field("periodic", pa.list_(pa.bool_())),
            pa.field("band_gap", pa.float64(), metadata=unit),
            pa.field("band_gap.method", pa.string()),
        ],
        {b"matgym.source": json.dumps({"provenance": PROVENANCE, "rejected": [["a-0", "no atoms"]]}).encode()},
    )
    halves = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5]
    rows = {
        "id": ["a-1", "a-2", "a-3"],
        "formula": ["BN", "Cl2LiNa", "C"],
        "cell": [hexagonal, cubic, [0.0] * 9],
        "fractional": [[0.0, 0.0, 0.5, 1 / 3, 2 / 3, 0.5], halves, [0.0] * 3],
        "numbers": [[5, 7], [3, 11, 17], [6]],
        "occupancies": [[1.0, 1.0], [0.5, 0.25, 1.0], [1.0]],
        "periodic": [[True, True, False], [True] * 3, [True] * 3],
        "band_gap": [4.6, 5.0, 0.0],
        "band_gap.method": ["PBE", "PBE", "PBE"],
    }
    pq.write_table(pa.table(rows, schema=schema), path)
