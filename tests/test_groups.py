import pytest

from boneage.groups import (
    AGE_GROUPS,
    ALL_MODELS,
    CLASSIFIERS,
    RANGE_LABELS,
    REGRESSORS,
    ModelKey,
    Sex,
    Task,
    group_from_label,
    group_of,
)


def test_a_cascade_is_two_classifiers_and_eight_regressors():
    assert (len(CLASSIFIERS), len(REGRESSORS), len(ALL_MODELS)) == (2, 8, 10)
    assert len({key.name for key in ALL_MODELS}) == 10


def test_range_labels_are_the_papers():
    assert RANGE_LABELS == ("0-57", "58-114", "115-171", "172-228")


@pytest.mark.parametrize(
    ("age_months", "number"),
    [(0, 1), (57, 1), (57.99, 1), (58, 2), (114.9, 2), (115, 3), (171.5, 3), (172, 4), (228, 4)],
)
def test_decimal_ages_fall_in_half_open_groups(age_months, number):
    assert group_of(age_months) == number
    assert sum(age_months in group for group in AGE_GROUPS) == 1


@pytest.mark.parametrize("age_months", [-0.1, 228.1, float("nan")])
def test_ages_outside_the_method_are_refused(age_months):
    with pytest.raises(ValueError, match="0-228"):
        group_of(age_months)


def test_names_lead_back_to_their_models():
    for key in ALL_MODELS:
        assert ModelKey.parse(key.name) == key
    assert ModelKey(Task.REGRESSOR, Sex.FEMALE, 4).name == "regressor-female-4"
    with pytest.raises(ValueError, match="regressor-male-4"):
        ModelKey.parse("regressor-boy-4")


def test_a_classifier_has_no_group_and_a_regressor_needs_one():
    with pytest.raises(ValueError, match="no age group"):
        ModelKey(Task.CLASSIFIER, Sex.MALE, 1)
    with pytest.raises(ValueError, match="1-4"):
        ModelKey(Task.REGRESSOR, Sex.MALE)


@pytest.mark.parametrize(
    ("text", "sex"), [("F", Sex.FEMALE), ("Male", Sex.MALE), (" girl ", Sex.FEMALE), ("m", Sex.MALE)]
)
def test_sex_is_read_as_people_write_it(text, sex):
    assert Sex.parse(text) is sex


@pytest.mark.parametrize("text", ["", "x", "unknown", None, "O"])
def test_unknown_sex_is_refused(text):
    with pytest.raises(ValueError, match="'female' or 'male'"):
        Sex.parse(text)


def test_ranges_are_given_by_label():
    assert [group_from_label(label) for label in RANGE_LABELS] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="58-114"):
        group_from_label("58-115")
