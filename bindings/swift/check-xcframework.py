#!/usr/bin/env python3
"""Checks a packed XCFramework as far as that is possible without Xcode.

    bindings/swift/check-xcframework.py FieldledgerRust.xcframework.zip [CHECKSUM]
    bindings/swift/check-xcframework.py --self-test

Checked are: that every library that Info.plist names is there, with the processors it says, each object in it for that
platform; that every slice has Headers/FieldledgerRust/module.modulemap of the module FieldledgerRust with headers that exist, and none
at a level where it would collide with other frameworks'; that there is a privacy manifest without tracking; that iOS, its
simulator and macOS are there; the checksum.
"""
import hashlib
import io
import plistlib
import re
import struct
import sys
import zipfile

WANTED = {("ios", ""): {"arm64"}, ("ios", "simulator"): {"arm64", "x86_64"}, ("macos", ""): {"arm64", "x86_64"}}
PROCESSORS = {0x0100000C: "arm64", 0x01000007: "x86_64"}
# LC_BUILD_VERSION's platforms; older objects have a command of their own for each (LC_VERSION_MIN_…).
PLATFORMS = {1: ("macos", ""), 2: ("ios", ""), 7: ("ios", "simulator")}
MINIMUM = {0x24: {("macos", "")}, 0x25: {("ios", ""), ("ios", "simulator")}}
MODULE = "FieldledgerRust"


def slices_of(data):
    """The libraries of a fat file by processor, or the one of a thin file."""
    if data[:4] in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        wide = data[3] == 0xBF
        (count,) = struct.unpack_from(">I", data, 4)
        form, size = (">IIQQII", 32) if wide else (">IIIII", 20)
        for index in range(count):
            processor, _, offset, length = struct.unpack_from(form, data, 8 + index * size)[:4]
            yield PROCESSORS.get(processor, hex(processor)), data[offset : offset + length]
    else:
        yield None, data


def objects_of(archive):
    """The members of an ar archive that are Mach-O objects."""
    if archive[:8] != b"!<arch>\n":
        raise ValueError("not a static library")
    at = 8
    while at + 60 <= len(archive):
        name, size = archive[at : at + 16].decode("ascii", "replace"), int(archive[at + 48 : at + 58])
        body = archive[at + 60 : at + 60 + size]
        if name.startswith("#1/"):
            body = body[int(name[3:]) :]
        if body[:4] == b"\xcf\xfa\xed\xfe":
            yield body
        at += 60 + size + size % 2


def described(macho):
    """Processor and possible platforms of an object; no platform when it does not say."""
    processor, commands = struct.unpack_from("<I", macho, 4)[0], struct.unpack_from("<I", macho, 16)[0]
    at, platforms = 32, None
    for _ in range(commands):
        command, size = struct.unpack_from("<II", macho, at)
        if command == 0x32:
            platforms = {PLATFORMS.get(struct.unpack_from("<I", macho, at + 8)[0], ("?", "?"))}
        elif command in MINIMUM:
            platforms = MINIMUM[command]
        at += size
    return PROCESSORS.get(processor, hex(processor)), platforms


def faults(zipped, checksum=None):
    """What is wrong, a line each."""
    if checksum is not None and hashlib.sha256(zipped).hexdigest() != checksum:
        yield "the checksum is another one"
    archive = zipfile.ZipFile(io.BytesIO(zipped))
    names = set(archive.namelist())
    roots = {name.split("/")[0] for name in names}
    if len(roots) != 1 or not next(iter(roots)).endswith(".xcframework"):
        yield f"there is not one framework at the top, but {sorted(roots)}"
        return
    root = roots.pop()
    if f"{root}/Info.plist" not in names:
        yield "Info.plist is missing"
        return
    found = {}
    for library in plistlib.loads(archive.read(f"{root}/Info.plist")).get("AvailableLibraries", []):
        platform = (library["SupportedPlatform"], library.get("SupportedPlatformVariant", ""))
        said = set(library["SupportedArchitectures"])
        found[platform] = said
        folder = f"{root}/{library['LibraryIdentifier']}"
        path = f"{folder}/{library['LibraryPath']}"
        if path not in names:
            yield f"{path} is missing"
            continue
        there = set()
        for processor, part in slices_of(archive.read(path)):
            count = 0
            for macho in objects_of(part):
                count += 1
                its, platforms = described(macho)
                if processor not in (None, its):
                    yield f"{path}: an object of {its} among those of {processor}"
                if platforms is not None and platform not in platforms:
                    yield f"{path}: an object for {sorted(platforms)}"
                there.add(its)
            if count == 0:
                yield f"{path}: no object in it"
        if there != said:
            yield f"{path}: has {sorted(there)}, says {sorted(said)}"
        headers = f"{folder}/{library.get('HeadersPath', 'Headers')}"
        if f"{headers}/module.modulemap" in names:
            yield f"{headers}/module.modulemap collides with other frameworks"
        module = f"{headers}/{MODULE}/module.modulemap"
        if module not in names:
            yield f"{module} is missing"
            continue
        text = archive.read(module).decode()
        if not re.search(rf"^(framework )?module {MODULE} ", text, re.MULTILINE):
            yield f"{module} describes another module"
        headers_named = re.findall(r'header "([^"]+)"', text)
        if not headers_named:
            yield f"{module} names no header"
        for header in headers_named:
            if f"{headers}/{MODULE}/{header}" not in names:
                yield f"{header} is missing"
    for platform, processors in WANTED.items():
        if not processors <= found.get(platform, set()):
            yield f"{' '.join(platform).strip()} for {sorted(processors)} is missing"
    privacy = [name for name in names if name.endswith("/PrivacyInfo.xcprivacy")]
    if not privacy:
        yield "PrivacyInfo.xcprivacy is missing"
    for name in privacy:
        if plistlib.loads(archive.read(name)).get("NSPrivacyTracking") is not False:
            yield f"{name} does not say that nobody is tracked"


