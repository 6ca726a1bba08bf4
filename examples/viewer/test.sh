#!/usr/bin/env bash
# Tests the viewer: its window is opened on a virtual display, drawn and scored with by whatever adapter there is, and
# looked at. Installs what that needs on Debian and Ubuntu, elsewhere says what to install.
#
#   examples/viewer/test.sh [ARGUMENTS of cargo test]
set -euo pipefail
cd "$(dirname "$0")"
. ../../tests/install.sh

# A display in memory, and the libraries that winit opens when it starts.
need_display() {
    if command -v xvfb-run >/dev/null && ldconfig -p | grep -q 'libxkbcommon-x11\.so\.0' &&
        ldconfig -p | grep -q 'libX11-xcb\.so\.1' && ldconfig -p | grep -q 'libXcursor\.so\.1' &&
        ldconfig -p | grep -q 'libXi\.so\.6' && ldconfig -p | grep -q 'libXrandr\.so\.2'; then
        return
    fi
    command -v apt-get >/dev/null || stop "install Xvfb with xvfb-run, libxkbcommon-x11, libX11-xcb, libXcursor, libXi, libXrandr"
    say "installing a virtual display"
    apt_update
    apt install --no-install-recommends xvfb xauth libxkbcommon-x11-0 libx11-xcb1 libxcursor1 libxi6 libxrandr2
}

need_cargo
need_linker
need_display
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    # Without it, some Vulkan drivers complain on every start.
    export XDG_RUNTIME_DIR=$scratch
fi

in_display() { xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" "$@"; }

cargo test --no-run
# The viewer itself answers whether a window can be drawn: it opens one with no picture in it.
opens() { in_display timeout 120 cargo run --quiet -- --screenshot "$scratch/empty.png"; }
if ! opens 2>"$scratch/fault"; then
    cat "$scratch/fault" >&2
    need_vulkan
    opens || stop "no window can be opened"
fi
in_display env RESIDUA_REQUIRE_GPU=1 cargo test "$@"
