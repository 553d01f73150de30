"""What `predict`, `listen` and `watch` write beside the number: DICOM objects, FHIR resources, PDF reports."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boneage.cascade.cascade import Cascade
    from boneage.clinical.sd_tables import SdTable
    from boneage.hospital.result import Question, Result


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the folders that results are written to."""
    parser.add_argument(
        "--dicom-out", type=Path, metavar="DIR", help="write a Structured Report and an annotated copy (DICOM films)"
    )
    parser.add_argument("--fhir-out", type=Path, metavar="DIR", help="write a FHIR R4 Observation")


def outputs_of(args: argparse.Namespace) -> Outputs:
    """Return what a command's arguments ask for."""
    return Outputs(args, args.dicom_out, args.fhir_out)


@dataclass(frozen=True)
class Outputs:
    """The folders that were asked for.

    Attributes:
        args: of the command, for the question.
        dicom: folder of DICOM objects, or None.
        fhir: folder of FHIR resources, or None.
    """

    args: argparse.Namespace
    dicom: Path | None
    fhir: Path | None

    @property
    def wanted(self) -> bool:
        """Tell whether anything is to be written."""
        return self.dicom is not None or self.fhir is not None

    def check(self) -> None:
        """Say before any estimate that a library is missing.

        Raises:
            HospitalError: then.
        """
        from boneage.hospital.dicom_out import need

        need(*(["highdicom"] if self.dicom else []), *(["fhir.resources"] if self.fhir else []))

    def answered(self, cascade: Cascade, image: str, table: SdTable | None) -> dict[str, Any]:
        """Estimate a film, write its results (those of a refusal, too), and return its record.

        Raises:
            BoneageError: when the film cannot be read or a result cannot be written.
        """
        from boneage.hospital.result import judge

        result = judge(cascade, image, self._question(table))
        self.write(result)
        if result.estimate is None:
            return {"error": result.message}
        return result.estimate.to_json() | self._reasons(cascade, result) | self._compared(result)

    def write(self, result: Result) -> list[Path]:
        """Write one result into every folder and return the paths."""
        from boneage.hospital.dicom_out import write_dicom
        from boneage.hospital.fhir import write_fhir

        paths = [*write_dicom(result, self.dicom)] if self.dicom else []
        return [*paths, write_fhir(result, self.fhir)] if self.fhir else paths

    def _question(self, table: SdTable | None) -> Question:
        from boneage.groups import Sex
        from boneage.hospital.result import Question

        sex = None if self.args.sex is None else Sex.parse(self.args.sex)
        return Question(sex, self.args.age_range, self.args.chronological, table, self.args.anyway)

    def _reasons(self, cascade: Cascade, result: Result) -> dict[str, Any]:
        if not self.args.reasons or result.estimate is None or result.features is None:
            return {}
        from boneage.explain.reasons import reasons_of

        return reasons_of(cascade, result.features, result.estimate).to_json()

    def _compared(self, result: Result) -> dict[str, Any]:
        """Return the chronological age's part of a record: only where the command was given one, as ever."""
        if self.args.chronological is None or result.estimate is None:
            return {}
        compared = result.comparison.to_json() if result.comparison else {}
        return result.estimate.difference(self.args.chronological) | compared
