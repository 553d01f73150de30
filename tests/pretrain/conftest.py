"""What the tests of the training code share: PyTorch or a skip, and the real data folder or a skip."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def data():
    if not (DATA / "rsna_299px.zip").is_file():
        pytest.skip("the radiographs of ../shared/data are not here")
    return DATA.resolve()


@pytest.fixture(scope="session")
def torch():
    torch = pytest.importorskip("torch", reason="PyTorch (extra `pretrain`) is not installed")
    torch.set_num_threads(1)
    return torch
