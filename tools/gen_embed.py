#!/usr/bin/env python3
"""usage: gen_embed.py FILE NAME OUT: a C header with the file's bytes as `static const char NAME[]`."""
import sys


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    with open(sys.argv[3], "w", encoding="ascii") as out:
        out.write(f"static const char {sys.argv[2]}[] = {{\n")
        for at in range(0, len(data), 16):
            out.write(",".join(str(b if b < 128 else b - 256) for b in data[at:at + 16]) + ",\n")
        out.write("0};\n")


if __name__ == "__main__":
    main()
