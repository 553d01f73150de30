"""Facts about background removal: local networks only, by rembg, and what is wrong is said."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boneage.paths import project_root
from boneage.preprocess import background, handmask
from boneage.preprocess.background import BackgroundError, mask_session, network_file, network_identity
from boneage.weights.table import NETWORKS, find

SHARED = Path(os.environ.get("BONEAGE_SHARED_DATA", project_root().parent / "shared" / "data"))
U2NETP = SHARED.parent / "models" / "u2netp.onnx"


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    """A bright hand-like blob on dark, uint8 (200, 160)."""
    y, x = np.mgrid[0:200, 0:160]
    blob = np.exp(-((((x - 80) / 35.0) ** 2 + ((y - 110) / 60.0) ** 2) ** 2))
    return np.rint(20 + 200 * blob).astype(np.uint8)


def test_none_keeps_everything(film):
    assert (mask_session("none")(film) == 255).all()
    assert network_identity("none") == "none"
    assert network_file("none") is None


def test_the_shipped_network_gives_what_it_gives_as_a_rembg_session(film):
    rembg = background._rembg()
    from PIL import Image
    from rembg.sessions.base import BaseSession

    class HandmaskSession(BaseSession):
        @classmethod
        def download_models(cls, *args, **kwargs):
            return str(network_file("handmask"))

        @classmethod
        def name(cls, *args, **kwargs):
            return "handmask"

        def predict(self, img, *args, **kwargs):
            grey = np.asarray(img.convert("L"))
            output = self.inner_session.run(None, {"film": handmask.network_input(grey)})[0]
            return [Image.fromarray(handmask.mask_from_output(output, grey.shape))]

    theirs = rembg.remove(film, session=HandmaskSession("handmask", background._options(1)), only_mask=True)
    mask = mask_session("handmask")(film)
    assert (mask.shape, mask.dtype) == (film.shape, np.uint8)
    np.testing.assert_array_equal(mask, theirs)


def test_the_shipped_network_runs_without_rembg(film):
    code = (
        "import sys, numpy; from boneage.preprocess.background import mask_session;"
        "mask_session('handmask')(numpy.arange(6400, dtype=numpy.uint8).reshape(80, 80));"
        "sys.exit(any(name in sys.modules for name in ('rembg', 'skimage', 'numba', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=project_root(), check=False).returncode == 0


def test_the_shipped_network_gives_the_same_from_another_place(film, tmp_path):
    copy = tmp_path / "mask network.onnx"
    copy.write_bytes(network_file("handmask").read_bytes())
    np.testing.assert_array_equal(mask_session(str(copy), threads=1)(film), mask_session("handmask", threads=1)(film))
    assert network_identity(str(copy)) == network_identity("handmask")


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_blank_film_has_an_empty_mask(shade):
    assert not mask_session("handmask")(np.full((64, 64), shade, np.uint8)).any()


@pytest.mark.parametrize("name", ["withoutbg", "atlascloud"])
def test_remote_services_are_refused(name):
    with pytest.raises(BackgroundError, match="remote service"):
        mask_session(name)


@pytest.mark.parametrize("name", ["u2nett", "", "sam", "u2net_custom"])
def test_an_unknown_name_is_answered_with_the_nearest(name):
    with pytest.raises(BackgroundError, match="nearest"):
        mask_session(name)


def test_missing_weights_say_where_to_put_them(monkeypatch, tmp_path):
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    pooch = pytest.importorskip("pooch")

    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(pooch, "retrieve", offline)
    background._rembg()
    with pytest.raises(BackgroundError, match=r"weights fetch u2net.*u2net\.onnx into .*u2net or give its path"):
        mask_session("u2net")


def test_the_table_names_rembgs_own_files_and_their_places_and_no_other_file_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    sessions = background._rembg().sessions.sessions
    rows = [row for row in NETWORKS.values() if row.use == "mask" and not row.ships]
    assert {row.name for row in rows} >= {"u2net", "u2netp"}
    for row in rows:
        source = inspect.getsource(sessions[row.name].download_models)
        assert f'"{row.url}"' in source and f'"md5:{row.md5}"' in source
        assert Path(sessions[row.name].model_dir()) == row.place.parent
    for place in find("u2netp").places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"damaged")
        with pytest.raises(BackgroundError, match="delete it, and run `boneage weights fetch u2netp`"):
            mask_session("u2netp")
        place.unlink()


def test_a_missing_file_and_a_file_that_is_no_network_are_refused(tmp_path):
    with pytest.raises(BackgroundError, match="no mask network at"):
        mask_session(str(tmp_path / "x.onnx"))
    (tmp_path / "y.onnx").write_bytes(b"not a network")
    with pytest.raises(BackgroundError, match="not a mask network"):
        mask_session(str(tmp_path / "y.onnx"))


@pytest.mark.skipif(not U2NETP.is_file(), reason="../shared/models/u2netp.onnx is not here")
def test_any_u2net_file_is_used_wherever_it_lies(film):
    mask = mask_session(str(U2NETP))(film)
    assert (mask.shape, mask.dtype) == (film.shape, np.uint8)
    assert mask[60:160, 50:110].mean() > 2 * mask[:20].mean()


@pytest.mark.skipif(not U2NETP.is_file(), reason="../shared/models/u2netp.onnx is not here")
def test_a_named_session_uses_rembgs_own_class(film, monkeypatch, tmp_path):
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    (tmp_path / "u2netp.onnx").symlink_to(U2NETP)
    # The shared copy is another export than rembg's own.
    monkeypatch.setitem(NETWORKS, "u2netp", replace(find("u2netp"), sha256=network_identity(str(U2NETP))[7:]))
    np.testing.assert_array_equal(mask_session("u2netp", 1)(film), mask_session(str(U2NETP), 1)(film))


def test_importing_the_room_does_not_import_rembg():
    code = (
        "import sys, boneage.preprocess.pipeline;"
        "sys.exit(any(name in sys.modules for name in ('rembg', 'onnxruntime', 'numba')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=project_root(), check=False).returncode == 0


def test_numbas_compiler_is_on_again_after_the_import():
    code = (
        "from boneage.preprocess.background import _rembg; _rembg(); import os, sys, numba;"
        "sys.exit(bool(numba.config.DISABLE_JIT or 'NUMBA_DISABLE_JIT' in os.environ))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_DISABLE_JIT"}
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=project_root(), env=environment, check=False).returncode == 0
    )
