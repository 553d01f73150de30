"""Open a served model's bundle, read the rows of a request, and answer them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from boneage.cascade.bundle import load_bundle
from boneage.cascade.cascade import Cascade
from boneage.cascade.estimate import (
    COMPARISON_FIELDS,
    DIFFERENCE_FIELDS,
    MAX_CHRONOLOGICAL_MONTHS,
    REASON_FIELDS,
)
from boneage.cascade.routing import Head
from boneage.clinical.comparison import compared
from boneage.clinical.sd_tables import SdTable, built_in_table
from boneage.config import head_parameters
from boneage.errors import BoneageError
from boneage.explain.reasons import estimate_record
from boneage.groups import ModelKey
from boneage.notices import coded
from boneage.registry.scoring_guard import MAX_BODY_BYTES, guard_server
from boneage.signing import refuse_strangers

REGISTERED_FILE = "registered.json"
_MLFLOW_FILE = "registered_model_meta"
# A value that nothing ends was cut off, by a power cut while it was written.
_NOTED = re.compile(r"""["']?(model_name|model_version)["']?: ["']?([\w.-]+)(?=["'\s,}]|\Z)""")
_LONGEST_SHOWN = 60
_DATA_ADDRESS = re.compile(r"^\s*data:[^,]{0,200},")
_URL_SAFE = str.maketrans("-_", "+/")
_COLUMNS = ("image", "sex", "age_range", "anyway", "reasons", "chronological_months", "table")


def open_served(bundle: str | Path) -> Cascade:
    """Open a bundle that lies in a registered model's folder, and name it by that model and version."""
    refuse_strangers(Path(bundle))
    cascade = load_bundle(Path(bundle))
    cascade.model, cascade.version = registered_as(Path(bundle).parent.parent)
    guard_server(_COLUMNS)
    return cascade


def registered_as(folder: Path) -> tuple[str, str]:
    """Return name and version of a registered model's folder, as MLflow noted them on loading or we on registering."""
    for file in (folder / _MLFLOW_FILE, folder / REGISTERED_FILE):
        if file.is_file():
            # Ours is JSON and MLflow's is YAML; both hold these two names and nothing that is nested.
            noted = dict(_NOTED.findall(file.read_text(encoding="utf-8")))
            if noted.keys() == {"model_name", "model_version"} and noted["model_name"] != "null":
                return noted["model_name"], noted["model_version"]
    return folder.name, ""


def estimate_rows(
    cascade: Cascade, rows: pd.DataFrame, turn: AbstractContextManager[Any] | None = None
) -> pd.DataFrame:
    """Estimate every row of a request; a row that cannot be estimated takes nothing from the others.

    Args:
        cascade: an open cascade.
        rows: columns `image` (bytes, or base64 text of them, also as a data address), `sex`, and optionally
            `age_range`, `anyway`, `reasons`, `chronological_months` and `table` (a built-in table's name).
        turn: held while a row is computed: two at once are no faster and take twice the memory.

    Returns:
        One row per image with the columns of `Estimate.to_json`; where they were asked for, those of `Reasons.to_json`,
        and chronological age with difference or, with a table, those of `Comparison.to_json`. Where a row failed, also
        `error` and `error_code`, as `boneage predict --format json` has them; its other columns are empty then.

    Raises:
        MlflowException: when no row can be estimated, or the columns are wrong; the server answers with status 400.
    """
    unknown = [str(name) for name in rows.columns if name not in _COLUMNS]
    if unknown or not {"image", "sex"} <= set(rows.columns):
        came, wanted = ", ".join(map(str, rows)), f"{', '.join(_COLUMNS[2:-1])} and {_COLUMNS[-1]}"
        raise _refused(f"columns must be image, sex and optionally {wanted}, but {came} came")
    answers: list[dict[str, Any]] = []
    faults: dict[int, BoneageError] = {}
    for number, row in enumerate(rows.to_dict("records")):
        try:
            with turn or nullcontext():
                answers.append(_estimate_row(cascade, row))
        except BoneageError as error:
            answers.append({"error": str(error), "error_code": error.code})
            faults[number] = error
    if faults and len(faults) == len(answers):
        raise _refused("; ".join(f"row {number}: {coded(error)}" for number, error in faults.items())) from faults[0]
    good = next((answer for answer in answers if "error" not in answer), {})
    columns = [*good, *(("error", "error_code") if faults else ())]
    return pd.DataFrame([dict.fromkeys(columns) | answer for answer in answers], dtype=object)


def _estimate_row(cascade: Cascade, row: Mapping[Any, Any]) -> dict[str, Any]:
    asked = _image_bytes(row["image"]), str(row["sex"]), _given(row, "age_range")
    months = _months(row)
    table = _table(row, months)
    # Only a plain true opens the gate: it fails closed.
    how: dict[str, Any] = {"anyway": _plain_true(row.get("anyway")), "chronological_months": months}
    estimate, record = estimate_record(cascade, *asked, reasons=_plain_true(row.get("reasons")), **how)
    # All rows of an answer have the same columns.
    fields = COMPARISON_FIELDS if "table" in row else DIFFERENCE_FIELDS if "chronological_months" in row else ()
    columns = (*estimate.to_json(), *(REASON_FIELDS if "reasons" in row else ()), *fields)
    return dict.fromkeys(columns) | record | compared(estimate, months, table, cascade.config.cascade.coverage)


def _table(row: Mapping[Any, Any], months: float | None) -> SdTable | None:
    name = _given(row, "table")
    if name is not None and months is None:
        raise BoneageError.of("request.table_without_age")
    return None if name is None else built_in_table(name)


def _given(row: Mapping[Any, Any], name: str) -> str | None:
    """Return a text, None where it is missing or empty."""
    value = row.get(name)
    if _missing(value) or value == "":
        return None
    if not isinstance(value, str):
        raise BoneageError.of("request.no_text", name=name, given=_shown(value))
    return value


def _months(row: Mapping[Any, Any]) -> float | None:
    """Return the chronological age, None where it is missing."""
    value = row.get("chronological_months")
    if _missing(value):
        return None
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise BoneageError.of("request.age_no_number", given=_shown(value))
    if not 0 <= value <= MAX_CHRONOLOGICAL_MONTHS:
        wanted = f"a number of months from 0 to {MAX_CHRONOLOGICAL_MONTHS}"
        raise BoneageError.of("request.age", wanted=wanted, given=_shown(value))
    return float(value)


def _missing(value: object) -> bool:
    """Tell whether a cell is empty; of a list pandas would tell it for every entry."""
    return value is None or (bool(pd.api.types.is_scalar(value)) and bool(pd.isna(value)))


def _shown(value: object) -> str:
    """Write a value into an error, shortened: a request may hold anything."""
    written = f"{value}" if isinstance(value, (int, float, np.number)) else repr(value)
    return written if len(written) <= _LONGEST_SHOWN else f"{written[:_LONGEST_SHOWN]}..."


def _plain_true(value: object) -> bool:
    return isinstance(value, (bool, np.bool_)) and bool(value)


def _image_bytes(value: object) -> bytes:
    """Return a file's bytes; base64 may have line breaks or no padding, and may stand in a data address."""
    if isinstance(value, (bytes, bytearray, memoryview, np.bytes_)):
        content = bytes(value)
    elif isinstance(value, str):
        text = "".join(_DATA_ADDRESS.sub("", value, count=1).split()).translate(_URL_SAFE).rstrip("=")
        try:
            content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BoneageError.of("request.no_base64") from error
    else:
        raise BoneageError.of("request.no_image", given=_shown(value))
    if len(content) > MAX_BODY_BYTES:
        found, most = len(content) / 2**20, MAX_BODY_BYTES // 2**20
        raise BoneageError.of("request.large", size=found, most=most)
    return content


def _refused(message: str) -> Exception:
    from mlflow.exceptions import MlflowException

    return MlflowException.invalid_parameter_value(message)


def head_description(key: ModelKey, parameters: Mapping[str, Any]) -> str:
    """Write what `read_head` needs besides the arrays, as JSON."""
    return json.dumps({"key": key.name, "parameters": dict(parameters)}, indent=2)


def read_head(weights: str | Path, description: str | Path) -> Head:
    """Read one head: its arrays (numpy, pickle refused) and its description."""
    values = json.loads(Path(description).read_text(encoding="utf-8"))
    with np.load(weights, allow_pickle=False) as arrays:
        ordered = tuple(arrays[name].astype(np.float32) for name in sorted(arrays.files))
    return Head(ModelKey.parse(values["key"]), head_parameters(values["parameters"], origin=values["key"]), ordered)
