#!/usr/bin/env python3
"""usage: gen_perms.py permissions.csv HEADER TABLE: permissions by name, and which of them, on a securable and on what is
around it, imply each (src/perm/names.c)."""
import csv
import sys

LEVELS = {"OBJECT": ["OBJECT", "SCHEMA", "DATABASE"], "TYPE": ["TYPE", "SCHEMA", "DATABASE"]}


def word(name):
    return name.replace(" ", "_")


def may(name):
    return "QR_MAY_" + (word(name) if name else "NOTHING")


def implied_by(table, kind, name):
    """All (kind, permission) that imply it, itself too."""
    found, todo = set(), [(kind, name)]
    while todo:
        item = todo.pop()
        if item in found:
            continue
        found.add(item)
        row = table[item]
        if row["covering"]:
            todo.append((item[0], row["covering"]))
        if row["parent_covering"]:
            todo.append((row["parent_class"], row["parent_covering"]))
    return found


def mask(numbers):
    bits = sum(1 << number for number in numbers)
    return f"{{{{UINT64_C({bits & (1 << 64) - 1:#x}), UINT64_C({bits >> 64:#x})}}}}"


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    codes = {}
    for row in rows:
        if codes.setdefault(row["permission"], row["type"]) != row["type"]:
            sys.exit(f'{row["permission"]} has two codes')
    names = sorted(codes)
    numbers = {name: i + 1 for i, name in enumerate(names)}
    if len(names) > 127:
        sys.exit("a set of permissions has 128 bits")
    table = {(row["class"], row["permission"]): row for row in rows}
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write("/* generated from data/permissions.csv */\n#pragma once\nenum qr_perm {\n    QR_MAY_NOTHING,\n")
        for name in names:
            out.write(f"    {may(name)},\n")
        out.write("    QR_MAY_COUNT\n};\n")
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        out.write("static const struct name names[QR_MAY_COUNT] = {\n")
        for name in names:
            out.write(f'    [{may(name)}] = {{"{name}", "{codes[name]:<4}"}},\n')
        out.write("};\nstatic const struct qr_perm_builtin builtins[] = {\n")
        for row in rows:
            parent = word(row["parent_class"]) or "COUNT"
            out.write(
                f'    {{QR_KIND_{word(row["class"])}, {may(row["permission"])}, {may(row["covering"])}, '
                f'{may(row["parent_covering"])}, QR_KIND_{parent}}},\n'
            )
        out.write("};\nstatic const struct qri_implied implied[QR_KIND_COUNT][QR_MAY_COUNT] = {\n")
        for row in rows:
            kind = row["class"]
            found = implied_by(table, kind, row["permission"])
            levels = LEVELS.get(kind, [kind, "", "DATABASE"] if kind != "DATABASE" else ["", "", "DATABASE"])
            masks = [mask([numbers[p] for k, p in found if k == level]) for level in levels]
            out.write(f'    [QR_KIND_{word(kind)}][{may(row["permission"])}] = {{{{{", ".join(masks)}}}}},\n')
        out.write("};\n")


if __name__ == "__main__":
    main()
