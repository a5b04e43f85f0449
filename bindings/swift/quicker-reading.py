#!/usr/bin/env python3
"""Makes the sources that UniFFI generates read records quicker: quicker-reading.py FILE...

They read each number and each text of a record through `Data.copyBytes`, which takes longer than everything else about a list
together (docs/measurements.md). What is put in its place reads the same bytes from where they lie. It says so when a newer
UniFFI writes something else there: then this has to be looked at again."""

import pathlib
import sys

NUMBER = """    var value: T = 0
    let _ = withUnsafeMutableBytes(of: &value, { reader.data.copyBytes(to: $0, from: range)})
    reader.offset = range.upperBound
    return value.bigEndian
"""
QUICKER_NUMBER = """    let value = reader.data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: range.lowerBound, as: T.self) }
    reader.offset = range.upperBound
    return T(bigEndian: value)
"""
BYTES = """    var value = [UInt8](repeating: 0, count: count)
    value.withUnsafeMutableBufferPointer({ buffer in
        reader.data.copyBytes(to: buffer, from: range)
    })
    reader.offset = range.upperBound
    return value
"""
QUICKER_BYTES = """    let value = reader.data.withUnsafeBytes { [UInt8]($0[range]) }
    reader.offset = range.upperBound
    return value
"""

for name in sys.argv[1:]:
    file = pathlib.Path(name)
    text = file.read_text(encoding="utf-8")
    for generated, quicker in [(NUMBER, QUICKER_NUMBER), (BYTES, QUICKER_BYTES)]:
        if text.count(generated) != 1:
            sys.exit(f"{file.name}: UniFFI reads records differently by now; see quicker-reading.py.")
        text = text.replace(generated, quicker)
    file.write_text(text, encoding="utf-8")
