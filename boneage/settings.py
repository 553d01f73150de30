"""The settings of a study: one frozen dataclass per stage. `boneage.config` reads them from TOML."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")

Role = Literal["train", "test"]
Layout = Literal["auto", "rsna", "atlas", "table", "flagged", "phantom"]
Contrast = Literal["equalize", "clahe", "stretch", "sharpen", "none"]
Selection = Literal["largest", "none"]
Mirror = Literal["none", "right"]
Arrange = Literal["none", "upright", "mosaic"]
View = Literal["original", "flip", "rotate-left", "rotate-right"]
Loss = Literal["mae", "mse", "huber", "distribution", "years", "months"]
FinalStop = Literal["folds", "validation"]
Pruner = Literal["none", "median", "wilcoxon"]
ClassifierObjective = Literal["accuracy", "log_loss", "quadratic_kappa"]
RegressorObjective = Literal["mae_months"]
Routing = Literal["hard", "soft"]
Members = Literal["final", "folds"]
GlobalKind = Literal["none", "regression", "distribution", "own"]


@dataclass(frozen=True, config=_STRICT)
class StudyConfig:
    """`[study]`: the study's name, the prefix of its registered models, and its seed.

    `stress_films`: so many validation films take the stress test that the new version's card shows; 0 for none.
    `experiment`: the MLflow experiment of its runs, which several studies may share; "" for one of the study's name.
    """

    name: str = "boneage"
    prefix: str = "boneage"
    seed: int = 2024
    note: str = ""
    stress_films: int = 0
    experiment: str = ""


@dataclass(frozen=True, config=_STRICT)
class SourceConfig:
    """`[[data.sources]]`: one collection of radiographs with ages.

    `path` (a folder or a table, relative to `data.root`) and `images` (folders or zip archives searched in this order,
    relative to `data.root`) may be absolute. `role = "test"` keeps a source away from everything that trains.
    `sizes`: a table `id,width,height` of original sizes; images whose aspect ratio differs are stretched back.
    `columns`: for `layout = "table"`, which column holds `id`, `image`, `sex`, `age_months`, `age_years` or
    `laterality`; columns of a table without headers are named by number, from 1.
    `only_with_images_in`: keep only the rows whose image lies in this one of `images`.
    `count`, `seed`: for `layout = "phantom"`, so many simulated hands are drawn into `path` where they are missing.
    """

    name: str
    path: str = ""
    role: Role = "train"
    layout: Layout = "auto"
    images: tuple[str, ...] = ()
    sizes: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    only_with_images_in: str = ""
    count: int = 0
    seed: int = 0


@dataclass(frozen=True, config=_STRICT)
class DataConfig:
    """`[data]`: where the sources lie and how they are split.

    `validation_ids`: a table whose `id` column fixes the validation set; without it `validation_fraction` is drawn.
    `limit`: use at most so many images (stratified by sex and group), 0 for all; the images of `validation_ids` are
    used in any case and do not count, so that a small study is still scored on the whole fixed set, or with
    `validation_limit` on at most so many of it.
    """

    root: str = ""
    sources: tuple[SourceConfig, ...] = ()
    validation_fraction: float = 0.2
    validation_ids: str = ""
    folds: int = 5
    limit: int = 0
    validation_limit: int = 0


@dataclass(frozen=True, config=_STRICT)
class PreprocessConfig:
    """`[preprocess]`: the preparation; `background` is a local rembg session, `handmask`, `none` or an ONNX path.

    `rotate` turns the hand upright by its mask's axis. `mirror = "right"` mirrors films that are known to show a right
    hand (DICOM laterality, or a table's column), so that the networks only ever see left hands. `contrast = "sharpen"`
    standardises the hand's grey levels, takes out speckle and sharpens edges.
    `arrange` comes last: `upright` turns and centres the hand by the key points of its joints, `mosaic` cuts out the
    ossification centres and lays them side by side.
    """

    background: str = "handmask"
    select: Selection = "largest"
    contrast: Contrast = "equalize"
    crop: bool = False
    pad: bool = False
    size: int = 500
    rotate: bool = False
    mirror: Mirror = "none"
    arrange: Arrange = "none"


@dataclass(frozen=True, config=_STRICT)
class BackboneConfig:
    """`[backbone]`: which frozen network, its weights (`asset`, `imagenet`, `none` or a file), and an image's views.

    `input_size` 0 takes the network's own default. `sha256` is verified when `weights` names a file and it is given.
    """

    name: str = "handnet"
    weights: str = "asset"
    sha256: str = ""
    input_size: int = 0
    batch_size: int = 16
    views: tuple[View, ...] = ("original",)


@dataclass(frozen=True, config=_STRICT)
class HeadParameters:
    """`[classifier]`, `[regressor]`: the hyperparameters of one head; the defaults are the paper's architecture.

    `final_fraction` is the cosine's floor and `warmup_fraction` the share of all steps that warm up, both relative.
    `loss` matters to regressors only (classifiers use categorical cross-entropy); with `"distribution"` a regressor
    ends in a softmax over bins of its range, learns soft labels and gives the expectation. `standardize` scales the
    features by mean and deviation of the training part before the first Dense layer; the paper does not.

    `years` and `months` are losses of the classifier and make a study of one head per sex for all ages: a softmax over
    the years 0 to 19, fitted to the year by cross-entropy, or its expectation to the months by their absolute error.
    All five models of a sex are then parts of that head: its group probabilities, and the expectation within a group.
    """

    initial_learning_rate: float = 1e-3
    final_fraction: float = 0.01
    warmup_fraction: float = 0.05
    batch_size: int = 32
    dropout: float = 0.2
    width_1: int = 1024
    width_2: int = 512
    weight_decay: float = 0.0
    loss: Loss = "mae"
    standardize: bool = False


@dataclass(frozen=True, config=_STRICT)
class FineTuneConfig:
    """`[training.fine_tune]`: train the backbone itself, from a named block on, before the heads; for those with a GPU.

    `from_block` is the beginning of a layer's name (`block6`, `top_conv`, `last`); that layer and all after it learn,
    everything before stays as it is. Empty: the backbone stays frozen, as in the paper. `fold` is the fold of the
    training part that is kept away, so that honest residuals remain for intervals and stacking. `augment` flips, turns,
    scales and brightens the images.
    """

    from_block: str = ""
    epochs: int = 5
    learning_rate: float = 1e-4
    batch_size: int = 16
    augment: bool = True
    fold: int = 0


@dataclass(frozen=True, config=_STRICT)
class TrainingConfig:
    """`[training]`: how long a head is fitted and what stops the final training.

    `final_stop = "validation"` watches the validation part, as the paper does; `"folds"` trains for the folds' median
    best epoch, so that the validation part stays untouched. `overlap_months` lets each regressor learn from so many
    months beyond its group, too, on either side; the paper's learn from their group alone. `joint_sexes` lets every
    head learn from both sexes, with the sex as one more feature; the paper's learn from their own sex alone.
    """

    epochs: int = 60
    patience: int = 10
    final_stop: FinalStop = "folds"
    overlap_months: float = 0.0
    joint_sexes: bool = False
    fine_tune: FineTuneConfig = field(default_factory=FineTuneConfig)


@dataclass(frozen=True, config=_STRICT)
class GlobalHeadConfig:
    """`[global_head]`: a head for all ages and both sexes, stacked with the routed experts; the paper has none.

    `kind`: `none`, `regression`, `distribution` (softmax over bins of six months, the expectation is the age), or
    `own`: the head that the embedded backbone was trained with. `width` and `epochs` matter to those that are fitted.
    It counts as much as the routed experts. `match_spread` then gives the ages of each sex the mean and the deviation
    of the true ages, fitted on estimates out of fold of images that the backbone never saw.
    """

    kind: GlobalKind = "none"
    width: int = 256
    epochs: int = 30
    match_spread: bool = False


@dataclass(frozen=True, config=_STRICT)
class TuningConfig:
    """`[tuning]`: the search; `trials` and `seconds` are its budget per model, 0 means no limit (one is needed).

    `seconds` counts the time that finished trials took, over all workers and earlier runs. `pruner` ends a trial
    between its folds when it cannot win any more. `classifier_objective` and `regressor_objective` are what decides
    between trials, a mean over the folds.

    `storage`: the database that keeps the trials of several machines, without a password (`OPTUNA_STORAGE` in the
    environment goes before it); "" for a journal in `mlruns/`. A worker on a database that gave no sign of life for six
    times `heartbeat_seconds` counts as dead, and its trial is asked again.
    """

    trials: int = 10
    seconds: float = 0.0
    pruner: Pruner = "wilcoxon"
    classifier_objective: ClassifierObjective = "accuracy"
    regressor_objective: RegressorObjective = "mae_months"
    storage: str = ""
    heartbeat_seconds: int = 10


@dataclass(frozen=True, config=_STRICT)
class OuterConfig:
    """`[outer]`: what `python -m tuning.outer` tries upstream of the heads; an empty list keeps the study's setting.

    `crop` crops to the hand and pads to a square, or does neither. `backbones` are names with weights, such as
    `handnet:asset` or `EfficientNetV2B0:imagenet`. `views` are joined by a plus: `original+flip`.
    """

    trials: int = 8
    contrast: tuple[Contrast, ...] = ("equalize", "clahe", "stretch", "none")
    crop: tuple[bool, ...] = (True, False)
    rotate: tuple[bool, ...] = (False, True)
    backbones: tuple[str, ...] = ()
    views: tuple[str, ...] = ("original", "original+flip")


@dataclass(frozen=True, config=_STRICT)
class CascadeConfig:
    """`[cascade]`: how the classifier's answer is used; hard routing is the paper's.

    `gate` withholds an estimate, with the reason, from films that do not show one usable hand. `widen_unsure` makes
    intervals wider where the classifier is unsure, at the same coverage.

    `members = "folds"` serves the mean of the five fold heads instead of the final head. `temperature` calibrates the
    classifiers' probabilities on images out of fold. `views` are the views whose features are averaged at estimate
    time (one backbone pass each). `half_precision` rounds the heads' kernels to float16, which halves the bundle.

    `similar_cases`: so many of the training cases most like a film are shown with the reasons; 0 for none. Their ids,
    sexes, ages and compressed features then travel in the bundle. `noise_guard` warns of films that are noisier than
    nearly all training films and widens their intervals.

    `regions` reads an age from carpals, radius and ulna, and short bones beside that of the whole hand, and averages
    the age that they give together with that of experts and head for all ages.
    """

    routing: Routing = "hard"
    coverage: float = 0.9
    gate: bool = False
    widen_unsure: bool = False
    members: Members = "final"
    temperature: bool = False
    views: tuple[View, ...] = ("original",)
    half_precision: bool = False
    similar_cases: int = 0
    noise_guard: bool = False
    regions: bool = False


@dataclass(frozen=True, config=_STRICT)
class Config:
    """A whole study."""

    study: StudyConfig = field(default_factory=StudyConfig)
    data: DataConfig = field(default_factory=DataConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    classifier: HeadParameters = field(default_factory=HeadParameters)
    regressor: HeadParameters = field(default_factory=HeadParameters)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    global_head: GlobalHeadConfig = field(default_factory=GlobalHeadConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    outer: OuterConfig = field(default_factory=OuterConfig)
    cascade: CascadeConfig = field(default_factory=CascadeConfig)
