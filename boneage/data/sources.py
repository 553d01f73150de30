"""Read one configured source into raw rows: image, sex and age as they were written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from boneage.config import SourceConfig
from boneage.data.archives import DataError, is_archive, is_reference, join, list_files, mean_bytes
from boneage.data.finder import image_files
from boneage.data.flags import FlagStore
from boneage.data.layouts import (
    HAND_ATLAS,
    Columns,
    parse_file_name,
    parse_folder,
    parse_laterality,
    read_table,
    recognise,
)

_TABLE_ENDINGS = (".csv", ".tsv")


@dataclass(frozen=True)
class RawRow:
    """One row as written.

    Attributes:
        id: What names the image everywhere else.
        image: What to look for: an id, a file name, a relative path or a full reference.
        sex: As written.
        age: As written.
        months_a_unit: 1 for an age in months, 12 for years.
        crop: "" or the part of the image that is used.
        laterality: "L", "R" or "" where it is not said.
    """

    id: str
    image: str
    sex: str
    age: str
    months_a_unit: float = 1.0
    crop: str = ""
    laterality: str = ""


@dataclass(frozen=True)
class RawSource:
    """The rows of a source, the places where their images are looked for, and what the layout is called."""

    rows: tuple[RawRow, ...]
    places: tuple[str, ...]
    layout: str
    sizes: str = ""


def read_source(source: SourceConfig, root: Path) -> RawSource:
    """Read the rows of a source.

    Args:
        source: The source; its paths are relative to `root`.
        root: The data folder.

    Raises:
        DataError: when there is nothing at its path, or no layout is recognised.
    """
    location = resolve(source.path, root)
    places = tuple(resolve(image, root) for image in source.images)
    sizes = resolve(source.sizes, root) if source.sizes else ""
    if source.layout == "flagged":
        return _flagged(Path(location))
    if source.layout == "atlas":
        named = _named_files(location)
        return RawSource(named, places or (location,), _layout_of_names(named), sizes)
    if not _is_folder(location):
        columns, rows = _table_rows(location, source.columns)
        return RawSource(rows, places or _places_around(location), columns.recognised, sizes)
    return _look_around(location, source, places, sizes)


def resolve(path: str, root: Path) -> str:
    """Return a path of the configuration, relative to the data folder unless it is absolute, as text."""
    return str(root / Path(path).expanduser()) if path else str(root)


def _is_folder(location: str) -> bool:
    return is_archive(location) or (not is_reference(location) and Path(location).is_dir())


def _look_around(location: str, source: SourceConfig, places: tuple[str, ...], sizes: str) -> RawSource:
    """Find the tables of a folder or archive; without a usable one, read the file names."""
    around = places_in(location)
    files = [(place, name) for place in around for name in list_files(place)]
    tables = [join(place, name) for place, name in files if name.lower().endswith(_TABLE_ENDINGS)]
    rows: list[RawRow] = []
    names: list[str] = []
    for table in tables:
        if not recognise(_headers(table), None).usable and not source.columns:
            sizes = sizes or (table if _is_size_table(table) else "")
            continue
        columns, more = _table_rows(table, source.columns)
        rows.extend(more)
        names.append(columns.recognised)
    if rows:
        return RawSource(tuple(rows), places or around, ", ".join(dict.fromkeys(names)), sizes)
    named = tuple(row for place in places or around for row in _named_files(place))
    if not named:
        raise DataError.of("layout.no_image", place=location)
    return RawSource(named, places or around, _layout_of_names(named), sizes)


def places_in(location: str) -> tuple[str, ...]:
    """Return a folder or archive and the archives in it, at any depth; those of larger files come first."""
    archives = [join(location, name) for name in list_files(location) if is_archive(name)]
    inside = [place for archive in archives for place in places_in(archive)]
    return (location, *sorted(inside, key=mean_bytes, reverse=True))


def _places_around(table: str) -> tuple[str, ...]:
    """Return where images of a table are looked for when the configuration does not say: beside it."""
    if is_reference(table):
        return (table[: table.lower().rfind(".zip!") + 4],)
    return places_in(str(Path(table).parent))


def _headers(table: str) -> list[str]:
    try:
        return [str(column) for column in read_table(table).columns]
    except DataError:
        return []


def _is_size_table(table: str) -> bool:
    return {header.lower() for header in _headers(table)} >= {"id", "width", "height"}


def _table_rows(table: str, given: Mapping[str, str]) -> tuple[Columns, tuple[RawRow, ...]]:
    frame = read_table(table, headers=not (given and all(header.isdigit() for header in given.values())))
    columns = recognise([str(header) for header in frame.columns], given)
    in_folders = columns.image and any(parse_folder(name)[0] for name in frame[columns.image].head(1))
    if not (columns.usable or in_folders):
        raise DataError.of("layout.columns", table=table, columns=", ".join(frame.columns))
    unit = 1.0 if columns.age_months else 12.0
    records = ({str(key): str(value) for key, value in item.items()} for item in frame.to_dict("records"))
    if in_folders and not columns.usable:
        columns = replace(columns, recognised=HAND_ATLAS)
    return columns, tuple(_row(item, columns, unit) for item in records)


def _row(item: Mapping[str, str], columns: Columns, unit: float) -> RawRow:
    image = item.get(columns.image, "").strip() or item.get(columns.id, "").strip()
    folder = item.get(columns.dir, "").strip()
    name = item.get(columns.id, "").strip() or image
    sex, years = parse_folder(image)
    return RawRow(
        id=name.removesuffix(".0"),
        image=f"{folder}/{image}" if folder else image.removesuffix(".0"),
        sex=item.get(columns.sex, sex),
        age=item.get(columns.age_months or columns.age_years, years),
        months_a_unit=unit if columns.age_months or columns.age_years else 1.0,
        crop=columns.crop,
        laterality=parse_laterality(item.get(columns.laterality, "")),
    )


def _named_files(place: str) -> tuple[RawRow, ...]:
    """Read sex and age from file names; images whose name says neither are no annotations."""
    rows = []
    for name in image_files(place):
        sex, age = parse_folder(name)
        if sex:
            rows.append(RawRow(id=name.rpartition("/")[2].rpartition(".")[0], image=name, sex=sex, age=age))
            continue
        sex, age = parse_file_name(name)
        if sex or age:
            rows.append(RawRow(id=name.rpartition(".")[0] or name, image=name, sex=sex, age=age))
    return tuple(rows)


def _layout_of_names(rows: tuple[RawRow, ...]) -> str:
    return HAND_ATLAS if rows and parse_folder(rows[0].image)[0] else "file names"


def _flagged(folder: Path) -> RawSource:
    """Read the flag store: the reader's age where one was given, else the estimate that was saved."""
    records = FlagStore(folder).records()
    ages = records["reader_age_months"].fillna(records["estimated_age_months"])
    columns = zip(records["sha256"], records["image"], records["sex"], ages, strict=True)
    rows = tuple(
        RawRow(id=str(name), image=str(image), sex=str(sex), age=str(age)) for name, image, sex, age in columns
    )
    return RawSource(rows, (str(folder),), "flag store")


def read_sizes(table: str) -> dict[str, tuple[float, float]]:
    """Read original sizes, `id,width,height`, in pixels.

    Raises:
        DataError: when the table is missing or has other columns.
    """
    frame = read_table(table)
    plain = {str(header).lower(): header for header in frame.columns}
    if not {"id", "width", "height"} <= set(plain):
        raise DataError.of("layout.sizes", table=table, columns=", ".join(frame.columns))
    try:
        sides = zip(frame[plain["width"]].astype(float), frame[plain["height"]].astype(float), strict=True)
        return dict(zip(frame[plain["id"]].str.strip(), sides, strict=True))
    except ValueError as error:
        raise DataError.of("layout.size_no_number", table=table, reason=error) from error
