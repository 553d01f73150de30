import numpy as np
import pytest

from boneage.cascade.similar import CaseIndex
from boneage.errors import BoneageError


@pytest.fixture
def index():
    rng = np.random.default_rng(0)
    ages = np.linspace(10, 220, 60)
    features = np.stack([ages / 50, np.sin(ages / 60), rng.normal(0, 0.1, 60)], axis=1)
    return CaseIndex.of("abc", [str(i) for i in range(60)], ["female", "male"] * 30, ages, features)


def test_the_nearest_cases_are_of_the_same_sex_and_of_about_the_same_age(index):
    found = index.nearest(index.features[20].astype(np.float32), "female")
    assert [case.id for case in found][0] == "20" and found[0].likeness == pytest.approx(1, abs=1e-3)
    assert all(int(case.id) % 2 == 0 for case in found) and len(found) == 5
    assert found[0].likeness >= found[-1].likeness


def test_an_index_is_read_back_and_holds_no_image(index, tmp_path):
    file = index.save(tmp_path / "cases.npz")
    again = CaseIndex.load(file, "abc")
    assert list(again.ids) == list(index.ids) and again.features.dtype == np.float16
    assert file.stat().st_size < 5000


def test_an_index_of_another_backbone_or_a_damaged_one_is_refused(index, tmp_path):
    file = index.save(tmp_path / "cases.npz")
    with pytest.raises(BoneageError, match="another backbone"):
        CaseIndex.load(file, "xyz")
    file.write_bytes(b"no")
    with pytest.raises(BoneageError, match="boneage cases"):
        CaseIndex.load(file, "abc")
