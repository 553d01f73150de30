"""Show a comparison of two periods: text, one HTML page with plots, and metrics of an MLflow experiment."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.hospital.drift import MEASURES, Finding
from boneage.html import html_page, picture
from boneage.plots import new_figure, png

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT = "boneage-drift"


def text(findings: Sequence[Finding], now: str, then: str) -> str:
    """Say every measure in a line."""
    return "\n".join([f"{now} against {then}", *(finding.sentence() for finding in findings)])


def html(findings: Sequence[Finding], now: str, then: str) -> str:
    """Write one page that needs nothing beside it."""
    said = (
        f"<p><b>{RESEARCH_NOTICE}</b></p><p>{escape(now)} against {escape(then)}. Chi-squared tests of homogeneity, "
        "p values corrected by Holm; Cramér's V says how large a difference is.</p>"
    )
    parts = [
        f"<h2>{escape(MEASURES[one.measure])}</h2>{picture(plot(one, now, then), 'png', one.sentence())}"
        for one in findings
    ]
    return html_page("Drift", [said, *parts])


def plot(finding: Finding, now: str, then: str) -> bytes:
    """Draw the shares of both periods bin by bin; PNG."""
    labels = sorted({*finding.now, *finding.then})
    figure, (axes,) = new_figure((8, 0.34 * len(labels) + 1.2))
    for place, (name, counted, colour) in enumerate(((then, finding.then, "#9fb1b5"), (now, finding.now, "#108282"))):
        total = max(sum(counted.values()), 1)
        shares = [100 * counted.get(label, 0) / total for label in labels]
        axes.barh([index + 0.4 * place for index in range(len(labels))], shares, 0.4, label=name, color=colour)
    axes.set_yticks([index + 0.2 for index in range(len(labels))], [label.split(": ", 1)[-1] for label in labels])
    axes.set_xlabel("% of films")
    axes.legend(frameon=False)
    return png(figure)


def log_to_mlflow(client: MlflowClient, findings: Sequence[Finding], now: str, then: str) -> str:
    """Log the findings as a run of the experiment `boneage-drift` and return its id."""
    from boneage.tracking.store import ensure_experiment

    run = client.create_run(ensure_experiment(client, EXPERIMENT), tags={"period": now, "against": then}, run_name=now)
    run_id = str(run.info.run_id)
    for one in findings:
        client.log_metric(run_id, f"{one.measure}_films", float(sum(one.now.values())))
        if one.p_corrected is not None and one.cramers_v is not None:
            client.log_metric(run_id, f"{one.measure}_p_corrected", one.p_corrected)
            client.log_metric(run_id, f"{one.measure}_cramers_v", one.cramers_v)
    client.set_terminated(run_id)
    return run_id
