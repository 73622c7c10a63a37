#!/bin/sh
# Makes capture.pcap as that of pcaps/ftp/session is made, in active mode.
set -eu
ACTIVE=1 CAPTURE="$(cd "$(dirname "$0")" && pwd)/capture.pcap" exec "$(dirname "$0")/../../ftp/session/make.sh"
