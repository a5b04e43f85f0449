#!/usr/bin/env python3
"""Holds the code that DocumentationTests.swift compiles against the pages that print it.

A region begins with a line `// docs: PAGE: HEADING` and ends with a line `// end`; the page has to print it, without its
indentation, as a block of Swift below that heading."""

import pathlib
import re
import sys
import textwrap

here = pathlib.Path(__file__).resolve().parent
pages = {
    "docs/swift.md": here.parent.parent / "docs/swift.md",
    "QuickStart.md": here / "Sources/Fieldledger/Fieldledger.docc/QuickStart.md",
}
source = (here / "Tests/FieldledgerTests/DocumentationTests.swift").read_text(encoding="utf-8")
regions = re.findall(r"^ *// docs: (\S+): ([^\n]*)\n(.*?)\n *// end$", source, re.M | re.S)
wrong = 0
for page, heading, code in regions:
    text = pages[page].read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    printed = re.findall(r"^```swift\n(.*?)\n```", section.group(1), re.M | re.S) if section else []
    if textwrap.dedent(code) not in printed:
        wrong += 1
        print(f"{page}, {heading}: what is compiled is not what is printed.", file=sys.stderr)
if not regions:
    sys.exit("No region was found.")
print(f"{len(regions) - wrong} of {len(regions)} pieces of documented code are compiled as they are printed.")
sys.exit(1 if wrong else 0)
