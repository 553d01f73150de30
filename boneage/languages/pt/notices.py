"""The sentences of `boneage.notices` in Portuguese (Brazil), by code; placeholders are a notice's parameters."""

NOTICES: dict[str, str] = {
    "mask.blank": "a imagem está vazia: tem um único nível de cinza",
    "mask.no_hand": "nenhuma mão foi encontrada (sua máscara é {share:.0%} do filme): o filme inteiro foi usado",
    "mask.parts": "a máscara se dividiu em várias partes: foi usada a maior",
    "file.sex": "o arquivo diz que o sexo do paciente é {said}, mas foi informado {given}",
    "file.age": "o arquivo diz que o paciente tinha {said:g} meses na data da radiografia, mas foi informado {given:g}",
    "file.right_hand": "o arquivo diz que esta é uma mão direita, mas o método é feito para mãos esquerdas",
    "file.window": "a janela do próprio arquivo não mostra nada: foi usada a faixa de seus valores",
    "gate.not_hand": "isto não parece uma radiografia da mão ({sure:.0%} de certeza)",
    "gate.two_hands": "o filme mostra mais de uma mão: recorte a esquerda ({sure:.0%} de certeza)",
    "gate.cut_off": (
        "parte da mão está cortada ou encoberta: são necessários dedos, palma e punho ({sure:.0%} de certeza)"
    ),
    "gate.turned": "a mão não está em pé, com os dedos para cima: gire o filme ({sure:.0%} de certeza)",
    "gate.no_mask": "nenhuma mão foi encontrada no filme",
    "gate.doubtful_mask": "não está claro onde termina a mão e começa o fundo",
    "gate.small": (
        "o filme é pequeno demais: {width} x {height} pixels; são necessários ao menos {longer} no lado maior e "
        "{shorter} no menor"
    ),
    "gate.blank": "o filme está vazio ou quase: seus níveis de cinza abrangem {span:.0f} de 255",
    "gate.inverted": "o filme estava invertido (ossos escuros): foi corrigido",
    "gate.mirrored": "o filme parece mostrar uma mão direita ou estar espelhado: foi espelhado de volta",
    "gate.refused": "nenhuma estimativa é dada: {reasons}. Quem a quiser apesar disso deve dizê-lo (--anyway)",
    "gate.overridden": "estimado apesar disto: {reason}",
    "noise.widened": (
        "o filme tem ruído ({level:.1f} níveis de cinza; {quantile:.0%} dos filmes de treino têm no máximo "
        "{limit:.1f}): a estimativa é menos certa, e seu intervalo foi alargado em {wider} %"
    ),
    "noise.uncertain": (
        "o filme tem ruído ({level:.1f} níveis de cinza; {quantile:.0%} dos filmes de treino têm no máximo "
        "{limit:.1f}): a estimativa é menos certa que de costume"
    ),
    "range.unlikely": (
        "a faixa informada {given} não combina com esta imagem: o classificador dá a ela {given_share:.0%} e a "
        "{best} {best_share:.0%}; confira a faixa e o sexo"
    ),
    "image.unknown": "{name} não é uma imagem que se possa ler: use um arquivo PNG, JPEG, TIFF, WebP, BMP ou DICOM",
    "image.empty": "{name} está vazio (0 bytes): salve ou exporte a imagem de novo",
    "image.many_pixels": (
        "{name} tem {width} x {height} pixels: são lidos no máximo {millions} milhões; reduza a imagem"
    ),
    "image.large": "{name} é grande demais: são lidos no máximo {millions} milhões de pixels; reduza a imagem",
    "image.few_pixels": "{name} tem {width} x {height} pixels: uma radiografia precisa de ao menos {side} em cada lado",
    "image.damaged": "{name} está danificado ou cortado ({reason}): exporte a imagem de novo",
    "image.pages": "{name} é animado ou tem {frames} páginas: use uma única imagem",
    "image.pixels": "os pixels devem ser uint8 (altura, largura), mas veio {came}; use um arquivo",
    "dicom.damaged": "{name} é um arquivo DICOM danificado ou incompleto: exporte-o de novo",
    "dicom.no_picture": "{name} é um arquivo DICOM sem imagem: use a própria radiografia",
    "dicom.frames": "{name} é um arquivo DICOM de {frames} quadros: exporte um único",
    "dicom.compression": (
        "{name} está comprimido como {syntax}, danificado ou sem suporte aqui: exporte-o sem compressão, ou como "
        "RLE, JPEG baseline, JPEG sem perdas, JPEG 2000 ou JPEG-LS"
    ),
    "model.shipped": "nenhuma cascata foi promovida aqui: responde a que acompanha o boneage {version}",
    "registry.alias_gone": (
        "o alias {alias} de {name} aponta para a versão {version}, que foi apagada: execute `{command}` para dar outra"
    ),
    "store.held": (
        "outro programa ({holders}) mantém {place} aberto: encerre-o, ou espere que termine, e tente de novo"
    ),
    "store.older": (
        "o repositório {place} foi criado por um MLflow mais antigo: faça uma cópia e depois execute `{command}`"
    ),
    "store.newer": (
        "o repositório {place} foi criado por um MLflow mais novo que o instalado aqui ({installed}): instale esse "
        "(`{command}`), ou use uma cópia anterior do repositório"
    ),
    "disk.full": (
        "não é possível gravar {place}, o disco está cheio: libere espaço e tente de novo; nada fica pela metade"
    ),
    "disk.read_only": (
        "este usuário não pode gravar {place}, ou o disco é só de leitura: mude as permissões, ou dê outra pasta em "
        "BONEAGE_HOME"
    ),
    "registry.not_promoted": (
        "nenhuma versão de {name} foi promovida ainda: execute `{command}` (há as versões {versions})"
    ),
    "registry.nothing": (
        "nada está registrado como {name}: execute `{shipped}` para registrar a cascata incluída, ou `{search}` "
        "para treinar uma"
    ),
    "store.missing": (
        "não há registro em {place}: execute `{shipped}` para criar um com a cascata incluída, ou `{init}` para "
        "criar um vazio"
    ),
    "table.no_sex": "a tabela {table} não tem linhas para o sexo {sex}",
    "table.outside": "a tabela {table} abrange de {first:g} a {last:g} meses ({sex}) e não é extrapolada",
    "table.disagree": "as transcrições de {table} divergem em {months:g} meses",
    "table.provenance": (
        "Transcrita por terceiros; o atlas impresso (Greulich e Pyle, 2ª ed., 1959) não foi consultado. Nenhuma "
        "licença é declarada para estes números; confira-os no livro antes de qualquer uso clínico."
    ),
    "table.own": "Arquivo do próprio usuário: {name}.",
    "table.unreadable": "{name} não pode ser lido como tabela: salve-o como arquivo CSV (UTF-8)",
    "table.large": "{name} tem mais de {megabytes} MB: uma tabela de desvios padrão é curta",
    "table.rows": "{name} tem mais de {rows} linhas: uma tabela de desvios padrão é curta",
    "table.columns": "{name} deve ter as colunas {wanted}, mas falta {missing}",
    "table.deviations": "{name} deve dar um único desvio padrão, maior que 0, por idade e sexo",
    "table.empty": "{name} não tem nenhuma linha com sexo",
    "table.numbers": "{name} deve conter números em {column}",
    "table.unknown": "a tabela deve ser {names}, mas foi informado {given}",
    "heat.moves": (
        "apagar os {share:.0%} mais quentes da mão move a estimativa em {hottest:.1f} meses; {draws} regiões ao "
        "acaso do mesmo tamanho, em {random:.1f} em média"
    ),
    "heat.chance": "{moves}: neste filme, o mapa de calor não é melhor que o acaso",
    "height.provenance": (
        "Porcentagens da altura adulta de Bayley e Pinneau (J Pediatr 1952;40:423-441), de crianças da "
        "Califórnia dos anos 1930. Transcritas por terceiros; as páginas impressas não foram consultadas: "
        "confira-as antes de qualquer uso clínico."
    ),
    "height.outside": (
        "a coluna adequada das tabelas de altura adulta abrange idades ósseas de {first:g} a {last:g} meses ({sex}) "
        "e não é extrapolada"
    ),
    "height.no_error": "um erro do método ou do modelo não é conhecido aqui; por isso não há intervalo",
    "height.edge": "o erro do próprio modelo poderia colocar esta criança em outra coluna das tabelas",
}
