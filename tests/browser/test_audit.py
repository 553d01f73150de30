"""The audit's page in a real browser: it stands alone, shows everything, and no script or picture fails."""

from __future__ import annotations

from boneage.audit.audit import audit, collect_folder
from boneage.audit.page import page as audit_page
from boneage.phantom.dataset import write_dataset


def test_the_audits_page_renders_without_a_request_or_an_error(browser, tmp_path):
    write_dataset(tmp_path / "films", 8, 1)
    found = audit(collect_folder(tmp_path / "films"), lambda _name: lambda _done, _total: None, workers=1)
    file = tmp_path / "audit.html"
    file.write_text(audit_page(found, "eight drawn films"), encoding="utf-8")
    context = browser.new_context(viewport={"width": 900, "height": 700})
    opened = context.new_page()
    said, asked = [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    assert opened.get_by_role("heading", name="Audit of eight drawn films").is_visible()
    widths = opened.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) == 3 + 8 and min(widths) > 20
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert said == [] and [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    context.close()
