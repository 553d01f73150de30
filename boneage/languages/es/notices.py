"""The sentences of `boneage.notices` in Spanish, by code; placeholders are a notice's parameters."""

NOTICES: dict[str, str] = {
    "mask.blank": "la imagen está vacía: tiene un único nivel de gris",
    "mask.no_hand": "no se halló ninguna mano (su máscara es el {share:.0%} de la placa): se usó la placa entera",
    "mask.parts": "la máscara se dividió en varias partes: se usó la mayor",
    "file.sex": "el archivo dice que el sexo del paciente es {said}, pero se dio {given}",
    "file.age": "el archivo dice que el paciente tenía {said:g} meses en la fecha de la placa, pero se dio {given:g}",
    "file.right_hand": "el archivo dice que es una mano derecha, pero el método está hecho para manos izquierdas",
    "file.window": "la ventana del propio archivo no muestra nada: se usó el rango de sus valores",
    "gate.not_hand": "esto no parece una radiografía de la mano ({sure:.0%} de certeza)",
    "gate.two_hands": "la placa muestra más de una mano: recorte la izquierda ({sure:.0%} de certeza)",
    "gate.cut_off": "parte de la mano está cortada o tapada: hacen falta dedos, palma y muñeca ({sure:.0%} de certeza)",
    "gate.turned": "la mano no está derecha, con los dedos hacia arriba: gire la placa ({sure:.0%} de certeza)",
    "gate.no_mask": "no se halló ninguna mano en la placa",
    "gate.doubtful_mask": "no está claro dónde termina la mano y empieza el fondo",
    "gate.small": (
        "la placa es demasiado pequeña: {width} x {height} píxeles; hacen falta al menos {longer} en el lado mayor "
        "y {shorter} en el menor"
    ),
    "gate.blank": "la placa está vacía o casi: sus niveles de gris abarcan {span:.0f} de 255",
    "gate.inverted": "la placa estaba invertida (huesos oscuros): se corrigió",
    "gate.mirrored": "la placa parece mostrar una mano derecha o estar reflejada: se reflejó de vuelta",
    "gate.refused": "no se da ninguna estimación: {reasons}. Quien la quiera a pesar de ello debe decirlo (--anyway)",
    "gate.overridden": "estimado a pesar de esto: {reason}",
    "noise.widened": (
        "la placa tiene ruido ({level:.1f} niveles de gris; el {quantile:.0%} de las placas de entrenamiento tiene "
        "como máximo {limit:.1f}): la estimación es menos segura, y su intervalo se amplió un {wider} %"
    ),
    "noise.uncertain": (
        "la placa tiene ruido ({level:.1f} niveles de gris; el {quantile:.0%} de las placas de entrenamiento tiene "
        "como máximo {limit:.1f}): la estimación es menos segura que de costumbre"
    ),
    "range.unlikely": (
        "el rango dado {given} no corresponde a esta imagen: el clasificador le da {given_share:.0%} y a {best} "
        "{best_share:.0%}; compruebe el rango y el sexo"
    ),
    "image.unknown": "{name} no es una imagen que se pueda leer: use un archivo PNG, JPEG, TIFF, WebP, BMP o DICOM",
    "image.empty": "{name} está vacío (0 bytes): guarde o exporte la imagen de nuevo",
    "image.many_pixels": (
        "{name} tiene {width} x {height} píxeles: se leen como máximo {millions} millones; reduzca la imagen"
    ),
    "image.large": "{name} es demasiado grande: se leen como máximo {millions} millones de píxeles; reduzca la imagen",
    "image.few_pixels": (
        "{name} tiene {width} x {height} píxeles: una radiografía necesita al menos {side} en cada lado"
    ),
    "image.damaged": "{name} está dañado o cortado ({reason}): exporte la imagen de nuevo",
    "image.pages": "{name} es animado o tiene {frames} páginas: use una sola imagen",
    "image.pixels": "los píxeles deben ser uint8 (alto, ancho), pero llegó {came}; use un archivo",
    "dicom.damaged": "{name} es un archivo DICOM dañado o incompleto: expórtelo de nuevo",
    "dicom.no_picture": "{name} es un archivo DICOM sin imagen: use la propia radiografía",
    "dicom.frames": "{name} es un archivo DICOM de {frames} cuadros: exporte uno solo",
    "dicom.compression": (
        "{name} está comprimido como {syntax}, dañado o no admitido aquí: expórtelo sin compresión, o como RLE, "
        "JPEG baseline, JPEG sin pérdida, JPEG 2000 o JPEG-LS"
    ),
    "model.shipped": "no hay ninguna cascada promovida aquí: responde la que acompaña a boneage {version}",
    "registry.alias_gone": (
        "el alias {alias} de {name} apunta a la versión {version}, que fue borrada: ejecute `{command}` para dar otra"
    ),
    "store.held": (
        "otro programa ({holders}) tiene abierto {place}: ciérrelo, o espere a que termine, e inténtelo de nuevo"
    ),
    "store.older": (
        "el almacén {place} fue creado por un MLflow más antiguo: haga una copia y después ejecute `{command}`"
    ),
    "store.newer": (
        "el almacén {place} fue creado por un MLflow más nuevo que el instalado aquí ({installed}): instale ese "
        "(`{command}`), o tome una copia anterior del almacén"
    ),
    "disk.full": (
        "no se puede escribir {place}, el disco está lleno: libere espacio e inténtelo de nuevo; no queda nada a medias"
    ),
    "disk.read_only": (
        "este usuario no puede escribir {place}, o su disco es de solo lectura: cambie los permisos, o dé otra carpeta "
        "en BONEAGE_HOME"
    ),
    "registry.not_promoted": (
        "ninguna versión de {name} se ha promovido aún: ejecute `{command}` (existen las versiones {versions})"
    ),
    "registry.nothing": (
        "nada está registrado como {name}: ejecute `{shipped}` para registrar la cascada incluida, o `{search}` "
        "para entrenar una"
    ),
    "store.missing": (
        "no hay registro en {place}: ejecute `{shipped}` para crear uno con la cascada incluida, o `{init}` para "
        "crear uno vacío"
    ),
    "table.no_sex": "la tabla {table} no tiene filas para el sexo {sex}",
    "table.outside": "la tabla {table} abarca de {first:g} a {last:g} meses ({sex}) y no se extrapola",
    "table.disagree": "las transcripciones de {table} discrepan en {months:g} meses",
    "table.provenance": (
        "Transcrita por terceros; el atlas impreso (Greulich y Pyle, 2.ª ed., 1959) no se consultó. No se declara "
        "ninguna licencia para estos números; compruébelos en el libro antes de cualquier uso clínico."
    ),
    "table.own": "Archivo propio del usuario: {name}.",
    "table.unreadable": "{name} no se puede leer como tabla: guárdelo como archivo CSV (UTF-8)",
    "table.large": "{name} ocupa más de {megabytes} MB: una tabla de desviaciones estándar es corta",
    "table.rows": "{name} tiene más de {rows} filas: una tabla de desviaciones estándar es corta",
    "table.columns": "{name} debe tener las columnas {wanted}, pero falta {missing}",
    "table.deviations": "{name} debe dar una única desviación estándar, mayor que 0, por edad y sexo",
    "table.empty": "{name} no tiene ninguna fila con sexo",
    "table.numbers": "{name} debe contener números en {column}",
    "table.unknown": "la tabla debe ser {names}, pero se dio {given}",
    "heat.moves": (
        "borrar el {share:.0%} más caliente de la mano mueve la estimación {hottest:.1f} meses; {draws} regiones "
        "al azar del mismo tamaño, {random:.1f} en promedio"
    ),
    "heat.chance": "{moves}: en esta placa, el mapa de calor no es mejor que el azar",
    "height.provenance": (
        "Porcentajes de la talla adulta de Bayley y Pinneau (J Pediatr 1952;40:423-441), de niños de la "
        "California de los años 1930. Transcritos por terceros; las páginas impresas no se consultaron: "
        "compruébelas antes de cualquier uso clínico."
    ),
    "height.outside": (
        "la columna adecuada de las tablas de talla adulta abarca edades óseas de {first:g} a {last:g} meses ({sex}) y "
        "no se extrapola"
    ),
    "height.no_error": "un error del método o del modelo no se conoce aquí; por eso no se da ningún intervalo",
    "height.edge": "el error del propio modelo podría llevar a este niño a otra columna de las tablas",
}
