import numpy as np
import pytest

from boneage.cascade.case_index import DIMENSIONS, CaseIndex
from boneage.errors import BoneageError


def features_of(count, width=300, seed=0):
    """Features as a backbone gives them: a few directions hold nearly everything, the age the most."""
    rng = np.random.default_rng(seed)
    ages = rng.uniform(5, 225, count)
    latent = np.concatenate([ages[:, None] / 20, rng.normal(0, 2, (count, 20))], axis=1)
    values = latent @ np.random.default_rng(1).normal(size=(21, width)) + rng.normal(0, 0.3, (count, width))
    return ages, np.maximum(values, 0).astype(np.float32)


@pytest.fixture(scope="module")
def known():
    return features_of(400)


@pytest.fixture(scope="module")
def index(known):
    ages, features = known
    return CaseIndex.of("abc", [str(i) for i in range(400)], ["female", "male"] * 200, ages, features)


def test_the_nearest_case_of_a_known_film_is_itself_and_all_are_of_its_sex(index, known):
    found = index.nearest(known[1][20], "female")
    assert found[0].id == "20" and found[0].likeness == pytest.approx(1, abs=1e-2)
    assert all(int(case.id) % 2 == 0 for case in found) and len(found) == 5
    assert [case.likeness for case in found] == sorted((case.likeness for case in found), reverse=True)
    assert found[0].age_months == pytest.approx(known[0][20], abs=1e-3)


def test_the_compressed_features_choose_nearly_the_same_cases_as_the_full_ones(index, known):
    ages, features = known
    full = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-3)
    full /= np.linalg.norm(full, axis=1, keepdims=True)
    _, new = features_of(60, seed=7)
    shared = []
    for row in new:
        one = (row - features.mean(axis=0)) / (features.std(axis=0) + 1e-3)
        of_sex = np.arange(1, 400, 2)
        best = of_sex[np.argsort(full[of_sex] @ one)[::-1][:5]]
        shared.append(len({str(i) for i in best} & {case.id for case in index.nearest(row, "male")}) / 5)
    assert np.mean(shared) > 0.85


def test_an_index_is_read_back_and_holds_no_image(index, tmp_path):
    again = CaseIndex.load(index.save(tmp_path / "cases.npz"), "abc")
    assert list(again.ids) == list(index.ids)
    assert again.codes.dtype == np.int8 and again.codes.shape == (400, DIMENSIONS)
    np.testing.assert_array_equal(again.codes, index.codes)
    np.testing.assert_array_equal(again.axes, index.axes)


def test_the_index_of_the_whole_challenge_is_small_enough_to_ship(tmp_path):
    rng = np.random.default_rng(0)
    features = rng.random((11349, 512), np.float32)
    ids = [f"{1377 + i}" for i in range(11349)]
    index = CaseIndex.of("a" * 64, ids, ["female", "male", "male"] * 3783, rng.uniform(1, 228, 11349), features)
    # Features without any structure are the worst case: nothing in them can be packed.
    assert index.save(tmp_path / "cases.npz").stat().st_size < 800_000


def test_fewer_features_or_cases_than_dimensions_do():
    index = CaseIndex.of("a", ["x", "y"], ["male", "male"], np.array([10.0, 20.0]), np.array([[1.0, 2.0], [3.0, 5.0]]))
    assert [case.id for case in index.nearest(np.array([3.0, 5.0]), "male")] == ["y", "x"]
    assert index.nearest(np.array([3.0, 5.0]), "female") == []


def test_an_index_of_another_backbone_or_a_damaged_one_is_refused(index, tmp_path):
    file = index.save(tmp_path / "cases.npz")
    with pytest.raises(BoneageError, match="another backbone"):
        CaseIndex.load(file, "xyz")
    file.write_bytes(b"no")
    with pytest.raises(BoneageError, match="boneage cases"):
        CaseIndex.load(file, "abc")
