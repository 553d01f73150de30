"""The sentences of `boneage.notices` in English, by code; placeholders are a notice's parameters."""

NOTICES: dict[str, str] = {
    "mask.blank": "the image is blank: it has one single grey level",
    "mask.no_hand": "no hand was found (its mask is {share:.0%} of the film): the whole film was used",
    "mask.parts": "the mask fell into several parts: the largest was used",
    "file.sex": "the file says that the patient is {said}, but {given} was given",
    "file.age": (
        "the file says that the patient was {said:g} months old when the film was taken, but {given:g} was given"
    ),
    "file.right_hand": "the file says that this is a right hand, but the method is made for left hands",
    "file.window": "the file's own window shows nothing: the range of its values was used",
    "gate.not_hand": "this does not look like a radiograph of a hand ({sure:.0%} sure)",
    "gate.two_hands": "the film shows more than one hand: cut out the left one ({sure:.0%} sure)",
    "gate.cut_off": "part of the hand is cut off or hidden: fingers, palm and wrist are all needed ({sure:.0%} sure)",
    "gate.turned": "the hand does not stand upright with its fingers up: turn the film ({sure:.0%} sure)",
    "gate.no_mask": "no hand was found on the film",
    "gate.doubtful_mask": "it is in doubt where the hand ends and the background begins",
    "gate.small": (
        "the film is too small: {width} x {height} pixels, at least {longer} pixels along the longer side and "
        "{shorter} along the shorter are needed"
    ),
    "gate.blank": "the film is blank or nearly so: its grey levels span {span:.0f} of 255",
    "gate.inverted": "the film was inverted (bones dark): it was corrected",
    "gate.mirrored": "the film seems to show a right hand or to be mirrored: it was mirrored back",
    "gate.refused": "no estimate is given: {reasons}. Whoever wants one in spite of that says so (--anyway)",
    "gate.overridden": "estimated in spite of this: {reason}",
    "noise.widened": (
        "the film is noisy ({level:.1f} grey levels, {quantile:.0%} of the training films have at most "
        "{limit:.1f}): the estimate is less certain, and its interval was widened by {wider} %"
    ),
    "noise.uncertain": (
        "the film is noisy ({level:.1f} grey levels, {quantile:.0%} of the training films have at most "
        "{limit:.1f}): the estimate is less certain than usual"
    ),
    "range.unlikely": (
        "the given range {given} does not fit this image: the classifier gives it {given_share:.0%} and {best} "
        "{best_share:.0%}; check range and sex"
    ),
    "image.unknown": "{name} is not an image that can be read: give a PNG, JPEG, TIFF, WebP, BMP or DICOM file",
    "image.empty": "{name} is empty (0 bytes): save or export the image again",
    "image.many_pixels": "{name} has {width} x {height} pixels: at most {millions} million are read; scale it down",
    "image.large": "{name} is too large: at most {millions} million pixels are read; scale it down",
    "image.few_pixels": "{name} has {width} x {height} pixels: a radiograph needs at least {side} on each side",
    "image.damaged": "{name} is damaged or cut off ({reason}): export the image again",
    "image.pages": "{name} is animated or has {frames} pages: give one single image",
    "image.pixels": "pixels must be uint8 (height, width), but {came} came; give a file instead",
    "dicom.damaged": "{name} is a damaged or incomplete DICOM file: export it again",
    "dicom.no_picture": "{name} is a DICOM file without a picture: give the radiograph itself",
    "dicom.frames": "{name} is a DICOM file of {frames} frames: export one single frame",
    "dicom.compression": (
        "{name} is compressed as {syntax}, which is damaged or not supported here: export it uncompressed, as RLE, "
        "JPEG baseline, lossless JPEG, JPEG 2000 or JPEG-LS"
    ),
    "model.shipped": "no cascade is promoted here: the one that ships with boneage {version} answers",
    "registry.alias_gone": (
        "the alias {alias} of {name} points to version {version}, which was deleted: run `{command}` to name "
        "another one"
    ),
    "store.held": (
        "{place} is held by another program ({holders}): end it, or wait until it has finished, and try again"
    ),
    "store.older": "the store {place} was made by an older MLflow: back it up, then run `{command}`",
    "store.newer": (
        "the store {place} was made by a newer MLflow than the one installed here ({installed}): install that one "
        "(`{command}`), or take a backup of the store from before"
    ),
    "disk.full": (
        "{place} cannot be written, the disk is full: free some space and try again; nothing half-written is left"
    ),
    "disk.read_only": (
        "{place} may not be written by this user, or its disk is read-only: change its rights, or let BONEAGE_HOME "
        "name another folder"
    ),
    "registry.not_promoted": "no version of {name} is promoted yet: run `{command}` (there are versions {versions})",
    "registry.nothing": (
        "nothing is registered as {name}: run `{shipped}` to register the cascade that ships, or `{search}` to "
        "train one"
    ),
    "store.missing": (
        "no tracking store at {place}: run `{shipped}` to make one with the cascade that ships, or `{init}` to "
        "make an empty one"
    ),
    "table.no_sex": "the table {table} has no rows for {sex}",
    "table.outside": "the table {table} covers {first:g}-{last:g} months ({sex}) and is not extrapolated",
    "table.disagree": "transcriptions of {table} disagree at {months:g} months",
    "table.provenance": (
        "Transcribed by third parties; the printed atlas (Greulich and Pyle, 2nd ed., 1959) was not seen. No "
        "licence is stated for these numbers; check them against the book before any clinical reliance."
    ),
    "table.own": "The user's own file {name}.",
    "table.unreadable": "{name} cannot be read as a table: save it as a CSV file (UTF-8)",
    "table.large": "{name} is larger than {megabytes} MB: a table of standard deviations is short",
    "table.rows": "{name} has more than {rows} rows: a table of standard deviations is short",
    "table.columns": "{name} must have the columns {wanted}, but {missing} is missing",
    "table.deviations": "{name} must give one standard deviation above 0 per age and sex",
    "table.empty": "{name} has no row of either sex",
    "table.numbers": "{name} must hold numbers in {column}",
    "table.unknown": "table must be {names}, but {given} was given",
    "heat.moves": (
        "smoothing away the hottest {share:.0%} of the hand moves the estimate by {hottest:.1f} months, {draws} "
        "random regions of the same size by {random:.1f} on average"
    ),
    "heat.chance": "{moves}: on this film the heat map is no better than chance",
    "height.provenance": (
        "Percentages of adult height by Bayley and Pinneau (J Pediatr 1952;40:423-441), from children of "
        "1930s California. Transcribed by third parties; the printed pages were not seen: check them before "
        "any clinical reliance."
    ),
    "height.outside": (
        "the fitting column of the adult-height tables covers bone ages of {first:g}-{last:g} months ({sex}) and is "
        "not extrapolated"
    ),
    "height.no_error": "an error of the method or of the model is not known here, so no interval is given",
    "height.edge": "the model's own error could put this child into another column of the tables",
}
