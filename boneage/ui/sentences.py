"""Sentences that the rooms below write in English (warnings, refusals), said in the visitor's language."""

from __future__ import annotations

import re
from html import escape

from boneage.ui.texts import text

# One row per sentence: the English pattern, and its Portuguese and Spanish with the same groups. What is not here is
# shown in English: better an English warning than none.
_SENTENCES: tuple[tuple[str, str, str], ...] = (
    (
        "the image is blank: it has one single grey level",
        "a imagem está vazia: tem um único nível de cinza",
        "la imagen está vacía: tiene un único nivel de gris",
    ),
    (
        r"no hand could be separated \(mask of (.+) of the film\): the whole film was used",
        "não foi possível separar a mão (máscara de {} do filme): o filme inteiro foi usado",
        "no se pudo separar la mano (máscara del {} de la placa): se usó la placa entera",
    ),
    (
        "the mask fell into several parts: the largest was used",
        "a máscara se dividiu em várias partes: foi usada a maior",
        "la máscara se dividió en varias partes: se usó la mayor",
    ),
    (
        r"the file says the patient is (\w+), but (\w+) was given",
        "o arquivo diz que o sexo do paciente é {}, mas foi informado {}",
        "el archivo dice que el sexo del paciente es {}, pero se dio {}",
    ),
    (
        "the DICOM file's own window shows nothing: the range of its values was used",
        "a janela do próprio arquivo DICOM não mostra nada: foi usada a faixa de seus valores",
        "la ventana del propio archivo DICOM no muestra nada: se usó el rango de sus valores",
    ),
    (
        r"the given range (\S+) does not fit this image: the classifier gives it (\S+) and (\S+) (\S+); "
        "check range and sex",
        "a faixa informada {} não combina com esta imagem: o classificador dá a ela {} e a {} {}; "
        "confira a faixa e o sexo",
        "el rango dado {} no corresponde a esta imagen: el clasificador le da {} y a {} {}; "
        "compruebe el rango y el sexo",
    ),
    (
        "(.+) is not an image that can be read: give a PNG, JPEG, TIFF, WebP, BMP or DICOM file",
        "{} não é uma imagem que se possa ler: use um arquivo PNG, JPEG, TIFF, WebP, BMP ou DICOM",
        "{} no es una imagen que se pueda leer: use un archivo PNG, JPEG, TIFF, WebP, BMP o DICOM",
    ),
    (
        r"(.+) is empty \(0 bytes\): save or export the image again",
        "{} está vazio (0 bytes): salve ou exporte a imagem de novo",
        "{} está vacío (0 bytes): guarde o exporte la imagen de nuevo",
    ),
    (
        r"(.+) has (\d+) x (\d+) pixels: at most (\d+) million are read; scale it down",
        "{} tem {} x {} pixels: são lidos no máximo {} milhões; reduza a imagem",
        "{} tiene {} x {} píxeles: se leen como máximo {} millones; reduzca la imagen",
    ),
    (
        r"(.+) is too large: at most (\d+) million pixels are read; scale it down",
        "{} é grande demais: são lidos no máximo {} milhões de pixels; reduza a imagem",
        "{} es demasiado grande: se leen como máximo {} millones de píxeles; reduzca la imagen",
    ),
    (
        r"(.+) has (\d+) x (\d+) pixels: a radiograph needs at least (\d+) on each side",
        "{} tem {} x {} pixels: uma radiografia precisa de ao menos {} em cada lado",
        "{} tiene {} x {} píxeles: una radiografía necesita al menos {} en cada lado",
    ),
    (
        r"(.+) is damaged or cut off \(.*\): export the image again",
        "{} está danificado ou cortado: exporte a imagem de novo",
        "{} está dañado o cortado: exporte la imagen de nuevo",
    ),
    (
        r"(.+) is animated or has (\d+) pages: give one single image",
        "{} é animado ou tem {} páginas: use uma única imagem",
        "{} es animado o tiene {} páginas: use una sola imagen",
    ),
    (
        "(.+) is a damaged or incomplete DICOM file: export it again",
        "{} é um arquivo DICOM danificado ou incompleto: exporte-o de novo",
        "{} es un archivo DICOM dañado o incompleto: expórtelo de nuevo",
    ),
    (
        "(.+) is a DICOM file without a picture: give the radiograph itself",
        "{} é um arquivo DICOM sem imagem: use a própria radiografia",
        "{} es un archivo DICOM sin imagen: use la propia radiografía",
    ),
    (
        r"(.+) is a DICOM file of (\d+) frames: export one single frame",
        "{} é um arquivo DICOM de {} quadros: exporte um único",
        "{} es un archivo DICOM de {} cuadros: exporte uno solo",
    ),
    (
        r"no version of (.+) is promoted yet: run `(.+)` \(there are versions (.+)\)",
        "nenhuma versão de {} foi promovida ainda: execute `{}` (há as versões {})",
        "ninguna versión de {} se ha promovido aún: ejecute `{}` (existen las versiones {})",
    ),
    (
        r"nothing is registered as (.+): run `(.+)` \(or `(.+)`\) to make a first version",
        "nada está registrado como {}: execute `{}` (ou `{}`) para criar a primeira versão",
        "nada está registrado como {}: ejecute `{}` (o `{}`) para crear la primera versión",
    ),
    (
        "no tracking store at (.+): run `(.+)` to train a first cascade, or `(.+)` to make an empty store",
        "não há registro em {}: execute `{}` para treinar a primeira cascata, ou `{}` para criar um registro vazio",
        "no hay registro en {}: ejecute `{}` para entrenar la primera cascada, o `{}` para crear un registro vacío",
    ),
)


def sentence_in(language: str, english: str) -> str:
    """Return a sentence in a language where it is known, else in English; it begins with a capital letter."""
    for pattern, portuguese, spanish in _SENTENCES:
        found = re.fullmatch(pattern, english)
        if found and language in {"pt", "es"}:
            template = portuguese if language == "pt" else spanish
            return _capital(template.format(*(_word(group, language) for group in found.groups())))
    return _capital(english)


def with_commands(sentence: str) -> str:
    """Return a sentence as HTML, what stands between backticks set as code."""
    parts = escape(sentence).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _word(group: str, language: str) -> str:
    return text(group, language).lower() if group in {"female", "male"} else group


def _capital(sentence: str) -> str:
    """Begin with a capital letter, unless the first word is a name such as `hand.png`."""
    first = sentence.split(" ", 1)[0]
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence
