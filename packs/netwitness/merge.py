#!/usr/bin/env python3
"""Fits cef-custom.xml to a Log Decoder: every key keeps the meaning that it has there for other devices.

  merge.py /etc/netwitness/ng/envision/etc/devices/cef/cef.xml [CEF-CUSTOM-THAT-IS-THERE] > cef-custom.xml

`metaName` of a key is what devices have that name none of their own; what the decoder's parser, or the file that is there, says of it is kept.
"""
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

HERE = Path(__file__).resolve().parent


def keys(root):
    return {key.get("cefName"): key for key in root.iter("ExtensionKey")}


def part(root, name):
    """The element of that name below the root, made where there is none."""
    found = root.find(name)
    return xml.SubElement(root, name) if found is None else found


def merged(base, there, ours):
    """The file that is there, with ours in it."""
    of_base, of_there = keys(base), keys(there)
    devices = part(there, "VendorProducts")
    for device in ours.iter("Vendor2Device"):
        for old in [old for old in devices if old.get("device") == device.get("device")]:
            devices.remove(old)
        devices.append(device)
    names = {device.get("device") for device in ours.iter("Vendor2Device")}
    for name, key in keys(ours).items():
        known = of_there.get(name)
        if known is None:
            known = xml.SubElement(part(there, "ExtensionKeys"), "ExtensionKey", cefName=name, metaName=key.get("metaName"))
            if name in of_base:
                known.set("metaName", of_base[name].get("metaName"))
                # The custom file wins key by key, so that what the parser says of other devices has to stand here as well.
                known.extend(of_base[name])
        for old in [old for old in known if old.get("device") in names]:
            known.remove(old)
        known.extend(key)
    return there


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    base = xml.parse(sys.argv[1]).getroot()
    there = xml.parse(sys.argv[2]).getroot() if len(sys.argv) == 3 else xml.Element("DEVICEMESSAGES")
    whole = merged(base, there, xml.parse(HERE / "cef-custom.xml").getroot())
    xml.indent(whole, "    ")
    print('<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(whole, encoding="unicode"))


if __name__ == "__main__":
    main()
