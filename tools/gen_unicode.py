#!/usr/bin/env python3
"""Generates codec's Unicode tables: simple case mapping and collation weights.

Weights are what QR_COLLATION_TABLE_VERSION versions. They are made from Python's unicodedata, so
the digest of the table is checked here: another Unicode version that changes a weight must be
noticed (indexes on disk are ordered by them), not shipped."""
import hashlib
import sys
import unicodedata as ud

PUNCTUATION = "\t\n\x0b\x0c\r \xa0!\"#$%&()*,./:;?@[\\]^_`{|}~"
SYMBOLS = "+<=>"
# Windows gives these no place of their own: they decide only between otherwise equal texts.
SPECIAL = "-'\xad\u2010\u2011\u2018\u2019"
EXPAND = {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "TH",
          "ĳ": "ij", "Ĳ": "IJ", "ŉ": "ʼn", "ǆ": "dz", "Ǆ": "DZ", "ǅ": "Dz", "ǉ": "lj", "Ǉ": "LJ",
          "ǈ": "Lj", "ǌ": "nj", "Ǌ": "NJ", "ǋ": "Nj", "ǳ": "dz", "Ǳ": "DZ", "ǲ": "Dz",
          "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
# Letters that Unicode does not decompose but that sort as their base with a difference.
STROKED = {"ø": "o", "đ": "d", "ħ": "h", "ł": "l", "ŧ": "t", "ı": "i", "ƀ": "b", "ɨ": "i", "ƶ": "z",
           "ǥ": "g", "ƚ": "l", "ɉ": "j", "ɇ": "e", "ɍ": "r", "ɏ": "y", "ȼ": "c", "ⱥ": "a", "ⱦ": "t"}
MARK_ORDER = "\u0300\u0301\u0302\u0303\u0308\u030a\u0327\u0338\u030c\u0304\u0306\u0307\u0328\u030b"
STROKE = "\u0338"
RANGES = [(0, 0x3400), (0xF900, 0x10000)]
SHIFT_SPECIAL, SHIFT_EXPAND = 0xFFFE, 0xFFFF


def upper1(ch):
    if ch in "\u00b5\u0131\u017f":  # Windows leaves these alone
        return ch
    for s in (ch.upper(), ch.title()):
        if len(s) == 1:
            return s
    return ch


def lower1(ch):
    if ch == "\u0130":
        return "i"
    s = ch.lower()
    return s if len(s) == 1 else ch


def marks_table():
    ids = {}
    for m in MARK_ORDER:
        ids[m] = len(ids) + 2
    for cp in range(0x10000):
        ch = chr(cp)
        if ud.category(ch) in ("Mn", "Me") and ch not in ids:
            ids[ch] = 2 + len(MARK_ORDER) + len(ids) % 100
    return ids


def combine(sec, mark):
    return mark if sec == 0 else 0x80 + (sec * 7 + mark) % 127


def analyse(ch, marks):
    """(base letter folded, secondary, tertiary) or None when the character stands for itself."""
    sec = ter = 0
    base = ch
    tag = ud.decomposition(ch).split(" ")[0]
    if not tag.startswith("<") or tag in ("<wide>", "<narrow>"):
        parts = ud.normalize("NFKD" if tag.startswith("<") else "NFD", ch)
        if ud.category(parts[0]) not in ("Mn", "Me") and all(p in marks for p in parts[1:]):
            base = parts[0]
            for p in parts[1:]:
                sec = combine(sec, marks[p])
    if tag in ("<wide>", "<narrow>"):
        ter |= 2
    if lower1(base) != base:
        ter |= 1
        base = lower1(base)
    if base in STROKED:
        base = STROKED[base]
        sec = combine(sec, marks[STROKE])
    if "ァ" <= base <= "ヶ":
        base = chr(ord(base) - 0x60)
        ter |= 4
    return base, sec, ter


def rank_of(ch):
    cat = ud.category(ch)
    if ch in PUNCTUATION:
        return (0, PUNCTUATION.index(ch))
    if ch in SYMBOLS:
        return (2, 0, SYMBOLS.index(ch))
    if cat[0] == "P" or cat in ("Zs", "Zl", "Zp", "Sk"):
        return (1, ord(ch))
    if cat[0] == "S":
        return (2, 1, ord(ch))
    if cat == "Nd":
        return (3, ud.digit(ch))
    if cat[0] == "N":
        return (4, ord(ch))
    if cat[0] == "L" and ("a" <= ch <= "z"):
        return (5, 0, ord(ch), 0)
    latin = {"ð": "d", "ŋ": "n", "ə": "e", "ʒ": "z", "ɛ": "e", "ɔ": "o", "ƒ": "f", "ĸ": "q", "ſ": "s"}
    if ch in latin:
        return (5, 0, ord(latin[ch]), ord(ch))
    if cat[0] == "L":
        return (5, 1, ord(ch))
    return (6, ord(ch))


def weights():
    marks = marks_table()
    cps = [cp for lo, hi in RANGES for cp in range(lo, hi)]
    parts, ranks = {}, set()
    for cp in cps:
        ch = chr(cp)
        cat = ud.category(ch)
        if ch in SPECIAL:
            parts[cp] = ("special", SPECIAL.index(ch))
        elif ch in EXPAND:
            parts[cp] = ("expand", ch)
        elif cat in ("Mn", "Me"):
            parts[cp] = ("mark", marks[ch])
        elif cat == "Cf" or (cat == "Cc" and ch not in PUNCTUATION):
            parts[cp] = ("ignore", 0)
        else:
            base, sec, ter = analyse(ch, marks)
            if cat == "Nd" and sec == 0 and not "0" <= base <= "9":
                sec = 2 + cp // 16 % 120
            parts[cp] = ("base", base, sec, ter)
            ranks.add(rank_of(base))
    order = {r: i + 2 for i, r in enumerate(sorted(ranks))}  # 0 ignorable, 1 below everything
    assert len(order) < SHIFT_SPECIAL - 2
    expansions, out = [], {}
    for cp, p in parts.items():
        if p[0] == "special":
            out[cp] = SHIFT_SPECIAL << 16 | p[1] + 1
        elif p[0] == "expand":
            text = EXPAND[p[1]]
            out[cp] = SHIFT_EXPAND << 16 | len(expansions)
            expansions.append([ord(c) for c in text] + [0] * (3 - len(text)))
        elif p[0] == "mark":
            out[cp] = p[1] << 8
        elif p[0] == "ignore":
            out[cp] = 0
        else:
            out[cp] = order[rank_of(p[1])] << 16 | p[2] << 8 | p[3]
    return out, expansions


# Dictionary order of sort orders 51, 52, 54 over code page 1252: signs in code order, digits,
# letters; accents are a second level, AE and OE ligatures, sharp s, eth and thorn letters of their own.
def latin_table():
    letters = "aæbcdefghijklmnoøœpqrsßtuvwxyzðþ"
    decode = [bytes([b]).decode("cp1252", "replace") for b in range(256)]
    for b in (0x81, 0x8D, 0x8F, 0x90, 0x9D):
        decode[b] = chr(b)
    rows, others, accents = [None] * 256, [], {}
    for b, ch in enumerate(decode):
        low = lower1(ch)
        base = low if low in letters else ud.normalize("NFD", low)[0]
        if base in letters and ud.category(ch)[0] == "L" and ch not in "ªºƒˆ":
            rows[b] = (300 + letters.index(base), low, ch != low)
        elif "0" <= ch <= "9":
            rows[b] = (290, ch, False)
        else:
            others.append(b)
    sign = {b: i + 1 for i, b in enumerate(others)}
    out = []
    digit0 = len(others) + 1
    for b, ch in enumerate(decode):
        if rows[b] is None:
            out.append((sign[b], 0, 0))
        elif rows[b][0] == 290:
            out.append((digit0 + int(ch), 0, 0))
        else:
            kind, low, big = rows[b]
            group = accents.setdefault(kind, [])
            if low not in group:
                group.append(low)
            out.append((digit0 + 10 + kind - 300, low, 1 if big else 0))
    final = []
    for b, (p, low, big) in enumerate(out):
        sec = 0
        if low:
            plain = [x for x in accents[rows[b][0]] if x in letters]
            rest = sorted(x for x in accents[rows[b][0]] if x not in letters)
            sec = (plain + rest).index(low)
        assert p < 256 and sec < 16
        final.append(p << 8 | sec << 4 | big)
    return final


def page_tables(name, ctype, values, f, fmt):
    """Two-stage table over all code points below 0x20000."""
    pages, index = [], []
    for page in range(0x200):
        row = tuple(values(cp) for cp in range(page * 256, page * 256 + 256))
        if row not in pages:
            pages.append(row)
        index.append(pages.index(row))
    f.write("static const uint8_t %s_page[512] = {%s};\n" % (name, ",".join(map(str, index))))
    f.write("static const %s %s_rows[%d][256] = {\n" % (ctype, name, len(pages)))
    for row in pages:
        f.write("{%s},\n" % ",".join(fmt % v for v in row))
    f.write("};\n")


def main(case_path, weight_path):
    with open(case_path, "w", encoding="utf-8") as f:
        f.write("/* Generated by tools/gen_unicode.py. Simple case mapping: add the delta. */\n")
        is_char = lambda cp: not 0xD800 <= cp < 0xE000
        page_tables("upper", "int32_t", lambda cp: ord(upper1(chr(cp))) - cp if is_char(cp) else 0, f, "%d")
        page_tables("lower", "int32_t", lambda cp: ord(lower1(chr(cp))) - cp if is_char(cp) else 0, f, "%d")
    table, expansions = weights()
    latin = latin_table()
    body = repr((sorted(table.items()), expansions, latin)).encode()
    digest = hashlib.sha256(body).hexdigest()[:16]
    with open(weight_path, "w", encoding="utf-8") as f:
        f.write("/* Generated by tools/gen_unicode.py; digest %s. */\n" % digest)
        for i, (lo, hi) in enumerate(RANGES):
            f.write("static const uint32_t weights%d[%d] = {\n" % (i, hi - lo))
            for at in range(lo, hi, 16):
                f.write(",".join("0x%x" % table[cp] for cp in range(at, at + 16)) + ",\n")
            f.write("};\n")
        f.write("static const uint32_t expansions[][3] = {\n")
        for e in expansions:
            f.write("{%s},\n" % ",".join("0x%x" % c for c in e))
        f.write("};\n")
        f.write("static const uint16_t latin_weights[256] = {%s};\n" % ",".join("0x%x" % v for v in latin))
        f.write("static const char weights_digest[] = \"%s\";\n" % digest)


main(*sys.argv[1:])
