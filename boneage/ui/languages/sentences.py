"""Sentences that the rooms below write in English, in the page's other languages."""

from __future__ import annotations

# One row per sentence: the English pattern, and its Portuguese and Spanish with the same groups. What is not here is
# shown in English: better an English warning than none.
SENTENCES: tuple[tuple[str, str, str], ...] = (
    (
        "the image is blank: it has one single grey level",
        "a imagem está vazia: tem um único nível de cinza",
        "la imagen está vacía: tiene un único nivel de gris",
    ),
    (
        r"no hand was found \(its mask is (.+) of the film\): the whole film was used",
        "nenhuma mão foi encontrada (sua máscara é {} do filme): o filme inteiro foi usado",
        "no se halló ninguna mano (su máscara es el {} de la placa): se usó la placa entera",
    ),
    (
        "the mask fell into several parts: the largest was used",
        "a máscara se dividiu em várias partes: foi usada a maior",
        "la máscara se dividió en varias partes: se usó la mayor",
    ),
    (
        r"the file says that the patient is (\w+), but (\w+) was given",
        "o arquivo diz que o sexo do paciente é {}, mas foi informado {}",
        "el archivo dice que el sexo del paciente es {}, pero se dio {}",
    ),
    (
        r"the file says that the patient was (\S+) months old when the film was taken, but (\S+) was given",
        "o arquivo diz que o paciente tinha {} meses na data da radiografia, mas foi informado {}",
        "el archivo dice que el paciente tenía {} meses en la fecha de la placa, pero se dio {}",
    ),
    (
        "the file says that this is a right hand, but the method is made for left hands",
        "o arquivo diz que esta é uma mão direita, mas o método é feito para mãos esquerdas",
        "el archivo dice que es una mano derecha, pero el método está hecho para manos izquierdas",
    ),
    (
        "the file's own window shows nothing: the range of its values was used",
        "a janela do próprio arquivo não mostra nada: foi usada a faixa de seus valores",
        "la ventana del propio archivo no muestra nada: se usó el rango de sus valores",
    ),
    (
        "this does not look like a radiograph of a hand(?: .*)?",
        "isto não parece uma radiografia da mão",
        "esto no parece una radiografía de la mano",
    ),
    (
        "the film shows more than one hand: cut out the left one(?: .*)?",
        "o filme mostra mais de uma mão: recorte a esquerda",
        "la placa muestra más de una mano: recorte la izquierda",
    ),
    (
        "part of the hand is cut off or hidden: fingers, palm and wrist are all needed(?: .*)?",
        "parte da mão está cortada ou encoberta: são necessários dedos, palma e punho",
        "parte de la mano está cortada o tapada: hacen falta dedos, palma y muñeca",
    ),
    (
        "the hand does not stand upright with its fingers up: turn the film(?: .*)?",
        "a mão não está em pé, com os dedos para cima: gire o filme",
        "la mano no está derecha, con los dedos hacia arriba: gire la placa",
    ),
    (
        "no hand was found on the film",
        "nenhuma mão foi encontrada no filme",
        "no se halló ninguna mano en la placa",
    ),
    (
        "it is in doubt where the hand ends and the background begins",
        "não está claro onde termina a mão e começa o fundo",
        "no está claro dónde termina la mano y empieza el fondo",
    ),
    (
        r"the film is too small: (\d+) x (\d+) pixels, at least (\d+) pixels along the longer side and (\d+) along the "
        "shorter are needed",
        "o filme é pequeno demais: {} x {} pixels; são necessários ao menos {} no lado maior e {} no menor",
        "la placa es demasiado pequeña: {} x {} píxeles; hacen falta al menos {} en el lado mayor y {} en el menor",
    ),
    (
        r"the film is blank or nearly so: its grey levels span (\d+) of 255",
        "o filme está vazio ou quase: seus níveis de cinza abrangem {} de 255",
        "la placa está vacía o casi: sus niveles de gris abarcan {} de 255",
    ),
    (
        r"the film was inverted \(bones dark\): it was corrected",
        "o filme estava invertido (ossos escuros): foi corrigido",
        "la placa estaba invertida (huesos oscuros): se corrigió",
    ),
    (
        "the film seems to show a right hand or to be mirrored: it was mirrored back",
        "o filme parece mostrar uma mão direita ou estar espelhado: foi espelhado de volta",
        "la placa parece mostrar una mano derecha o estar reflejada: se reflejó de vuelta",
    ),
    (
        "estimated in spite of this: (.+)",
        "estimado apesar disto: {}",
        "estimado a pesar de esto: {}",
    ),
    (
        r"the film is noisy \((\S+) grey levels, (\S+) of the training films have at most (\S+)\): "
        r"the estimate is less certain, and its interval was widened by (\d+) %",
        "o filme tem ruído ({} níveis de cinza; {} dos filmes de treino têm no máximo {}): "
        "a estimativa é menos certa, e seu intervalo foi alargado em {} %",
        "la placa tiene ruido ({} niveles de gris; el {} de las placas de entrenamiento tiene como máximo {}): "
        "la estimación es menos segura, y su intervalo se amplió un {} %",
    ),
    (
        r"the film is noisy \((\S+) grey levels, (\S+) of the training films have at most (\S+)\): "
        "the estimate is less certain than usual",
        "o filme tem ruído ({} níveis de cinza; {} dos filmes de treino têm no máximo {}): "
        "a estimativa é menos certa que de costume",
        "la placa tiene ruido ({} niveles de gris; el {} de las placas de entrenamiento tiene como máximo {}): "
        "la estimación es menos segura que de costumbre",
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
        "nothing is registered as (.+): run `(.+)` or `(.+)` to make a first version",
        "nada está registrado como {}: execute `{}` ou `{}` para criar a primeira versão",
        "nada está registrado como {}: ejecute `{}` o `{}` para crear la primera versión",
    ),
    (
        "no tracking store at (.+): run `(.+)` to train a first cascade, or `(.+)` to make an empty store",
        "não há registro em {}: execute `{}` para treinar a primeira cascata, ou `{}` para criar um registro vazio",
        "no hay registro en {}: ejecute `{}` para entrenar la primera cascada, o `{}` para crear un registro vacío",
    ),
    (
        r"the table (.+) has no rows for (\w+)",
        "a tabela {} não tem linhas para o sexo {}",
        "la tabla {} no tiene filas para el sexo {}",
    ),
    (
        r"the table (.+) covers (\S+?)-(\S+) months \((\w+)\) and is not extrapolated",
        "a tabela {} abrange de {} a {} meses ({}) e não é extrapolada",
        "la tabla {} abarca de {} a {} meses ({}) y no se extrapola",
    ),
    (
        r"transcriptions of (.+) disagree at (\S+) months",
        "as transcrições de {} divergem em {} meses",
        "las transcripciones de {} discrepan en {} meses",
    ),
    (
        r"Transcribed by third parties; the printed atlas \(Greulich and Pyle, 2nd ed., 1959\) was not seen. No "
        "licence is stated for these numbers; check them against the book before any clinical reliance.",
        "Transcrita por terceiros; o atlas impresso (Greulich e Pyle, 2ª ed., 1959) não foi consultado. Nenhuma "
        "licença é declarada para estes números; confira-os no livro antes de qualquer uso clínico.",
        "Transcrita por terceros; el atlas impreso (Greulich y Pyle, 2.ª ed., 1959) no se consultó. No se declara "
        "ninguna licencia para estos números; compruébelos en el libro antes de cualquier uso clínico.",
    ),
    ("The user's own file (.+).", "Arquivo do próprio usuário: {}.", "Archivo propio del usuario: {}."),
    (
        r"(.+) cannot be read as a table: save it as a CSV file \(UTF-8\)",
        "{} não pode ser lido como tabela: salve-o como arquivo CSV (UTF-8)",
        "{} no se puede leer como tabla: guárdelo como archivo CSV (UTF-8)",
    ),
    (
        r"(.+) is larger than (\d+) MB: a table of standard deviations is short",
        "{} tem mais de {} MB: uma tabela de desvios padrão é curta",
        "{} ocupa más de {} MB: una tabla de desviaciones estándar es corta",
    ),
    (
        r"(.+) has more than (\d+) rows: a table of standard deviations is short",
        "{} tem mais de {} linhas: uma tabela de desvios padrão é curta",
        "{} tiene más de {} filas: una tabla de desviaciones estándar es corta",
    ),
    (
        "(.+) must have the columns (.+), but (.+) is missing",
        "{} deve ter as colunas {}, mas falta {}",
        "{} debe tener las columnas {}, pero falta {}",
    ),
    (
        "(.+) must give one standard deviation above 0 per age and sex",
        "{} deve dar um único desvio padrão, maior que 0, por idade e sexo",
        "{} debe dar una única desviación estándar, mayor que 0, por edad y sexo",
    ),
    ("(.+) has no row of either sex", "{} não tem nenhuma linha com sexo", "{} no tiene ninguna fila con sexo"),
    ("(.+) must hold numbers in (.+)", "{} deve conter números em {}", "{} debe contener números en {}"),
    (
        "table must be (.+) or (.+), but (.+) was given",
        "a tabela deve ser {} ou {}, mas foi informado {}",
        "la tabla debe ser {} o {}, pero se dio {}",
    ),
    (
        r"smoothing away the hottest (\S+) of the hand moves the estimate by (\S+) months, (\d+) random regions of the "
        r"same size by (\S+) on average",
        "apagar os {} mais quentes da mão move a estimativa em {} meses; {} regiões ao acaso do mesmo tamanho, em {} "
        "em média",
        "borrar el {} más caliente de la mano mueve la estimación {} meses; {} regiones al azar del mismo tamaño, {} "
        "en promedio",
    ),
    (
        "(smoothing away .+): on this film the heat map is no better than chance",
        "{}: neste filme, o mapa de calor não é melhor que o acaso",
        "{}: en esta placa, el mapa de calor no es mejor que el azar",
    ),
)
