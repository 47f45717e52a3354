#!/bin/sh
# The tests of the site need a browser. Installs Debian's Chromium when there is none and we may.
set -eu
command -v chromium >/dev/null && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "Installing Chromium for the tests of the site ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null
else
    echo "The tests of the site need a browser: install Chromium (Debian: sudo apt-get install chromium)." >&2
    exit 1
fi