def made_up(change=None):
    """A small framework that is right, unless `change` spoils its files."""
    def macho(processor, platform):
        command = struct.pack("<IIIIII", 0x32, 24, platform, 0, 0, 0)
        return struct.pack("<IIIIIIII", 0xFEEDFACF, processor, 0, 1, 1, len(command), 0, 0) + command

    def library(processor, platform):
        body = macho(processor, platform)
        return b"!<arch>\n" + f"{'a.o':<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(body):<10}`\n".encode() + body

    def fat(parts):
        at, head, out = 8 + 20 * len(parts), b"", b""
        for processor, part in parts:
            head += struct.pack(">IIIII", processor, 0, at + len(out), len(part), 0)
            out += part
        return b"\xca\xfe\xba\xbe" + struct.pack(">I", len(parts)) + head + out

    arm, intel = 0x0100000C, 0x01000007
    slices = [
        ("ios-arm64", "ios", None, ["arm64"], library(arm, 2)),
        ("ios-arm64_x86_64-simulator", "ios", "simulator", ["arm64", "x86_64"],
         fat([(arm, library(arm, 7)), (intel, library(intel, 7))])),
        ("macos-arm64_x86_64", "macos", None, ["arm64", "x86_64"], fat([(arm, library(arm, 1)), (intel, library(intel, 1))])),
    ]
    files, described_ = {}, []
    for name, platform, variant, processors, content in slices:
        entry = {"LibraryIdentifier": name, "LibraryPath": "lib.a", "HeadersPath": "Headers",
                 "SupportedPlatform": platform, "SupportedArchitectures": processors}
        if variant:
            entry["SupportedPlatformVariant"] = variant
        described_.append(entry)
        files[f"F.xcframework/{name}/lib.a"] = content
        base = f"F.xcframework/{name}/Headers/{MODULE}"
        files[f"{base}/module.modulemap"] = f'module {MODULE} {{\n    header "a.h"\n}}\n'.encode()
        files[f"{base}/a.h"] = b""
    files["F.xcframework/Info.plist"] = plistlib.dumps({"AvailableLibraries": described_})
    files["F.xcframework/PrivacyInfo.xcprivacy"] = plistlib.dumps({"NSPrivacyTracking": False})
    if change:
        change(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def self_test():
    whole = made_up()
    assert list(faults(whole, hashlib.sha256(whole).hexdigest())) == [], list(faults(whole))
    assert list(faults(whole, "0" * 64)) == ["the checksum is another one"]
    ios, simulator = "F.xcframework/ios-arm64", "F.xcframework/ios-arm64_x86_64-simulator"
    spoilt = {
        "is missing": lambda files: files.pop(f"{ios}/lib.a"),
        "has ['arm64'], says": lambda files: files.update({f"{simulator}/lib.a": files[f"{ios}/lib.a"]}),
        "an object for": lambda files: files.update({f"{ios}/lib.a": files["F.xcframework/macos-arm64_x86_64/lib.a"]}),
        "no object in it": lambda files: files.update({f"{ios}/lib.a": b"!<arch>\n"}),
        "collides": lambda files: files.update({f"{ios}/Headers/module.modulemap": b""}),
        "a.h is missing": lambda files: files.pop(f"{ios}/Headers/{MODULE}/a.h"),
        "describes another module": lambda files: files.update({f"{ios}/Headers/{MODULE}/module.modulemap": b'module X { header "a.h" }'}),
        "PrivacyInfo.xcprivacy is missing": lambda files: files.pop("F.xcframework/PrivacyInfo.xcprivacy"),
        "nobody is tracked": lambda files: files.update(
            {"F.xcframework/PrivacyInfo.xcprivacy": plistlib.dumps({"NSPrivacyTracking": True})}),
        "Info.plist is missing": lambda files: files.pop("F.xcframework/Info.plist"),
    }
    for expected, change in spoilt.items():
        said = list(faults(made_up(change)))
        assert any(expected in line for line in said), f"{expected!r} was not found, but {said}"
    print(f"the check of a framework finds {len(spoilt)} faults")


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    elif len(sys.argv) in (2, 3):
        with open(sys.argv[1], "rb") as file:
            found = list(faults(file.read(), *sys.argv[2:]))
        print("\n".join(found) or "nothing is wrong")
        sys.exit(1 if found else 0)
    else:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
