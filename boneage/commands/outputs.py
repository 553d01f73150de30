"""What `predict`, `listen` and `watch` write beside the number: DICOM objects, FHIR resources, PDF reports."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import UsageError
from boneage.languages.texts import DEFAULT_LANGUAGE, LANGUAGES

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
    parser.add_argument("--pdf", type=Path, metavar="DIR", help="write a report of one page")
    parser.add_argument("--language", choices=list(LANGUAGES), default=DEFAULT_LANGUAGE, help="of reports and DICOM")
    parser.add_argument("--paper", choices=("A4", "Letter"), default="A4", help="of the report")
    parser.add_argument("--height", type=float, metavar="CM", help="height now, for adult height (Bayley-Pinneau)")
    parser.add_argument("--father", type=float, metavar="CM", help="the father's height, for the target height")
    parser.add_argument("--mother", type=float, metavar="CM", help="the mother's height")


def outputs_of(args: argparse.Namespace) -> Outputs:
    """Return what a command's arguments ask for."""
    if (args.father is None) != (args.mother is None) or (args.father is not None and args.height is None):
        raise UsageError.of("call.parents")
    return Outputs(args, args.dicom_out, args.fhir_out, args.pdf)


@dataclass(frozen=True)
class Outputs:
    """The folders that were asked for.

    Attributes:
        args: of the command, for the question.
        dicom: folder of DICOM objects, or None.
        fhir: folder of FHIR resources, or None.
        pdf: folder of reports, or None.
    """

    args: argparse.Namespace
    dicom: Path | None
    fhir: Path | None
    pdf: Path | None

    @property
    def wanted(self) -> bool:
        """Tell whether more than the estimate itself is asked for."""
        return any(one is not None for one in (self.dicom, self.fhir, self.pdf, self.args.height))

    def check(self) -> None:
        """Say before any estimate that a library is missing.

        Raises:
            HospitalError: then.
        """
        if not self.wanted:
            return
        from boneage.hospital.dicom_out import need

        needed = {"highdicom": self.dicom, "fhir.resources": self.fhir, "fpdf": self.pdf}
        need(*(name for name, folder in needed.items() if folder is not None))

    def answered(self, cascade: Cascade, image: str, table: SdTable | None) -> dict[str, Any]:
        """Estimate a film, write its results (those of a refusal, too), and return its record.

        Raises:
            BoneageError: when the film cannot be read or a result cannot be written.
        """
        from boneage.hospital.audit_trail import log_result
        from boneage.hospital.result import HospitalError, judge

        result = judge(cascade, image, self._question(table))
        if self.args.height is not None and result.chronological_months is None:
            raise HospitalError.of("height.no_age")
        if table is not None and result.chronological_months is None:
            raise UsageError.of("call.table_without_age")
        self.write(result)
        log_result(result)
        if result.estimate is None:
            return {name: value for name, value in result.to_json().items() if name.startswith("error")}
        return result.estimate.to_json() | self._reasons(result) | self._compared(result)

    def write(self, result: Result) -> list[Path]:
        """Write one result into every folder and return the paths."""
        from boneage.hospital.dicom_out import write_dicom
        from boneage.hospital.fhir import write_fhir
        from boneage.hospital.report_pdf import write_pdf

        paths = [*write_dicom(result, self.dicom)] if self.dicom else []
        paths += [write_fhir(result, self.fhir)] if self.fhir else []
        return [*paths, write_pdf(result, self.pdf, self.args.language, self.args.paper)] if self.pdf else paths

    def _question(self, table: SdTable | None) -> Question:
        from boneage.groups import Sex
        from boneage.hospital.result import Question

        sex = None if self.args.sex is None else Sex.parse(self.args.sex)
        args = self.args
        parents = None if args.father is None else (args.father, args.mother)
        return Question(sex, args.age_range, args.chronological, table, args.anyway, args.height, parents, args.hand,
                        args.language)  # fmt: skip

    def _reasons(self, result: Result) -> dict[str, Any]:
        return result.reasons.to_json() if self.args.reasons and result.reasons is not None else {}

    def _compared(self, result: Result) -> dict[str, Any]:
        """Return a record's part on age and height: the age only where the command was given one, as ever."""
        heights = result.height.to_json() if result.height else {}
        if self.args.chronological is None or result.estimate is None:
            return heights
        compared = result.comparison.to_json() if result.comparison else {}
        return result.estimate.difference(self.args.chronological) | compared | heights
